"""Cuts bytes into lines of a limited length; one that is longer is told and left out, and what follows it is read on.

(The framer of `wire/frames.py` ends at such a line, as an answer stream does. A pipe between two programs goes on.)
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

TOO_LONG: Final = None
"""What stands for a line that is longer than the limit."""


class Cutter:
    """Lines end with LF, which is part of them. The longest has `limit` bytes."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._buffer = bytearray()
        self._seen = 0  # bytes of the coming line that hold no LF
        self._is_skipping = False

    def feed(self, data: bytes) -> Iterator[bytes | None]:
        """The lines that this chunk completes, to be taken to the end before the next chunk."""
        self._buffer += data
        start = 0
        while (end := self._buffer.find(b"\n", start + self._seen)) >= 0:
            line = bytes(self._buffer[start : end + 1])
            start, self._seen = end + 1, 0
            if self._is_skipping:
                self._is_skipping = False
            else:
                yield line if len(line) <= self._limit else TOO_LONG
        del self._buffer[:start]
        self._seen = len(self._buffer)
        if self._seen > self._limit:
            if not self._is_skipping:
                yield TOO_LONG
            self._is_skipping = True
            self._buffer.clear()
            self._seen = 0

    def finish(self) -> bytes:
        """What is left at the end: a line that nothing ended, or nothing."""
        rest = b"" if self._is_skipping else bytes(self._buffer)
        self._buffer.clear()
        return rest
