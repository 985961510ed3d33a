"""What counts: the one question that limits ask of a store, and its answer.

Only names and whole numbers cross this seam, so that a store may be a process of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Limit:
    """`quantity` units in `period_ns` nanoseconds, `burst` of them at once, counted under `key`.

    `name` is what a refused client is told; several limits may share a name, but in one take no two share a key.
    """

    name: str
    key: str
    quantity: int
    period_ns: int
    burst: int

    @property
    def interval_ns(self) -> int:
        """The time one unit takes to come back, rounded up, so that rounding never lets more through."""
        return -(-self.period_ns // self.quantity)


@dataclass(frozen=True, slots=True)
class Level:
    """Where a limit stands after a take: whole units left, and nanoseconds until all of them are back."""

    limit: Limit
    remaining: int
    reset_ns: int


@dataclass(frozen=True, slots=True)
class Taken:
    """The answer. `denied_by` is the name of the limit that makes the client wait longest; None where all allowed it.

    `retry_after_ns` is the time after which the same take is allowed if nothing else is taken; 0 where it was allowed.
    """

    denied_by: str | None
    retry_after_ns: int
    levels: tuple[Level, ...]

    @property
    def allowed(self) -> bool:
        return self.denied_by is None

    @property
    def retry_after(self) -> int:
        """Whole seconds, rounded up, as Retry-After has them (RFC 9110, section 10.2.3)."""
        return -(-self.retry_after_ns // 1_000_000_000)


class Store(Protocol):
    """Keeps the counts of all limits."""

    async def take(self, limits: Sequence[Limit]) -> Taken:
        """Take one unit of each limit, or, where one of them has none left, of no limit at all."""
        ...
