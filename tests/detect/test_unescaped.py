"""The view with JSON escapes undone: what it shows, the same for any cut, with the way back to the text."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.detect.view import UNESCAPED, addressed, readings

PIECES = [
    "\\",
    "\\\\",
    "\\" * 17,
    "n",
    '"',
    "/",
    "u",
    "0041",
    "\\u0041",
    "\\u00",
    "\\ud83d",
    "\\ude00",
    "d83d",
    "x",
    "é",
]
TEXTS = st.lists(st.sampled_from(PIECES), max_size=12).map("".join)


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("plain", "plain"),
        (r"a\nb\tc\rd\be\ff\/g\"h", 'a\nb\tc\rd\be\ff/g"h'),
        (r"C:\Users\x \d+ \é", r"C:\Users\x \d+ \é"),
        (r"C:\\Users\\\\x", r"C:\Users\x"),
        (r"{\\\"a\\\": \\\\n}", '{"a": \n}'),
        (r"\u0041\\u00e9\u005cn", "Aé\\n"),
        (r"\ud83d\ude00\\ud83d\\\\ude00", "😀😀"),
        (r"\ud83d \ude00\u00", "\ufffd \ufffd\\u00"),
        ("\\" * 17 + "n", "\\\n"),
        ("a\\", "a\\"),
    ],
)
def test_what_escapes_stand_for(text: str, seen: str) -> None:
    assert UNESCAPED.of(text) == seen
    assert addressed(UNESCAPED, text)[0] == seen


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=30).filter(lambda text: "\\" not in text))
def test_a_json_text_reads_as_what_it_holds(text: str) -> None:
    written = json.dumps(json.dumps(text))
    assert UNESCAPED.of(written)[2:-2] == text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


@settings(max_examples=300, deadline=None)
@given(text=TEXTS, sizes=st.lists(st.integers(1, 9), min_size=1, max_size=6), read=st.integers(0, 3))
def test_any_cut_gives_the_same_view_and_origins(text: str, sizes: list[int], read: int) -> None:
    growing = UNESCAPED.growing(read)
    seen, at, turn = "", 0, 0
    origins: list[tuple[int, int]] = []
    while at < len(text):
        size = sizes[turn % len(sizes)]
        piece = growing.feed(text[at : at + size])
        at, turn = min(len(text), at + size), turn + 1
        seen += piece[0]
        origins += zip(piece[1], piece[2], strict=True)
        assert all(end <= read + at - growing.held for _, end in origins)
    piece = growing.finish()
    assert growing.held == 0
    seen += piece[0]
    origins += zip(piece[1], piece[2], strict=True)
    assert seen == UNESCAPED.of(text)
    wanted = UNESCAPED.origins(text, [(place, place + 1) for place in range(len(seen))])
    assert origins == [(read + start, read + end) for start, end in wanted]
    assert [start for start, _ in wanted] == [0, *(end for _, end in wanted)][: len(wanted)]  # nothing is left out


def test_a_stream_holds_no_more_than_one_escape() -> None:
    growing = UNESCAPED.growing()
    assert growing.feed("ab\\u00")[0] == "ab"
    assert growing.held == 4
    assert growing.feed("41c")[0] == "Ac"
    growing.feed("\\" * 1000)
    assert growing.held <= 16


def test_rules_of_text_look_at_both_readings_and_only_where_they_differ() -> None:
    assert [seen for _, seen in readings("text", r"a\nb")] == [r"a\nb", "a\nb"]
    assert [seen for _, seen in readings("text", r"\d")] == [r"\d"]
    assert [seen for _, seen in readings("folded", r"A\nb")] == ["a b"]
