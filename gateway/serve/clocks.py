"""Clocks that an exchange sets: each rings once, and may be begun anew before, but not for ever."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable


class Clocks:
    """The clocks of one exchange, by what each is for."""

    def __init__(self) -> None:
        self._running: dict[Hashable, tuple[asyncio.TimerHandle, float]] = {}  # and when each is over in any case

    def start(self, of: Hashable, seconds: float, most: float, ring: Callable[[], None]) -> None:
        """Ring in so many seconds from now, in place of the clock for the same before; `most` after the first in any
        case."""
        loop = asyncio.get_running_loop()
        before = self._running.pop(of, None)
        if before is not None:
            before[0].cancel()
        last = loop.time() + most if before is None else before[1]
        self._running[of] = loop.call_at(min(loop.time() + seconds, last), self._ring, of, ring), last

    def stop(self) -> None:
        """Stop all of them."""
        for clock, _ in self._running.values():
            clock.cancel()
        self._running.clear()

    def _ring(self, of: Hashable, ring: Callable[[], None]) -> None:
        del self._running[of]
        ring()
