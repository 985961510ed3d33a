"""Cuts the bytes of a stream into frames, and keeps every byte of them.

Each byte of the input stands in the `raw` of exactly one frame, in order: frames that leave as they came leave the
stream as it was. Any division of the bytes into chunks gives the same frames.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, Protocol

from gateway.errors import OverLimit
from gateway.wire.amazon_stream import Messages
from gateway.wire.frame import Frame, Framing, Grammar
from gateway.wire.json_stream import Items, Lines
from gateway.wire.sse import Events

__all__ = ["Frame", "Framer", "Framing", "framer"]

_GRAMMARS: Final[dict[Framing, Callable[[], Grammar]]] = {
    Framing.SSE: Events,
    Framing.LINES: Lines,
    Framing.ARRAY: Items,
    Framing.AMAZON: Messages,
}


class Framer(Protocol):
    """Cuts bytes into frames. After an error it must not be used on."""

    @property
    def unread(self) -> int:
        """Bytes that wait for the rest of their frame."""
        ...

    def feed(self, data: bytes) -> Iterator[Frame]:
        """The frames that this chunk completes, to be taken to the end before the next chunk.

        Raises OverLimit for a frame longer than the limit, Malformed for garbage, each after the good frames before
        it: what was good does not depend on how the bytes were cut.
        """
        ...

    def finish(self) -> list[Frame]:
        """What is left at the end of the stream: an unterminated last frame, if any.

        The standard drops an SSE event that no empty line ended; clients differ, so it is read and handed on. Raises
        Malformed where a part cannot be read: messages of Amazon's end in a checksum.
        """
        ...


def framer(framing: Framing, limit: int) -> Framer:
    """A framer whose frames may have up to `limit` bytes."""
    return _Messages(limit) if framing is Framing.MESSAGE else _Buffered(_GRAMMARS[framing](), limit)


class _Messages:
    """The framer where each chunk is one frame."""

    __slots__ = ("_limit",)

    def __init__(self, limit: int) -> None:
        self._limit = limit

    @property
    def unread(self) -> int:
        return 0

    def feed(self, data: bytes) -> Iterator[Frame]:
        if len(data) > self._limit:
            raise OverLimit(f"a message has more than {self._limit} bytes")
        yield Frame(data, data, framing=Framing.MESSAGE, at=(0, len(data)))

    def finish(self) -> list[Frame]:
        return []


class _Buffered:
    """The framer over any grammar: it keeps the bytes of the coming frame."""

    __slots__ = ("_buffer", "_grammar", "_limit")

    def __init__(self, grammar: Grammar, limit: int) -> None:
        self._buffer = bytearray()
        self._grammar = grammar
        self._limit = limit

    @property
    def unread(self) -> int:
        return len(self._buffer)

    def feed(self, data: bytes) -> Iterator[Frame]:
        self._buffer += data
        start = 0
        while start < len(self._buffer) and (frame := self._grammar.next(self._buffer, start)) is not None:
            self._check(len(frame.raw))
            yield frame
            start += len(frame.raw)
        self._check(len(self._buffer) - start)
        del self._buffer[:start]

    def finish(self) -> list[Frame]:
        raw = bytes(self._buffer)
        self._buffer.clear()
        return [self._grammar.rest(raw)] if raw else []

    def _check(self, length: int) -> None:
        if length > self._limit:
            raise OverLimit(f"an event of the stream has more than {self._limit} bytes")
