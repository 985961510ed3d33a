"""Sets of code points as sorted ranges, with the ASCII meaning of the shorthand classes.

Both engines (`regex` with the ASCII flag, and the pre-filter) and the stream automaton must read a class alike, so the
meaning is fixed here, and the pre-filter is given the ranges instead of the shorthand.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from functools import lru_cache

type Ranges = tuple[tuple[int, int], ...]
"""Inclusive ranges of code points, sorted, disjoint and not adjacent."""

LAST = 0x10FFFF
EVERY: Ranges = ((0, LAST),)


def union(ranges: Iterable[tuple[int, int]]) -> Ranges:
    """The normal form of any ranges."""
    merged: list[tuple[int, int]] = []
    for low, high in sorted(ranges):
        if merged and low <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(high, merged[-1][1]))
        else:
            merged.append((low, high))
    return tuple(merged)


def complement(ranges: Ranges) -> Ranges:
    gaps: list[tuple[int, int]] = []
    at = 0
    for low, high in ranges:
        if low > at:
            gaps.append((at, low - 1))
        at = high + 1
    if at <= LAST:
        gaps.append((at, LAST))
    return tuple(gaps)


def contains(ranges: Ranges, code_point: int) -> bool:
    index = bisect_right(ranges, (code_point, LAST + 1)) - 1
    return index >= 0 and ranges[index][1] >= code_point


@lru_cache(maxsize=1024)  # rules are made of the same few letters, and there are very many of them
def either_case(ranges: Ranges) -> Ranges:
    """The ranges with the other case of each ASCII letter; other letters keep their case, as the ASCII flag has it."""
    both = list(ranges)
    for low, high in ranges:
        for first, last, shift in ((0x41, 0x5A, 32), (0x61, 0x7A, -32)):
            start, end = max(low, first), min(high, last)
            if start <= end:
                both.append((start + shift, end + shift))
    return union(both)


@lru_cache(maxsize=1024)
def of(*pieces: str) -> Ranges:
    """The set of single characters and of `a-z` pairs given as two-character strings."""
    return union((ord(piece[0]), ord(piece[-1])) for piece in pieces)


DIGIT = of("09")
WORD = of("az", "AZ", "09", "_")
SPACE = of(" ", "\t\r")  # tab, line feed, vertical tab, form feed, carriage return, space
NO_NEWLINE = complement(of("\n"))
