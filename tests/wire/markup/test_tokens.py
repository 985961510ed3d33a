"""Tokens of broken and whole pages, as the HTML standard cuts them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.wire.markup.tokens import Attribute, Sort, Syntax, Tokenizer

T, C, D, S, E = Sort.TEXT, Sort.COMMENT, Sort.DECLARATION, Sort.START, Sort.END


def cut(text: str, syntax: Syntax = Syntax.HTML) -> list[tuple[Sort, str]]:
    return [(token.sort, text[token.start : token.end]) for token in Tokenizer(text, syntax)]


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("a < b <3 c", [(T, "a < b <3 c")]),
        ("<", [(T, "<")]),
        ("a</", [(T, "a</")]),
        ("<b>x</b >", [(S, "<b>"), (T, "x"), (E, "</b >")]),
        ("a</>b", [(T, "a"), (T, "b")]),
        ("<!--a-->b", [(C, "a"), (T, "b")]),
        ("<!--a--!>b", [(C, "a"), (T, "b")]),
        ("<!--a- -->b", [(C, "a- "), (T, "b")]),
        ("<!-->b", [(C, ""), (T, "b")]),
        ("<!--->b", [(C, ""), (T, "b")]),
        ("<!---->b", [(C, ""), (T, "b")]),
        ("<!--a", [(C, "a")]),
        ("<!a>b", [(C, "a"), (T, "b")]),
        ("<!", [(C, "")]),
        ("<?php a?>b", [(C, "php a?"), (T, "b")]),
        ("</ a>b", [(C, " a"), (T, "b")]),
        ("<![CDATA[a]]>b", [(C, "[CDATA[a]]"), (T, "b")]),
        ("<!DOCTYPE html>b", [(D, "DOCTYPE html"), (T, "b")]),
        ('<?xml version="1.0"?>b', [(D, 'xml version="1.0"?'), (T, "b")]),
        ("<b", [(T, "<b")]),
        ('<b a="x>y', [(T, '<b a="x>y')]),
        ("<b a='>'>y", [(S, "<b a='>'>"), (T, "y")]),
    ],
)
def test_a_page_is_cut_as_browsers_cut_it(text: str, tokens: list[tuple[Sort, str]]) -> None:
    assert cut(text) == tokens


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("<![CDATA[a<b]]>c", [(Sort.CDATA, "a<b"), (T, "c")]),
        ("<![CDATA[a", [(Sort.CDATA, "a")]),
        ("<?a b>?>c", [(D, "a b>"), (T, "c")]),
        ("<!--a--!>b-->c", [(C, "a--!>b"), (T, "c")]),
        ("<!DOCTYPE a [<!ELEMENT b>]>c", [(D, "DOCTYPE a [<!ELEMENT b>]"), (T, "c")]),
        ("<!DOCTYPE a", [(D, "DOCTYPE a")]),
        ("<!DOCTYPE a>c", [(D, "DOCTYPE a"), (T, "c")]),
    ],
)
def test_xml_has_other_rules(text: str, tokens: list[tuple[Sort, str]]) -> None:
    assert cut(text, Syntax.XML) == tokens


@pytest.mark.parametrize(
    ("tag", "attributes"),
    [
        ("<a b=c>", [("b", "c", True, False)]),
        ("<a B = \"c d\" e='f'g>", [("b", "c d", True, True), ("e", "f", True, True), ("g", "g", False, False)]),
        ("<a b=c/>", [("b", "c/", True, False)]),
        ("<a/b/c=d>", [("b", "b", False, False), ("c", "d", True, False)]),
        ("<a b= >", [("b", "", True, False)]),
        ("<a =b=c>", [("=b", "c", True, False)]),
        ('<a b="">', [("b", "", True, True)]),
        ("<a b='a'c\"d>", [("b", "a", True, True), ('c"d', 'c"d', False, False)]),
    ],
)
def test_attributes_are_found_with_their_values(tag: str, attributes: list[tuple[str, str, bool, bool]]) -> None:
    [token] = Tokenizer(tag, Syntax.HTML)

    def shown(one: Attribute) -> tuple[str, str, bool, bool]:
        return one.name, tag[one.start : one.end], one.valued, one.quoted

    assert [shown(one) for one in token.attributes] == attributes
    assert token.name == "a"


@pytest.mark.parametrize(("tag", "closed"), [("<a/>", True), ("<a b />", True), ("<a b=c/>", False), ("<a/ b>", False)])
def test_a_slash_at_the_end_closes_unless_it_is_a_value(tag: str, closed: bool) -> None:
    [token] = Tokenizer(tag, Syntax.HTML)
    assert token.closed is closed


@pytest.mark.parametrize(
    ("name", "text", "end"),
    [
        ("style", "a<b></b></STYLE>c", 8),
        ("style", "a</styles></style\n>", 10),
        ("style", "</\u017ftyle>", 8),  # a long s is no s
        ("title", "a", 1),
        ("plaintext", "a</plaintext>", 13),
        ("script", "a</script>", 1),
        ("script", "<!--</script>-->", 4),
        ("script", "<!--<script></script>--></script>", 24),
        ("script", "<!--<script>--></script>", 15),
        ("script", "<!--><script></script>", 13),
        ("script", "<script></script></script>", 8),
        ("script", "<!--<script>a</script>b</script>c", 23),
        ("script", "<!--<script>", 12),
    ],
)
def test_raw_text_ends_where_browsers_end_it(name: str, text: str, end: int) -> None:
    tokenizer = Tokenizer(text, Syntax.HTML)
    tokenizer.raw = name
    first = next(iter(tokenizer))
    assert (first.sort, first.start, first.end) == (Sort.RAW, 0, end)


def test_an_empty_raw_text_gives_no_token() -> None:
    tokenizer = Tokenizer("</script>", Syntax.HTML)
    tokenizer.raw = "script"
    assert [token.sort for token in tokenizer] == [E]


@given(st.text(alphabet="<>/!-?ab='\" \n[]CDAT"), st.sampled_from(Syntax))
def test_tokens_stand_in_order_and_apart(text: str, syntax: Syntax) -> None:
    at = 0
    for token in Tokenizer(text, syntax):
        assert at <= token.start <= token.end <= len(text)
        at = token.end
