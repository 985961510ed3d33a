"""What every store does, in memory and in a real Redis alike."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.state.limit import (
    SECOND_NS,
    Bound,
    Budget,
    Calendar,
    Charge,
    Claim,
    Limit,
    Rate,
    Slots,
    Taken,
    Unit,
)
from gateway.state.memory import memory_store
from gateway.state.store import Counters, Store

HOUR = 3600 * SECOND_NS
_numbers = itertools.count()


def limit(name: str, bound: Bound, key: str = "") -> Limit:
    return Limit(name, key or f"{name}/{next(_numbers)}", Unit.REQUESTS, bound)


def rate(quantity: int, burst: int, period: int = HOUR) -> Limit:
    return limit("rate", Rate(quantity, period, burst))


def budget(quantity: int, calendar: Calendar = Calendar.MONTH) -> Limit:
    return limit("budget", Budget(quantity, calendar))


def slots(quantity: int, lease: int = HOUR) -> Limit:
    return limit("slots", Slots(quantity, lease))


async def take(store: Store, *claims: Claim, holder: str = "me") -> Taken:
    return await store.counters.take(claims, holder)


class TestRates:
    async def test_a_burst_and_no_more(self, store: Store) -> None:
        one = rate(10, 3)
        taken = [await take(store, Claim(one)) for _ in range(4)]
        assert [one.allowed for one in taken] == [True, True, True, False]
        assert [one.levels[0].remaining for one in taken] == [2, 1, 0, 0]
        assert taken[3].denied_by == "rate"
        assert taken[3].charges == ()
        assert 0 < (taken[3].retry_after_ns or 0) <= HOUR // 10

    async def test_many_units_at_once(self, store: Store) -> None:
        one = rate(100, 50)
        assert (await take(store, Claim(one, 30))).levels[0].remaining == 20
        assert (await take(store, Claim(one, 30))).denied_by == "rate"
        assert (await take(store, Claim(one, 20))).allowed

    async def test_more_than_a_burst_is_never_allowed(self, store: Store) -> None:
        taken = await take(store, Claim(rate(100, 50), 51))
        assert (taken.denied_by, taken.retry_after_ns, taken.retry_after) == ("rate", None, None)

    async def test_units_come_back_with_time(self, store: Store) -> None:
        one = rate(20, 1, SECOND_NS)
        assert (await take(store, Claim(one))).allowed
        denied = await take(store, Claim(one))
        if not denied.allowed:  # on a machine that stood still for long enough it is back already
            await asyncio.sleep((denied.retry_after_ns or 0) / 1e9 + 0.002)
            assert (await take(store, Claim(one))).allowed

    async def test_what_was_not_used_is_given_back(self, store: Store) -> None:
        one = rate(100, 50)
        taken = await take(store, Claim(one, 40))
        await store.counters.settle([Charge(one, -30, taken.charges[0].window)], "me")
        assert (await take(store, Claim(one, 0))).levels[0].remaining == 40

    async def test_more_than_was_taken_makes_a_debt(self, store: Store) -> None:
        one = rate(100, 50)
        await take(store, Claim(one, 10))
        await store.counters.settle([Charge(one, 90)], "me")
        denied = await take(store, Claim(one, 1))
        assert denied.denied_by == "rate"
        assert (denied.retry_after_ns or 0) > 50 * HOUR // 100

    async def test_no_more_comes_back_than_was_there(self, store: Store) -> None:
        one = rate(100, 50)
        await store.counters.settle([Charge(one, -30)], "me")
        assert (await take(store, Claim(one, 0))).levels[0].remaining == 50


class TestBudgets:
    @pytest.mark.parametrize("calendar", list(Calendar))
    async def test_a_window_holds_so_many(self, store: Store, calendar: Calendar) -> None:
        one = budget(10, calendar)
        first = await take(store, Claim(one, 7))
        second = await take(store, Claim(one, 4))
        assert first.levels[0].remaining == 3
        assert second.denied_by == "budget"
        assert 0 < (second.retry_after_ns or 0) <= 32 * 24 * HOUR

    async def test_the_windows_are_numbered_alike(self, store: Store) -> None:
        """A charge may be settled by another store than took it: the numbers must mean the same."""
        for calendar in Calendar:
            one = budget(10, calendar)
            ours = (await take(memory_store(), Claim(one, 1))).charges[0].window
            theirs = (await take(store, Claim(one, 1))).charges[0].window
            assert ours <= theirs <= ours + 1  # an hour may end between the two

    async def test_more_than_a_window_holds_is_never_allowed(self, store: Store) -> None:
        assert (await take(store, Claim(budget(10), 11))).retry_after_ns is None

    async def test_it_is_settled(self, store: Store) -> None:
        one = budget(100)
        charge = (await take(store, Claim(one, 40))).charges[0]
        await store.counters.settle([Charge(one, -25, charge.window)], "me")
        assert (await take(store, Claim(one, 0))).levels[0].remaining == 85
        await store.counters.settle([Charge(one, 1000, charge.window)], "me")
        assert (await take(store, Claim(one, 0))).denied_by == "budget"

    async def test_a_window_that_is_over_is_left_alone(self, store: Store) -> None:
        one = budget(100)
        charge = (await take(store, Claim(one, 40))).charges[0]
        await store.counters.settle([Charge(one, -40, charge.window - 1)], "me")
        assert (await take(store, Claim(one, 0))).levels[0].remaining == 60

    async def test_what_was_counted_elsewhere_may_be_charged_first(self, store: Store) -> None:
        one = budget(100)
        number = (await take(memory_store(), Claim(one, 1))).charges[0].window
        await store.counters.settle([Charge(one, 30, number)], "me")
        assert (await take(store, Claim(one, 0))).levels[0].remaining == 70

    async def test_it_does_not_go_below_nothing(self, store: Store) -> None:
        one = budget(100)
        charge = (await take(store, Claim(one, 4))).charges[0]
        await store.counters.settle([Charge(one, -50, charge.window)], "me")
        assert (await take(store, Claim(one, 0))).levels[0].remaining == 100


class TestSlots:
    async def test_so_many_at_once(self, store: Store) -> None:
        one = slots(2)
        assert [(await take(store, Claim(one), holder=name)).allowed for name in "abc"] == [True, True, False]
        await store.counters.settle([Charge(one, -1)], "a")
        assert (await take(store, Claim(one), holder="c")).allowed

    async def test_a_holder_has_one(self, store: Store) -> None:
        one = slots(1)
        assert [(await take(store, Claim(one), holder="a")).allowed for _ in range(2)] == [True, True]

    async def test_a_lease_that_nobody_renews_ends(self, store: Store) -> None:
        one = slots(1, SECOND_NS // 5)
        assert (await take(store, Claim(one), holder="a")).allowed
        denied = await take(store, Claim(one), holder="b")
        if not denied.allowed:
            assert 0 < (denied.retry_after_ns or 0) <= SECOND_NS // 5
            await asyncio.sleep(0.21)
            assert (await take(store, Claim(one), holder="b")).allowed

    async def test_renewing_keeps_it(self, store: Store) -> None:
        one = slots(1, 2 * SECOND_NS)
        await take(store, Claim(one), holder="a")
        longer = Limit(one.name, one.key, one.unit, Slots(1, HOUR))
        await store.counters.renew([longer, rate(1, 1)], "a")
        denied = await take(store, Claim(one), holder="b")
        assert (denied.retry_after_ns or 0) > 2 * SECOND_NS


class TestTogether:
    async def test_all_or_nothing(self, store: Store) -> None:
        wide, narrow, at_once = rate(100, 100), budget(1), slots(5)
        assert (await take(store, Claim(wide), Claim(narrow), Claim(at_once), holder="a")).allowed
        denied = await take(store, Claim(wide), Claim(narrow), Claim(at_once), holder="b")
        assert denied.denied_by == "budget"
        assert [level.remaining for level in denied.levels] == [99, 0, 4]

    async def test_the_longest_wait_is_named(self, store: Store) -> None:
        short, long = limit("short", Rate(10, HOUR, 1)), limit("long", Rate(1, HOUR, 1))
        await take(store, Claim(short), Claim(long))
        assert (await take(store, Claim(short), Claim(long))).denied_by == "long"

    async def test_what_never_fits_is_longer_than_any_wait(self, store: Store) -> None:
        long, never = limit("long", Rate(1, HOUR, 1)), limit("never", Budget(5, Calendar.HOUR))
        await take(store, Claim(long))
        assert (await take(store, Claim(long), Claim(never, 6))).denied_by == "never"

    async def test_a_limit_that_is_edited_to_another_kind_counts_anew(self, store: Store) -> None:
        for bound in (Rate(5, HOUR, 5), Budget(5, Calendar.MONTH), Slots(5, HOUR)):
            one = Limit("edited", "edited/a", Unit.REQUESTS, bound)
            taken = await take(store, Claim(one))
            assert (taken.allowed, taken.levels[0].remaining) == (True, 4)
            await store.counters.settle([Charge(one, 1, taken.charges[0].window)], "me")

    async def test_nothing_is_allowed(self, store: Store) -> None:
        assert await take(store) == Taken(None, 0, ())
        await store.counters.settle([], "me")
        await store.counters.renew([], "me")

    async def test_at_once_it_is_exact(self, store: Store) -> None:
        one, other = rate(10, 10), slots(7)
        taken = await asyncio.gather(*(take(store, Claim(one), Claim(other), holder=str(at)) for at in range(50)))
        assert sum(one.allowed for one in taken) == 7


bounds: st.SearchStrategy[Bound] = st.one_of(
    st.builds(Rate, quantity=st.integers(1, 5), period_ns=st.just(1000 * HOUR), burst=st.integers(1, 6)),
    st.builds(Budget, quantity=st.integers(1, 6), window=st.just(Calendar.MONTH)),
    st.builds(Slots, quantity=st.integers(1, 3), lease_ns=st.just(HOUR)),
)
steps = st.lists(
    st.tuples(
        st.sampled_from(["take", "settle", "renew"]),
        st.lists(
            st.tuples(st.integers(0, 2), st.integers(-3, 4)), min_size=1, max_size=3, unique_by=lambda one: one[0]
        ),
        st.sampled_from("abcd"),
    ),
    max_size=12,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(bounds=st.tuples(bounds, bounds, bounds), steps=steps)
async def test_every_store_counts_as_memory_does(
    store: Store, bounds: tuple[Bound, ...], steps: list[tuple[str, list[tuple[int, int]], str]]
) -> None:
    """Times are so long here that none of what passes meanwhile brings a unit back."""
    limits = [limit(f"limit-{at}", bound) for at, bound in enumerate(bounds)]
    reference = memory_store()
    charges: dict[str, int] = {}
    for kind, parts, holder in steps:
        outcomes = [
            await _step(counters, limits, kind, parts, holder, charges)
            for counters in (reference.counters, store.counters)
        ]
        assert outcomes[0] == outcomes[1]


async def _step(
    counters: Counters,
    limits: Sequence[Limit],
    kind: str,
    parts: list[tuple[int, int]],
    holder: str,
    windows: dict[str, int],
) -> object:
    if kind == "renew":
        await counters.renew([limits[at] for at, _ in parts], holder)
        return None
    if kind == "settle":
        charges = [Charge(limits[at], amount, windows.get(limits[at].key, 0)) for at, amount in parts]
        await counters.settle(charges, holder)
        return None
    taken = await counters.take([Claim(limits[at], abs(amount)) for at, amount in parts], holder)
    windows |= {charge.limit.key: charge.window for charge in taken.charges}
    remaining = [level.remaining for level in taken.levels]
    return taken.allowed, taken.retry_after_ns is None, remaining, [charge.amount for charge in taken.charges]


class TestRegisters:
    async def test_what_is_written_is_read(self, store: Store) -> None:
        registers = store.registers
        assert await registers.read("things") == {}
        version = await registers.write("things", "a", b"\x00one|\r\n\xff")
        assert version is not None
        found = await registers.read("things")
        assert {key: entry.value for key, entry in found.items()} == {"a": b"\x00one|\r\n\xff"}
        assert found["a"].version == version
        assert await registers.read("others") == {}

    async def test_every_write_is_another_version(self, store: Store) -> None:
        versions = [await store.registers.write("things", key, b"") for key in "aab"]
        assert len(set(versions)) == 3
        await store.registers.remove("things", "a")
        assert await store.registers.write("things", "a", b"") not in versions

    async def test_a_write_at_another_version_is_none(self, store: Store) -> None:
        registers = store.registers
        first = await registers.write("things", "a", b"1", version=0)
        assert first is not None
        assert await registers.write("things", "a", b"2", version=0) is None
        assert await registers.write("things", "a", b"2", version=first + 1) is None
        second = await registers.write("things", "a", b"2", version=first)
        assert second is not None
        assert (await registers.read("things"))["a"].value == b"2"
        assert not await registers.remove("things", "a", version=first)
        assert await registers.remove("things", "a", version=second)
        assert await registers.read("things") == {}

    async def test_what_is_not_there_cannot_be_removed(self, store: Store) -> None:
        assert not await store.registers.remove("things", "a")

    async def test_of_many_who_write_at_once_one_wins(self, store: Store) -> None:
        written = await asyncio.gather(
            *(store.registers.write("things", "a", str(at).encode(), version=0) for at in range(20))
        )
        assert sum(version is not None for version in written) == 1

    async def test_a_document_ends_with_its_time(self, store: Store) -> None:
        await store.registers.write("things", "a", b"1", ttl=0.05)
        await asyncio.sleep(0.06)
        assert await store.registers.read("things") == {}
        assert await store.registers.write("things", "a", b"2", version=0) is not None

    async def test_revisions_grow_with_every_change(self, store: Store) -> None:
        registers = store.registers
        seen = [await registers.revisions(["things", "others"])]
        await registers.write("things", "a", b"")
        seen.append(await registers.revisions(["things", "others"]))
        await registers.remove("things", "a")
        seen.append(await registers.revisions(["things", "others"]))
        assert [one[1] for one in seen] == [0, 0, 0]
        assert 0 == seen[0][0] < seen[1][0] < seen[2][0]
