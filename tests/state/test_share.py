"""Shares of a limit: they add up to it, and begin with what was used."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.state.limit import SECOND_NS, Budget, Calendar, Limit, Rate, Slots, Unit
from gateway.state.share import share_of, used_share

quantities = st.integers(1, 10_000)


def rate(quantity: int, burst: int) -> Limit:
    return Limit("rate", "rate/a", Unit.REQUESTS, Rate(quantity, 60 * SECOND_NS, burst))


@given(quantity=quantities, burst=quantities, count=st.integers(1, 300))
def test_the_shares_of_a_rate_are_no_more_than_the_rate(quantity: int, burst: int, count: int) -> None:
    shares = [share_of(rate(quantity, burst), rank, count) for rank in range(count)]
    bounds = [share.bound for share in shares if share is not None]
    assert all(isinstance(bound, Rate) and bound.quantity > 0 and bound.burst > 0 for bound in bounds)
    assert sum(bound.quantity for bound in bounds) <= quantity
    assert sum(bound.burst for bound in bounds if isinstance(bound, Rate)) <= burst
    if count <= min(quantity, burst):
        assert sum(bound.quantity for bound in bounds) == quantity


@pytest.mark.parametrize("bound", [Budget(7, Calendar.DAY), Slots(7, SECOND_NS)])
def test_the_shares_of_what_is_counted_by_ones_are_exact(bound: Budget | Slots) -> None:
    limit = Limit("some", "some/a", Unit.REQUESTS, bound)
    shares = [share_of(limit, rank, 3) for rank in range(3)]
    assert [share.bound.quantity for share in shares if share] == [3, 2, 2]
    assert [share_of(limit, rank, 9) is None for rank in range(9)] == [False] * 7 + [True] * 2


def test_a_share_keeps_the_name_and_the_key() -> None:
    share = share_of(rate(10, 10), 0, 2)
    assert share is not None
    assert (share.name, share.key, share.unit) == ("rate", "rate/a", Unit.REQUESTS)


@pytest.mark.parametrize(
    ("remaining", "elapsed_s", "used"),
    [(10, 0, 0), (0, 0, 5), (5, 0, 3), (0, 6, 5), (0, 30, 3), (0, 60, 0), (0, 600, 0)],
)
def test_a_rate_begins_with_its_part_of_what_is_used_and_not_back_yet(
    remaining: int, elapsed_s: int, used: int
) -> None:
    whole, share = rate(10, 10), rate(5, 5)
    assert used_share(whole, share, remaining, elapsed_s * SECOND_NS) == used


def test_a_budget_begins_with_its_part_of_what_is_spent() -> None:
    whole = Limit("some", "some/a", Unit.COST, Budget(100, Calendar.DAY))
    share = Limit("some", "some/a", Unit.COST, Budget(34, Calendar.DAY))
    assert [used_share(whole, share, remaining, 0) for remaining in (100, 50, 1, 0)] == [0, 17, 34, 34]


def test_no_slot_counts_as_used() -> None:
    limit = Limit("some", "some/a", Unit.CONCURRENCY, Slots(4, SECOND_NS))
    assert used_share(limit, limit, 0, 0) == 0
