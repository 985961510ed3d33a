"""What waits for the store: one sum for each key and window, none lost, none delivered twice."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from gateway.errors import StoreError
from gateway.state.limit import SECOND_NS, Budget, Calendar, Charge, Claim, Limit, Rate, Slots, Unit
from gateway.state.memory import MemoryCounters
from gateway.state.owed import Owed

HOUR = 3600 * SECOND_NS
RATE = Limit("rate", "rate/a", Unit.TOKENS, Rate(1000, HOUR, 1000))
BUDGET = Limit("budget", "budget/a", Unit.TOKENS, Budget(100, Calendar.HOUR))
SLOTS = Limit("slots", "slots/a", Unit.CONCURRENCY, Slots(2, HOUR))


def whole(charge: Charge) -> Charge:
    """All that waits is due."""
    return charge


class Slow(MemoryCounters):
    """Lets a test act while a delivery is under way; afterwards it is made, or fails."""

    def __init__(self) -> None:
        super().__init__()
        self.began, self.go_on = asyncio.Event(), asyncio.Event()
        self.batches: list[int] = []
        self.fails = False

    async def settle(self, charges: Sequence[Charge], holder: str) -> None:
        self.batches.append(len(charges))
        self.began.set()
        await self.go_on.wait()
        if self.fails:
            raise StoreError("redis at h:1 did not answer in time")
        await super().settle(charges, holder)

    async def used(self) -> int:
        return 1000 - (await self.take([Claim(RATE, 0)], "look")).levels[0].remaining


async def test_what_came_in_during_a_delivery_waits_for_the_next() -> None:
    owed, store, told = Owed(), Slow(), list[Charge]()
    owed.add(Charge(RATE, 10))
    delivering = asyncio.create_task(owed.deliver(store, whole, told.append))
    await store.began.wait()
    owed.add(Charge(RATE, 5))
    assert owed.units(RATE) == 15, "until it was delivered it waits"
    store.go_on.set()
    await delivering
    assert (owed.units(RATE), await store.used()) == (5, 10)
    await owed.deliver(store, whole, told.append)
    assert (len(owed), await store.used()) == (0, 15)


async def test_what_came_back_meanwhile_is_not_charged_and_waits_no_more() -> None:
    owed, store, told = Owed(), Slow(), list[Charge]()
    store.go_on.set()
    owed.add(Charge(RATE, 10))
    await owed.deliver(store, lambda charge: Charge(charge.limit, 4), told.append)
    assert (len(owed), await store.used(), told) == (0, 4, [Charge(RATE, 4)])


async def test_two_deliveries_at_once_charge_it_once() -> None:
    owed, store, told = Owed(), Slow(), list[Charge]()
    owed.add(Charge(RATE, 10))
    delivering = [asyncio.create_task(owed.deliver(store, whole, told.append)) for _ in range(2)]
    await store.began.wait()
    store.go_on.set()
    await asyncio.gather(*delivering)
    assert (len(owed), await store.used()) == (0, 10)


@pytest.mark.parametrize("how", ["failed", "cancelled"])
async def test_what_was_not_delivered_waits_on(how: str) -> None:
    owed, store, told = Owed(), Slow(), list[Charge]()
    owed.add(Charge(RATE, 10))
    delivering = asyncio.create_task(owed.deliver(store, whole, told.append))
    await store.began.wait()
    if how == "cancelled":
        delivering.cancel()
    store.fails = True
    store.go_on.set()
    await asyncio.gather(delivering, return_exceptions=True)
    assert (owed.units(RATE), await store.used(), told) == (10, 0, [])


async def test_many_are_delivered_in_parts() -> None:
    owed, store, told = Owed(), Slow(), list[Charge]()
    store.go_on.set()
    for at in range(450):
        owed.add(Charge(Limit("rate", f"rate/{at}", Unit.TOKENS, RATE.bound), 1))
    await owed.deliver(store, whole, told.append)
    assert (store.batches, len(owed), len(told)) == ([200, 200, 50], 0, 450)


def test_what_was_taken_and_given_back_is_nothing() -> None:
    owed = Owed()
    owed.add(Charge(RATE, 10))
    owed.add(Charge(RATE, -10))
    owed.add(Charge(SLOTS, 1))
    assert len(owed) == 0


def test_windows_are_apart() -> None:
    owed = Owed(unix=lambda: 7 * HOUR)
    for number, amount in ((6, 5), (7, 3)):
        owed.add(Charge(BUDGET, amount, number))
    assert (len(owed), owed.units(BUDGET)) == (2, 3)
    assert Charge(BUDGET, -1, 6) in owed
    assert Charge(BUDGET, -1, 5) not in owed
    assert Charge(RATE, 1) not in owed
