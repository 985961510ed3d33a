"""Estimates of tokens without a tokeniser."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialect.estimate import EIGHTHS, UNREAD, eighths, of_body, rounded
from gateway.segment import Uninspected


@pytest.mark.parametrize(
    ("text", "tokens"),
    [("", 0), ("a", 1), ("four", 1), ("word " * 40, 50), ("再见再见", 4), ("привет", 4), ("é" * 8, 5), ("😀" * 8, 11)],
)
def test_a_text(text: str, tokens: int) -> None:
    assert rounded(eighths(text)) == tokens


@given(st.text(), st.integers(0, 50))
def test_the_cut_does_not_matter(text: str, at: int) -> None:
    assert eighths(text[:at]) + eighths(text[at:]) == eighths(text)


def test_a_lone_surrogate_is_counted_too() -> None:
    assert eighths("\ud800") == EIGHTHS


def test_a_body_is_its_strings_its_keys_and_its_numbers() -> None:
    assert of_body({"four": ["eight888", 7, None, True]}) == 1 + 2 + 3


def test_parts_that_are_no_text_are_a_constant_each() -> None:
    body = {"messages": [{"content": [{"type": "image_url", "image_url": {"url": "data:" + "A" * 100_000}}]}]}
    image = Uninspected("image", ("messages", 0, "content", 0))
    assert UNREAD <= of_body(body, [image, image]) < UNREAD + 10
    assert of_body(body) > 25_000
    assert of_body({"a": "b"}, [Uninspected("file")]) == 1


def test_escapes_do_not_count() -> None:
    assert of_body(json.loads('{"a": "\\u518d\\u89c1"}')) == of_body({"a": "再见"})
