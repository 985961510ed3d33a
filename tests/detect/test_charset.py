"""Sets of code points against Python's own reading of the same classes."""

from __future__ import annotations

import re

import pytest
import regex  # type: ignore[import-untyped]  # ships no types

from gateway.detect import charset


@pytest.mark.parametrize(
    ("shorthand", "ranges"), [(r"\d", charset.DIGIT), (r"\w", charset.WORD), (r"\s", charset.SPACE)]
)
def test_shorthand_means_the_same_to_every_engine(shorthand: str, ranges: charset.Ranges) -> None:
    for code_point in [*range(0x250), 0x3000, 0x661, 0x212A, 0x10FFFF]:
        character = chr(code_point)
        assert charset.contains(ranges, code_point) == bool(re.match(shorthand, character, re.ASCII))
        assert charset.contains(ranges, code_point) == bool(regex.match(shorthand, character, regex.ASCII))


def test_a_union_joins_what_overlaps_or_touches() -> None:
    assert charset.union([(5, 7), (1, 2), (3, 3), (6, 9)]) == ((1, 3), (5, 9))


@pytest.mark.parametrize("ranges", [charset.WORD, charset.SPACE, charset.EVERY, (), ((0, 4),), ((9, charset.LAST),)])
def test_the_complement_of_a_complement_is_the_set(ranges: charset.Ranges) -> None:
    assert charset.complement(charset.complement(ranges)) == ranges


def test_a_set_and_its_complement_share_nothing() -> None:
    other = charset.complement(charset.WORD)
    assert all(charset.contains(charset.WORD, c) != charset.contains(other, c) for c in range(300))


def test_either_case_opens_ascii_letters_only() -> None:
    assert charset.either_case(charset.of("k", "É")) == charset.of("K", "k", "É")
