"""Expressions for the pre-filter: cheaper than the pattern, and never missing what it hits."""

from __future__ import annotations

import pytest

from gateway.detect.pattern import parse
from gateway.detect.trigger import trigger


@pytest.mark.parametrize(
    ("source", "expression"),
    [
        ("abc", "abc"),
        (r"x(?:a|(?=b)|c(?:d|ef))y", "x(?:a||c(?:d|ef))y"),
        (r"x(?:a?|b?)\b", r"x(?:(?:a){0,1}|(?:b){0,1})\b"),
        (r"\bab\b", r"\bab\b"),
        (r"(?<!x)a(?!y)", "a"),
        ("[a-c]{1,64}@x", "(?:[a-c]){1,1}\\x{40}x"),
        (r"\b[a-c]{2,9}@", "(?:[a-c]){2,2}\\x{40}"),
        ("a{0,3}bc", "bc"),
        ("ab{1,9}", "a(?:b){1,1}"),
        (r"ab{2,9}\b", "a(?:b){2,2}"),
        ("ab{1,400}c", "a(?:b){1,}c"),
        ("ab{100,400}c", "a(?:b){64,}c"),
        ("a(?:b|c(?=d)){1,1}d", "a(?:b|c)d"),
        (r"a\B\x20(?s:.)b", "a\\B\\x{20}(?s:.)b"),
        ("(?:ab|b){1,2}", "(?:(?:ab|b)){1,2}"),
        ("a?(?:b?)c{0,1}d?e{1,3}", "(?:e){1,1}"),
    ],
)
def test_how_a_pattern_is_cut_down(source: str, expression: str) -> None:
    assert trigger(parse(source)) == expression


def test_options_alone_are_left_as_they_are() -> None:
    assert trigger(parse("(?:a?b?){1,2}c")) == "(?:(?:a){0,1}(?:b){0,1}){1,1}c"
