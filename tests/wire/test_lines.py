"""Lines of a limited length."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.wire.lines import TOO_LONG, Cutter


def cut(pieces: list[bytes], limit: int) -> list[bytes | None]:
    cutter = Cutter(limit)
    lines = [line for piece in pieces for line in cutter.feed(piece)]
    rest = cutter.finish()
    return [*lines, rest] if rest else lines


def test_lines_keep_their_ends() -> None:
    assert cut([b"a\nb\r\n\nc"], 10) == [b"a\n", b"b\r\n", b"\n", b"c"]


def test_a_line_that_is_too_long_is_told_once_and_the_next_is_read() -> None:
    assert cut([b"abcdef\nxy\n"], 4) == [TOO_LONG, b"xy\n"]
    assert cut([b"abc", b"def", b"ghi", b"\nxy\n"], 4) == [TOO_LONG, b"xy\n"]
    assert cut([b"abc", b"def"], 4) == [TOO_LONG]
    assert cut([b"abc\n"], 4) == [b"abc\n"]


@given(st.lists(st.sampled_from([b"a", b"bb", b"\n", b"ccccc", b"\r\n"])), st.integers(1, 6))
def test_the_cut_of_the_bytes_does_not_matter(pieces: list[bytes], limit: int) -> None:
    whole = b"".join(pieces)
    assert cut(pieces, limit) == cut([whole], limit) == cut([bytes([byte]) for byte in whole], limit)
