"""The view of a text with its JSON escapes undone, for rules that look at the text as it came.

What tools give back is mostly JSON inside a string, and there the letter of an escape (`\\nghp_...`) stands where a
rule wants the border of a word. JSON inside JSON doubles its backslashes, so a run of them counts as one. Text that is
no JSON may hold the same characters (a path with `\\new` in it): this view is looked at besides the text, not instead.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from typing import Final

type _Piece = tuple[str, Sequence[int], Sequence[int]]

_RUN: Final = r"\\{1,16}"
"""Backslashes before an escape: sixteen are five levels of JSON in JSON, and a stream holds no more than that."""
_HIGH: Final = "[Dd][89ABab][0-9A-Fa-f]{2}"
_LOW: Final = "[Dd][C-Fc-f][0-9A-Fa-f]{2}"
_ESCAPE: Final = re.compile(
    r"\\(?:\\{0,15}(?:"  # a run as above; `re` jumps to a literal at the front
    rf"u({_HIGH}){_RUN}u({_LOW})"  # a surrogate pair
    rf'|u([0-9A-Fa-f]{{4}})|([nrtbf"/]))'
    r"|\\{1,15})"  # escaped backslashes
)
"""The escapes of RFC 8259, 7. Each gives one character, and is written with more."""
_SCANNED: Final = re.compile(
    rf"(?={_RUN}(?:u[0-9A-Fa-f]{{0,3}}|u{_HIGH}(?:{_RUN}(?:u(?:[Dd](?:[C-Fc-f][0-9A-Fa-f]?)?)?)?)?)?\Z)"
    rf"|{_ESCAPE.pattern}"
)
"""The same, but an empty match where more text may make an escape, or another one."""
_CODE: Final = re.compile(rf"\\u({_HIGH})\\u({_LOW})|\\u([0-9A-Fa-f]{{4}})")
_LETTERS: Final = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f", '"': '"', "/": "/"}


def _decoded(code: re.Match[str]) -> str:
    """The character of a `\\uXXXX` escape or of a pair of them; half a pair is U+FFFD."""
    if code[1]:
        return chr(0x10000 + ((int(code[1], 16) & 0x3FF) << 10) + (int(code[2], 16) & 0x3FF))
    code_point = int(code[3], 16)
    return "\ufffd" if 0xD800 <= code_point < 0xE000 else chr(code_point)


def _meant(escape: re.Match[str]) -> str:
    if escape[4]:
        return _LETTERS[escape[4]]
    return _decoded(escape) if escape[1] or escape[3] else "\\"


class Unescaped:
    """See the module. Where a text holds no escape, the view is the text."""

    def of(self, text: str) -> str:
        if "\\" not in text:
            return text
        if "\\\\" in text:
            return _ESCAPE.sub(_meant, text)
        # Without runs each backslash stands by itself; code points come last, as `\u005c` is a backslash again.
        first, *others = text.split("\\")
        text = first + "".join([_LETTERS.get(other[:1], "\\" + other[:1]) + other[1:] for other in others])
        return _CODE.sub(_decoded, text) if "\\u" in text else text

    def origins(self, text: str, found: Sequence[tuple[int, int]], /) -> list[tuple[int, int]]:
        escapes = [escape.span() for escape in _ESCAPE.finditer(text)]
        places: list[int] = []  # where each escape's character stands in the view
        saved = 0
        for start, end in escapes:
            places.append(start - saved)
            saved += end - start - 1

        def origin(place: int) -> tuple[int, int]:
            index = bisect_right(places, place) - 1
            if index < 0:
                return place, place + 1
            start, end = escapes[index]
            beyond = place - places[index]
            return (end + beyond - 1, end + beyond) if beyond else (start, end)

        return [(origin(first)[0], origin(last - 1)[1]) for first, last in found]

    def growing(self, read: int = 0) -> _GrowingUnescaped:
        """For a stream of which `read` code points have gone by."""
        return _GrowingUnescaped(read)


class _GrowingUnescaped:
    def __init__(self, read: int) -> None:
        self._tail = ""  # what may be the beginning of an escape
        self._read = read  # code points before the tail

    @property
    def held(self) -> int:
        return len(self._tail)

    def feed(self, piece: str) -> _Piece:
        return self._taken(self._tail + piece, _SCANNED)

    def finish(self) -> _Piece:
        return self._taken(self._tail, _ESCAPE)

    def _taken(self, raw: str, scanner: re.Pattern[str]) -> _Piece:
        """Give what is certain of some text; the rest becomes the tail."""
        text: list[str] = []
        starts: list[int] = []
        ends: list[int] = []
        at, done = 0, len(raw)

        def stretch(end: int) -> None:
            text.append(raw[at:end])
            starts.extend(range(self._read + at, self._read + end))
            ends.extend(range(self._read + at + 1, self._read + end + 1))

        for escape in scanner.finditer(raw):
            if not escape[0]:
                done = escape.start()
                break
            stretch(escape.start())
            at = escape.end()
            text.append(_meant(escape))
            starts.append(self._read + escape.start())
            ends.append(self._read + at)
        stretch(done)
        self._tail = raw[done:]
        self._read += done
        return "".join(text), starts, ends
