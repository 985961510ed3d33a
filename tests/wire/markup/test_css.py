"""Which declarations hold for an element, as far as simple rules go."""

from __future__ import annotations

import pytest

from gateway.wire.markup.css import MOST_COMPOUNDS, Sheet, declared


@pytest.mark.parametrize(
    ("block", "found"),
    [
        ("display:none", [("display", "none", False)]),
        (" DISPLAY : None ; left:-1PX ", [("display", "none", False), ("left", "-1px", False)]),
        ("display:none ! important", [("display", "none", True)]),
        ("dis/**/play:none;top:/* x;y */1px", [("top", "1px", False)]),
        ("di\\73 play:none", [("display", "none", False)]),
        ("d\\isplay:none", [("display", "none", False)]),
        ("content:'a;display:none';color:red", [("color", "red", False)]),
        ('content:"a\\";color:blue";color:red', [("color", "red", False)]),
        ("margin:0;font-family:x", []),
        ("display;color", []),
        ("color:\\0 x", [("color", "\ufffdx", False)]),
        ("/* color:red", []),
    ],
)  # fmt: skip
def test_declarations_are_read_as_browsers_read_them(block: str, found: list[tuple[str, str, bool]]) -> None:
    assert declared(block) == found


@pytest.mark.parametrize(
    ("sheet", "color"),
    [
        ("p{color:red}", "red"),
        ("*{color:red}", "red"),
        (".a{color:red}", "red"),
        ("p.a{color:red}", "red"),
        (".A.b{color:red}", "red"),
        ("#i{color:red}", "red"),
        ("h1, .a , h2{color:red}", "red"),
        ("p{color:red}p{color:blue}", "blue"),
        (".a{color:red}p{color:blue}", "red"),
        ("#i{color:red}.a.b{color:blue}", "red"),
        (".a{color:red!important}#i{color:blue}", "red"),
        (".a{color:red!important}.a{color:blue}", "red"),
        ("@media screen{.a{color:red}}", "red"),
        ("@media all { p{color:red} } b{color:blue}", "red"),
        ("@layer x{.a{color:red}}", "red"),
        ("@import 'x'; .a{color:red}", "red"),
        ("@charset 'x'; .b{margin:0} .a{color:red}", "red"),
        ("<!-- .a{color:red} -->", "red"),
        ("}.a{color:red}", "red"),
        # Not for this element, or not for sure.
        ("h1{color:red}", None),
        (".c{color:red}", None),
        ("h1.a{color:red}", None),
        (".a .b{color:red}", None),
        ("div > p{color:red}", None),
        (".a:hover{color:red}", None),
        (".a::before{color:red}", None),
        ("@media print{.a{color:red}}", None),
        ("@media print{@media screen{.a{color:red}}}", None),
        ("@font-face{color:red}", None),
        (".x{color:blue; .a{color:red}}", None),
        (".a{color:red", None),
    ],
)
def test_simple_rules_hold_in_their_order(sheet: str, color: str | None) -> None:
    assert Sheet([sheet]).of("p", ("a", "b"), "i").get("color") == color


def test_the_elements_own_style_wins_but_for_important_rules() -> None:
    sheet = Sheet([".a{color:red;display:none!important}"])
    found = sheet.of("p", ("a",), None, "color:blue;display:block;top:1px")
    assert found == {"color": "blue", "display": "none", "top": "1px"}
    assert sheet.of("p", ("a",), None, "display:block!important")["display"] == "block"


@pytest.mark.parametrize(
    ("sheet", "whole"),
    [
        (".a{color:red}", True),
        (".a:hover{top:0}", True),
        (".a:hover{color:red}", False),
        ("@media print{.a{background:red}}", False),
        ("@media print{.a{top:0}} .b{color:red}", True),
        ("@import 'x';", False),
    ],
)
def test_a_sheet_knows_whether_it_may_have_missed_a_colour(sheet: str, whole: bool) -> None:
    assert Sheet([sheet]).is_whole is whole


def test_an_element_asks_only_for_so_many_compounds() -> None:
    sheet = Sheet(f".a.b{number}{{color:red}}" for number in range(MOST_COMPOUNDS + 1))
    assert sheet.of("p", ("a", f"b{MOST_COMPOUNDS - 1}"))
    assert not sheet.of("p", ("a", f"b{MOST_COMPOUNDS}"))
    assert not sheet.is_whole


def test_a_sheet_without_rules_is_empty() -> None:
    assert not Sheet()
    assert Sheet(["p{top:0}"])
