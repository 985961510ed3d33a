"""Keeps the pins of tool definitions: a listing is judged at once by what is known, and the store learns of it soon.

An answer cannot wait for a store, so a listing is judged by the pins in memory; what it adds to them is written by
`follow`, which takes up what others wrote as well. One document of the register is one server's.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import msgspec

from gateway.errors import LockgateError, StoreError
from gateway.policy.integrity import Listed, Pin, Pins, Standing, accept, deny, digest, observe
from gateway.state.store import Registers

REGISTER: Final = "pins"
LOOK: Final = 0.5
"""Seconds between two looks: a decision holds everywhere within one."""

TRIES: Final = 5
"""Writes of one server's pins that may meet another's, before they wait for the next look."""

_DECODER: Final = msgspec.json.Decoder(Pins)


class PinsError(LockgateError):
    """A decision cannot be taken: there is nothing that waits, or the store cannot be used."""


@dataclass(frozen=True, slots=True)
class _Listing:
    """What a server has listed, to be told to the store."""

    definitions: Sequence[Mapping[str, Any]]
    at: float
    goes_on: bool
    trusting: bool


@dataclass(frozen=True, slots=True)
class Waiting:
    """A tool that a person has to look at."""

    server: str
    tool: str
    pin: Pin


class What(StrEnum):
    """What becomes of a tool."""

    WAITS = "waits"  # for a person, since its server says something else of it
    ACCEPTED = "accepted"
    DENIED = "denied"
    FORGOTTEN = "forgotten"  # with all tools of its server


@dataclass(frozen=True, slots=True)
class Turn:
    """What became of a tool, for who keeps a record. `pin` is how it is then; `tool` is empty for a whole server."""

    what: What
    server: str
    tool: str = ""
    pin: Pin | None = None


class Board:
    """The pins of all servers. `registers` None: they last as long as this process. `told` is told of each turn that is
    seen or taken here; it must not raise."""

    def __init__(
        self,
        registers: Registers | None,
        now: Callable[[], float] = time.time,
        told: Callable[[Turn], None] = lambda _: None,
    ) -> None:
        self.fault: str | None = None
        self._registers = registers
        self._now = now
        self._told = told
        self._known: dict[str, Pins] = {}
        self._untold: dict[str, list[_Listing]] = {}
        self._revision = -1

    @property
    def known(self) -> Mapping[str, Pins]:
        return self._known

    @property
    def is_read(self) -> bool:
        """Whether it is known what was accepted before."""
        return self._registers is None or self._revision >= 0

    @property
    def waiting(self) -> list[Waiting]:
        """What a person has to look at, server by server."""
        return [
            Waiting(server, name, pin)
            for server, pins in sorted(self._known.items())
            for name, pin in sorted(pins.tools.items())
            if pin.waiting
        ]

    def listed(
        self, server: str, definitions: Sequence[Mapping[str, Any]], *, goes_on: bool, trusting: bool
    ) -> tuple[Listed, ...]:
        """How the tools stand that a server lists, in order. While it is not known what was accepted before, all of
        them wait, and none is kept."""
        listing = _Listing(definitions, self._now(), goes_on, trusting and self.is_read)
        before = self._known.get(server)
        pins, found = _observed(self._known, server, listing)
        if pins != before and self.is_read:
            self._known[server] = pins
            self._tell_all(_newly_waiting(server, before or Pins(), pins))
            if self._registers is not None:
                self._untold.setdefault(server, []).append(listing)
        return found

    def standing(self, server: str, tool: str) -> Standing:
        """How a tool stands that is called: accepted where its server has listed nothing yet."""
        if not self.is_read:
            return Standing.NEW
        pins = self._known.get(server)
        if pins is None:
            return Standing.ACCEPTED
        pin = pins.tools.get(tool)
        if pin is None:
            return Standing.NEW
        if pin.waiting:
            return pin.why or Standing.NEW
        return Standing.ACCEPTED if pin.accepted else Standing.DENIED

    async def follow(self) -> None:
        """Look again and again, until cancelled, whatever goes wrong."""
        while True:
            try:
                await self.look()
            except Exception as error:  # noqa: BLE001 -- the outer boundary of this task: told, and tried again
                self.fault = f"the pins of tools cannot be followed: {type(error).__name__}: {error}"
            await asyncio.sleep(LOOK)

    async def look(self) -> None:
        """Take up what others wrote, and write what was listed here. Raises StoreError."""
        if self._registers is None:
            return
        (revision,) = await self._registers.revisions([REGISTER])
        if revision != self._revision:
            await self._read(self._registers)
            self._revision = revision
        for server in tuple(self._untold):
            await self._tell(self._registers, server)
        self.fault = None

    async def decide(self, server: str, tool: str, *, is_accepted: bool, by: str, seen: str | None = None) -> Pin:
        """Accept or deny what waits of a tool; without anything that waits, deny what was accepted. `seen` is the
        digest of the definition that was looked at: another one is not decided on.

        Raises PinsError where there is nothing to decide, StoreError where the store cannot be used.
        """
        for _ in range(TRIES):
            await self.look()
            pins = self._known.get(server, Pins())
            pin = pins.tools.get(tool)
            if pin is None:
                raise PinsError(f"`{server}` has listed no tool `{tool}`")
            if is_accepted and not pin.waiting:
                raise PinsError(f"nothing of `{server}/{tool}` waits for a decision")
            if seen is not None and digest(pin.waiting or pin.accepted) != seen:
                raise PinsError(f"what is said of `{server}/{tool}` has changed since you looked; look again")
            decided = accept(pin, by) if is_accepted else deny(pin, by)
            after = msgspec.structs.replace(pins, tools={**pins.tools, tool: decided})
            if await self._written(server, after):
                self._told(Turn(What.ACCEPTED if is_accepted else What.DENIED, server, tool, decided))
                return decided
        raise PinsError("other decisions are being taken all the time; try again")

    async def forget(self, server: str, by: str = "") -> None:
        """Forget a server: its next listing is a first one. Raises PinsError for one that is not known."""
        await self.look()
        if server not in self._known:
            raise PinsError(f"no tools of `{server}` are pinned")
        del self._known[server]
        if self._registers is not None:
            await self._registers.remove(REGISTER, server)
        self._untold.pop(server, None)
        self._told(Turn(What.FORGOTTEN, server, pin=Pin(by=by)))

    async def _read(self, registers: Registers) -> None:
        """What the register says, with what was listed here since."""
        found = await registers.read(REGISTER)
        known = {server: _decoded(server, entry.value) for server, entry in found.items()}
        for server, listings in self._untold.items():
            for listing in listings:
                known[server], _ = _observed(known, server, listing)
        before, self._known = self._known, known
        if self.is_read:
            self._tell_all(_decided(before, known))

    def _tell_all(self, turns: Iterable[Turn]) -> None:
        for turn in turns:
            self._told(turn)

    async def _tell(self, registers: Registers, server: str) -> None:
        for _ in range(TRIES):
            listings = list(self._untold[server])
            found = await registers.read(REGISTER)
            known = {other: _decoded(other, entry.value) for other, entry in found.items()}
            for listing in listings:
                known[server], _ = _observed(known, server, listing)
            entry = found.get(server)
            if entry is not None and _decoded(server, entry.value) == known[server]:
                written = True
            else:
                version = entry.version if entry is not None else 0
                value = msgspec.json.encode(known[server])
                written = await registers.write(REGISTER, server, value, version=version) is not None
            if written:
                # What was listed while the store was asked stays for the next look.
                rest = self._untold[server][len(listings) :]
                if rest:
                    self._untold[server] = rest
                else:
                    del self._untold[server]
                return

    async def _written(self, server: str, pins: Pins) -> bool:
        if self._registers is None:
            self._known[server] = pins
            return True
        found = await self._registers.read(REGISTER)
        entry = found.get(server)
        if entry is None or _decoded(server, entry.value) != self._known.get(server):
            return False
        value = msgspec.json.encode(pins)
        if await self._registers.write(REGISTER, server, value, version=entry.version) is None:
            return False
        self._known[server] = pins
        return True


def _newly_waiting(server: str, before: Pins, after: Pins) -> Iterator[Turn]:
    for tool, pin in after.tools.items():
        if pin.waiting and pin.waiting != before.tools.get(tool, Pin()).waiting:
            yield Turn(What.WAITS, server, tool, pin)


def _decided(before: Mapping[str, Pins], after: Mapping[str, Pins]) -> Iterator[Turn]:
    """What was decided elsewhere."""
    for server, pins in before.items():
        if server not in after:
            yield Turn(What.FORGOTTEN, server)
            continue
        for tool, pin in after[server].tools.items():
            known = pins.tools.get(tool, Pin())
            if pin.denied != known.denied:
                yield Turn(What.DENIED, server, tool, pin)
            elif pin.by and pin.accepted != known.accepted:
                yield Turn(What.ACCEPTED, server, tool, pin)


def _observed(known: Mapping[str, Pins], server: str, listing: _Listing) -> tuple[Pins, tuple[Listed, ...]]:
    return observe(
        known, server, listing.definitions, now=listing.at, goes_on=listing.goes_on, trusting=listing.trusting
    )


def _decoded(server: str, value: bytes) -> Pins:
    """A server's pins. Raises StoreError for what another version may have written: it may not pass for none."""
    try:
        return _DECODER.decode(value)
    except msgspec.DecodeError as error:
        raise StoreError(f"the pins of `{server}` cannot be read: {error}") from None
