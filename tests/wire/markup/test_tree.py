"""Where elements begin and end, written as the page with its tags made good."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import OverLimit
from gateway.wire.markup.tokens import Syntax
from gateway.wire.markup.tree import Move, steps


def grown(text: str, syntax: Syntax = Syntax.HTML) -> str:
    """The elements, nested; `!` before text or a tag that stands outside the table that it was found in."""
    out: list[str] = []
    depth = 0
    for step in steps(text, syntax):
        outside = "!" if step.inside < depth and step.move is not Move.CLOSE else ""
        match step.move:
            case Move.OPEN:
                out.append(f"{outside}<{step.name}>")
                depth += 1
            case Move.CLOSE:
                out.append(f"</{step.name}>")
                depth -= 1
            case Move.STRAY:
                pass
            case _:
                out.append(outside + text[step.start : step.end])
    assert depth == 0
    return "".join(out)


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        # End tags that may be left out.
        ("<p>a<p>b", "<p>a</p><p>b</p>"),
        ("<p>a<div>b</div>c", "<p>a</p><div>b</div>c"),
        ("<p><span>a<p>b", "<p><span>a</span></p><p>b</p>"),
        ("<p><button><p>a</button>b", "<p><button><p>a</p></button>b</p>"),
        ("<li>a<li>b", "<li>a</li><li>b</li>"),
        ("<ul><li>a<ul><li>b</ul><li>c</ul>", "<ul><li>a<ul><li>b</li></ul></li><li>c</li></ul>"),
        ("<li><div>a<li>b", "<li><div>a</div></li><li>b</li>"),
        ("<li><section>a<li>b", "<li><section>a<li>b</li></section></li>"),
        ("<dl><dt>a<dd>b<dt>c</dl>", "<dl><dt>a</dt><dd>b</dd><dt>c</dt></dl>"),
        ("<option>a<option>b<optgroup>c", "<option>a</option><option>b</option><optgroup>c</optgroup>"),
        ("<ruby>a<rt>b<rp>c</ruby>d", "<ruby>a<rt>b</rt><rp>c</rp></ruby>d"),
        ("<table><tr><td>a<td>b<tr><th>c<tbody><tr><td>d</table>e",
         "<table><tr><td>a</td><td>b</td></tr><tr><th>c</th></tr><tbody><tr><td>d</td></tr></tbody></table>e"),
        ("<table><tr><td><table><tr><td>a</table>b<td>c</table>",
         "<table><tr><td><table><tr><td>a</td></tr></table>b</td><td>c</td></tr></table>"),
        # Elements that end others of their kind.
        ("<a>x<a>y</a>z", "<a>x</a><a>y</a>z"),
        ("<h1>a<h2>b</h1>c", "<h1>a</h1><h2>b</h2>c"),
        ("<button>a<button>b", "<button>a</button><button>b</button>"),
        ("<table><table>a", "<table></table><table>!a</table>"),
        # Tags that are ignored.
        ("<td>a</td>b", "ab"),
        ("<form>a<form>b</form>c", "<form>ab</form>c"),
        ("<template><form><td>a", "<template><form><td>a</td></form></template>"),
        ("<html><head><body>a</body></html>b<body>c", "<html><body>abc</body></html>"),
        ("<div>a</span>b", "<div>ab</div>"),
        ("<span>a<div>b</span>c</div>d", "<span>a<div>bc</div>d</span>"),
        ("<div><table><tr><td>a</div>b", "<div><table><tr><td>ab</td></tr></table></div>"),
        ("a</p>b</br>c</h3>", "abc"),
        # Elements without content, and those whose content is text.
        ("<br>a<img/>b<div/>c", "<br></br>a<img></img>b<div>c</div>"),
        ("<style>a<b></style>c", "<style>a<b></style>c"),
        ("<textarea>a<b></textarea>c", "<textarea>a<b></textarea>c"),
        ("<noscript><b>a</b></noscript>", "<noscript><b>a</b></noscript>"),
        # Formatting that crosses others.
        ("<b>a<div>b</b>c</div>d", "<b>a<div>b</div></b>cd"),
        ("<b>a<template></b>b</template>", "<b>a<template>b</template></b>"),
        # What a table puts out.
        ("<table>a<tr>b<td>c</table>", "<table>!a<tr>!b<td>c</td></tr></table>"),
        ("<table><div>a</div> <tr> </table>", "<table>!<div>a</div> <tr> </tr></table>"),
        # SVG and MathML.
        ("<svg><g/><p>a", "<svg><g></g></svg><p>a</p>"),
        ("<svg><style><b>a", "<svg><style></style></svg><b>a</b>"),
        ("<svg><title><p>a</title>b</svg>", "<svg><title><p>a</p></title>b</svg>"),
        ("<svg><foreignObject><p>a</foreignObject><p>b", "<svg><foreignobject><p>a</p></foreignobject></svg><p>b</p>"),
        ("<svg><font>a</font><font color=x>b", "<svg><font>a</font></svg><font>b</font>"),
        ("<svg><![CDATA[<p>]]></svg><![CDATA[a]]>", "<svg><p></svg>[CDATA[a]]"),
        ("<math><mi><b>a</b></mi></math>", "<math><mi><b>a</b></mi></math>"),
        ("<svg><a>x</svg>y", "<svg><a>x</a></svg>y"),
        ("<!doctype html>a", "doctype htmla"),
    ],
)  # fmt: skip
def test_elements_end_where_browsers_end_them(text: str, tree: str) -> None:
    assert grown(text) == tree


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("<p>a<p>b</p></p>", "<p>a<p>b</p></p>"),
        ("<br>a</br><p/>b", "<br>a</br><p></p>b"),
        ("<a><b></a>c", "<a><b></b></a>c"),
        ("<td><form><form>a", "<td><form><form>a</form></form></td>"),
        ("<h1><h2></h1>a", "<h1><h2></h2></h1>a"),
        ("a</b>", "a"),
        ("<table>a<![CDATA[b]]></table>", "<table>ab</table>"),
        ("<style>a</style>", "<style>a</style>"),
    ],
)
def test_xml_has_no_tags_left_out(text: str, tree: str) -> None:
    assert grown(text, Syntax.XML) == tree


@pytest.mark.parametrize(
    ("text", "syntax", "moves"),
    [
        ("<textarea>a", Syntax.HTML, [Move.TEXT]),
        ("<title>a", Syntax.HTML, [Move.TEXT]),
        ("<xmp>a", Syntax.HTML, [Move.LITERAL]),
        ("<iframe>a", Syntax.HTML, [Move.RAW]),
        ("<style>a", Syntax.XML, [Move.RAW]),
        ("<a><![CDATA[a]]>", Syntax.XML, [Move.LITERAL]),
        ("<!--a-->", Syntax.XML, [Move.COMMENT]),
        ("<?a?>", Syntax.XML, [Move.DECLARATION]),
    ],
)
def test_text_says_whether_references_count_in_it(text: str, syntax: Syntax, moves: list[Move]) -> None:
    found = [step.move for step in steps(text, syntax) if step.move not in (Move.OPEN, Move.CLOSE)]
    assert found == moves


NAMES = (
    "p div span b a li ul table tr td th tbody caption svg foreignobject title template form button h1 select option"
)
TAGS = [f"<{slash}{name}>" for name in NAMES.split() for slash in ("", "/")]


@given(st.lists(st.sampled_from([*TAGS, "x", " "]), max_size=30), st.sampled_from(Syntax))
def test_every_start_has_its_end_whatever_the_page(tags: list[str], syntax: Syntax) -> None:
    open_: list[str] = []
    for step in steps("".join(tags), syntax):
        assert step.inside <= len(open_)
        if step.move is Move.OPEN:
            open_.append(step.name)
        elif step.move is Move.CLOSE:
            assert open_.pop() == step.name
    assert open_ == []


@pytest.mark.parametrize("text", ["<p>x" * 8, "<b a b c d e f g h i j k>", "<!-- -->" * 12])
def test_there_is_a_limit_to_the_work_on_a_page(text: str) -> None:
    steps(text, Syntax.HTML)
    with pytest.raises(OverLimit, match="the markup has more than"):
        steps(text, Syntax.HTML, 10)
