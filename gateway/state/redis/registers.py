"""Registers in Redis: a hash for the documents of each, and a number that grows with every change.

They share a hash tag, so that followers learn of all of them by one question.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gateway.state.redis.connection import Connection
from gateway.state.redis.counters import VERSION
from gateway.state.redis.scripts import READ, REMOVE, WRITE
from gateway.state.store import Entry


class RedisRegisters:
    """`Registers` in Redis. `prefix` begins every key."""

    def __init__(self, connection: Connection, prefix: str) -> None:
        self._connection = connection
        self._prefix = f"{prefix}:{VERSION}:{{registers}}"

    async def read(self, register: str) -> Mapping[str, Entry]:
        found = await self._connection.run(READ, self._keys(register), [])
        # Whatever somebody else writes there has a name that can be shown.
        return {
            found[at].decode(errors="backslashreplace"): Entry(found[at + 2], int(found[at + 1]))
            for at in range(0, len(found), 3)
        }

    async def write(
        self, register: str, key: str, value: bytes, *, version: int | None = None, ttl: float | None = None
    ) -> int | None:
        wanted = -1 if version is None else version
        lifetime = 0 if ttl is None else max(round(ttl * 1e6), 1)
        written = await self._connection.run(WRITE, self._keys(register), [key, value, wanted, lifetime])
        return int(written) or None

    async def remove(self, register: str, key: str, *, version: int | None = None) -> bool:
        wanted = -1 if version is None else version
        return bool(await self._connection.run(REMOVE, self._keys(register), [key, wanted]))

    async def revisions(self, registers: Sequence[str]) -> tuple[int, ...]:
        return await self._connection.numbers([self._keys(register)[1] for register in registers])

    def _keys(self, register: str) -> list[str]:
        return [f"{self._prefix}:{register}:documents", f"{self._prefix}:{register}:revision"]
