"""The values of limits: what may be taken of what, what was, and what is left.

Only names and whole numbers, so that whoever counts may be a process of its own. A cost is in billionths of the
currency that prices are in: a token of 0.15 a million is 150 of them, and 2^53 of them, up to which Lua counts by ones,
are nine million.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

SECOND_NS: Final = 1_000_000_000


class Unit(StrEnum):
    """What a limit counts."""

    REQUESTS = "requests"
    INPUT_TOKENS = "input_tokens"
    OUTPUT_TOKENS = "output_tokens"
    TOKENS = "tokens"  # both
    COST = "cost"
    CONCURRENCY = "concurrency"  # requests under way


class Calendar(StrEnum):
    """Windows that begin when the clock of UTC says so. A week begins on Monday (ISO 8601)."""

    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"


class OnError(StrEnum):
    """What becomes of a request while the store that counts cannot be used."""

    LOCAL = "local"  # each worker enforces its share
    DENY = "deny"
    ALLOW = "allow"


class Source(StrEnum):
    """Who counted."""

    SHARED = "shared"
    LOCAL = "local"  # this worker, by its share
    UNCHECKED = "unchecked"


@dataclass(frozen=True, slots=True)
class Rate:
    """`quantity` units in `period_ns` nanoseconds, `burst` of them at once: the generic cell rate algorithm."""

    quantity: int
    period_ns: int
    burst: int

    @property
    def interval_ns(self) -> int:
        """The time one unit takes to come back, rounded up, so that rounding never lets more through."""
        return -(-self.period_ns // self.quantity)


@dataclass(frozen=True, slots=True)
class Budget:
    """`quantity` units in each window of the calendar."""

    quantity: int
    window: Calendar


@dataclass(frozen=True, slots=True)
class Slots:
    """`quantity` holders at once. A holder that does not renew its lease for `lease_ns` nanoseconds loses it."""

    quantity: int
    lease_ns: int


type Bound = Rate | Budget | Slots


@dataclass(frozen=True, slots=True)
class Limit:
    """`bound` on `unit`, counted under `key`.

    `name` is what a refused client is told; several limits may share a name, but in one take no two share a key.
    """

    name: str
    key: str
    unit: Unit
    bound: Bound
    on_error: OnError = OnError.LOCAL


@dataclass(frozen=True, slots=True)
class Claim:
    """So many units of a limit are wanted; of slots it is one."""

    limit: Limit
    amount: int = 1


@dataclass(frozen=True, slots=True)
class Charge:
    """What was taken. `window` is the number of the budget's window that it was taken from; 0 where there is none."""

    limit: Limit
    amount: int
    window: int = 0


@dataclass(frozen=True, slots=True)
class Level:
    """Where a limit stands: whole units left, and nanoseconds until all of them are back (of slots: a lease's time)."""

    limit: Limit
    remaining: int
    reset_ns: int


@dataclass(frozen=True, slots=True)
class Taken:
    """The answer to claims. `denied_by` is the name of the limit that makes the client wait longest; None where all of
    them allowed it, and only then there are `charges`.

    `retry_after_ns` is the time after which the same take is allowed if nothing else is taken: 0 where it was allowed,
    None where no waiting helps, because more was claimed than the limit ever has.
    """

    denied_by: str | None
    retry_after_ns: int | None
    levels: tuple[Level, ...]
    charges: tuple[Charge, ...] = ()
    source: Source = Source.SHARED

    @property
    def allowed(self) -> bool:
        return self.denied_by is None

    @property
    def retry_after(self) -> int | None:
        """Whole seconds, rounded up, as Retry-After has them (RFC 9110, section 10.2.3)."""
        return None if self.retry_after_ns is None else -(-self.retry_after_ns // SECOND_NS)


def longest(waits: Iterable[tuple[int | None, str]]) -> tuple[str | None, int | None]:
    """The name that has to be waited for longest, and how long, of waits in nanoseconds with the names of their limits.

    None for a wait is for ever. (None, 0) where nothing has to be waited for.
    """
    denied = [(wait, name) for wait, name in waits if wait != 0]
    if not denied:
        return None, 0
    wait, name = max(denied, key=lambda pair: (pair[0] is None, pair[0] or 0))
    return name, wait
