"""Has the text of PDFs read by processes that live for one document each.

Nothing of ours is given along: no environment, no open file, no folder. What a document does to its process ends with
it, and its process ends in time.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from gateway.exchange.events import Extracted, Unread
from gateway.pdf import child

AT_ONCE: Final = 2
"""Processes for each way in; the next document waits."""

SECONDS: Final = 20.0
"""Time for one document, twice what its process may compute (`child.CPU`)."""

END: Final = 5.0
"""Seconds in which a process that was killed is gone; one of its own, if it could start any, may hold its pipe open."""

MOST_OUTPUT: Final = 4 * child.MOST_TEXT
"""Bytes of output: three for each code unit of all the text that a document may have (UTF-8), and something beside."""

_COMMAND: Final = (sys.executable, "-I", str(Path(child.__file__)))
"""`-I`: no environment, folder or user is asked where modules are."""

_NOWHERE: Final = Path(sys.executable).anchor
"""The folder that it runs in: the root."""

_PARTS: Final = (child.IMAGE, child.ATTACHMENT, child.FORM)

_REASONS: Final[Mapping[int | None, Unread]] = {
    child.BROKEN: Unread.BROKEN,
    child.ENCRYPTED: Unread.ENCRYPTED,
    child.TOO_LARGE: Unread.TOO_LARGE,
    child.ABSENT: Unread.UNAVAILABLE,
}


class Reader:
    """Reads the text of PDFs. `command` is run for each, and gets `seconds`."""

    def __init__(self, command: Sequence[str] = _COMMAND, seconds: float = SECONDS) -> None:
        self._command = command
        self._seconds = seconds
        self._places = asyncio.Semaphore(AT_ONCE)

    async def read(self, document: bytes) -> Extracted:
        """All texts of a document, or why there are none. Never raises."""
        async with self._places:
            try:
                process = await _started(self._command)
            except OSError:
                return Extracted(unread=Unread.UNAVAILABLE)
            try:
                async with asyncio.timeout(self._seconds):
                    told = await _told(process, document)
            except (TimeoutError, ValueError):
                return Extracted(unread=Unread.OVERTIME)
            finally:
                await _ended(process)
            return _extracted(process.returncode, told)


async def _started(command: Sequence[str]) -> Process:
    environ = {"SYSTEMROOT": os.environ.get("SYSTEMROOT", "")} if sys.platform == "win32" else {}
    return await asyncio.create_subprocess_exec(
        *command, stdin=PIPE, stdout=PIPE, stderr=DEVNULL, env=environ, cwd=_NOWHERE
    )


async def _told(process: Process, document: bytes) -> bytes:
    """What it writes, all of it. Raises ValueError where that does not end."""
    assert process.stdin is not None
    assert process.stdout is not None
    with suppress(ConnectionError):  # it may have seen enough before the end
        process.stdin.write(document)
        await process.stdin.drain()
    process.stdin.close()
    told = bytearray()
    while piece := await process.stdout.read(1 << 16):
        told += piece
        if len(told) > MOST_OUTPUT:
            raise ValueError("too much output")
    await process.wait()
    return bytes(told)


async def _ended(process: Process) -> None:
    """Kill it, and wait until it is gone: a loop counts a process as such only once its pipe was read to the end."""
    assert process.stdout is not None
    with suppress(ProcessLookupError):
        process.kill()
    with suppress(TimeoutError):
        async with asyncio.timeout(END):
            while await process.stdout.read(1 << 16):
                pass
            await process.wait()


def _extracted(code: int | None, told: bytes) -> Extracted:
    """What the output says. It comes from a process that a document may have taken over, so it is not relied upon."""
    if code != 0:
        return Extracted(unread=_REASONS.get(code, Unread.OVERTIME))
    try:
        read: Any = json.loads(told)
        texts, unread = read["texts"], read["unread"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return Extracted(unread=Unread.OVERTIME)
    if not (isinstance(texts, list) and isinstance(unread, list) and all(isinstance(text, str) for text in texts)):
        return Extracted(unread=Unread.OVERTIME)
    if not all(name in _PARTS for name in unread):
        return Extracted(unread=Unread.OVERTIME)
    return Extracted(tuple(texts), None, tuple(unread))
