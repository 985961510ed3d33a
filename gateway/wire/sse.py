"""Server-sent events: where each ends, and what it says (WHATWG HTML, 9.2.6 "Interpreting an event stream").

A frame is an event with the empty line that ends it. A comment or an empty line before an event is a frame of its own,
so that a keep-alive goes on at once, whether or not an empty line follows it.
"""

from __future__ import annotations

import re
from typing import Final

from gateway.errors import Malformed
from gateway.wire.frame import Frame

_BOM: Final = b"\xef\xbb\xbf"

# A CR may be half of a CRLF, so it counts only once the next byte is known. (A stream that ends its lines with CR
# alone, which no provider does, is one event late for it. To let the LF lead the next frame instead would hold up
# clients that look for CRLF CRLF, which is what Gemini sends.)
_EOL: Final = rb"(?:\r\n|\n|\r(?=[^\n]))"
_LINE_END: Final = re.compile(_EOL)
_EVENT_END: Final = re.compile(_EOL + _EOL)
_LONGEST_EVENT_END: Final = 4  # bytes, CRLF CRLF

# A field's name (1) and its value (2) without the one blank that may lead it.
_FIELD: Final = re.compile(rb"([^:\r\n]*+)(?:: ?+([^\r\n]*+))?+(?:\r\n|[\r\n]|\Z)")


class Events:
    """The grammar of an event stream."""

    __slots__ = ("_bom", "_seen")

    def __init__(self) -> None:
        self._bom: int | None = None  # length of a byte order mark before the coming frame; None: not known yet
        self._seen = 0  # bytes behind that mark in which no end of the coming frame begins

    def next(self, buffer: bytearray, start: int) -> Frame | None:
        if self._bom is None:
            self._bom = _mark(buffer)
        if self._bom is None or start + self._bom == len(buffer):
            return None
        first = start + self._bom
        alone = buffer[first] in b":\r\n"
        end = (_LINE_END if alone else _EVENT_END).search(buffer, first + self._seen)
        if end is None:
            self._seen = max(0, len(buffer) - first - (_LONGEST_EVENT_END - 1))
            return None
        return self.rest(bytes(buffer[start : end.end()]))

    def rest(self, raw: bytes) -> Frame:
        mark, self._bom, self._seen = self._bom or 0, 0, 0
        return _event(raw, mark)


def _mark(buffer: bytearray) -> int | None:
    """Length of the byte order mark that the stream begins with (which is not part of its text); None: too early."""
    if buffer.startswith(_BOM):
        return len(_BOM)
    return None if _BOM.startswith(buffer) else 0


def _event(raw: bytes, mark: int) -> Frame:
    event = b""
    values: list[bytes] = []
    at = (0, 0)
    more: list[tuple[int, int]] = []
    for line in _FIELD.finditer(raw, mark):
        name, value = line.groups(b"")
        if name == b"event":
            event = value
        elif name == b"data":
            if values:
                more.append(line.span())
            else:
                end = line.end(1 if line[2] is None else 2)
                at = (end - len(value), end)
            values.append(value)
    data = b"\n".join(values) if values else None
    return Frame(raw, data, _utf8(raw, event), at=at, more=tuple(more))


def _utf8(raw: bytes, event: bytes) -> str | None:
    """The event's name, if it has one. Raises Malformed where the frame is not UTF-8, which the standard demands."""
    try:
        if not raw.isascii():
            raw.decode()
        return event.decode() or None
    except UnicodeDecodeError:
        raise Malformed("an event of the stream is not UTF-8") from None
