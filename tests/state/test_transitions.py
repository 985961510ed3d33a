"""What limits come to when the store goes and returns: what came back is not owed, and no share is too large."""

from __future__ import annotations

import asyncio

import pytest

from gateway.state.guarded import GuardedCounters
from gateway.state.limit import SECOND_NS, Budget, Calendar, Charge, Claim, Limit, Rate, Source, Unit
from gateway.state.members import BEAT, LIFE, Members
from tests.state.test_guarded import Away, Registers, left

MINUTE = 60 * SECOND_NS
RATE = Limit("rate", "rate/a", Unit.REQUESTS, Rate(60, MINUTE, 10))
BUDGET = Limit("budget", "budget/a", Unit.TOKENS, Budget(100, Calendar.MONTH))


class Time:
    """A clock that goes when it is told to."""

    now = SECOND_NS

    def __call__(self) -> int:
        return self.now

    def go(self, seconds: float) -> None:
        self.now += round(seconds * SECOND_NS)


class Fleet:
    """Workers around one store, and the clock of all of them."""

    def __init__(self, *names: str) -> None:
        self.time = Time()
        self.shared = Away(self.time, self.time)
        self.registers = Registers(self.time)
        self.workers = [
            GuardedCounters(self.shared, Members(self.registers, name, self.time), lambda _: None, self.time, self.time)
            for name in names
        ]

    async def beat(self) -> None:
        for worker in self.workers:
            await worker.beat()

    def go(self, *, away: bool) -> None:
        self.shared.away = self.registers.away = away

    async def allowed(self, limit: Limit, times: int) -> list[int]:
        """How many of so many requests each worker allows."""
        return [
            sum([(await worker.take([Claim(limit)], "me")).allowed for _ in range(times)]) for worker in self.workers
        ]


@pytest.fixture
def alone() -> Fleet:
    return Fleet("a")


async def test_of_a_rate_only_what_has_not_come_back_is_owed(alone: Fleet) -> None:
    alone.go(away=True)
    for _ in range(600):  # ten minutes at just the rate
        assert await alone.allowed(RATE, 1) == [1]
        alone.time.go(1)
    alone.go(away=False)
    await alone.beat()
    assert await left(alone.shared, RATE) == 10


async def test_what_was_used_just_now_is_owed_whole(alone: Fleet) -> None:
    await alone.allowed(RATE, 3)
    alone.go(away=True)
    alone.time.go(1)
    assert await alone.allowed(RATE, 20) == [8], "one of the three came back"
    alone.go(away=False)
    await alone.beat()
    assert await left(alone.shared, RATE) == 0


async def test_the_shares_of_several_add_up_to_what_is_owed() -> None:
    fleet = Fleet("a", "b", "c")
    await fleet.beat()
    await fleet.beat()
    fleet.go(away=True)
    assert await fleet.allowed(RATE, 20) == [4, 3, 3]
    fleet.time.go(60)
    assert await fleet.allowed(RATE, 20) == [4, 3, 3]
    fleet.time.go(3)
    fleet.go(away=False)
    await fleet.beat()
    assert await left(fleet.shared, RATE) == 3


async def test_of_a_budget_everything_is_owed(alone: Fleet) -> None:
    alone.go(away=True)
    for _ in range(30):
        await alone.allowed(BUDGET, 1)
        alone.time.go(60)
    alone.go(away=False)
    await alone.beat()
    assert await left(alone.shared, BUDGET) == 70


async def test_each_hiccup_begins_with_what_is_left_then(alone: Fleet) -> None:
    [worker] = alone.workers
    alone.shared.away = True
    assert (await worker.take([Claim(BUDGET, 1)], "me")).source is Source.LOCAL
    alone.shared.away = False
    await worker.take([Claim(BUDGET, 90)], "me")
    await asyncio.sleep(0)  # the store is told of the one
    await worker.take([Claim(BUDGET, 9)], "me")
    assert await left(alone.shared, BUDGET) == 0
    alone.shared.away = True
    taken = await worker.take([Claim(BUDGET, 1)], "me")
    assert (taken.allowed, taken.source, taken.denied_by) == (False, Source.LOCAL, "budget")


async def test_a_correction_that_a_hiccup_kept_back_is_owed_whole(alone: Fleet) -> None:
    [worker] = alone.workers
    taken = await worker.take([Claim(RATE, 2)], "me")
    alone.shared.away = True
    await worker.settle([Charge(taken.charges[0].limit, 5)], "me")
    alone.shared.away = False
    await worker.beat()
    assert await left(alone.shared, RATE) == 3


async def test_signs_of_life_are_as_far_apart_as_they_may_be(alone: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.state.guarded.PROBE", 0)
    watching = asyncio.create_task(alone.workers[0].watch())
    for count in (1, 2):
        for _ in range(20):
            await asyncio.sleep(0)
        assert await alone.registers.revisions(["members"]) == (count,)
        alone.time.go(BEAT)
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)


class TestMembers:
    async def test_after_a_long_absence_the_others_are_waited_for(self) -> None:
        fleet = Fleet("a", "b", "c")
        await fleet.beat()
        await fleet.beat()
        first = fleet.workers[0]
        fleet.time.go(3 * LIFE)
        await first.beat()
        assert first.members.count == 3, "their entries ended as its own did"
        fleet.go(away=True)
        assert (await fleet.allowed(RATE, 20))[0] == 4

    async def test_those_who_do_not_come_back_are_no_members(self) -> None:
        fleet = Fleet("a", "b")
        await fleet.beat()
        await fleet.beat()
        [one, _] = fleet.workers
        fleet.time.go(3 * LIFE)
        for count in (2, 2, 2, 1):
            await one.beat()
            assert one.members.count == count
            fleet.time.go(LIFE / 3)

    async def test_who_is_gone_while_the_store_is_there_is_not_waited_for(self) -> None:
        fleet = Fleet("a", "b")
        await fleet.beat()
        await fleet.beat()
        [one, _] = fleet.workers
        for _ in range(4):
            fleet.time.go(LIFE / 3)
            await one.beat()
        assert one.members.count == 1
