"""What becomes of limits while the store is away, held against a store whose failures are scripted."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest

from gateway.errors import StoreError
from gateway.state.breaker import FAILURES, Breaker
from gateway.state.guarded import GuardedCounters
from gateway.state.limit import (
    SECOND_NS,
    Budget,
    Calendar,
    Charge,
    Claim,
    Limit,
    OnError,
    Rate,
    Slots,
    Source,
    Taken,
    Unit,
)
from gateway.state.members import Members
from gateway.state.memory import MemoryCounters, MemoryRegisters
from gateway.state.store import Counters

HOUR = 3600 * SECOND_NS
RATE = Limit("rate", "rate/a", Unit.REQUESTS, Rate(10, HOUR, 10))
BUDGET = Limit("budget", "budget/a", Unit.TOKENS, Budget(100, Calendar.MONTH))
SLOTS = Limit("slots", "slots/a", Unit.CONCURRENCY, Slots(2, HOUR))


class Away(MemoryCounters):
    """Counters that can be away, and count how often they were asked."""

    away = False
    asked = 0

    def _ask(self) -> None:
        self.asked += 1
        if self.away:
            raise StoreError("redis at h:1 did not answer in time")

    async def take(self, claims: Sequence[Claim], holder: str) -> Taken:
        self._ask()
        return await super().take(claims, holder)

    async def settle(self, charges: Sequence[Charge], holder: str) -> None:
        self._ask()
        await super().settle(charges, holder)

    async def renew(self, limits: Sequence[Limit], holder: str) -> None:
        self._ask()
        await super().renew(limits, holder)


class Registers(MemoryRegisters):
    away = False

    async def write(
        self, register: str, key: str, value: bytes, *, version: int | None = None, ttl: float | None = None
    ) -> int | None:
        if self.away:
            raise StoreError("redis at h:1 did not answer in time")
        return await super().write(register, key, value, version=version, ttl=ttl)


class Worker:
    """A guard over a shared store, as one of several members."""

    def __init__(self, shared: Away, registers: Registers, name: str = "a") -> None:
        self.told: list[str] = []
        self.shared, self.registers = shared, registers
        self.guard = GuardedCounters(shared, Members(registers, name), self.told.append)

    def leave(self) -> None:
        self.shared.away = self.registers.away = True

    async def back(self) -> None:
        self.shared.away = self.registers.away = False
        await self.guard.beat()

    async def take(self, *limits: Limit, amount: int = 1, holder: str = "me") -> Taken:
        return await self.guard.take([Claim(limit, amount) for limit in limits], holder)


@pytest.fixture
def worker() -> Worker:
    return Worker(Away(), Registers())


async def left(counters: Counters, limit: Limit) -> int:
    """What is left in the shared store."""
    return (await counters.take([Claim(limit, 0)], "look")).levels[0].remaining


class TestModes:
    async def test_with_the_store_it_is_the_store_that_counts(self, worker: Worker) -> None:
        taken = await worker.take(RATE)
        assert (taken.source, taken.levels[0].remaining) == (Source.SHARED, 9)
        assert await left(worker.shared, RATE) == 9

    async def test_local_goes_on_with_its_share_of_what_was_left(self, worker: Worker) -> None:
        for _ in range(4):
            await worker.take(RATE)
        worker.leave()
        taken = [await worker.take(RATE) for _ in range(7)]
        assert [one.source for one in taken] == [Source.LOCAL] * 7
        assert [one.allowed for one in taken] == [True] * 6 + [False], "six of ten were left"
        assert taken[-1].denied_by == "rate"

    async def test_a_limit_that_was_never_seen_begins_whole(self, worker: Worker) -> None:
        worker.leave()
        assert sum([(await worker.take(RATE)).allowed for _ in range(20)]) == 10

    async def test_deny_refuses(self, worker: Worker) -> None:
        worker.leave()
        with pytest.raises(StoreError, match=r"the limit `rate` is not to be passed without it"):
            await worker.take(replace(RATE, on_error=OnError.DENY), BUDGET)

    async def test_allow_lets_pass_unchecked(self, worker: Worker) -> None:
        worker.leave()
        taken = [await worker.take(replace(RATE, on_error=OnError.ALLOW)) for _ in range(20)]
        assert {(one.allowed, one.source, one.levels) for one in taken} == {(True, Source.UNCHECKED, ())}

    async def test_of_several_each_has_its_mode(self, worker: Worker) -> None:
        worker.leave()
        passing = replace(RATE, on_error=OnError.ALLOW)
        taken = await worker.take(passing, SLOTS)
        assert (taken.source, [level.limit.name for level in taken.levels]) == (Source.LOCAL, ["slots"])

    async def test_several_workers_together_allow_no_more_than_the_limit(self) -> None:
        shared, registers = Away(), Registers()
        workers = [Worker(shared, registers, name) for name in "abcd"]
        for _ in range(2):
            for one in workers:
                await one.guard.beat()
        shared.away = registers.away = True
        allowed = [sum([(await one.take(RATE)).allowed for _ in range(10)]) for one in workers]
        assert allowed == [3, 3, 2, 2]

    async def test_a_worker_without_a_share_refuses(self) -> None:
        shared, registers = Away(), Registers()
        workers = [Worker(shared, registers, name) for name in "abc"]
        for _ in range(2):
            for one in workers:
                await one.guard.beat()
        shared.away = registers.away = True
        assert [(await one.take(SLOTS)).allowed for one in workers] == [True, True, False]
        assert (await workers[2].take(SLOTS)).retry_after == 1


class TestReturn:
    async def test_what_was_counted_here_is_charged_there(self, worker: Worker) -> None:
        await worker.take(RATE, BUDGET)
        worker.leave()
        await worker.take(RATE, BUDGET, amount=3)
        await worker.guard.settle([Charge(BUDGET, -1, (await self.window()))], "me")
        assert worker.guard.owed == 2
        await worker.back()
        assert worker.guard.owed == 0
        assert await left(worker.shared, RATE) == 10 - 1 - 3
        assert await left(worker.shared, BUDGET) == 100 - 1 - 3 + 1

    async def test_a_settlement_that_failed_is_delivered(self, worker: Worker) -> None:
        taken = await worker.take(BUDGET, amount=40)
        worker.shared.away = True
        await worker.guard.settle([replace(taken.charges[0], amount=-30)], "me")
        worker.shared.away = False
        await worker.guard.beat()
        assert await left(worker.shared, BUDGET) == 90

    async def test_after_a_hiccup_the_next_request_has_the_store_told(self, worker: Worker) -> None:
        worker.shared.away = True
        assert (await worker.take(BUDGET, amount=40)).source is Source.LOCAL
        worker.shared.away = False
        await worker.take(SLOTS)
        await asyncio.sleep(0)
        assert worker.guard.owed == 0
        assert await left(worker.shared, BUDGET) == 60

    async def test_a_store_that_hiccups_again_is_told_later(self, worker: Worker) -> None:
        worker.shared.away = True
        await worker.take(BUDGET, amount=40)
        worker.shared.away = False
        await worker.take(SLOTS)
        worker.shared.away = True
        await asyncio.sleep(0)
        assert worker.guard.owed == 1
        await worker.back()
        assert await left(worker.shared, BUDGET) == 60

    async def test_what_cannot_be_delivered_waits_on(self, worker: Worker) -> None:
        worker.leave()
        await worker.take(BUDGET)
        worker.registers.away = False
        await worker.guard.beat()
        assert worker.guard.owed == 1
        await worker.back()
        assert await left(worker.shared, BUDGET) == 99

    async def test_the_next_outage_begins_with_what_was_seen_last(self, worker: Worker) -> None:
        worker.leave()
        for _ in range(5):
            await worker.take(RATE)
        await worker.back()
        await worker.take(RATE)
        worker.leave()
        assert sum([(await worker.take(RATE)).allowed for _ in range(10)]) == 4

    async def test_slots_held_here_are_taken_there_by_their_renewal(self, worker: Worker) -> None:
        worker.leave()
        assert (await worker.take(SLOTS, holder="x")).allowed
        await worker.guard.renew([SLOTS], "x")
        assert [(await worker.take(SLOTS, holder=one)).allowed for one in "yz"] == [True, False]
        await worker.guard.settle([Charge(SLOTS, -1)], "y")
        assert (await worker.take(SLOTS, holder="z")).allowed
        await worker.back()
        assert worker.guard.owed == 0
        await worker.guard.renew([SLOTS], "x")
        assert [(await worker.take(SLOTS, holder=one)).allowed for one in "ab"] == [True, False]

    async def test_it_is_told_once_each_way(self, worker: Worker) -> None:
        worker.leave()
        for _ in range(10):
            await worker.take(RATE)
        await worker.back()
        await worker.take(RATE)
        assert [line.partition(":")[0] for line in worker.told] == [
            "the store cannot be used, and limits are kept without it",
            "the store is back, and limits are shared again",
        ]

    async def window(self) -> int:
        return (await MemoryCounters().take([Claim(BUDGET, 0)], "look")).charges[0].window


class TestShares:
    """Two workers, of which one counts here."""

    RATE = Limit("tokens", "tokens/a", Unit.TOKENS, Rate(1000, HOUR, 1000))

    @pytest.fixture
    async def worker(self) -> Worker:
        shared, registers = Away(), Registers()
        await Members(registers, "b").beat()
        worker = Worker(shared, registers)
        await worker.guard.beat()
        return worker

    async def test_what_is_settled_is_the_limit_and_not_a_share_of_it(self, worker: Worker) -> None:
        worker.leave()
        taken = await worker.take(self.RATE, amount=300)
        assert [charge.limit for charge in taken.charges] == [self.RATE]
        await worker.guard.settle([replace(taken.charges[0], amount=-50)], "me")
        await worker.back()
        assert await left(worker.shared, self.RATE) == 750

    async def test_a_take_of_an_outage_may_be_settled_after_it(self, worker: Worker) -> None:
        worker.leave()
        taken = await worker.take(self.RATE, amount=300)
        await worker.back()
        await worker.guard.settle([replace(taken.charges[0], amount=-50)], "me")
        assert await left(worker.shared, self.RATE) == 750


class TestHiccups:
    """One call fails, and the next does not."""

    async def hiccup(self, worker: Worker, limit: Limit, amount: int = 1, holder: str = "me") -> Taken:
        worker.shared.away = True
        taken = await worker.take(limit, amount=amount, holder=holder)
        worker.shared.away = False
        assert not worker.guard.breaker.is_open
        return taken

    async def test_what_is_given_back_waits_for_what_it_is_of(self, worker: Worker) -> None:
        taken = await self.hiccup(worker, BUDGET, 100)
        await worker.guard.settle([replace(taken.charges[0], amount=-90)], "me")
        await worker.guard.beat()
        assert (worker.guard.owed, await left(worker.shared, BUDGET)) == (0, 90)

    async def test_an_outage_later_begins_with_what_was_seen_since(self, worker: Worker) -> None:
        await self.hiccup(worker, BUDGET)
        await worker.guard.beat()
        await worker.take(BUDGET, amount=97)
        worker.leave()
        assert sum([(await worker.take(BUDGET)).allowed for _ in range(20)]) == 2

    async def test_what_the_store_was_not_told_yet_counts(self, worker: Worker) -> None:
        await self.hiccup(worker, BUDGET, 50)
        await worker.take(BUDGET, amount=40)
        worker.leave()
        assert sum([(await worker.take(BUDGET)).allowed for _ in range(20)]) == 10

    async def test_what_the_store_was_told_since_it_was_seen_counts(self, worker: Worker) -> None:
        await self.hiccup(worker, BUDGET, 50)
        await worker.take(BUDGET, amount=40)
        await worker.guard.beat()
        assert worker.guard.owed == 0
        worker.leave()
        assert sum([(await worker.take(BUDGET)).allowed for _ in range(20)]) == 10

    async def test_two_outages_with_nothing_seen_between_share_what_was_left(self, worker: Worker) -> None:
        for _ in range(2):
            worker.leave()
            assert sum([(await worker.take(BUDGET, amount=10)).allowed for _ in range(6)]) in (6, 4)
            await worker.back()
        assert await left(worker.shared, BUDGET) == 0

    async def test_a_slot_that_is_held_here_is_freed_when_the_store_is_back(self, worker: Worker) -> None:
        for holder in "abc":
            taken = await self.hiccup(worker, SLOTS, holder=holder)
            assert taken.allowed
            await worker.guard.settle([replace(taken.charges[0], amount=-1)], holder)

    async def test_an_answer_that_comes_when_the_others_gave_up_closes_nothing(self, worker: Worker) -> None:
        class Late(Away):
            async def take(self, claims: Sequence[Claim], holder: str) -> Taken:
                taken = await super().take(claims, holder)
                for at in range(FAILURES):
                    worker.guard.breaker.failed(str(at))
                return taken

        worker.guard._shared = Late()
        assert (await worker.take(RATE)).source is Source.SHARED
        assert worker.guard.breaker.is_open

    async def test_a_window_that_is_over_says_nothing_of_the_next(self, worker: Worker) -> None:
        await worker.take(BUDGET, amount=100)
        worker.leave()
        level, at = worker.guard._seen[BUDGET.key]
        worker.guard._seen[BUDGET.key] = level, at - level.reset_ns  # seen in a window that ends now
        assert (await worker.take(BUDGET, amount=100)).allowed

    async def test_slots_that_were_seen_are_not_counted_as_used(self, worker: Worker) -> None:
        await worker.take(SLOTS, holder="x")
        worker.leave()
        await worker.guard.renew([SLOTS], "x")
        assert [(await worker.take(SLOTS, holder=one)).allowed for one in "yz"] == [True, False]


class TestLeaving:
    async def test_who_leaves_tells_the_store_first(self, worker: Worker) -> None:
        worker.leave()
        await worker.take(BUDGET)
        worker.shared.away = worker.registers.away = False
        await worker.guard.leave()
        assert await left(worker.shared, BUDGET) == 99
        assert await worker.registers.read("members") == {}

    async def test_a_store_that_is_away_is_reached_before_it_is_asked(self, worker: Worker) -> None:
        reached = []

        async def reach() -> None:
            reached.append(worker.guard.breaker.is_open)

        worker.guard = GuardedCounters(worker.shared, worker.guard.members, worker.told.append, reach=reach)
        await worker.guard.beat()
        worker.leave()
        for _ in range(FAILURES):
            await worker.take(RATE)
        await worker.back()
        assert reached == [True]
        assert not worker.guard.breaker.is_open


class TestBreaker:
    async def test_after_some_failures_in_a_row_it_is_asked_no_more(self, worker: Worker) -> None:
        worker.leave()
        for _ in range(20):
            await worker.take(RATE)
        assert worker.shared.asked == FAILURES
        assert worker.guard.breaker.is_open
        assert worker.guard.unshared == 20

    async def test_a_hiccup_does_not_open_it(self, worker: Worker) -> None:
        for _ in range(10):
            worker.shared.away = True
            assert (await worker.take(RATE)).source is Source.LOCAL
            worker.shared.away = False
            await worker.take(SLOTS)
        assert not worker.guard.breaker.is_open

    async def test_renewing_and_settling_never_fail(self, worker: Worker) -> None:
        worker.leave()
        for _ in range(5):
            await worker.guard.renew([SLOTS], "x")
            await worker.guard.settle([Charge(RATE, 1), Charge(SLOTS, -1)], "x")
        assert worker.guard.owed == 1

    def test_it_opens_and_closes_once(self) -> None:
        breaker = Breaker()
        assert [breaker.failed(str(at)) for at in range(5)] == [False, False, True, False, False]
        assert (breaker.fault, breaker.since is not None, breaker.failures) == ("2", True, 5)
        assert [breaker.worked() for _ in range(2)] == [True, False]
        assert (breaker.fault, breaker.since) == (None, None)


class TestWatch:
    async def test_it_brings_the_store_back(self, worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("gateway.state.guarded.PROBE", 0.01)
        worker.leave()
        for _ in range(FAILURES):
            await worker.take(RATE)
        watching = asyncio.create_task(worker.guard.watch())
        worker.shared.away = worker.registers.away = False
        async with asyncio.timeout(5):
            while worker.guard.breaker.is_open:  # noqa: ASYNC110 -- a breaker has no event to wait for
                await asyncio.sleep(0.01)
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        assert (await worker.take(RATE)).source is Source.SHARED

    async def test_a_store_that_answers_gets_a_sign_of_life_now_and_then(
        self, worker: Worker, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("gateway.state.guarded.PROBE", 0.001)
        monkeypatch.setattr("gateway.state.guarded.BEAT", 5.0)
        watching = asyncio.create_task(worker.guard.watch())
        await asyncio.sleep(0.05)
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        assert await worker.registers.revisions(["members"]) == (1,)

    async def test_it_goes_on_whatever_goes_wrong(self, worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
        """A watch that ended would leave the store away for good, and this worker no member."""
        monkeypatch.setattr("gateway.state.guarded.PROBE", 0.01)
        monkeypatch.setattr("gateway.state.guarded.BEAT", 0.0)
        worker.guard.members.about = lambda: {"broken": 1 / 0}
        watching = asyncio.create_task(worker.guard.watch())
        async with asyncio.timeout(5):
            while not worker.told:  # noqa: ASYNC110 -- a line of the log is no event
                await asyncio.sleep(0.01)
        worker.guard.members.about = dict
        async with asyncio.timeout(5):
            while not await worker.registers.read("members"):  # noqa: ASYNC110 -- the register gives no event either
                await asyncio.sleep(0.01)
        assert not watching.done()
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        assert "ZeroDivisionError" in worker.told[0]


class TestMembers:
    async def test_who_gave_a_sign_of_life_is_one(self) -> None:
        registers = MemoryRegisters()
        one, two = Members(registers, "b"), Members(registers, "a")
        one.about = lambda: {"version": "1"}
        assert (one.count, one.rank) == (1, 0)
        await one.beat()
        await two.beat()
        await one.beat()
        assert [(member.count, member.rank) for member in (one, two)] == [(2, 1), (2, 0)]
        assert two.known["b"] == {"version": "1"}
        await two.leave()
        await one.beat()
        assert (one.count, one.rank) == (1, 0)

    @pytest.mark.parametrize("value", [b"not json", b"[1]", b"\xff", b"[" * 100_000])
    async def test_one_that_tells_what_cannot_be_read_is_one_all_the_same(self, value: bytes) -> None:
        registers = MemoryRegisters()
        await registers.write("members", "b", value)
        one = Members(registers, "a")
        await one.beat()
        assert (one.count, one.known["b"]) == (2, {})

    async def test_while_the_store_is_away_the_last_seen_stay(self) -> None:
        registers = Registers()
        one, two = Members(registers, "a"), Members(registers, "b")
        await two.beat()
        await one.beat()
        registers.away = True
        with pytest.raises(StoreError):
            await one.beat()
        assert one.count == 2


async def test_what_is_remembered_and_owed_is_bounded(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.state.guarded.MOST_SEEN", 3)
    monkeypatch.setattr("gateway.state.owed.MOST", 3)
    limits = [replace(RATE, key=f"rate/{at}") for at in range(10)]
    for limit in limits:
        await worker.take(limit)
    assert len(worker.guard._seen) == 3
    worker.leave()
    for limit in limits:
        await worker.take(limit)
    assert worker.guard.owed == 3
