"""One event of a stream as bytes and payload, and how a payload is replaced where it stands."""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import StrEnum
from typing import Final, Protocol

from msgspec import Struct

from gateway.wire import amazon_message
from gateway.wire.amazon_chunk import CHUNK, carrying

_ANY_LINE_END: Final = re.compile(rb"\r\n|[\r\n]")


class Framing(StrEnum):
    """How a stream is cut into events."""

    SSE = "sse"  # text/event-stream
    LINES = "lines"  # NDJSON and JSON Lines
    ARRAY = "array"  # one JSON array whose items come one by one (Gemini without alt=sse)
    AMAZON = "amazon"  # application/vnd.amazon.eventstream: binary messages with checksums
    MESSAGE = "message"  # whole messages, which the transport has cut already (WebSocket)


class Frame(Struct, frozen=True):
    """One event of a stream, as the very bytes that came.

    `raw` is all of it, separators included; `data` is the payload, or None where there is none (a comment, an array
    bracket); `event` is the name of an SSE event, or the type of a message of Amazon's. `at` is the byte range in `raw`
    of the payload, or of its first line; `more` are the ranges of the whole lines, line ends included, that the rest of
    an SSE payload stands on.
    """

    raw: bytes
    data: bytes | None = None
    event: str | None = None
    framing: Framing = Framing.SSE
    at: tuple[int, int] = (0, 0)
    more: tuple[tuple[int, int], ...] = ()

    def with_data(self, data: bytes) -> bytes:
        """The frame's bytes with another payload; everything else stays.

        In SSE each line of the payload becomes a `data` line with the frame's own line end, so a CR or CRLF in the
        payload is read back as LF. Raises ValueError for a frame without payload, and for a payload of JSON Lines that
        is not one line. A message of Amazon's gets its lengths and checksums anew.
        """
        if self.data is None:
            raise ValueError("a frame without payload cannot be given one")
        if self.framing is Framing.AMAZON:
            return self._with_payload(data)
        if self.framing is Framing.LINES and b"\n" in data:
            raise ValueError("a payload of JSON Lines must be one line")
        if self.framing is Framing.SSE:
            data = self._field_value(data)
        start, end = self.at
        pieces = [self.raw[:start], data]
        for line_start, line_end in self.more:
            pieces.append(self.raw[end:line_start])
            end = line_end
        return b"".join((*pieces, self.raw[end:]))

    def _with_payload(self, data: bytes) -> bytes:
        if self.event is None:
            raise ValueError("what an error says stands in a header")
        start, end = self.at
        payload = carrying(data, self.raw[start:end]) if self.event == CHUNK else data
        return amazon_message.message(self.raw[amazon_message.PRELUDE : start], payload)

    def replaced(self, payloads: Sequence[tuple[str | None, bytes]]) -> list[bytes]:
        """The frames in place of this one, each with its payload and the name of its SSE event.

        Raises ValueError where the framing has no place for more or fewer: the commas of an array stand in its frames.
        """
        if self.framing is Framing.ARRAY and len(payloads) != 1:
            raise ValueError("an item of an array is replaced by one item")
        if len(payloads) == 1 and payloads[0][0] == self.event:
            return [self.with_data(payloads[0][1])]
        return [self._anew(event, data) for event, data in payloads]

    def _anew(self, event: str | None, data: bytes) -> bytes:
        if self.framing is Framing.AMAZON:
            if event is None:
                raise ValueError("an event of Amazon's has a type")
            return amazon_event(event, data)
        if self.framing is Framing.SSE:
            name = b"" if event is None else b"event: " + event.encode() + b"\n"
            return name + b"data: " + b"\ndata: ".join(_ANY_LINE_END.split(data)) + b"\n\n"
        if self.framing is Framing.LINES and b"\n" in data:
            raise ValueError("a payload of JSON Lines must be one line")
        return data + (b"\n" if self.framing is Framing.LINES else b"")

    def _field_value(self, data: bytes) -> bytes:
        """What must stand behind the first `data`, `data:` or `data: ` so that this payload is read back."""
        start, end = self.at
        before = self.raw[start - 1 : start]
        lead = b""
        if before == b"a" and data:  # a bare `data`
            lead = b": "
        elif before == b":" and data.startswith(b" "):  # the reader takes one blank off
            lead = b" "
        line_end = _ANY_LINE_END.match(self.raw, end)
        joint = (line_end[0] if line_end else b"\n") + b"data: "
        return lead + joint.join(_ANY_LINE_END.split(data))


def amazon_event(name: str, data: bytes) -> bytes:
    """An event of Amazon's framing with that payload, or, of a chunk, with what it carries."""
    return amazon_message.event(name, carrying(data) if name == CHUNK else data)


class Grammar(Protocol):
    """Where one framing's frames end. It remembers how far it looked, so that no byte is looked at again and again."""

    def next(self, buffer: bytearray, start: int) -> Frame | None:
        """The frame that begins at `start`, of which at least a byte has come; None while its end has not."""
        ...

    def rest(self, raw: bytes) -> Frame:
        """The frame of what is left, not empty, at the end of the stream."""
        ...
