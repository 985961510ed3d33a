"""Quoted material in a user's text."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.policy.quoted import quoted_spans


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        ("plain words", []),
        ("Fix this:\n```python\nprint(1)\n```\nthanks", ["print(1)\n"]),
        ("~~~\na ``` b\n~~~", ["a ``` b\n"]),
        ("````\n```\ninner\n```\n````\n", ["```\ninner\n```\n"]),
        ("```\nnever closed", ["never closed"]),
        ("```\n```", []),
        ("Read <document index='1'>mail body</document> please", ["mail body"]),
        ("<Email>Hi</EMAIL> and <context>open", ["Hi", "open"]),
        ("a < b and <b>bold</b>", []),
        ("<document>a <file>b</file> c</document> d", ["a <file>b</file> c"]),
        ("İ<document>x</document>y", ["x"]),
    ],
)
def test_fences_and_tags_mark_data(text: str, quoted: list[str]) -> None:
    assert [text[span.start : span.end] for span in quoted_spans(text)] == quoted


def test_configured_delimiters_mark_data() -> None:
    text = "Q: [[one]] and [[two"
    assert [text[span.start : span.end] for span in quoted_spans(text, (("[[", "]]"),))] == ["one", "two"]


def test_overlapping_quotes_become_one() -> None:
    text = "<document>a\n```\nb</document>\nc\n```\nd"
    spans = quoted_spans(text)
    assert len(spans) == 1
    assert text[spans[0].end :] == "```\nd"


MILLION = 1_000_000


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        pytest.param("`" * MILLION, [], id="marks that open nothing"),
        pytest.param("`" * MILLION + "\nx\n" + "`" * MILLION, ["x\n"], id="a fence of a million marks"),
        pytest.param("````\n" + "```\n" * (MILLION // 4), ["```\n" * (MILLION // 4)], id="closings that are too short"),
        pytest.param("<data " * (MILLION // 6), [], id="tags that do not end"),
        pytest.param("<data>" * (MILLION // 6), ["<data>" * (MILLION // 6 - 1)], id="tags without a closing one"),
        pytest.param("<Text>" + "aB" * (MILLION // 2), ["aB" * (MILLION // 2)], id="letters of both cases"),
    ],
)
def test_a_megabyte_that_was_made_to_be_slow_is_read(text: str, quoted: list[str]) -> None:
    assert [text[span.start : span.end] for span in quoted_spans(text)] == quoted


@given(st.lists(st.sampled_from(["```", "\n", "<data>", "</data>", "<<", ">>", "x ", "~~~"]), max_size=20).map("".join))
def test_spans_are_ordered_and_do_not_overlap(text: str) -> None:
    spans = quoted_spans(text, (("<<", ">>"),))
    assert all(one.end <= two.start for one, two in pairwise(spans))
    assert all(span.end <= len(text) for span in spans)
