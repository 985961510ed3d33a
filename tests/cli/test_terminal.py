"""What others wrote cannot paint a terminal, hide on it, or pass for a line of ours."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.cli.terminal import broken, plain


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("plain, mit Umlaut: ä 漢字 हिन्दी tiếng Việt", "plain, mit Umlaut: ä 漢字 हिन्दी tiếng Việt"),
        ("\x1b\x7f\x9b", "\\x1b\\x7f\\x9b"),
        ("\u202e\u2066\u200f\u2028\n", "\\u202e\\u2066\\u200f\\u2028\\x0a"),
        ("\U000e0041", "\\U000e0041"),
        ("\u200b\u2060\ufeff\xad", "\\u200b\\u2060\\ufeff\\xad"),
        ("\u3164\u115f\u2800\ufe0f\u034f", "\\u3164\\u115f\\u2800\\ufe0f\\u034f"),
        ("\u3000\xa0", "\\u3000\\xa0"),
        ("\ud800", "\\ud800"),
        ("a\u0301\u0302\u0303", "a\u0301\u0302\u0303"),
        ("a\u0301\u0302\u0303\u0304\u0305", "a\u0301\u0302\u0303\\u0304\\u0305"),
        (5, "5"),
    ],
)
def test_what_is_not_simply_shown_is_escaped(given: object, shown: str) -> None:
    assert plain(given) == shown


@given(st.text())
def test_nothing_is_left_that_is_not_printable(text: str) -> None:
    assert plain(text).isprintable()


class TestBroken:
    def test_a_line_that_fits_stays_one(self) -> None:
        assert broken("x" * 40, "  ", 40) == "x" * 40
        assert broken("", "  ", 40) == ""

    def test_the_rest_stands_behind_a_mark(self) -> None:
        assert broken("x" * 41 + " forged", "  ", 40) == "x" * 40 + "\n  ┆ x forged"
        assert broken("x" * 80, "  ", 40) == "x" * 40 + "\n  ┆ " + "x" * 36 + "\n  ┆ " + "x" * 4

    def test_wide_letters_take_two_columns_and_marks_none(self) -> None:
        assert broken("漢" * 21, "", 40) == "漢" * 20 + "\n┆ 漢"
        assert broken("e\u0301" * 40, "", 40) == "e\u0301" * 40

    @pytest.mark.parametrize("columns", [None, 39, 0])
    def test_a_terminal_that_is_none_breaks_lines_itself(self, columns: int | None) -> None:
        assert broken("x" * 200, "  ", columns) == "x" * 200

    @given(st.text().map(plain), st.integers(40, 120))
    def test_no_line_is_longer_than_the_terminal(self, text: str, columns: int) -> None:
        first, *rest = broken(text, "   ", columns).split("\n")
        assert all(line.startswith("   ┆ ") for line in rest)
        assert "".join([first, *(line[5:] for line in rest)]) == text
        assert all(_columns(line) <= columns for line in (first, *rest))


def _columns(line: str) -> int:
    wide = sum(unicodedata.east_asian_width(letter) in "WF" for letter in line)
    return len(line) + wide - sum(unicodedata.category(letter) in ("Mn", "Me") for letter in line)
