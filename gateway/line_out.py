"""The stream that log lines leave by: those that come soon after each other, in one write."""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress
from typing import Final, TextIO

WAIT: Final = 0.05
"""Seconds that a line waits for others: too short to notice, and at high rates a hundred lines in one write."""


class Out:
    """A text stream that is written to once for many lines. One that is closed or broken loses them, and stops nothing.

    Lines wait only while an event loop runs that can wake up for them; a message, which structlog gives to the method
    named as its level, waits for nothing.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream
        self._waiting: list[str] = []
        self._due_in: asyncio.AbstractEventLoop | None = None

    def line(self, text: str) -> None:
        self._waiting.append(text)
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self.flush()
            return
        if self._due_in is not loop:
            self._due_in = loop
            loop.call_later(WAIT, self._due)

    def message(self, text: str) -> None:
        self._waiting.append(text)
        self.flush()

    debug = info = warning = error = critical = message

    def flush(self) -> None:
        lines, self._waiting = self._waiting, []
        if not lines:
            return
        stream = self._stream or sys.stderr
        with suppress(OSError, ValueError):
            stream.write("\n".join((*lines, "")))
            stream.flush()

    def _due(self) -> None:
        self._due_in = None
        self.flush()
