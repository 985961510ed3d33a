"""Streams of JSON values: one on each line, or as the items of one array.

Whether a payload is JSON (UTF-8, brackets that pair, depth) is for its parser; here it is only cut out.
"""

from __future__ import annotations

import re
from enum import Enum, auto
from typing import Final

from gateway.errors import Malformed
from gateway.wire.frame import Frame, Framing

_BLANKS: Final = re.compile(rb"[ \t\n\r]*+")
# Outside of strings: over whole strings to the next bracket, or to the quote of a string whose end has not come.
_TO_BRACKET: Final = re.compile(rb'(?:[^"{}\[\]]++|"[^"\\]*+(?:\\.[^"\\]*+)*+")*+', re.DOTALL)
# Inside of a string: over whole escapes to its quote, or to the backslash of an escape whose end has not come.
_TO_QUOTE: Final = re.compile(rb'[^"\\]*+(?:\\.[^"\\]*+)*+', re.DOTALL)


class Lines:
    """The grammar of JSON Lines: lines end with LF or CRLF, and a blank one has no payload."""

    __slots__ = ("_seen",)

    def __init__(self) -> None:
        self._seen = 0  # bytes of the coming frame that hold no LF

    def next(self, buffer: bytearray, start: int) -> Frame | None:
        end = buffer.find(b"\n", start + self._seen)
        if end < 0:
            self._seen = len(buffer) - start
            return None
        return self.rest(bytes(buffer[start : end + 1]))

    def rest(self, raw: bytes) -> Frame:
        self._seen = 0
        line = raw.removesuffix(b"\n").removesuffix(b"\r")
        data = line if line.strip(b" \t\r") else None
        return Frame(raw, data, framing=Framing.LINES, at=(0, len(line)))


class _Read(Enum):
    """What of an array was read last, outside of its items."""

    NOTHING = auto()
    OPENING = auto()
    ITEM = auto()
    COMMA = auto()
    CLOSING = auto()


_SEPARATORS: Final = {
    (_Read.NOTHING, b"["): _Read.OPENING,
    (_Read.OPENING, b"]"): _Read.CLOSING,
    (_Read.ITEM, b","): _Read.COMMA,
    (_Read.ITEM, b"]"): _Read.CLOSING,
}
_BEFORE_ITEM: Final = (_Read.OPENING, _Read.COMMA)


class Items:
    """The grammar of one array whose items, all of them objects, come one by one.

    An item's frame leads with what stands before it (`[` or `,`, and white space) and ends with the item, so that it
    need not wait for what follows. The closing bracket ends a frame without payload; white space behind is another.
    """

    __slots__ = ("_depth", "_in_string", "_item", "_read", "_seen")

    def __init__(self) -> None:
        self._read = _Read.NOTHING
        self._item: int | None = None  # where in the coming frame its item begins
        self._seen = 0  # bytes of the coming frame that were read
        self._depth = 0  # brackets open inside the item
        self._in_string = False

    def next(self, buffer: bytearray, start: int) -> Frame | None:
        ended = self._inside(buffer, start) if self._depth else self._between(buffer, start)
        return self.rest(bytes(buffer[start : start + self._seen])) if ended else None

    def rest(self, raw: bytes) -> Frame:
        item, self._item, self._seen = self._item, None, 0
        if item is None:
            return Frame(raw, framing=Framing.ARRAY)
        return Frame(raw, raw[item:], framing=Framing.ARRAY, at=(item, len(raw)))

    def _between(self, buffer: bytearray, start: int) -> bool:
        """Read separators and, where an item begins, the item. Whether a frame has ended."""
        at = _after(_BLANKS, buffer, start + self._seen)
        while at < len(buffer):
            token = bytes(buffer[at : at + 1])
            at += 1
            if token == b"{" and self._read in _BEFORE_ITEM:
                self._read, self._item, self._depth, self._seen = _Read.ITEM, at - 1 - start, 1, at - start
                return self._inside(buffer, start)
            self._read = _separated(self._read, token)
            if self._read is _Read.CLOSING:
                self._seen = at - start
                return True
            at = _after(_BLANKS, buffer, at)
        self._seen = at - start
        return False

    def _inside(self, buffer: bytearray, start: int) -> bool:
        """Read on in the item. Whether the bracket that closes it has come."""
        at = start + self._seen
        while self._depth:
            at = _after(_TO_QUOTE if self._in_string else _TO_BRACKET, buffer, at)
            token = buffer[at : at + 1]
            if not token or token == b"\\":
                break
            at += 1
            if token == b'"':
                self._in_string = not self._in_string
            else:
                self._depth += 1 if token in b"{[" else -1
        self._seen = at - start
        return not self._depth


def _separated(read: _Read, token: bytes) -> _Read:
    """What was read last, after a separator. Raises Malformed for what cannot stand between items."""
    if (read, token) not in _SEPARATORS:
        raise Malformed("the stream is not one JSON array of objects")
    return _SEPARATORS[read, token]


def _after(run: re.Pattern[bytes], buffer: bytearray, at: int) -> int:
    """Where the run that begins at `at`, which may be empty, ends."""
    match = run.match(buffer, at)
    assert match is not None
    return match.end()
