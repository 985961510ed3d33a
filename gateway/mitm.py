"""mitmproxy in a process of its own (addons/lockgate_host.py): started, started again when it dies, and ended.

It changes the event loop that it runs in and keeps global state, so it is never in this process.
"""

from __future__ import annotations

import asyncio
import json
import sys
from asyncio.subprocess import PIPE, Process
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from gateway import record, resources
from gateway.errors import ConfigError
from gateway.units import Address

HOST: Final = "lockgate_host.py"
ADDON: Final = "lockgate.py"

START: Final = 60.0
"""Seconds until it has to listen: importing it takes two, and `local` may have to ask somebody for leave."""

END: Final = 5.0
"""Seconds that it gets to end by itself."""

FIRST_PAUSE: Final = 0.5
LONGEST_PAUSE: Final = 30.0
"""Seconds before it is started again, doubled each time; a fault that stays must not fill the log."""

STEADY: Final = 60.0
"""Seconds after which one that dies is taken for one that had run well."""

LINES: Final = 3
"""How much of what it said last stands in `fault`."""

PORTS: Final = {"regular": 8084, "transparent": 8085}
"""For modes whose port at mitmproxy is the one of the base URLs here."""

type Pause = Callable[[float], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Hop:
    """What the addon has to know: where the gateway takes flows over, the key of tickets, the authority's folder."""

    address: Address
    key: bytes
    confdir: Path

    def environment(self) -> dict[str, str]:
        return {
            "LOCKGATE_HOP": str(self.address),
            "LOCKGATE_HOP_KEY": self.key.hex(),
            "LOCKGATE_HOP_CA": str(self.confdir),
        }


def spelt(mode: str) -> str:
    """A mode as mitmproxy is given it: with a port of ours where its own would be taken."""
    return f"{mode}@{PORTS[mode]}" if mode in PORTS else mode


def check_installed() -> None:
    """Raise ConfigError where mitmproxy is not there to be run."""
    if find_spec("mitmproxy") is None:
        raise ConfigError(("--mitm needs mitmproxy, which is not installed; pip install 'lockgate[mitm]'",))


class Mitmproxy:
    """One mitmproxy with all its modes. `environ` is what it gets beside the addon's settings, `pause` waits seconds.

    `fault` says why it does not run at the moment, `listening` where it does if it does.
    """

    def __init__(
        self, modes: tuple[str, ...], hop: Hop, environ: Mapping[str, str], pause: Pause = asyncio.sleep
    ) -> None:
        self.modes = tuple(spelt(mode) for mode in modes)
        self.listening: tuple[str, ...] = ()
        self.restarts = 0
        self.fault: str | None = "not started"
        self._environ = {**environ, **hop.environment()}
        self._pause = pause
        self._said: deque[str] = deque(maxlen=LINES)
        self._process: Process | None = None
        self._watch: asyncio.Task[None] | None = None
        self._errors: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start it, and wait until it listens. Raises ConfigError where it does not."""
        check_installed()
        await self._start()
        if self.fault is not None:
            await self.close()
            raise ConfigError((f"--mitm: mitmproxy does not start: {self.fault}",))
        self._watch = asyncio.create_task(self._keep_running())

    async def close(self) -> None:
        """End it."""
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.gather(self._watch, return_exceptions=True)
        await self._end()

    def status(self) -> dict[str, object]:
        """For an operator; JSON values only."""
        return {
            "modes": list(self.modes),
            "listening": list(self.listening),
            "pid": self._process.pid if self._process is not None and self.fault is None else None,
            "restarts": self.restarts,
            "fault": self.fault,
        }

    async def _keep_running(self) -> None:
        clock = asyncio.get_running_loop()
        pause, began = FIRST_PAUSE, clock.time()
        while True:
            if self.fault is None:
                assert self._process is not None
                await self._process.wait()
                await self._end()
                self.fault = f"it ended with {self._process.returncode}: {self._told() or 'it said nothing'}"
                if clock.time() - began > STEADY:
                    pause = FIRST_PAUSE
            record.log().error("mitmproxy does not run, starting it again", error=self.fault, in_s=pause)
            await self._pause(pause)
            pause = min(2 * pause, LONGEST_PAUSE)
            self.restarts += 1
            began = clock.time()
            await self._start()

    async def _start(self) -> None:
        """Start the process, and set `fault` by what becomes of it."""
        self._said.clear()
        try:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                str(resources.addon(HOST)),
                *self.modes,
                stdin=PIPE,  # it ends when this does, even where we are killed
                stdout=PIPE,
                stderr=PIPE,
                env=self._environ,
            )
            self._errors = asyncio.create_task(self._listen(self._process))
            self.listening = await self._heard(self._process)
            self.fault = None
        except (OSError, TimeoutError, ValueError) as error:
            await self._end()
            self.fault = self._told() or f"{type(error).__name__}: {error}"

    async def _heard(self, process: Process) -> tuple[str, ...]:
        """Where it listens. Raises TimeoutError, and ValueError where it ends instead."""
        assert process.stdout is not None
        async with asyncio.timeout(START):
            line = await process.stdout.readline()
        return tuple(json.loads(line))

    async def _listen(self, process: Process) -> None:
        """Put what it says into the log."""
        assert process.stderr is not None
        while line := await process.stderr.readline():
            self._said.append(line.decode(errors="replace").strip())
            record.log().warning("mitmproxy", said=self._said[-1])

    def _told(self) -> str:
        return "; ".join(self._said)

    async def _end(self) -> None:
        """End the process that runs, if one does, and hear out what it says."""
        self.listening = ()
        process = self._process
        if process is None:
            return
        assert process.stdin is not None
        process.stdin.close()
        try:
            async with asyncio.timeout(END):
                await process.wait()
        except TimeoutError:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
        assert self._errors is not None
        await asyncio.gather(self._errors, return_exceptions=True)  # a line that is too long ends the hearing
