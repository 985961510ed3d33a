"""Limits counted in this process: the generic cell rate algorithm (GCRA).

For each key one number is kept, the theoretical arrival time (TAT) of the next unit, as in the virtual scheduling form
of ITU-T I.371 (annex A) and ATM Forum Traffic Management 4.1 (section 4.4.2), where a burst is the tolerance tau.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Final

from gateway.state.store import Level, Limit, Taken

MAX_KEYS: Final = 100_000
"""Keys are limits by agents by upstreams, all configured, so this is far off; at about 150 bytes each it is 15 MB."""


class MemoryStore:
    """A `Store` in a dictionary. `now` is a monotonic clock in nanoseconds."""

    def __init__(self, now: Callable[[], int] = time.monotonic_ns, max_keys: int = MAX_KEYS) -> None:
        self._now = now
        self._max_keys = max_keys
        self._arrivals: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._arrivals)

    async def take(self, limits: Sequence[Limit]) -> Taken:
        """Take one unit of each, or none of any. A key for which there is no room counts as denied (fail closed)."""
        now = self._now()
        is_room = self._make_room(limits, now)
        waits = [(self._wait(limit, now, is_room), limit) for limit in limits]
        wait, strictest = max(waits, key=lambda pair: pair[0], default=(0, None))
        if wait > 0 and strictest is not None:
            return Taken(strictest.name, wait, tuple(self._level(limit, now) for limit in limits))
        for limit in limits:
            self._arrivals[limit.key] = self._arrival(limit, now) + limit.interval_ns
        return Taken(None, 0, tuple(self._level(limit, now) for limit in limits))

    def _arrival(self, limit: Limit, now: int) -> int:
        return max(self._arrivals.get(limit.key, now), now)

    def _wait(self, limit: Limit, now: int, is_room: bool) -> int:
        """Nanoseconds until one more unit conforms; 0 or less where it does now."""
        if not is_room and limit.key not in self._arrivals:
            return max(min(self._arrivals.values(), default=now) - now, limit.interval_ns)
        return self._arrival(limit, now) - now - (limit.burst - 1) * limit.interval_ns

    def _level(self, limit: Limit, now: int) -> Level:
        used = self._arrival(limit, now) - now
        return Level(limit, max(limit.burst - -(-used // limit.interval_ns), 0), used)

    def _make_room(self, limits: Sequence[Limit], now: int) -> bool:
        """Whether the keys of these limits fit in. Keys whose units are all back say nothing more and are dropped."""
        fresh = sum(limit.key not in self._arrivals for limit in limits)
        if fresh and len(self._arrivals) + fresh > self._max_keys:
            self._arrivals = {key: arrival for key, arrival in self._arrivals.items() if arrival > now}
            fresh = sum(limit.key not in self._arrivals for limit in limits)
        return len(self._arrivals) + fresh <= self._max_keys
