"""A store in this process: for one worker alone, and for tests.

Of a rate one number is kept, the theoretical arrival time (TAT) of the next unit, as in the virtual scheduling form of
ITU-T I.371 (annex A) and ATM Forum Traffic Management 4.1 (section 4.4.2), where a burst is the tolerance tau.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from gateway.state.calendar import window
from gateway.state.limit import SECOND_NS, Budget, Charge, Claim, Level, Limit, Rate, Slots, Taken, longest
from gateway.state.store import Entry, Store

MAX_KEYS: Final = 100_000
"""Keys are limits by agents, upstreams and models, so this is far off; at about 200 bytes each it is 20 MB."""

type Clock = Callable[[], int]


def memory_store() -> Store:
    """A store of this process alone."""
    return Store("memory", MemoryCounters(), MemoryRegisters())


@dataclass(slots=True)
class _Count:
    """What is kept of one key. Of a rate `number` is the TAT; of a budget it is the window, of which `units` are spent.

    `ends` has the lease of each holder of slots. `over_at` is when the count says nothing more.
    """

    number: int = 0
    units: int = 0
    ends: dict[str, int] = field(default_factory=dict)
    over_at: int = 0


class MemoryCounters:
    """`Counters` in a dictionary. `now` is a monotonic clock, `unix` that of the calendar, both in nanoseconds."""

    def __init__(self, now: Clock = time.monotonic_ns, unix: Clock = time.time_ns, max_keys: int = MAX_KEYS) -> None:
        self._now = now
        self._unix = unix
        self._max_keys = max_keys
        self._counts: dict[str, _Count] = {}

    def __len__(self) -> int:
        return len(self._counts)

    async def take(self, claims: Sequence[Claim], holder: str) -> Taken:
        """Take all, or nothing. A key for which there is no room counts as denied (fail closed)."""
        now = self._now()
        is_room = self._make_room(claims, now)
        waits = [(self._wait(claim, holder, now, is_room), claim.limit.name) for claim in claims]
        denied_by, wait = longest(waits)
        if denied_by is not None:
            return Taken(denied_by, wait, tuple(self._level(claim.limit, now) for claim in claims))
        charges = tuple(self._charge(claim, holder, now) for claim in claims)
        return Taken(None, 0, tuple(self._level(claim.limit, now) for claim in claims), charges)

    async def settle(self, charges: Sequence[Charge], holder: str) -> None:
        now = self._now()
        for charge in charges:
            bound = charge.limit.bound
            if isinstance(bound, Rate):
                self._add(charge.limit, bound, charge.amount, now)
            elif isinstance(bound, Budget):
                self._spend(charge.limit, bound, charge.amount, now, charge.window)
            elif charge.limit.key in self._counts:
                self._counts[charge.limit.key].ends.pop(holder, None)

    def begin(self, limit: Limit, used: int) -> None:
        """Count anew, from so many units used on, whatever was counted. Of slots nothing is."""
        self._counts.pop(limit.key, None)
        now, bound = self._now(), limit.bound
        if isinstance(bound, Rate):
            self._add(limit, bound, used, now)
        elif isinstance(bound, Budget):
            self._spend(limit, bound, used, now)

    def outstanding(self, limit: Limit, bound: Rate) -> int:
        """How many units of a rate have not come back, rounded up."""
        count = self._counts.get(limit.key)
        return max(-(-(count.number - self._now()) // bound.interval_ns), 0) if count is not None else 0

    async def renew(self, limits: Sequence[Limit], holder: str) -> None:
        now = self._now()
        for limit in limits:
            if isinstance(limit.bound, Slots):
                self._hold(limit, limit.bound, holder, now)

    def _wait(self, claim: Claim, holder: str, now: int, is_room: bool) -> int | None:
        """Nanoseconds until a claim conforms: 0 where it does now, None where it never will."""
        limit, count = claim.limit, self._counts.get(claim.limit.key)
        if count is None and not is_room:
            return max(min((other.over_at for other in self._counts.values()), default=now) - now, 1)
        bound = limit.bound
        if isinstance(bound, Rate):
            if claim.amount > bound.burst:
                return None
            arrival = max(count.number, now) if count is not None else now
            return max(arrival - now - (bound.burst - claim.amount) * bound.interval_ns, 0)
        if isinstance(bound, Budget):
            number, left = window(bound.window, self._unix())
            spent = count.units if count is not None and count.number == number else 0
            if spent + claim.amount <= bound.quantity:
                return 0
            return left if claim.amount <= bound.quantity else None
        ends = sorted(end for one, end in (count.ends if count else {}).items() if end > now and one != holder)
        return ends[-bound.quantity] - now if len(ends) >= bound.quantity else 0

    def _charge(self, claim: Claim, holder: str, now: int) -> Charge:
        limit, bound = claim.limit, claim.limit.bound
        if isinstance(bound, Rate):
            self._add(limit, bound, claim.amount, now)
            return Charge(limit, claim.amount)
        if isinstance(bound, Slots):
            self._hold(limit, bound, holder, now)
            return Charge(limit, claim.amount)
        return Charge(limit, claim.amount, self._spend(limit, bound, claim.amount, now))

    def _add(self, limit: Limit, bound: Rate, amount: int, now: int) -> None:
        count = self._counts.setdefault(limit.key, _Count())
        count.number = count.over_at = max(max(count.number, now) + amount * bound.interval_ns, now)

    def _spend(self, limit: Limit, bound: Budget, amount: int, now: int, only: int | None = None) -> int:
        """Add to what is spent of the window that is now, unless it is not `only` that one; returns its number."""
        number, left = window(bound.window, self._unix())
        if only not in (None, number):
            return number
        count = self._counts.setdefault(limit.key, _Count())
        if count.number != number:
            count.number, count.units = number, 0
        count.units = max(count.units + amount, 0)
        count.over_at = now + left
        return number

    def _hold(self, limit: Limit, bound: Slots, holder: str, now: int) -> None:
        count = self._counts.setdefault(limit.key, _Count())
        count.ends = {one: end for one, end in count.ends.items() if end > now}
        count.ends[holder] = now + bound.lease_ns
        count.over_at = max(count.ends.values())

    def _level(self, limit: Limit, now: int) -> Level:
        count, bound = self._counts.get(limit.key) or _Count(), limit.bound
        if isinstance(bound, Rate):
            used = max(count.number - now, 0)
            return Level(limit, max(bound.burst - -(-used // bound.interval_ns), 0), used)
        if isinstance(bound, Budget):
            number, left = window(bound.window, self._unix())
            spent = count.units if count.number == number else 0
            return Level(limit, max(bound.quantity - spent, 0), left)
        held = sum(end > now for end in count.ends.values())
        return Level(limit, max(bound.quantity - held, 0), bound.lease_ns if held else 0)

    def _make_room(self, claims: Sequence[Claim], now: int) -> bool:
        """Whether the keys of these claims fit in. Keys that say nothing more are dropped."""
        fresh = sum(claim.limit.key not in self._counts for claim in claims)
        if fresh and len(self._counts) + fresh > self._max_keys:
            self._counts = {key: count for key, count in self._counts.items() if count.over_at > now}
            fresh = sum(claim.limit.key not in self._counts for claim in claims)
        return len(self._counts) + fresh <= self._max_keys


@dataclass(frozen=True, slots=True)
class _Document:
    entry: Entry
    over_at: int | None


class MemoryRegisters:
    """`Registers` in dictionaries. `now` is a clock in nanoseconds."""

    def __init__(self, now: Clock = time.monotonic_ns) -> None:
        self._now = now
        self._documents: dict[str, dict[str, _Document]] = {}
        self._revisions: dict[str, int] = {}

    async def read(self, register: str) -> Mapping[str, Entry]:
        return {key: one.entry for key, one in self._living(register).items()}

    async def write(
        self, register: str, key: str, value: bytes, *, version: int | None = None, ttl: float | None = None
    ) -> int | None:
        documents = self._living(register)
        if version is not None and version != _version(documents.get(key)):
            return None
        over_at = None if ttl is None else self._now() + round(ttl * SECOND_NS)
        revision = self._changed(register)
        documents[key] = _Document(Entry(value, revision), over_at)
        return revision

    async def remove(self, register: str, key: str, *, version: int | None = None) -> bool:
        documents = self._living(register)
        if key not in documents or (version is not None and version != _version(documents[key])):
            return False
        del documents[key]
        self._changed(register)
        return True

    async def revisions(self, registers: Sequence[str]) -> tuple[int, ...]:
        return tuple(self._revisions.get(register, 0) for register in registers)

    def _living(self, register: str) -> dict[str, _Document]:
        """The documents of a register, without those whose time is over."""
        now = self._now()
        documents = self._documents.get(register, {})
        self._documents[register] = living = {
            key: one for key, one in documents.items() if one.over_at is None or one.over_at > now
        }
        return living

    def _changed(self, register: str) -> int:
        self._revisions[register] = revision = self._revisions.get(register, 0) + 1
        return revision


def _version(document: _Document | None) -> int:
    """The version of what is there; 0 where nothing is."""
    return document.entry.version if document is not None else 0
