"""Forms in one line, as servers decode them."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import Malformed
from gateway.segment import Span
from gateway.wire.form import passage
from gateway.wire.passage import in_form


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("a=b", "a=b"),
        ("a=b+c&d=%C3%A9", "a=b c\nd=é"),
        ("a=%2B%26%3D", "a=+&="),
        ("a%5B%5D=1&a%5B%5D=2", "a[]=1\na[]=2"),
        ("a=b=c", "a=b=c"),
        ("alone&&=x", "alone\n\n=x"),
        ("a=100%&b=%zz%4", "a=100%\nb=%zz%4"),
        ("a=%41%e2%82%ac.", "a=A€."),
    ],
)
def test_pairs_are_decoded_one_a_line(source: str, text: str) -> None:
    assert passage(source, "utf-8").text == text


def test_a_value_leads_back_to_its_escapes() -> None:
    read = passage("a=x%20%C3%A9+y&b=z", "utf-8")
    assert read.text == "a=x é y\nb=z"
    assert read.places(Span(3, 6)) == [(3, 13)]
    assert read.places(Span(4, 5)) == [(6, 12)]
    assert read.written("[A B]") == "%5BA+B%5D"


@pytest.mark.parametrize(
    ("start", "end", "free"), [(2, 3, True), (0, 1, False), (1, 3, False), (2, 5, False), (3, 4, False)]
)
def test_only_values_may_be_changed(start: int, end: int, free: bool) -> None:
    assert passage("a=x&b=y", "utf-8").may_change(Span(start, end)) is free


def test_an_equals_sign_in_a_value_is_the_value() -> None:
    assert passage("a=b=c", "utf-8").may_change(Span(2, 5))


@pytest.mark.parametrize(
    ("source", "codec"),
    [("a=%ff", "utf-8"), ("a=b", "latin-1"), ("_charset_=utf-7&a=b", "utf-8"), ("a=b&_charset_=gbk", "utf-8")],
)
def test_what_servers_decode_in_different_ways_is_refused(source: str, codec: str) -> None:
    with pytest.raises(Malformed, match="UTF-8"):
        passage(source, codec)


@pytest.mark.parametrize("source", ["_charset_=utf-8&a=b", "_charset_=&a=b", "a=b&_charset_=UTF-8"])
def test_utf_8_may_be_named(source: str) -> None:
    assert passage(source, "utf-8").text


@given(st.lists(st.tuples(st.text(), st.text(min_size=1)), min_size=1))
def test_a_value_that_is_written_back_is_read_as_itself(pairs: list[tuple[str, str]]) -> None:
    source = urlencode(pairs)
    if "_charset_" in source:
        return
    read = passage(source, "utf-8")
    assert read.text == "\n".join(f"{name}={value}" for name, value in pairs)
    name, value = pairs[0]
    start = len(name) + 1
    [(first, last)] = read.places(Span(start, start + len(value)))
    changed = source[:first] + in_form("new & =") + source[last:]
    assert parse_qsl(changed, keep_blank_values=True) == [(name, "new & ="), *pairs[1:]]
