"""Character references as browsers read them."""

from __future__ import annotations

import html

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.segment import Span
from gateway.wire.markup.references import weave
from gateway.wire.passage import Passage, Weaver


def woven(source: str, *, in_value: bool = False, one_line: bool = False) -> Passage:
    weaver = Weaver()
    weave(weaver, source, 0, len(source), in_value=in_value, one_line=one_line)
    return weaver.passage(str)


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("plain", "plain"),
        ("a &amp; b", "a & b"),
        ("&#105;gnore &#x69;gnore &#X69gnore", "ignore ignore ignore"),
        ("&#0000000000000105;", "i"),
        ("&ampersand &notit; &lt", "&ersand ¬it; <"),
        ("&nope; & &; &#; &#x;", "&nope; & &; &#; &#x;"),
        ("&#128;&#x9f;", "€Ÿ"),
        ("&#0;&#xD800;&#x110000;&#99999999999999999999;", "\ufffd" * 4),
        ("&CounterClockwiseContourIntegral;", "∳"),
        ("&NotEqualTilde;", "≂̸"),
        ("&" + "a" * 100, "&" + "a" * 100),
    ],
)
def test_references_are_decoded_and_the_rest_stands_for_itself(source: str, text: str) -> None:
    read = woven(source)
    assert read.text == text
    assert read.places(Span(0, len(text))) == [(0, len(source))]


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("?a=b&copy=1", "?a=b&copy=1"),
        ("?a=b&copyright=1", "?a=b&copyright=1"),
        ("?a=b&copy", "?a=b©"),
        ("?a=b&copy;=1", "?a=b©=1"),
    ],
)
def test_a_value_keeps_names_that_are_parts_of_links(source: str, text: str) -> None:
    assert woven(source, in_value=True).text == text


def test_line_ends_are_spaces_where_a_page_says_so() -> None:
    assert woven("a\r\nb &lt; c\nd", one_line=True).text == "a  b < c d"
    assert woven("a\nb").text == "a\nb"


@given(st.text(alphabet="&#x1;alt5Z ", max_size=40))
def test_what_is_read_is_what_the_standard_library_reads(source: str) -> None:
    # It drops control characters, which browsers keep.
    kept = (character for character in woven(source).text if character.isprintable())
    assert "".join(kept) == html.unescape(source)
