"""The texts of a page: what is joined, what is kept apart, what is hidden, and the way back to the source."""

from __future__ import annotations

from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import OverLimit
from gateway.segment import Span
from gateway.wire.markup import page
from gateway.wire.markup.look import Hiding
from gateway.wire.markup.page import DEEPEST, MOST_PAGES, Reading, read
from gateway.wire.markup.tokens import Syntax


def texts(source: str, syntax: Syntax = Syntax.HTML) -> list[str]:
    """All texts that are not hidden, without the border at their end."""
    return [one.passage.text.removesuffix("\n") for one in read(source, syntax) if one.hiding is None]


def hidden(source: str, syntax: Syntax = Syntax.HTML) -> dict[Hiding, list[str]]:
    """The parts of each hidden text."""
    return {
        one.hiding: [one.passage.text[part.start : part.end].strip("\n") for part in one.parts]
        for one in read(source, syntax)
        if one.hiding is not None
    }


def sources(source: str, reading: Reading) -> str:
    places = reading.passage.places(Span(0, len(reading.passage.text)))
    return "".join(source[start:end] for start, end in places)


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("<p>ig<b></b>n<i>ore</i> it", "ignore it"),
        ("ig<!-- x -->nore", "ignore"),
        ("ig<wbr>nore", "ignore"),
        ("ig<script></script>no<style></style>r<input>e", "ignore"),
        ("ig<img src>nore", "ignore"),
        ("<p>one<p>two<br>three", "one\ntwo\nthree"),
        ("<table><tr><td>a<td>b</table>", "a\nb"),
        ("one\ntwo", "one two"),
        ("<pre>one\ntwo</pre>", "one\ntwo"),
        ("<textarea>a\n&lt;</textarea>", "a\n<"),
        ("<title>a &amp; b</title>", "a & b"),
        ("<xmp>&lt;<b></xmp>", "&lt;<b>"),
        ("<noscript><p>a</noscript>", "a"),
        ("&#105;gnore", "ignore"),
        ("a <b", "a <b"),
        ("<div><div></div></div>a", "a"),
    ],
)
def test_a_line_of_the_page_is_joined_and_blocks_are_kept_apart(source: str, text: str) -> None:
    assert texts(source)[0] == text


@pytest.mark.parametrize(
    ("source", "hiding", "part"),
    [
        ("<!-- note -->", Hiding.COMMENT, " note "),
        ("<!note>", Hiding.COMMENT, "note"),
        ("<?php note ?>", Hiding.COMMENT, "php note ?"),
        ("</ note>", Hiding.COMMENT, " note"),
        ("<!--[if IE]><p>note</p><![endif]-->", Hiding.COMMENT, "[if IE]><p>note</p><![endif]"),
        ("<p hidden>note", Hiding.NOT_DISPLAYED, "note"),
        ("<p hidden=until-found>note", Hiding.NOT_DISPLAYED, "note"),
        ("<dialog>note</dialog>", Hiding.NOT_DISPLAYED, "note"),
        ("<template><p>note</template>", Hiding.TEMPLATE, "note"),
        ("<p style='display:none'>note", Hiding.NOT_DISPLAYED, "note"),
        ("<p style='display&colon;none'>note", Hiding.NOT_DISPLAYED, "note"),
        ("<p style=font-size:0>no<b>te", Hiding.ZERO_SIZE, "note"),
        ("<style>.h{display:none}</style><p class='a h'>note", Hiding.NOT_DISPLAYED, "note"),
        ("<p class=h>note</p><style>.h{display:none}</style>", Hiding.NOT_DISPLAYED, "note"),
        ("<style>#h{opacity:0}</style><p id=h>note", Hiding.INVISIBLE, "note"),
        ("<style>em{color:#fff}</style><em>note", Hiding.SAME_COLOUR, "note"),
        ("<font color=white>note</font>", Hiding.SAME_COLOUR, "note"),
        ("<body bgcolor=black>note", Hiding.SAME_COLOUR, "note"),
        ("<p style='color:#fff' style='color:red'>note", Hiding.SAME_COLOUR, "note"),
        ("<svg hidden><text>note", Hiding.NOT_DISPLAYED, "note"),
        ("<svg><style>.h{display:none}</style><text class=h>note", Hiding.NOT_DISPLAYED, "note"),
    ],
)
def test_hidden_text_is_a_text_of_its_own(source: str, hiding: Hiding, part: str) -> None:
    assert hidden(source) == {hiding: [part]}


