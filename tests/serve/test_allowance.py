"""What an exchange takes from the limits: taken once, put right once, and never another total than was used."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from gateway.config import parse
from gateway.dialect.meter import Asked
from gateway.errors import Code, StoreError
from gateway.exchange.demand import Counted, Demand, Part
from gateway.exchange.recorded import ExchangeRecord
from gateway.limits.claims import Caller, Terms
from gateway.policy.egress.host import Host
from gateway.serve.allowance import MOST_HELD, Allowance, Loose
from gateway.state.limit import Budget, Calendar, Charge, Claim, Limit, Taken, Unit
from gateway.state.memory import MemoryCounters
from tests.test_record import RECORD

PRICES = '[prices."m"]\ninput = 1.0\noutput = 10.0\ncached_input = 0.1\n'
BUDGET = f'[limits.budget]\ntokens = 1000000\ncost = 9000.0\nper = "month"\nby = []\n{PRICES}'
TOKENS = Limit("budget", "budget/tokens", Unit.TOKENS, Budget(1_000_000, Calendar.MONTH))
COST = Limit("budget", "budget/cost", Unit.COST, Budget(9_000_000_000_000, Calendar.MONTH))
PRICE = {"input": 1000, "output": 10_000}

ended = structs.replace(RECORD, model="m", usage={}, counted=Counted.NOBODY)


def terms(text: str = BUDGET) -> Terms:
    return parse(text, "gate.toml").terms_for("bot", "openai")


def allowance(counters: Any, text: str = BUDGET, loose: Loose | None = None, holder: str = "id-1") -> Allowance:
    held = terms(text)
    return Allowance(counters, loose or Loose(), lambda: held, Caller("bot", "openai", Host("h")), holder)


def finished(usage: dict[str, int], counted: Counted = Counted.PROVIDER) -> ExchangeRecord:
    return structs.replace(ended, usage=usage, counted=counted)


def asked(read: int = 100, most: int = 50, model: str = "m") -> Demand:
    return Demand(asked=Asked(model, read, most))


async def spent(counters: MemoryCounters, limit: Limit = TOKENS) -> int:
    (level,) = (await counters.take([Claim(limit, 0)], "")).levels
    return limit.bound.quantity - level.remaining


async def test_it_is_reserved_then_put_right_and_that_only_once() -> None:
    counters = MemoryCounters()
    one = allowance(counters)
    assert (await one.take(asked())).denied is None
    assert await spent(counters) == 150
    bill = one.settle(finished({"input": 90, "output": 7}))
    assert (bill.counted_as, bill.reserved, bill.cost) == ("m", {"input": 100, "output": 50}, 160e-6)
    assert await spent(counters) == 97
    assert await spent(counters, COST) == 160_000
    one.settle(finished({"input": 1, "output": 1}))
    one.close()
    assert await spent(counters) == 97


async def test_an_exchange_that_breaks_down_leaves_what_was_reserved_and_frees_its_place() -> None:
    counters = MemoryCounters()
    text = BUDGET.replace("by = []", "by = []\nconcurrency = 1")
    one = allowance(counters, text)
    await one.take(asked())
    assert (await allowance(counters, text, holder="id-2").take(asked())).denied == "budget"
    one.close()
    assert await spent(counters) == 150
    assert (await allowance(counters, text, holder="id-2").take(asked())).denied is None


async def test_what_cannot_be_counted_is_denied_with_the_reason() -> None:
    told = await allowance(MemoryCounters()).take(asked(model="x"))
    assert (told.denied, told.retry_after) == ("budget", None)
    assert told.why is not None
    assert '[prices."x"]' in told.why


@pytest.mark.parametrize(
    ("lines", "code", "switch_to"),
    [
        ("", Code.RATE, None),
        ('at_limit = "ask"', Code.APPROVAL, None),
        ('at_limit = "switch"\nswitch_to = "small"', Code.RATE, "small"),
    ],
)
async def test_what_becomes_of_a_request_for_which_too_little_is_left(
    lines: str, code: Code, switch_to: str | None
) -> None:
    one = allowance(MemoryCounters(), f"[limits.few]\ntokens = 10\n{lines}")
    told = await one.take(asked())
    assert (told.denied, told.code, told.switch_to) == ("few", code, switch_to)
    again = await one.take(structs.replace(asked(), switched=True))
    assert again.switch_to is None
    one.settle(finished({}, Counted.NOBODY))


async def test_a_store_that_is_away_is_told() -> None:
    class Away(MemoryCounters):
        async def take(self, claims: Sequence[Claim], holder: str) -> Taken:
            raise StoreError("gone")

    assert (await allowance(Away()).take(asked())).unavailable == "gone"


async def test_without_a_limit_for_it_nothing_is_taken_and_its_cost_is_told_all_the_same() -> None:
    one = allowance(MemoryCounters(), PRICES)
    assert (await one.take(asked())).headers == ()
    assert one.settle(finished({"input": 1_000_000})).cost == 1.0
    assert one.settle(structs.replace(finished({"input": 5}), model="made-up")).counted_as == "other"


async def test_a_place_is_renewed_while_the_exchange_goes_on() -> None:
    renewed = asyncio.Event()

    class Counting(MemoryCounters):
        async def renew(self, limits: Sequence[Limit], holder: str) -> None:
            assert (holder, [limit.unit for limit in limits]) == ("id-1", [Unit.CONCURRENCY])
            renewed.set()
            raise StoreError("a renewal may fail")

    one = allowance(Counting(), '[limits.once]\nconcurrency = 1\nlease = "5s"')
    await one.take(asked())
    await asyncio.wait_for(renewed.wait(), 5)
    one.close()


async def test_settlements_that_wait_for_a_store_are_waited_for_at_the_end() -> None:
    class Slow(MemoryCounters):
        async def settle(self, charges: Sequence[Charge], holder: str) -> None:
            await asyncio.sleep(0.01)
            await super().settle(charges, holder)
            raise StoreError("told too late")

    counters, loose = Slow(), Loose()
    one = allowance(counters, loose=loose)
    await one.take(asked())
    one.settle(finished({"input": 1, "output": 2}))
    assert await spent(counters) == 150
    await loose.end()
    assert await spent(counters) == 3


async def test_a_client_that_leaves_while_the_store_is_asked_takes_nothing() -> None:
    class Slow(MemoryCounters):
        async def take(self, claims: Sequence[Claim], holder: str) -> Taken:
            taken = await super().take(claims, holder)
            if holder:
                await asyncio.sleep(0.01)
            return taken

    counters, loose = Slow(), Loose()
    asking = asyncio.create_task(allowance(counters, loose=loose).take(asked()))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert await spent(counters) == 150
    await loose.end()
    assert (await spent(counters), await spent(counters, COST)) == (0, 0)


TOKEN = st.integers(0, 5_000)
EXCHANGES = st.lists(st.tuples(TOKEN, TOKEN, TOKEN, TOKEN, st.sampled_from(list(Counted))), max_size=12)
type Exchanges = list[tuple[int, int, int, int, Counted]]


@given(EXCHANGES)
def test_whatever_happens_the_store_ends_with_what_was_used(
    exchanges: list[tuple[int, int, int, int, Counted]],
) -> None:
    """All of them at once: everything is taken first, and put right afterwards."""

    async def run() -> None:
        counters = MemoryCounters()
        under_way = []
        for number, (read, most, *_) in enumerate(exchanges):
            one = allowance(counters, holder=f"id-{number}")
            assert (await one.take(asked(read, most))).denied is None
            under_way.append(one)
        tokens = cost = 0
        for one, (read, most, was_read, written, counted) in zip(under_way, exchanges, strict=True):
            usage = {"input": was_read, "output": written} if counted is not Counted.NOBODY else {}
            if counted is Counted.RESERVATION:
                usage = {"input": read, "output": most}
                tokens += max(read + most, 1)
                cost += max(read * PRICE["input"] + most * PRICE["output"], 1)
            else:
                tokens += sum(usage.values())
                cost += sum(count * PRICE[kind] for kind, count in usage.items())
            one.settle(finished(usage, counted))
        assert await spent(counters) == tokens
        assert await spent(counters, COST) == cost

    asyncio.run(run())


ANSWERS = st.lists(st.tuples(TOKEN, TOKEN, st.booleans()), min_size=1, max_size=8)


@given(ANSWERS)
def test_so_does_a_session_however_its_answers_overlap(answers: list[tuple[int, int, bool]]) -> None:
    """Each answer is asked for; some are over by the time that the next one is, and some are not."""

    async def run() -> None:
        counters = MemoryCounters()
        one = allowance(counters)
        await one.take(Demand(Part.OPENING))
        used = {"input": 0, "output": 0}
        for read, written, is_over in answers:
            demand = Demand(Part.MESSAGE, Asked("m", 10, 20), used=dict(used), is_over=is_over)
            assert (await one.take(demand)).denied is None
            used["input"] += read
            used["output"] += written
        one.settle(finished(used))
        assert await spent(counters) == sum(used.values())

    asyncio.run(run())


async def test_a_session_that_ends_before_its_answer_does_leaves_that_reserved() -> None:
    counters = MemoryCounters()
    one = allowance(counters)
    await one.take(Demand(Part.OPENING))
    await one.take(Demand(Part.MESSAGE, Asked("m", 10, 20)))
    await one.take(Demand(Part.MESSAGE, Asked("m", 100, 200)))
    one.settle(finished({"input": 1, "output": 2}, Counted.RESERVATION))
    assert await spent(counters) == 3 + 300


async def test_of_answers_of_which_nothing_is_told_so_many_are_remembered() -> None:
    """The reservations of those before stay, and a session may go on for days."""
    counters = MemoryCounters()
    one = allowance(counters)
    for _ in range(MOST_HELD + 2):
        await one.take(Demand(Part.MESSAGE, Asked("m", 1, 1)))
    one.settle(finished({}, Counted.NOBODY))
    assert await spent(counters) == 2 * 2


async def test_a_session_holds_one_place_from_its_beginning_to_its_end() -> None:
    counters = MemoryCounters()
    text = "[limits.once]\nconcurrency = 1\ntokens = 9000\nby = []"
    one, other = allowance(counters, text), allowance(counters, text, holder="id-2")
    await one.take(Demand(Part.OPENING))
    await one.take(Demand(Part.MESSAGE, Asked("m", 10, 20)))
    await one.take(Demand(Part.MESSAGE, Asked("m", 10, 20), used={"output": 5}, is_over=True))
    assert (await other.take(Demand(Part.OPENING))).denied == "once"
    one.settle(finished({"output": 10}))
    assert (await other.take(Demand(Part.OPENING))).denied is None
    other.close()
