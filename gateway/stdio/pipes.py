"""Ends of pipes, read and written on threads of their own.

An event loop takes no regular files, and a write to a full pipe blocks. The threads are daemons: one that waits for a
program which neither reads, writes nor goes away must not keep the process.
"""

from __future__ import annotations

import asyncio
import os
import queue
import threading
from concurrent.futures import CancelledError
from typing import Final

CHUNK: Final = 1 << 16
"""Bytes that are read at a time: what a pipe holds on Linux."""


class Source:
    """Reads a file descriptor, and closes it at its end."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._loop = asyncio.get_running_loop()
        self._read: asyncio.Queue[bytes] = asyncio.Queue(1)
        threading.Thread(target=self._follow, name="stdio-read", daemon=True).start()

    async def read(self) -> bytes:
        """The next bytes; none at the end, after which it must not be called again."""
        return await self._read.get()

    def _follow(self) -> None:
        data = b"?"
        while data:
            try:
                data = os.read(self._descriptor, CHUNK)
            except OSError:
                data = b""
            given = self._read.put(data)
            try:
                asyncio.run_coroutine_threadsafe(given, self._loop).result()
            except (RuntimeError, CancelledError):  # the loop is closed, and with it whoever would read
                given.close()
                break
        os.close(self._descriptor)


class Sink:
    """Writes to a file descriptor."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._loop = asyncio.get_running_loop()
        self._waiting: queue.SimpleQueue[tuple[bytes, asyncio.Future[None]]] = queue.SimpleQueue()
        threading.Thread(target=self._follow, name="stdio-write", daemon=True).start()

    async def write(self, data: bytes) -> None:
        """Write all of it. Raises OSError where nobody reads any more."""
        done: asyncio.Future[None] = self._loop.create_future()
        self._waiting.put((data, done))
        await done

    def _follow(self) -> None:
        while True:
            data, done = self._waiting.get()
            fault: OSError | None = None
            try:
                view = memoryview(data)
                while view:
                    view = view[os.write(self._descriptor, view) :]
            except OSError as error:
                fault = error
            try:
                self._loop.call_soon_threadsafe(_settle, done, fault)
            except RuntimeError:  # the loop is closed
                return


def _settle(done: asyncio.Future[None], fault: OSError | None) -> None:
    if done.done():
        return
    if fault is None:
        done.set_result(None)
    else:
        done.set_exception(fault)
