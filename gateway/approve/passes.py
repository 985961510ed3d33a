"""Passes: a call that was approved in a model's answer is not asked about again when the agent then makes it.

One pass is one execution of one call (agent, tool and arguments), at an MCP server or as an HTTP request: at the one
that the model named, or at any where it named none. It is spent by a compare-and-set, so that of two who show it one
gets through.
"""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from gateway.approve.earlier import Asked, suffices
from gateway.approve.ticket import Ticket
from gateway.policy.call import Approver, Tier
from gateway.state.store import Registers

REGISTER: Final = "approvals.passes"
LIFETIME: Final = 900.0
"""Seconds from the answer to the execution. Agents make their calls at once, but some have their user confirm first."""
MOST: Final = 1000
"""Passes at once. Without room none is given, and the execution is asked about."""


class _Pass(Struct, frozen=True):
    """`left` executions. Of several approvals it has what the least of them allows."""

    ticket: str
    left: int
    role: Approver = Approver.USER
    votes: int = 1
    tier: Tier = Tier.READ


class Passes:
    """By the digest of a call and its server (`Asked.passes`)."""

    def __init__(self, registers: Registers) -> None:
        self._registers = registers

    async def give(self, name: str, ticket: Ticket) -> None:
        """Allow one more execution, as the ticket was approved. Raises StoreError."""
        while True:
            found = await self._registers.read(REGISTER)
            entry = found.get(name)
            if entry is None and len(found) >= MOST:
                return
            before = _read(entry.value) if entry is not None else NONE
            value, version = _ENCODER.encode(_with(before, ticket)), entry.version if entry is not None else 0
            if await self._registers.write(REGISTER, name, value, version=version, ttl=LIFETIME) is not None:
                return

    async def spend(self, asked: Asked) -> str | None:
        """The ticket by which the call may be made, now once less; None where there is no pass that is enough for it.
        Raises StoreError."""
        for name in asked.passes:
            if (ticket := await self._spend(name, asked)) is not None:
                return ticket
        return None

    async def _spend(self, name: str, asked: Asked) -> str | None:
        while (entry := (await self._registers.read(REGISTER)).get(name)) is not None:
            one = _read(entry.value)
            if one.left and not suffices(one.role, one.votes, one.tier, asked):
                return None
            if one.left > 1:
                value = _ENCODER.encode(replace(one, left=one.left - 1))
                spent = await self._registers.write(REGISTER, name, value, version=entry.version, ttl=LIFETIME)
                if spent is not None:
                    return one.ticket
            elif await self._registers.remove(REGISTER, name, version=entry.version):
                return one.ticket if one.left == 1 else None
        return None


def _with(before: _Pass, ticket: Ticket) -> _Pass:
    role, votes, tier = ticket.decided_as, len(ticket.votes), ticket.tier
    if before.left:
        role = role if before.role is role else Approver.USER
        votes, tier = min(votes, before.votes), min(tier, before.tier)
    return _Pass(ticket.id, before.left + 1, role, votes, tier)


def _read(value: bytes) -> _Pass:
    """What another version wrote is no pass."""
    try:
        return _DECODER.decode(value)
    except msgspec.MsgspecError:
        return NONE


NONE: Final = _Pass("", 0)


_ENCODER: Final = msgspec.json.Encoder()
_DECODER: Final = msgspec.json.Decoder(_Pass)
