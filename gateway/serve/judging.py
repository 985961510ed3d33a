"""Feeds a machine its events, one at a time: light ones at once, heavy ones in a thread, so that the loop goes on.

Judging is work for a processor, and one loop serves everybody. A megabyte of dense markup takes seconds, for which no
other agent would be served, no stream would move and no probe be answered.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from time import perf_counter_ns
from typing import Final, Protocol

HEAVY: Final = 32 * 1024
"""Bytes from which a body is judged in a thread. Measured: the densest markup of that size takes 80 ms, a text 0.3 ms,
and the way to a thread and back 0.1 ms, or a few turns (`TURN`) more where another one is at work."""

LARGE: Final = 256 * 1024
"""Bytes from which a body is judged in a thread of its own kind: the densest markup of that size takes 0.7 s, which no
other body is kept waiting for by more than one of its own size."""

TURN: Final = 0.001
"""Seconds after which a thread lets another one go on, once there are any (Python's own: 5 ms). Measured, the loop then
waits for a turn 1 to 2 ms, and the threads are no slower."""

LONGEST: Final = 20.0
"""Seconds that a body may take which is as dense as `MOST_STEPS` and its likes allow, with all threads at work."""

# One thread for large bodies and one for the others. They share one interpreter lock: measured, two threads that are
# always at work take 1.5 to 2 times the processor time for the same bodies, as each waits for it on a core of its own.
_HEAVY_POOL: Final = ThreadPoolExecutor(1, "judge", sys.setswitchinterval, (TURN,))
_LARGE_POOL: Final = ThreadPoolExecutor(1, "judge-large", sys.setswitchinterval, (TURN,))


class Machine[E, C](Protocol):
    """What is fed: an exchange, or a session. What still comes once it is `finished` changes nothing."""

    @property
    def finished(self) -> bool: ...

    def weighs(self, event: E, /) -> int:
        """About how many bytes the event would have judged at once."""
        ...

    def receive(self, event: E, /) -> Sequence[C]: ...


class Feed[E, C]:
    """The way to one machine, which is never in two threads at once. `spent` is how many nanoseconds it took so far."""

    def __init__(self, machine: Machine[E, C]) -> None:
        self._machine = machine
        self._turn = asyncio.Lock()
        self.spent = 0

    async def receive(self, event: E) -> Sequence[C]:
        """The commands that follow from an event. A caller that is cancelled while a thread works gets them all the
        same, and is cancelled where it next waits: what a machine has said must not be lost, its record least of all.
        """
        if not self._turn.locked() and self._machine.weighs(event) < HEAVY:
            return self._taken(event)
        async with self._turn:
            weight = self._machine.weighs(event)
            if weight < HEAVY:
                return self._taken(event)
            return await _done(_LARGE_POOL if weight >= LARGE else _HEAVY_POOL, partial(self._taken, event))

    async def settled(self) -> None:
        """Wait until no thread works for the machine."""
        async with self._turn:
            pass

    def _taken(self, event: E) -> Sequence[C]:
        began = perf_counter_ns()
        commands = self._machine.receive(event)
        self.spent += perf_counter_ns() - began
        return commands


async def _done[T](pool: ThreadPoolExecutor, work: Callable[[], T]) -> T:
    """What a thread makes of the work, however often its caller is cancelled meanwhile."""
    doing = asyncio.get_running_loop().run_in_executor(pool, work)
    is_cancelled = False
    while not doing.done():
        try:
            await asyncio.wait((doing,))
        except asyncio.CancelledError:
            is_cancelled = True
    task = asyncio.current_task()
    if is_cancelled and task is not None:
        # Once more, to the same count: a time limit around it tells by that whose cancellation it was.
        task.uncancel()
        task.cancel()
    return doing.result()
