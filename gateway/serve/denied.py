"""What is remembered of refused calls whose provider keeps the answer: later requests must bring what it waits for.

In memory, and in the registers that outlive a gateway, where there are some. A store that fails makes the provider
refuse the next turn; it lets no call pass.
"""

from __future__ import annotations

import hashlib
import hmac
from collections import OrderedDict
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import msgspec

from gateway.dialect.base import Denials
from gateway.errors import StoreError
from gateway.state.store import Registers

REGISTER: Final = "denied"
KEPT: Final = 30 * 86400.0
"""Seconds: as long as OpenAI keeps responses ("Data controls", 2026-11)."""

MOST: Final = 10_000
"""Answers that are remembered here: each is some hundred bytes."""

_DECODER: Final = msgspec.json.Decoder(Denials)


@dataclass(frozen=True, slots=True)
class Whose:
    """Whose answers they are: ids of one agent's provider mean nothing to another's."""

    principal: str
    upstream: str


class Denied:
    """The memory. `key` hides names, which are ids of answers. `registers` None: it lasts as long as the process."""

    def __init__(self, registers: Registers | None, key: bytes) -> None:
        self._registers = registers
        self._key = key
        self._known: OrderedDict[str, Denials] = OrderedDict()
        self._revision = -1

    async def remember(self, whose: Whose, denials: Iterable[Denials]) -> None:
        for denial in denials:
            for name in denial.names:
                key = self._named(whose, name)
                self._keep(key, denial)
                if self._registers is not None:
                    try:
                        await self._registers.write(REGISTER, key, msgspec.json.encode(denial), ttl=KEPT)
                    except StoreError:
                        return

    async def recall(self, whose: Whose, names: Iterable[str]) -> tuple[Denials, ...]:
        keys = [self._named(whose, name) for name in names]
        if self._registers is not None and any(key not in self._known for key in keys):
            with suppress(StoreError):
                await self._look(self._registers)
        return tuple(self._known[key] for key in keys if key in self._known)

    async def _look(self, registers: Registers) -> None:
        """Take up what other workers remembered, where they did since the last look."""
        (revision,) = await registers.revisions([REGISTER])
        if revision == self._revision:
            return
        for key, entry in (await registers.read(REGISTER)).items():
            try:
                self._keep(key, _DECODER.decode(entry.value))
            except msgspec.DecodeError:
                continue  # another version's
        self._revision = revision

    def _keep(self, key: str, denial: Denials) -> None:
        self._known[key] = denial
        self._known.move_to_end(key)
        if len(self._known) > MOST:
            self._known.popitem(last=False)

    def _named(self, whose: Whose, name: str) -> str:
        text = f"{whose.principal}\0{whose.upstream}\0{name}"
        return hmac.digest(self._key, b"denied\0" + text.encode("utf-8", "surrogatepass"), hashlib.sha256).hex()[:32]
