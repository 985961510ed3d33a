"""The store of a gateway while it runs: opened, watched, and closed as one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from gateway.errors import StoreError
from gateway.state.guarded import GuardedCounters
from gateway.state.limit import OnError
from gateway.state.members import Members
from gateway.state.memory import MemoryCounters, MemoryRegisters
from gateway.state.redis.connection import Connection
from gateway.state.redis.counters import RedisCounters
from gateway.state.redis.place import Place
from gateway.state.redis.registers import RedisRegisters
from gateway.state.sqlite import SqliteRegisters
from gateway.state.store import Counters, Registers, Store


@dataclass(frozen=True, slots=True)
class Means:
    """How a shared store is spoken to. `timeout` is in seconds, `key` hashes what is counted apart."""

    timeout: float
    prefix: str
    key: bytes
    ca_file: Path | None = None


class OpenRegisters:
    """The registers of a shared store alone: for who only takes a decision. `registers` None: nothing is shared.

    `lasting` are those of the store, or else of this machine's `file`, for what has to outlive a gateway; None without
    either. `timeout` is in seconds.
    """

    def __init__(
        self, place: Place | None, timeout: float, prefix: str, ca_file: Path | None, file: Path | None = None
    ) -> None:
        self.registers: Registers | None = None
        self._connection: Connection | None = None
        self._file: SqliteRegisters | None = None
        if place is not None:
            self._connection = Connection(place, timeout, ca_file)
            self.registers = RedisRegisters(self._connection, prefix)
        elif file is not None:
            self._file = SqliteRegisters(file, timeout=timeout)
        self.lasting: Registers | None = self.registers or self._file

    async def close(self) -> None:
        if self._connection is not None:
            await self._connection.close()
        if self._file is not None:
            await self._file.close()


class OpenStore:
    """A store in use. `place` None is the memory of this process, with the registers in `file`, where one is given.

    `me` names this worker among those who share it.
    """

    def __init__(
        self, place: Place | None, means: Means, me: str, told: Callable[[str], None], file: Path | None = None
    ) -> None:
        self.place = place
        self._told = told
        self._watch: asyncio.Task[None] | None = None
        self._connection: Connection | None = None
        self.guard: GuardedCounters | None = None
        self._file: SqliteRegisters | None = None
        counters: Counters = MemoryCounters()
        registers: Registers = MemoryRegisters()
        if place is None and file is not None:
            registers = self._file = SqliteRegisters(file, told)
        if place is not None:
            self._connection = Connection(place, means.timeout, means.ca_file)
            registers = RedisRegisters(self._connection, means.prefix)
            shared = RedisCounters(self._connection, means.prefix, means.key)
            counters = self.guard = GuardedCounters(shared, Members(registers, me), told, reach=self._connection.open)
        self.store = Store(place.kind if place is not None else "memory", counters, registers)

    async def open(self) -> None:
        """Begin to use it. A shared store that is away now is told, and comes in when it is there: a gateway that
        restarts while it is away must not stay down."""
        if self._connection is None or self.guard is None:
            return
        try:
            await self._connection.open()
        except StoreError as error:
            self._told(f"the store cannot be reached, and limits are kept without it: {error}")
        await self.guard.beat()
        self._watch = asyncio.create_task(self.guard.watch())

    async def close(self) -> None:
        """Tell the store what it missed, leave the members, and close the connections."""
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.gather(self._watch, return_exceptions=True)
        if self.guard is not None:
            with suppress(StoreError):
                await self.guard.leave()
        if self._connection is not None:
            await self._connection.close()
        if self._file is not None:
            await self._file.close()

    @property
    def is_up(self) -> bool:
        """Whether the store answers, as far as is known."""
        return self.guard is None or not self.guard.breaker.is_open

    def status(self, on_error: OnError) -> dict[str, object]:
        """What an operator is told; JSON values only. `on_error` is what holds for limits that say nothing else."""
        status: dict[str, object] = {"kind": self.store.kind, "at": str(self.place) if self.place else None}
        if self.guard is None:
            return status
        breaker = self.guard.breaker
        return status | {
            "connected": not breaker.is_open,
            "fault": breaker.fault,
            "since": breaker.since.isoformat(timespec="seconds") if breaker.since is not None else None,
            "failures": breaker.failures,
            "limits_without_it": str(on_error),
            "decided_without_it": self.guard.unshared,
            "to_be_charged": self.guard.owed,
            "members": self.guard.members.count,
        }
