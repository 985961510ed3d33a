"""Who shares the store: one entry for each worker process, which ends soon after its process does."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Final

import orjson

from gateway.state.limit import SECOND_NS
from gateway.state.store import Registers

REGISTER: Final = "members"
BEAT: Final = 2.0
"""Seconds between two signs of life."""
LIFE: Final = 3 * BEAT
"""Seconds without one after which a member counts as gone: two may be lost."""
_LIFE_NS: Final = round(LIFE * SECOND_NS)


class Members:
    """This worker among the others. `me` is its name, and `about` gives what others are told, as JSON holds it.

    Who could give no sign of life for so long that its entry ended counts those last seen as members for one `LIFE`
    more: theirs may have ended for the same reason, and they come back as it does. `now` is a monotonic clock in
    nanoseconds.
    """

    def __init__(self, registers: Registers, me: str, now: Callable[[], int] = time.monotonic_ns) -> None:
        self.me = me
        self._now = now
        self._ends: int | None = None  # when the last sign of life does
        self._waits = 0  # until when those last seen are waited for
        self.about: Callable[[], Mapping[str, Any]] = dict
        self._registers = registers
        self._names: tuple[str, ...] = (me,)
        self.known: Mapping[str, Mapping[str, Any]] = {}

    async def beat(self) -> None:
        """Give a sign of life, and see who else did. Raises StoreError; then those last seen stay the members."""
        await self._registers.write(REGISTER, self.me, orjson.dumps(self.about()), ttl=LIFE)
        self.known = await read_members(self._registers)
        now = self._now()
        if self._ends is not None and now > self._ends:
            self._waits = now + _LIFE_NS
        self._ends = now + _LIFE_NS
        waited_for = self._names if now < self._waits else ()
        self._names = tuple(sorted({*waited_for, *self.known, self.me}))

    async def leave(self) -> None:
        """Be gone at once. Raises StoreError."""
        await self._registers.remove(REGISTER, self.me)

    @property
    def count(self) -> int:
        return len(self._names)

    @property
    def rank(self) -> int:
        """This worker's place among the members by name, from 0."""
        return self._names.index(self.me)


async def read_members(registers: Registers) -> Mapping[str, Mapping[str, Any]]:
    """Who gave a sign of life lately, and what each says of itself. Raises StoreError."""
    found = await registers.read(REGISTER)
    return {name: _about(entry.value) for name, entry in found.items()}


def _about(value: bytes) -> Mapping[str, Any]:
    """What a member tells; nothing where another version, or somebody else, wrote what cannot be read. It is a member
    all the same: a share too small is on the strict side."""
    try:
        found = orjson.loads(value)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
