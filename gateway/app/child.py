"""A worker's process as its parent has it: started with an end of the line, heard out, and waited for."""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Mapping
from contextlib import suppress
from typing import Final, Self

from gateway import record
from gateway.app.channel import Channel
from gateway.app.orders import Order

WORKER: Final = ("-P", "-m", "gateway.app.worker")
"""The arguments of Python for a worker. By `-P`, what lies in the working directory is none of ours."""

HANG_UP: Final = 10.0
"""Seconds for a process to end once it has closed its end of the line."""

LONGEST_LINE: Final = 1 << 20
"""Bytes of a line of the log; what is longer is passed on in pieces."""

_CHUNK: Final = 1 << 16


class Child:
    """A process and the line to it."""

    def __init__(self, process: Process, channel: Channel) -> None:
        self.channel = channel
        self._process = process
        self._logging = asyncio.create_task(_pass_on(process))

    @classmethod
    async def start(cls, order: Order, number: int, environ: Mapping[str, str]) -> Self:
        """Start the worker with that number, and send it its order. Raises OSError."""
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                process = await asyncio.create_subprocess_exec(
                    sys.executable,
                    *WORKER,
                    str(theirs.fileno()),
                    stdin=DEVNULL,
                    stdout=DEVNULL,
                    stderr=PIPE,
                    env=dict(environ),
                    pass_fds=(theirs.fileno(), *order.descriptors(number)),
                    start_new_session=True,
                )
        except BaseException:
            ours.close()
            raise
        channel = await Channel.over(ours)
        channel.send(order.for_worker(number))
        return cls(process, channel)

    @property
    def pid(self) -> int:
        """The number of the process."""
        return self._process.pid

    def kill(self) -> None:
        """End it, whatever it does."""
        with suppress(ProcessLookupError):
            self._process.kill()

    async def end(self) -> str:
        """Wait until it is gone, now that it has hung up, and say how it ended. One that stays is killed."""
        try:
            async with asyncio.timeout(HANG_UP):
                await self._process.wait()
        except TimeoutError:
            self.kill()
            await self._process.wait()
        await self.channel.close()
        await self._logging
        return _told(self._process.returncode or 0)


async def _pass_on(process: Process) -> None:
    """Put what the worker writes into the log, by whole lines: two processes that write to one pipe would mix them."""
    assert process.stderr is not None
    rest = b""
    while chunk := await process.stderr.read(_CHUNK):
        lines, end, rest = (rest + chunk).rpartition(b"\n")
        if len(rest) > LONGEST_LINE:
            lines, end, rest = lines + end + rest, b"", b""
        record.pass_on(lines + end)
    record.pass_on(rest)


def _told(code: int) -> str:
    """How a process ended, by its return code: below 0 for a signal."""
    if code >= 0:
        return f"it ended with {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:  # a real-time signal
        name = f"signal {-code}"
    return f"it was killed by {name}"
