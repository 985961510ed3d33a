"""What tokens cost."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.limits.price import OTHER, UNIT, Price, Prices

PRICE = Price(input=3 * UNIT, output=15 * UNIT, cached=UNIT * 3 // 10, written=UNIT * 15 // 4)


def test_each_kind_has_its_price() -> None:
    usage = {"input": 1_000_000, "cached": 400_000, "written": 100_000, "output": 10_000, "reasoning": 5_000}
    assert PRICE.of(usage) == round((0.5 * 3 + 0.4 * 0.3 + 0.1 * 3.75 + 0.01 * 15) * UNIT)


def test_a_cost_is_rounded_up_to_a_billionth() -> None:
    assert Price(1, 0, 0, 0).of({"input": 1}) == 1
    assert PRICE.of({}) == 0


def test_more_from_the_cache_than_there_was_is_not_believed() -> None:
    assert PRICE.of({"input": 10, "cached": 50, "written": 50}) == PRICE.of({"input": 10, "cached": 10})
    assert PRICE.of({"cached": 50}) == 0


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**6))
def test_nothing_costs_more_than_what_is_reserved(read: int, wrote: int, cached: int, written: int) -> None:
    usage = {"input": read, "output": wrote, "cached": cached, "written": written}
    assert PRICE.of(usage) <= PRICE.most(read, wrote)


def test_a_model_is_counted_as_its_entry() -> None:
    prices = Prices({"gpt-5*": PRICE})
    assert prices.of("gpt-5-mini") is PRICE
    assert (prices.counted_as("gpt-5-mini"), prices.counted_as("else"), prices.counted_as(None)) == (
        "gpt-5*",
        OTHER,
        OTHER,
    )
    assert (prices.of("else"), prices.of(None)) == (None, None)
    assert Prices({"*": PRICE}).of(None) is PRICE
