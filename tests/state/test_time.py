"""A law over time: whatever is taken, settled and renewed whenever, Redis counts as memory does at the same times.

Redis counts by its own clock and takes no other, so memory is given the times that Redis tells in its answers.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.state.limit import Bound, Budget, Calendar, Charge, Claim, Limit, Rate, Slots, Taken, Unit
from gateway.state.memory import MemoryCounters
from gateway.state.redis.connection import Connection
from gateway.state.redis.counters import RedisCounters
from gateway.state.redis.place import Place

MS = 1_000_000
US = 1000


class Listening(Connection):
    """Notes when the last script ran, by the server's clock."""

    clock_ns = 0

    async def run(self, script: str, keys: Sequence[str], arguments: Sequence[Any]) -> Any:
        answer = await super().run(script, keys, arguments)
        self.clock_ns = (answer[0] if isinstance(answer, list) else answer) * US
        return answer


bounds: st.SearchStrategy[Bound] = st.one_of(
    # A unit comes back in some milliseconds, and in whole microseconds, so that neither side rounds.
    st.builds(
        lambda quantity, interval, burst: Rate(quantity, quantity * interval * US, burst),
        quantity=st.integers(1, 5),
        interval=st.integers(500, 5000),
        burst=st.integers(1, 6),
    ),
    st.builds(Budget, quantity=st.integers(1, 9), window=st.sampled_from(Calendar)),
    st.builds(Slots, quantity=st.integers(1, 3), lease_ns=st.integers(1, 8).map(lambda each: each * MS)),
)
parts = st.lists(st.tuples(st.integers(0, 2), st.integers(-3, 4)), min_size=1, max_size=3, unique_by=lambda one: one[0])
steps = st.lists(
    st.tuples(st.sampled_from(["take", "take", "settle", "renew"]), parts, st.sampled_from("abcd"), st.integers(0, 6)),
    max_size=15,
)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(bounds=st.tuples(bounds, bounds, bounds), steps=steps)
async def test_at_the_same_times_redis_counts_as_memory_does(
    single: str, bounds: tuple[Bound, ...], steps: list[tuple[str, list[tuple[int, int]], str, int]]
) -> None:
    connection = Listening(Place.read(single), 5.0)
    redis = RedisCounters(connection, f"test-{secrets.token_hex(4)}", b"key")
    memory = MemoryCounters(now=lambda: connection.clock_ns, unix=lambda: connection.clock_ns)
    limits = [Limit(f"limit-{at}", f"limit-{at}", Unit.REQUESTS, bound) for at, bound in enumerate(bounds)]
    windows: dict[str, int] = {}
    try:
        for kind, parts, holder, pause in steps:
            await asyncio.sleep(pause / 1000)
            if kind == "take":
                claims = [Claim(limits[at], abs(amount)) for at, amount in parts]
                found, wanted = [await counters.take(claims, holder) for counters in (redis, memory)]
                assert _told(found) == _told(wanted)
                windows |= {charge.limit.key: charge.window for charge in found.charges}
                continue
            of = [limits[at] for at, _ in parts]
            charges = [Charge(limits[at], amount, windows.get(limits[at].key, 0)) for at, amount in parts]
            for counters in (redis, memory):
                # One that renews nothing asks nothing, and has no time: there is nothing to be compared either.
                await (counters.settle(charges, holder) if kind == "settle" else counters.renew(of, holder))
    finally:
        await connection.close()


def _told(taken: Taken) -> object:
    """All of an answer. A lease's time is told in whole microseconds by one, and so it is compared."""
    levels = [(level.remaining, level.reset_ns // US) for level in taken.levels]
    wait = taken.retry_after_ns
    return taken.denied_by, wait if wait is None else wait // US, levels, taken.charges
