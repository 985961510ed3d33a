"""Passes: a call that was approved in a model's answer is not asked about again when the agent then makes it.

One pass is one execution of one call (agent, tool and arguments), at an MCP server or as an HTTP request. It is spent
by a compare-and-set, so that of two who show it one gets through.
"""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import Struct

from gateway.state.store import Registers

REGISTER: Final = "approvals.passes"
LIFETIME: Final = 900.0
"""Seconds from the answer to the execution. Agents make their calls at once, but some have their user confirm first."""
MOST: Final = 1000
"""Passes at once. Without room none is given, and the execution is asked about."""


class _Pass(Struct, frozen=True):
    ticket: str
    left: int


class Passes:
    """By the digest of a call."""

    def __init__(self, registers: Registers) -> None:
        self._registers = registers

    async def give(self, call: str, ticket: str) -> None:
        """Allow one more execution. Raises StoreError."""
        while True:
            found = await self._registers.read(REGISTER)
            entry = found.get(call)
            if entry is None and len(found) >= MOST:
                return
            left = _read(entry.value).left if entry is not None else 0
            value, version = _ENCODER.encode(_Pass(ticket, left + 1)), entry.version if entry is not None else 0
            if await self._registers.write(REGISTER, call, value, version=version, ttl=LIFETIME) is not None:
                return

    async def spend(self, call: str) -> str | None:
        """The ticket by which the call may be made, now once less; None where there is no pass. Raises StoreError."""
        while (entry := (await self._registers.read(REGISTER)).get(call)) is not None:
            one = _read(entry.value)
            if one.left > 1:
                value = _ENCODER.encode(_Pass(one.ticket, one.left - 1))
                spent = await self._registers.write(REGISTER, call, value, version=entry.version, ttl=LIFETIME)
                if spent is not None:
                    return one.ticket
            elif await self._registers.remove(REGISTER, call, version=entry.version):
                return one.ticket if one.left == 1 else None
        return None


def _read(value: bytes) -> _Pass:
    """What another version wrote is no pass."""
    try:
        return _DECODER.decode(value)
    except msgspec.MsgspecError:
        return _Pass("", 0)


_ENCODER: Final = msgspec.json.Encoder()
_DECODER: Final = msgspec.json.Decoder(_Pass)
