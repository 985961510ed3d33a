"""Where the sentence around a hit begins and ends, so that an instruction is cut out whole and the rest stays.

In JSON a cut stays inside the string that was hit, and takes an escape whole or not at all: what is left can be read.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from gateway.segment import Span

REACH: Final = 400
"""How far, in code points, a cut may grow on either side of a hit. Longer than nearly every sentence; text without any
end of sentence (tables, minified data) loses no more than this."""

_END: Final = re.compile(r"[.!?…](?=[\s\"')\]]|$)|[。！？]|\n|\\n")

_JSON: Final = re.compile(r"\s*+[{\[]")
# A string of JSON without its opening quote (1), closed or, where the text was cut off, not.
_STRING: Final = re.compile(r'"((?:[^"\\]++|\\.)*+)"?', re.DOTALL)
# In a string of JSON: an escape (1), where a surrogate pair is one, and so is the line's end of JSON inside the JSON;
# or the end of a sentence.
_IN_STRING: Final = re.compile(
    r"(\\\\n|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4}|\\.)"
    r"|[.!?…](?=[\s\"')\]]|\\[nrt\"]|$)|[。！？]|\n",
    re.DOTALL,
)
_LINE_ESCAPES: Final = frozenset({"\\n", "\\\\n", "\\r", "\\u000a", "\\u000A", "\\u000d", "\\u000D"})


@dataclass(slots=True)
class _Stretch:
    """A part of the text that a cut may not leave, with the ends of sentences and the escapes in it, in order."""

    low: int
    high: int
    starts: list[int] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    escape_starts: list[int] = field(default_factory=list)
    escape_ends: list[int] = field(default_factory=list)

    def escape(self, point: int) -> tuple[int, int]:
        """The escape that `point` lies inside of; where it is in none, the point twice."""
        index = bisect_left(self.escape_starts, point) - 1
        if index >= 0 and point < self.escape_ends[index]:
            return self.escape_starts[index], self.escape_ends[index]
        return point, point


def around(text: str, hits: Sequence[Span]) -> list[Span]:
    """For each hit the sentences that it touches: from the end of the one before to the end of the last, included.

    A hit that itself crosses the border of a JSON string takes that border with it. All hits of a text are asked for
    at once, since what is read of the text is read once.
    """
    stretch = _strings(text, hits) if _JSON.match(text) else _prose(text, hits)
    return [_cut(text, hit, stretch(hit.start), stretch(max(hit.start, hit.end - 1))) for hit in hits]


def _cut(text: str, hit: Span, first: _Stretch, last: _Stretch) -> Span:
    hit = Span(first.escape(hit.start)[0], last.escape(hit.end)[1])
    _, start = first.escape(max(first.low, hit.start - REACH))
    before = bisect_right(first.ends, hit.start) - 1
    if before >= 0:
        start = max(start, first.ends[before])
    while start < hit.start and text[start].isspace():
        start += 1
    stop, _ = last.escape(min(last.high, hit.end + REACH))
    after = bisect_left(last.starts, max(hit.start, hit.end - 1))
    if after < len(last.starts) and last.ends[after] <= stop:
        # A line's end belongs to what stays.
        stays = text[last.starts[after]] in "\n\\"
        stop = last.starts[after] if stays else last.ends[after]
    return Span(min(start, hit.start), max(stop, hit.end))


def _prose(text: str, hits: Sequence[Span]) -> Callable[[int], _Stretch]:
    """All of the text is one stretch; it is read only where cuts may end."""
    whole = _Stretch(0, len(text))
    position = 0
    for hit in sorted(hits):
        stop = min(len(text), hit.end + REACH)
        # Two characters more, so that the last end of a sentence is seen with what follows it.
        for border in _END.finditer(text, max(position, hit.start - REACH), stop + 2):
            if border.start() < stop:
                whole.starts.append(border.start())
                whole.ends.append(border.end())
        position = max(position, stop)
    return lambda _: whole


def _strings(text: str, hits: Sequence[Span]) -> Callable[[int], _Stretch]:
    """Each string of the JSON is a stretch, and so is what stands between two of them."""
    final = max((hit.end for hit in hits), default=0)
    lows: list[int] = []
    highs: list[int] = []
    for string in _STRING.finditer(text):
        lows.append(string.start(1))
        highs.append(string.end(1))
        if string.start() >= final:
            break
    known: dict[int, _Stretch] = {}

    def stretch(point: int) -> _Stretch:
        index = bisect_right(lows, point) - 1
        low, high = (lows[index], highs[index]) if index >= 0 else (0, -1)
        if point >= high:
            low = high + 1
            high = lows[index + 1] - 1 if index + 1 < len(lows) else len(text)
        if low not in known:
            known[low] = _read(text, low, high)
        return known[low]

    return stretch


def _read(text: str, low: int, high: int) -> _Stretch:
    stretch = _Stretch(low, high)
    for token in _IN_STRING.finditer(text, low, high):
        if token[1]:
            stretch.escape_starts.append(token.start())
            stretch.escape_ends.append(token.end())
        if not token[1] or token[1] in _LINE_ESCAPES:
            stretch.starts.append(token.start())
            stretch.ends.append(token.end())
    return stretch
