"""The process of a gateway: its log, its event loop and its signals."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from gateway import config as configuration
from gateway import record
from gateway.app.alone import Alone
from gateway.app.loop import loop_factory
from gateway.app.supervisor import Supervisor
from gateway.config import Config
from gateway.errors import LockgateError
from gateway.stops.decision import EVERYTHING
from gateway.stops.switch import Switch
from gateway.units import Address


class Gateway(Protocol):
    """What a process runs: a gateway alone, or the supervisor of one."""

    config: Config
    switch: Switch

    async def open(self) -> None: ...
    async def announce(self) -> None: ...
    def in_flight(self) -> int: ...
    def reload(self) -> None: ...
    async def drain(self) -> None: ...
    async def close(self) -> None: ...


def run(path: Path | None, listen: Address | None = None, modes: tuple[str, ...] = ()) -> None:
    """Serve until a signal. Raises LockgateError where the gateway cannot start."""
    config = configuration.load(path) if path is not None else Config()
    record.configure(config.log.format, config.log.level)
    made = Supervisor if config.gateway.workers > 1 else Alone
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(_serve(lambda: made(path, os.environ, listen, modes)))


async def _serve(make: Callable[[], Gateway]) -> None:
    gateway = make()
    await gateway.open()
    try:
        stop, force = asyncio.Event(), asyncio.Event()
        _on_signals(gateway, stop, force)
        await gateway.announce()
        await stop.wait()
        record.log().info("draining", in_flight=gateway.in_flight(), limit_s=gateway.config.gateway.drain)
        draining, forced = asyncio.create_task(gateway.drain()), asyncio.create_task(force.wait())
        await asyncio.wait((draining, forced), return_when=asyncio.FIRST_COMPLETED)
        for task in (draining, forced):
            task.cancel()
        record.log().info("stopped")
    finally:
        await gateway.close()


def _on_signals(gateway: Gateway, stop: asyncio.Event, force: asyncio.Event) -> None:
    """The first SIGTERM or SIGINT drains, the second ends at once; SIGHUP loads everything again; SIGUSR1 stops
    everything, as `lockgate stop` does."""
    loop = asyncio.get_running_loop()
    stops: set[asyncio.Task[None]] = set()

    def end() -> None:
        (force if stop.is_set() else stop).set()

    def throw() -> None:
        task = asyncio.create_task(_stop_everything(gateway.switch))
        stops.add(task)
        task.add_done_callback(stops.discard)

    loop.add_signal_handler(signal.SIGUSR1, throw)
    loop.add_signal_handler(signal.SIGTERM, end)
    loop.add_signal_handler(signal.SIGINT, end)
    loop.add_signal_handler(signal.SIGHUP, gateway.reload)


async def _stop_everything(switch: Switch) -> None:
    try:
        await switch.decide(EVERYTHING, stopped=True, why="", by="the signal SIGUSR1")
    except LockgateError as error:
        record.log().error("the stop holds in this process alone", error=str(error))
