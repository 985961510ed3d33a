"""Ways to hide a text, each with a near miss that is shown."""

from __future__ import annotations

import pytest

from gateway.wire.markup.css import Sheet
from gateway.wire.markup.look import Hiding, Look, gone, styled


def look(*styles: str, certain: bool = True) -> Look:
    """Elements with these styles, one in the other."""
    inside = Look() if certain else Look(colour=None, ground=None)
    for number, style in enumerate(styles, 1):
        inside = styled(inside, Sheet().of("p", inline=style), number, certain=certain)
    return inside


def way(*styles: str, certain: bool = True) -> Hiding | None:
    hidden = look(*styles, certain=certain).hidden
    return hidden[0] if hidden else None


@pytest.mark.parametrize(
    ("hiding", "hit", "miss"),
    [
        (Hiding.NOT_DISPLAYED, "display:none", "display:inline"),
        (Hiding.NOT_DISPLAYED, "content-visibility:hidden", "content-visibility:auto"),
        (Hiding.INVISIBLE, "visibility:hidden", "visibility:visible"),
        (Hiding.INVISIBLE, "visibility:collapse", "visibility:inherit"),
        (Hiding.INVISIBLE, "opacity:0", "opacity:.5"),
        (Hiding.INVISIBLE, "opacity:1%", "opacity:60%"),
        (Hiding.INVISIBLE, "filter:opacity(0)", "filter:opacity(.5)"),
        (Hiding.ZERO_SIZE, "font-size:0", "font-size:10px"),
        (Hiding.ZERO_SIZE, "font-size:1px", "font-size:1em"),
        (Hiding.ZERO_SIZE, "font-size:0.05em", "font-size:small"),
        (Hiding.ZERO_SIZE, "font:0/0 a", "font:12px/0 a"),
        (Hiding.ZERO_SIZE, "font-size:1%", "font-size:80%"),
        (Hiding.OFF_SCREEN, "position:absolute;left:-9999px", "position:absolute;left:-9px"),
        (Hiding.OFF_SCREEN, "position:fixed;top:-100em", "left:-9999px"),
        (Hiding.OFF_SCREEN, "text-indent:-9999px", "text-indent:-2em"),
        (Hiding.OFF_SCREEN, "margin-left:-9999px", "margin-left:-15px"),
        (Hiding.OFF_SCREEN, "transform:translateX(-9999px)", "transform:translateX(-100%)"),
        (Hiding.OFF_SCREEN, "transform:translate(0,-9999px)", "position:absolute;left:-100vw"),
        (Hiding.CLIPPED, "clip:rect(0,0,0,0)", "clip:rect(0,100px,100px,0)"),
        (Hiding.CLIPPED, "clip:rect(1px 1px 1px 1px)", "clip:auto"),
        (Hiding.CLIPPED, "clip-path:inset(50%)", "clip-path:inset(5%)"),
        (Hiding.CLIPPED, "clip-path:circle(0)", "clip-path:circle(50%)"),
        (Hiding.COLLAPSED, "height:0;overflow:hidden", "height:0"),
        (Hiding.COLLAPSED, "max-height:0;overflow-y:hidden", "max-height:50px;overflow-y:hidden"),
        (Hiding.COLLAPSED, "width:1px;height:1px;overflow:clip", "width:auto;overflow:hidden"),
        (Hiding.COLLAPSED, "transform:scale(0)", "transform:scale(0.5)"),
        (Hiding.SAME_COLOUR, "color:white", "color:#eee"),
        (Hiding.SAME_COLOUR, "color:#fff", "color:#fff;background:#000"),
        (Hiding.SAME_COLOUR, "color:#fefefe", "color:#fff;background:url(x)"),
        (Hiding.SAME_COLOUR, "color:#ffffffff", "color:#fff;background-image:linear-gradient(red,blue)"),
        (Hiding.SAME_COLOUR, "color:rgb(255,255,255)", "color:rgb(255,0,0)"),
        (Hiding.SAME_COLOUR, "color:rgb(100% 100% 100%)", "color:rgb(0% 0% 0%)"),
        (Hiding.SAME_COLOUR, "color:hsl(0,0%,100%)", "color:hsl(0,0%,50%)"),
        (Hiding.SAME_COLOUR, "color:transparent", "color:transparent;background-clip:text"),
        (Hiding.SAME_COLOUR, "color:rgba(0,0,0,0)", "color:rgba(0,0,0,.5)"),
        (Hiding.SAME_COLOUR, "color:#0000", "color:#000f"),
        (Hiding.SAME_COLOUR, "color:black;background:black", "color:white;background:rgba(0,0,0,.5)"),
        (Hiding.SAME_COLOUR, "color:red;background-color:#f00", "color:red"),
        (Hiding.SAME_COLOUR, "background:none #000", "background:rgba(0,0,0,0)"),
        (Hiding.SAME_COLOUR, "color:hsl(0 0% 0%);background:#000", "color:hsl(0 0% x)"),
        (Hiding.SAME_COLOUR, "color:white;background:transparent", "color:white;background:var(--x)"),
        (Hiding.SAME_COLOUR, "color:white;background:inherit", "color:rgb(1,2)"),
    ],
)
def test_each_way_to_hide_is_told_from_its_near_miss(hiding: Hiding, hit: str, miss: str) -> None:
    assert way(hit) is hiding
    assert way(miss) is None


@pytest.mark.parametrize(
    ("outer", "inner", "hiding"),
    [
        ("display:none", "display:block", Hiding.NOT_DISPLAYED),
        ("opacity:0", "opacity:1", Hiding.INVISIBLE),
        ("text-indent:-9999px", "opacity:0", Hiding.OFF_SCREEN),
        ("visibility:hidden", "visibility:visible", None),
        ("font-size:0", "font-size:16px", None),
        ("font-size:0", "font-size:2em", Hiding.ZERO_SIZE),
        ("font-size:0", "font-size:medium", None),
        ("color:white", "color:black", None),
        ("color:white", "background:black", None),
        ("background:black;color:white", "color:black", Hiding.SAME_COLOUR),
        ("color:transparent", "color:black", None),
        ("color:white", "color:inherit", Hiding.SAME_COLOUR),
        ("color:white", "color:var(--x)", None),
    ],
)
def test_what_is_inside_may_undo_some_of_them(outer: str, inner: str, hiding: Hiding | None) -> None:
    assert way(outer, inner) is hiding


@pytest.mark.parametrize(
    ("styles", "hiding"),
    [
        (("color:white",), None),
        (("color:white;background:white",), Hiding.SAME_COLOUR),
        (("color:white;background:white", "top:0"), None),
        (("color:transparent",), Hiding.SAME_COLOUR),
        (("display:none",), Hiding.NOT_DISPLAYED),
    ],
)
def test_colours_count_only_where_no_other_rule_can_have_changed_them(
    styles: tuple[str, ...], hiding: Hiding | None
) -> None:
    assert way(*styles, certain=False) is hiding


def test_the_element_that_hides_is_named() -> None:
    assert look("top:0", "color:white", "top:1px").hidden == (Hiding.SAME_COLOUR, 2)
    assert gone(gone(Look(), Hiding.TEMPLATE, 1), Hiding.NOT_DISPLAYED, 2).hidden == (Hiding.TEMPLATE, 1)
    assert look("color:transparent").hidden == (Hiding.SAME_COLOUR, 1)
