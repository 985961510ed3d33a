"""Limits counted in memory, held against a count done by hand."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.state.limit import Bound, Budget, Calendar, Claim, Level, Limit, Rate, Slots, Taken, Unit
from gateway.state.memory import MemoryCounters

SECOND = 1_000_000_000


def rate(key: str, quantity: int, period_ns: int, burst: int) -> Limit:
    return Limit(key.partition("/")[0], key, Unit.REQUESTS, Rate(quantity, period_ns, burst))


PER_SECOND = rate("rate/a/x", 2, SECOND, 3)


@dataclass
class Clock:
    now: int = 10 * SECOND

    def __call__(self) -> int:
        return self.now


async def take(store: MemoryCounters, *limits: Limit) -> Taken:
    return await store.take([Claim(limit) for limit in limits], "me")


def bound(limit: Limit) -> Rate:
    assert isinstance(limit.bound, Rate)
    return limit.bound


def wait(taken: Taken) -> int:
    assert taken.retry_after_ns is not None
    return taken.retry_after_ns


def unlabelled(taken: Taken) -> Taken:
    """The answer without what was charged."""
    return replace(taken, charges=())


limits = st.builds(
    rate,
    key=st.just("one"),
    quantity=st.integers(1, 5),
    period_ns=st.integers(1, 40),
    burst=st.integers(1, 5),
)
pauses = st.lists(st.integers(0, 15), min_size=1, max_size=40)


class TestTake:
    async def test_a_burst_then_one_by_one(self) -> None:
        clock = Clock()
        store = MemoryCounters(clock)
        assert [(await take(store, PER_SECOND)).allowed for _ in range(4)] == [True, True, True, False]
        clock.now += SECOND // 2
        assert [(await take(store, PER_SECOND)).allowed for _ in range(2)] == [True, False]

    async def test_the_answer_says_what_is_left_and_who_denied(self) -> None:
        store = MemoryCounters(Clock())
        assert unlabelled(await take(store, PER_SECOND)) == Taken(None, 0, (Level(PER_SECOND, 2, SECOND // 2),))
        await take(store, PER_SECOND)
        await take(store, PER_SECOND)
        denied = await take(store, PER_SECOND)
        assert denied == Taken("rate", SECOND // 2, (Level(PER_SECOND, 0, 3 * SECOND // 2),))
        assert (denied.allowed, denied.retry_after) == (False, 1)

    async def test_nothing_to_take_is_allowed(self) -> None:
        assert await take(MemoryCounters(Clock())) == Taken(None, 0, ())

    async def test_the_limit_with_the_longest_wait_is_named_and_the_others_are_not_charged(self) -> None:
        store = MemoryCounters(Clock())
        slow = rate("slow/a/x", 1, 60 * SECOND, 1)
        assert (await take(store, PER_SECOND, slow)).allowed
        denied = await take(store, PER_SECOND, slow)
        assert (denied.denied_by, denied.retry_after) == ("slow", 60)
        assert [level.remaining for level in denied.levels] == [2, 0]
        assert (await take(store, PER_SECOND)).levels[0].remaining == 1

    async def test_keys_are_counted_apart(self) -> None:
        store = MemoryCounters(Clock())
        one, other = (rate(key, 1, SECOND, 1) for key in ("rate/a/x", "rate/b/x"))
        assert (await take(store, one)).allowed
        assert (await take(store, other)).allowed
        assert not (await take(store, one)).allowed


class TestLaws:
    @settings(max_examples=60, deadline=None)
    @given(limit=limits, pauses=pauses)
    async def test_no_window_lets_through_more_than_its_share_and_a_burst(
        self, limit: Limit, pauses: list[int]
    ) -> None:
        clock = Clock()
        store = MemoryCounters(clock)
        allowed: list[int] = []
        for pause in pauses:
            clock.now += pause
            if (await take(store, limit)).allowed:
                allowed.append(clock.now)
        for index, start in enumerate(allowed):
            for count, end in enumerate(allowed[index:], start=1):
                assert count <= bound(limit).burst + (end - start) * bound(limit).quantity / bound(limit).period_ns

    @settings(max_examples=60, deadline=None)
    @given(limit=limits, pauses=pauses)
    async def test_it_allows_as_a_bucket_counted_by_hand(self, limit: Limit, pauses: list[int]) -> None:
        """The reference drips one unit each interval into a bucket of `burst`, in steps of one nanosecond."""
        clock = Clock()
        store = MemoryCounters(clock)
        level = bound(limit).burst * bound(limit).interval_ns
        for pause in pauses:
            clock.now += pause
            level = min(level + pause, bound(limit).burst * bound(limit).interval_ns)
            enough = level >= bound(limit).interval_ns
            level -= bound(limit).interval_ns if enough else 0
            taken = await take(store, limit)
            assert taken.allowed is enough
            assert taken.levels[0].remaining == level // bound(limit).interval_ns
            assert taken.levels[0].reset_ns == bound(limit).burst * bound(limit).interval_ns - level

    @settings(max_examples=60, deadline=None)
    @given(limit=limits, pauses=pauses)
    async def test_the_time_to_wait_is_exact_and_a_denied_take_is_free(self, limit: Limit, pauses: list[int]) -> None:
        clock = Clock()
        store = MemoryCounters(clock)
        for pause in pauses:
            clock.now += pause
            taken = await take(store, limit)
            if not taken.allowed:
                clock.now += wait(taken) - 1
                assert (await take(store, limit)).retry_after_ns == 1
                clock.now += 1
                assert (await take(store, limit)).allowed

    @settings(max_examples=40, deadline=None)
    @given(pair=st.tuples(limits, limits), pauses=pauses)
    async def test_several_limits_are_taken_together_or_not_at_all(
        self, pair: tuple[Limit, Limit], pauses: list[int]
    ) -> None:
        clock = Clock()
        both, alone = MemoryCounters(clock), [MemoryCounters(clock), MemoryCounters(clock)]
        first, second = (replace(one, name=f"{n}", key=f"{n}") for n, one in enumerate(pair))
        for pause in pauses:
            clock.now += pause
            taken = await take(both, first, second)
            if taken.allowed:
                singles = [await take(store, limit) for store, limit in zip(alone, (first, second), strict=True)]
                assert [single.levels[0] for single in singles] == list(taken.levels)
                assert all(single.allowed for single in singles)
            else:
                clock.now += wait(taken)
                pause = 0
                assert (await take(both, first, second)).allowed
                for store, limit in zip(alone, (first, second), strict=True):
                    assert (await take(store, limit)).allowed


class TestRoom:
    async def test_keys_whose_units_are_all_back_make_room(self) -> None:
        clock = Clock()
        store = MemoryCounters(clock, max_keys=2)
        for name in "abcdef":
            assert (await take(store, rate(name, 1, SECOND, 1))).allowed
            clock.now += SECOND
        assert len(store) <= 2

    async def test_without_room_a_new_key_is_denied_until_there_is(self) -> None:
        clock = Clock()
        store = MemoryCounters(clock, max_keys=2)
        for name in "ab":
            await take(store, rate(name, 1, SECOND, 1))
        new = rate("new", 1, SECOND // 2, 1)
        denied = await take(store, new)
        assert (denied.denied_by, denied.retry_after_ns) == ("new", SECOND)
        assert len(store) == 2
        clock.now += SECOND
        assert (await take(store, new)).allowed

    async def test_two_new_keys_do_not_share_the_last_place(self) -> None:
        store = MemoryCounters(Clock(), max_keys=1)
        taken = await take(store, *(rate(name, 1, SECOND, 1) for name in "ab"))
        assert not taken.allowed
        assert len(store) == 0


@pytest.mark.parametrize(("period", "quantity", "interval"), [(10, 5, 2), (10, 3, 4), (1, 5, 1)])
def test_an_interval_is_rounded_up(period: int, quantity: int, interval: int) -> None:
    assert Rate(quantity, period, 1).interval_ns == interval


async def test_counting_can_begin_anew() -> None:
    counters = MemoryCounters()
    bounds: tuple[Bound, ...] = (Rate(10, 3600 * SECOND, 10), Budget(10, Calendar.MONTH), Slots(10, 60 * SECOND))
    limits = [Limit(str(at), str(at), Unit.REQUESTS, bound) for at, bound in enumerate(bounds)]
    await counters.take([Claim(limit) for limit in limits], "a")
    for limit in limits:
        counters.begin(limit, 4)
    taken = await counters.take([Claim(limit) for limit in limits], "b")
    assert [level.remaining for level in taken.levels] == [5, 5, 9]
