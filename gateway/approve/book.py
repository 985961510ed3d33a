"""The book of tickets: a register, read again only when it changed."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from msgspec import Struct

from gateway.approve.ticket import Ticket, decode, encode
from gateway.state.store import Registers

REGISTER: Final = "approvals"


class Kept(Struct, frozen=True):
    """A ticket, the version at which it is in the register, and its size there in bytes."""

    ticket: Ticket
    version: int
    size: int


class Book:
    """Tickets by their ids. `now` is Unix time in seconds."""

    def __init__(self, registers: Registers, now: Callable[[], float] = time.time) -> None:
        self._registers = registers
        self._now = now
        self._kept: Mapping[str, Kept] = MappingProxyType({})
        self._revision = -1
        self.taken: frozenset[str] = frozenset()  # all ids, those of tickets that are over or cannot be read included

    async def look(self) -> Mapping[str, Kept]:
        """All that are in it now. Raises StoreError."""
        (revision,) = await self._registers.revisions([REGISTER])
        if revision != self._revision:
            found = await self._registers.read(REGISTER)
            self.taken = frozenset(found)
            self._kept = {
                key: Kept(ticket, entry.version, len(entry.value))
                for key, entry in found.items()
                if (ticket := decode(entry.value)) is not None
            }
            self._revision = revision
        now = self._now()
        return MappingProxyType({key: kept for key, kept in self._kept.items() if kept.ticket.over_at > now})

    @property
    def revision(self) -> int:
        """Of what was last read; another one when it changed."""
        return self._revision

    async def put(self, ticket: Ticket, version: int) -> bool:
        """Put it in the place of what is there at that version, 0 for nothing; False where it is not. Raises
        StoreError."""
        lifetime = max(ticket.over_at - self._now(), 1.0)
        written = await self._registers.write(REGISTER, ticket.id, encode(ticket), version=version, ttl=lifetime)
        if written is None:
            self._revision = -1  # it may be gone by the clock of the store, which changes no revision
        return written is not None
