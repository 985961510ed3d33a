"""What gateways share: counts, and registers of small documents.

Each of the two is a protocol with an implementation in memory and one in Redis, held to one contract. Whatever else is
to be shared (stops, members, versions of rules) is a register: a name for it and its form, not code in a store.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from gateway.state.limit import Charge, Claim, Limit, Taken


class Counters(Protocol):
    """Keeps the counts of all limits. Raises StoreError where it cannot, soon: nothing here waits for long."""

    async def take(self, claims: Sequence[Claim], holder: str) -> Taken:
        """Take all that is claimed, or, where one limit has too little left, nothing. `holder` is the request's id."""
        ...

    async def settle(self, charges: Sequence[Charge], holder: str) -> None:
        """Correct what was taken by these amounts: more where it was too little, even over the limit; a negative one
        gives back. Slots of `holder` are freed. A budget's window that is over is left as it is."""
        ...

    async def renew(self, limits: Sequence[Limit], holder: str) -> None:
        """Keep the slots that `holder` has, for one more lease. One that was lost is taken anew, even over the limit.

        Limits of another kind are left alone.
        """
        ...


@dataclass(frozen=True, slots=True)
class Entry:
    """One document of a register. `version` is another with every write, and none comes twice in a register."""

    value: bytes
    version: int


class Registers(Protocol):
    """Named maps of small documents. Raises StoreError as counters do."""

    async def read(self, register: str) -> Mapping[str, Entry]:
        """All of a register; those whose time is over are gone."""
        ...

    async def write(
        self, register: str, key: str, value: bytes, *, version: int | None = None, ttl: float | None = None
    ) -> int | None:
        """Write, and return the new version; None, and nothing is written, where the key is not at `version`.

        `version` 0 wants that there is none yet, None does not care. `ttl` is in seconds; without one it stays.
        """
        ...

    async def remove(self, register: str, key: str, *, version: int | None = None) -> bool:
        """Take a key out; False where it is not there, or not at that version."""
        ...

    async def revisions(self, registers: Sequence[str]) -> tuple[int, ...]:
        """A number for each that grows with every write and removal, so that followers need not read what is old."""
        ...


@dataclass(frozen=True, slots=True)
class Store:
    """Both, of one place. `kind` is what an operator is told: memory, redis, sentinel, cluster."""

    kind: str
    counters: Counters
    registers: Registers