SHOWN = """
<!-- -->
<!---->
<!--$-->
<!--/$?-->
<p>note
<p class=hidden>note
<p data-hidden>note
<dialog open>note</dialog>
<p aria-hidden=true>note
<details>note</details>
<!doctype html>note
<?xml version='1.0'?>note
<p hidden></p>note
<p hidden> </p>note
<p hidden><p>note
<p hidden><div>note
<td hidden>note
<table hidden><p>note</table>
<form><form hidden>note
<svg hidden><p>note
<a hidden></a><a>note
<a hidden><a>note
<b hidden><div></b>note
<li hidden><li>note
<br hidden>note
<template></template>note
<head hidden>note
<style>.h{display:none}</style><p class=g>note
<style>.x .h{display:none}</style><p class=h>note
<style>@media print{.h{display:none}}</style><p class=h>note
<script><style>p{display:none}</style></script><p>note
<link rel=stylesheet href=x><p style='color:white'>note
<style>p:hover{color:red}</style><p style='color:white'>note
<p bgcolor=white color=white>note
<font bgcolor=black>note
"""


@pytest.mark.parametrize("source", SHOWN.split("\n")[1:-1])
def test_a_near_miss_is_shown(source: str) -> None:
    assert hidden(source) == {}


def test_text_on_both_sides_of_hidden_text_meets() -> None:
    assert texts("Ig<i hidden>not</i>nore<p>more") == ["Ignotnore\nmore", "Ignore\nmore", "hidden"]


def test_parts_are_those_of_single_elements() -> None:
    source = "<p hidden>a<b>b</b></p>x<p hidden>c<p>d"
    assert hidden(source) == {Hiding.NOT_DISPLAYED: ["ab", "c"]}


def test_tags_that_no_browser_knows_are_spelt_out_as_well() -> None:
    assert texts("a<system>b</system >c</user_input><x-y z='1'>d") == [
        "abcd",
        "a<system>b</system>c</user_input><x-y>d",
        "1",
    ]
    assert texts("<div>a</div><svg><lineargradient></svg>") == ["a"]


def test_a_strange_tag_is_taken_out_whole_unless_it_has_attributes() -> None:
    source = "<system>a</system x=y>"
    spelt = read(source, Syntax.HTML)[1]
    assert spelt.passage.text == "<system>a</system>"
    assert sources(source, spelt) == "<system>a"


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("<img alt='a &quot;b' title=\"c\">", 'a "b\nc'),
        ("<input placeholder=a value=b>", "a\nb"),
        ("<p data-x='a b' aria-label='c'>", "a b\nc"),
        ("<meta name=description content='a'>", "a"),
        ("</p title='a'>", "a"),
        ("<p ignore all rules>", "ignore\nall\nrules"),
        ("</ignore all rules>", "ignore all\nrules"),
    ],
)
def test_values_of_attributes_and_names_without_one_are_texts(source: str, text: str) -> None:
    assert text in texts(source)


def test_scripts_style_sheets_and_frames_are_texts() -> None:
    assert texts("<script>a</script><style>b</style><iframe>c</iframe>") == ["a\nb\nc"]
    assert texts('<script type=application/json>\n{"a": 1}</script>') == ["application/json", '\n{"a": 1}']


def test_declarations_are_texts() -> None:
    assert texts("<!DOCTYPE html PUBLIC 'a'>") == ["DOCTYPE html PUBLIC 'a'"]
    assert texts("<?xml-stylesheet a?><b/>", Syntax.XML) == ["xml-stylesheet a"]


def test_a_page_in_a_frame_is_a_page() -> None:
    source = '<iframe srcdoc="<p>ig<b>n</b>ore &amp;amp; <i hidden>it</i>"></iframe>'
    everything, shown, _, way = read(source, Syntax.HTML)
    assert (everything.passage.text, shown.passage.text, way.passage.text) == ("ignore & it\n", "ignore & \n", "it\n")
    assert sources(source, everything) == "ignore &amp;amp; it"
    assert everything.passage.written("<") == "&amp;lt;"


def test_pages_in_pages_are_read_only_so_deep_and_so_many() -> None:
    inner = "<p>deep"
    for _ in range(DEEPEST + 1):
        inner = f"<iframe srcdoc='{inner.replace('&', '&amp;').replace(chr(39), '&#39;')}'></iframe>"
    assert "<p>deep" in texts(inner)
    many = "<iframe srcdoc='<p>x'></iframe>" * (MOST_PAGES + 1)
    assert texts(many).count("x") == MOST_PAGES
    assert "<p>x" in texts(many)


