"""One worker process: serves at the sockets that it inherits, and does what the supervisor says.

It is started by `gateway.app.post`, in a session of its own, so that Ctrl-C in a terminal is the supervisor's alone. A
worker whose supervisor is gone drains and ends: the line between them tells it, and on Linux the kernel too.
"""

from __future__ import annotations

import asyncio
import ctypes
import math
import os
import select
import signal
import socket
import sys
import threading
from collections.abc import Mapping
from typing import Any, Final

from gateway import record
from gateway.app.channel import Channel
from gateway.app.loop import loop_factory
from gateway.app.orders import (
    ANSWER,
    ASK,
    COUNTS,
    DIGEST,
    GRACE,
    ID,
    IN_FLIGHT,
    PROBLEMS,
    SAY,
    UNREADY,
    Ask,
    Received,
    Say,
)
from gateway.app.service import Service
from gateway.errors import LockgateError, OperatorError
from gateway.serve.means import LAST_WORDS

FAILED: Final = 2
"""The exit code of a worker that could not start."""

_PR_SET_PDEATHSIG: Final = 1
"""prctl(2): the signal that a process gets when its parent ends."""


class Worker:
    """A service and the line to the supervisor."""

    def __init__(self, service: Service, channel: Channel) -> None:
        self._service = service
        self._channel = channel
        self._leave, self._end = asyncio.Event(), asyncio.Event()

    async def run(self) -> None:
        """Serve until told to stop, and drain unless told to end at once."""
        loop = asyncio.get_running_loop()
        # Only the supervisor can have it end at once: that it is gone, and that it is told so twice, is no hurry.
        loop.add_signal_handler(signal.SIGTERM, self._leave.set)
        loop.add_signal_handler(signal.SIGHUP, self._service.reload)
        obeying = asyncio.create_task(self._obey())
        await self._leave.wait()
        signal.alarm(_longest(self._service))
        draining, ending = asyncio.create_task(self._service.drain()), asyncio.create_task(self._end.wait())
        await asyncio.wait((draining, ending), return_when=asyncio.FIRST_COMPLETED)
        for task in (draining, ending):
            task.cancel()
        await self._service.close()
        self._channel.send({SAY: Say.ENDED, COUNTS: self._service.metrics.counts()})
        await self._channel.close()
        obeying.cancel()
        await asyncio.gather(draining, ending, obeying, return_exceptions=True)

    async def _obey(self) -> None:
        try:
            while (message := await self._channel.receive()) is not None:
                self._do(Ask(message[ASK]), message.get(ID))
        except Exception as error:  # noqa: BLE001 -- whatever it is, another worker may do what this one cannot
            fault = f"{type(error).__name__}: {error}"
            record.log().error("the worker cannot do what it is told, and ends", error=fault)
        self._leave.set()

    def _do(self, ask: Ask, number: int | None) -> None:
        match ask:
            case Ask.COUNTS:
                self._channel.send({ID: number, ANSWER: self._counts()})
            case Ask.SERVING:
                self._channel.send({ID: number, ANSWER: self._service.serving()})
            case Ask.RELOAD:
                self._service.reload()
            case Ask.DRAIN:
                self._leave.set()
            case Ask.END:
                self._leave.set()
                self._end.set()

    def _counts(self) -> Mapping[str, Any]:
        return {
            COUNTS: self._service.metrics.counts(),
            UNREADY: list(self._service.unready()),
            IN_FLIGHT: self._service.in_flight(),
            DIGEST: self._service.digest,
        }


async def work(end: socket.socket) -> int:
    """Serve by the first order that comes over this end of the line. Returns the exit code."""
    channel = await Channel.over(end)
    sent = await channel.receive()
    if sent is None:
        return 0  # the supervisor was gone before it could say anything
    try:
        order = Received.of(sent)
        log = order.seat.origin.log
        record.configure(log.format, log.level)
        service = Service(order.path, os.environ, order.seat)
        try:
            await service.start(order.doors)
        except LockgateError:
            await service.close()
            raise
    except LockgateError as error:
        problems = error.problems if isinstance(error, OperatorError) else (str(error),)
        channel.send({SAY: Say.FAILED, PROBLEMS: list(problems)})
        await channel.close()
        return FAILED
    mind(end.fileno(), _longest(service))
    channel.send({SAY: Say.SERVES})
    await Worker(service, channel).run()
    return 0


def _longest(service: Service) -> int:
    """Seconds after which the kernel is to end this process, whatever it does then, once it was told to leave."""
    return math.ceil(service.config.gateway.drain + LAST_WORDS + GRACE)


def mind(descriptor: int, longest: int) -> None:
    """Watch the line on a thread too, so that no worker stays behind whose event loop has come to a stop."""

    def wait() -> None:
        watch = select.poll()
        watch.register(descriptor, 0)  # nothing but that the other end is gone, which is always told
        watch.poll()
        signal.alarm(longest)

    threading.Thread(target=wait, name="supervisor-watch", daemon=True).start()


def _die_with_parent() -> None:
    """Have the kernel tell when the supervisor ends. Elsewhere than on Linux the line alone does."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM))


def main() -> None:
    """The process. Its argument is the number of the descriptor that is its end of the line."""
    _die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end = socket.socket(fileno=int(sys.argv[1]))
    os.set_inheritable(end.fileno(), False)
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        code = runner.run(work(end))
    sys.exit(code)


if __name__ == "__main__":
    main()
