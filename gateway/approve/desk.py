"""People's side: what waits, what was decided, and the decisions. Needs the registers alone, and no gateway."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from typing import Final

from msgspec.structs import replace

from gateway.approve.book import Book
from gateway.approve.decision import Decision, Fault, Person, Undecided, decided
from gateway.approve.roster import Roster
from gateway.approve.ticket import State, Ticket, read_id
from gateway.state.store import Registers

LOOK: Final = 0.25
"""Seconds between two looks of who watches."""


class Desk:
    """Shows tickets and takes decisions. `now` is Unix time in seconds; `roster` tells whose approval counts where
    several have to approve."""

    def __init__(self, registers: Registers, roster: Roster, now: Callable[[], float] = time.time) -> None:
        self._book = Book(registers, now)
        self._roster = roster
        self._now = now

    async def tickets(self, person: Person) -> tuple[Ticket, ...]:
        """Those that the person may see, the oldest first. Raises StoreError."""
        found = [self._at_now(kept.ticket) for kept in (await self._book.look()).values()]
        return tuple(sorted((one for one in found if person.may_see(one)), key=lambda one: one.created))

    async def find(self, id: str, person: Person) -> Ticket:
        """Raises Undecided where there is none that the person may see, and StoreError."""
        kept = (await self._book.look()).get(read_id(id))
        if kept is None or not person.may_see(kept.ticket):
            raise _unknown(id)
        return self._at_now(kept.ticket)

    async def decide(self, id: str, decision: Decision, who: Person | Callable[[], Person]) -> Ticket:
        """Take a decision; when this returns, it holds at every gateway within a second. `who` may be found out at the
        last moment. Raises Undecided and StoreError."""
        while (kept := (await self._book.look()).get(read_id(id))) is not None:
            person = who if isinstance(who, Person) else who()
            after = decided(self._counted(kept.ticket), decision, person, self._now())
            if await self._book.put(after, kept.version):
                return after
        raise _unknown(id)

    async def watch(self, person: Person) -> AsyncGenerator[Ticket]:
        """What waits now, and then each ticket as it changes, until the iteration is left. Raises StoreError."""
        known: dict[str, tuple[int, State]] = {}
        is_late = False  # at first only what waits is news
        while True:
            found = await self._book.look()
            for id_, kept in found.items():
                ticket = self._at_now(kept.ticket)
                mark = len(ticket.steps), ticket.state
                if known.get(id_) != mark and person.may_see(ticket) and (is_late or ticket.state is State.PENDING):
                    yield ticket
                known[id_] = mark
            is_late = True
            await asyncio.sleep(LOOK)

    def _at_now(self, ticket: Ticket) -> Ticket:
        return replace(self._counted(ticket), state=ticket.state_at(self._now()))

    def _counted(self, ticket: Ticket) -> Ticket:
        """A ticket that waits with the approvals of those who may still give one."""
        if ticket.state is not State.PENDING or not ticket.votes:
            return ticket
        return replace(ticket, votes=tuple(vote for vote in ticket.votes if self._roster.counts(vote, ticket)))


def _unknown(id: str) -> Undecided:
    return Undecided(Fault.UNKNOWN, f"there is no `{read_id(id)[:20]}`; see `lockgate approvals list`")