def test_a_frame_without_markup_is_a_value() -> None:
    assert texts("<iframe srcdoc='plain'></iframe>") == ["plain"]


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("<rss><title>A</title><description>b</description></rss>", ["A\nb"]),
        ("<a>ig<b>no</b>re</a>", ["ignore"]),
        ("<a>x &amp; y</a>", ["x & y"]),
        ("<d>&lt;p&gt;ig&lt;b&gt;nore&lt;/b&gt;</d>", ["ignore"]),
        ("<d><![CDATA[<p>ig<b>nore</b>]]></d>", ["ignore"]),
        ("<d><![CDATA[plain]]></d>", ["plain"]),
        ("<d x='a'/>", ["a"]),
        ("<system>a</system>", ["a"]),
        ("<svg><style>.h{top:0}</style><text class='h'>a</text><text>b</text></svg>", ["a\nb", "h", ".h{top:0}"]),
        ("<svg><text style='opacity:0'>a</text><text>b</text></svg>", ["a\nb", "b", "opacity:0"]),
    ],
)  # fmt: skip
def test_xml_is_read_with_the_pages_in_it(source: str, found: list[str]) -> None:
    assert texts(source, Syntax.XML) == found


def test_hidden_text_of_a_page_in_a_feed_is_hidden() -> None:
    source = "<d>&lt;!-- note --&gt;</d>"
    assert hidden(source, Syntax.XML) == {Hiding.COMMENT: [" note "]}
    [reading] = read(source, Syntax.XML)
    assert reading.passage.written(">") == "&amp;gt;"


def test_hidden_elements_of_html_in_xml_are_hidden_too() -> None:
    assert hidden("<p hidden=''>a</p><template>b</template>", Syntax.XML) == {Hiding.NOT_DISPLAYED: ["a"]}


PIECES = ["<p>", "</p>", "<b>", "</b>", "<i hidden>", "</i>", "<!-- c -->", "&amp;", "x", " ", "\n", "<table>", "<td>"]
PIECES += [
    "<p style='color:white'>",
    "<x-y a=b>",
    "</x-y>",
    "<script>",
    "</script>",
    "<iframe srcdoc='<p>d'>",
    "<",
    "&",
]


@given(st.lists(st.sampled_from(PIECES), max_size=25), st.sampled_from(Syntax))
def test_every_text_leads_back_to_ranges_in_order_and_apart(pieces: list[str], syntax: Syntax) -> None:
    source = "".join(pieces)
    for reading in read(source, syntax):
        text = reading.passage.text
        assert text
        at = 0
        for start, end in reading.passage.places(Span(0, len(text))):
            assert at <= start < end <= len(source)
            at = end
        assert all(part.end <= len(text) for part in reading.parts)


HOSTILE = [
    "<", "<div>", "<b>", "<p><span>", "<a>", "<table>", "<svg><p>", "<i hidden>x</i>", "<template>", "<!--", "<!--a-->",
    "<b a", '<b a="', "&amp", "&#105", "<script>", "<style>.a{top:0}</style>", "<x-y>a", "<![CDATA[",
    "<button><p></button>", "</p>", "<li><section>", "<option>", "<h1>", "<?", "<!doctype ", "&", "<p hidden>a", "<td>",
    "<form>", "<svg><title>",
]  # fmt: skip


@pytest.mark.parametrize("piece", HOSTILE)
@pytest.mark.parametrize("syntax", Syntax)
def test_the_work_grows_with_the_page_and_no_faster(piece: str, syntax: Syntax) -> None:
    """The runs of all texts are bounded by the length of the page: what is nested is not read twice."""
    sizes = (200, 400, 800)
    runs = [sum(len(one.passage.ats) for one in read(piece * size, syntax)) for size in sizes]
    assert all(count <= 8 * size + 16 for count, size in zip(runs, sizes, strict=True))


def test_a_million_signs_that_open_nothing_are_one_text() -> None:
    assert texts("<" * 1_000_000) == ["<" * 1_000_000]


def test_pages_within_a_page_share_its_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "_Budget", partial(page._Budget, steps=20))
    assert page.read("<iframe srcdoc='<p>a'></iframe>", Syntax.HTML)
    with pytest.raises(OverLimit):
        page.read("<iframe srcdoc='<p>a'></iframe>" * 5, Syntax.HTML)
