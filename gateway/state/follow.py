"""Follows registers: whatever changes in one is handed over, soon, whoever changed it.

It asks for revisions instead of waiting for messages: that is alike on one server, behind Sentinels and on a cluster,
and after a fail-over, in which messages are lost, nothing is missed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Final

from gateway.errors import StoreError
from gateway.state.store import Entry, Registers

LOOK: Final = 0.25
"""Seconds between two questions. One covers all registers that are followed."""

type Changed = Callable[[Mapping[str, Entry]], None]
"""Takes all of a register."""


class Follower:
    """Calls each of `followed`, by the name of its register, with what is there at first and after every change.

    `fault` says why the last look failed; what was handed over until then is still the latest known.
    """

    def __init__(self, registers: Registers, followed: Mapping[str, Changed]) -> None:
        self.fault: str | None = None
        self._registers = registers
        self._followed = dict(followed)
        self._known: dict[str, int] = {}

    async def follow(self) -> None:
        """Look again and again, until cancelled. Raises what `followed` raise."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK)

    async def look(self) -> None:
        """Hand over what changed since the last look. Never raises StoreError: the next look makes up for it."""
        try:
            names = tuple(self._followed)
            for name, revision in zip(names, await self._registers.revisions(names), strict=True):
                # Another, not a greater one: a replica that took over may not have had the last changes.
                if self._known.get(name) != revision:
                    found = await self._registers.read(name)
                    self._followed[name](found)
                    self._known[name] = revision  # if it changed meanwhile, it is another one at the next look
        except StoreError as error:
            self.fault = str(error)
        else:
            self.fault = None
