"""Gateways around a store, in a simulated network, with simulated clocks: nothing waits, and nothing is left to chance.

The code is what runs in a gateway: guards, shares, members, counters. The loop's clock stands still while something
runs, and jumps to what comes next, so that minutes pass in a second and each run is the same as the last.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Final

from gateway.errors import StoreError
from gateway.state.guarded import GuardedCounters
from gateway.state.limit import SECOND_NS, Charge, Claim, Limit, Taken
from gateway.state.members import Members
from gateway.state.memory import MemoryCounters, MemoryRegisters
from gateway.state.store import Entry

TIMEOUT: Final = 0.05
"""Seconds that a gateway waits for the store: the default of `[store] timeout`."""

type Delay = Callable[[Random], float]
"""Seconds that one way takes."""


class _Jumping(selectors.SelectSelector):
    """Waits for nothing, and says by how much the clock is to jump instead."""

    passed = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise RuntimeError("everything waits, and nothing is to come")
        self.passed += max(timeout, 0)
        return []


class JumpingLoop(asyncio.SelectorEventLoop):
    """A loop whose time, in seconds from 0, passes only where there is nothing to do."""

    def __init__(self) -> None:
        self._jumping = _Jumping()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.passed


@dataclass(slots=True)
class Clock:
    """A clock of one machine: `ahead` of the true one by so many seconds, and gaining `drift` seconds in each."""

    ahead: float = 0.0
    drift: float = 0.0

    def __call__(self) -> int:
        """Nanoseconds."""
        return round((asyncio.get_running_loop().time() * (1 + self.drift) + self.ahead) * SECOND_NS)


class Server:
    """The store's server, with a clock of its own."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.is_up = True
        self.empty()

    def empty(self) -> None:
        """Lose everything, as a server that kept nothing on its disk does."""
        self.counters = MemoryCounters(self.clock, self.clock)
        self.registers = MemoryRegisters(self.clock)


@dataclass(slots=True)
class Link:
    """What is between a gateway and the server. A link that is cut swallows; a server that is down refuses at once."""

    server: Server
    delay: Delay
    random: Random
    is_cut: bool = False

    async def ask[V](self, question: Callable[[], Awaitable[V]]) -> V:
        """The answer within the time. What was not there in time is not run, as the scripts' deadline has it."""
        try:
            async with asyncio.timeout(TIMEOUT):
                await self._one_way()
                answer = await question()
                await self._one_way()
                return answer
        except TimeoutError:
            raise StoreError("the store did not answer in time") from None

    async def _one_way(self) -> None:
        await asyncio.sleep(self.delay(self.random))
        if self.is_cut:
            await asyncio.Event().wait()
        if not self.server.is_up:
            raise StoreError("the store refuses connections")


@dataclass(slots=True)
class FarCounters:
    """`Counters` beyond a link."""

    link: Link

    async def take(self, claims: Sequence[Claim], holder: str) -> Taken:
        return await self.link.ask(lambda: self.link.server.counters.take(claims, holder))

    async def settle(self, charges: Sequence[Charge], holder: str) -> None:
        await self.link.ask(lambda: self.link.server.counters.settle(charges, holder))

    async def renew(self, limits: Sequence[Limit], holder: str) -> None:
        await self.link.ask(lambda: self.link.server.counters.renew(limits, holder))


@dataclass(slots=True)
class FarRegisters:
    """`Registers` beyond a link."""

    link: Link

    async def read(self, register: str) -> Mapping[str, Entry]:
        return await self.link.ask(lambda: self.link.server.registers.read(register))

    async def write(
        self, register: str, key: str, value: bytes, *, version: int | None = None, ttl: float | None = None
    ) -> int | None:
        return await self.link.ask(
            lambda: self.link.server.registers.write(register, key, value, version=version, ttl=ttl)
        )

    async def remove(self, register: str, key: str, *, version: int | None = None) -> bool:
        return await self.link.ask(lambda: self.link.server.registers.remove(register, key, version=version))

    async def revisions(self, registers: Sequence[str]) -> tuple[int, ...]:
        return await self.link.ask(lambda: self.link.server.registers.revisions(registers))


class Gateway:
    """One worker: a guard over the far counters, watched as in a gateway that runs."""

    def __init__(self, name: str, link: Link, clock: Clock) -> None:
        self.link = link
        members = Members(FarRegisters(link), name, clock)
        self.guard = GuardedCounters(FarCounters(link), members, lambda _: None, clock, clock)
        self._watch: asyncio.Task[None] | None = None

    @property
    def is_running(self) -> bool:
        return self._watch is not None

    async def start(self) -> None:
        await self.guard.beat()
        self._watch = asyncio.create_task(self.guard.watch())

    def crash(self) -> None:
        """Be gone without a word."""
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None


@dataclass(slots=True)
class Traffic:
    """What was asked for and what was allowed, each as times in order of their coming, in seconds."""

    asked: list[float] = field(default_factory=list)
    allowed: list[float] = field(default_factory=list)
