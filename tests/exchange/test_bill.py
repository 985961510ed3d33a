"""What an exchange used, in each way in which it may end."""

from __future__ import annotations

import pytest

from gateway.dialect import meter
from gateway.dialect.meter import Asked
from gateway.exchange.bill import Bill, meter_for
from gateway.exchange.demand import Counted
from gateway.exchange.stream import StreamTotals
from tests.dialect.replay import made

ASKED = Asked("m", 10, 100)
TOLD = {"usage": {"prompt_tokens": 7, "completion_tokens": 3}}


def sent(asked: Asked | None = ASKED) -> Bill:
    bill = Bill(meter.CHAT)
    bill.asked = asked
    bill.sent()
    return bill


def streamed(usage: dict[str, int], *, to_its_end: bool = True, written: int = 40) -> Bill:
    bill = sent()
    bill.began(200)
    bill.streamed(StreamTotals(usage=usage, written=written), to_its_end=to_its_end)
    return bill


def test_what_was_not_sent_used_nothing() -> None:
    assert Bill(meter.CHAT).settled() == ({}, Counted.NOBODY)


def test_what_the_upstream_turned_down_used_nothing() -> None:
    refused, unheard = sent(), sent()
    refused.began(429)
    refused.answered(made(TOLD))
    unheard.turned_down()
    assert refused.settled() == unheard.settled() == ({}, Counted.NOBODY)


def test_a_whole_answer_is_as_its_provider_counted() -> None:
    bill = sent()
    bill.began(200)
    bill.answered(made(TOLD))
    assert bill.settled() == ({"input": 7, "output": 3}, Counted.PROVIDER)


def test_a_whole_answer_without_counts_is_estimated() -> None:
    bill = sent()
    bill.began(200)
    bill.answered(made({"text": "a" * 40}))
    assert bill.settled() == ({"input": 10, "output": 11}, Counted.ESTIMATE)


@pytest.mark.parametrize("background", [{"status": "queued", "usage": None}, {"status": "in_progress"}])
def test_an_answer_that_goes_on_in_the_background_is_what_was_reserved(background: dict[str, object]) -> None:
    """Else a client could ask, hang up, and fetch for nothing what was written meanwhile."""
    whole, left = Bill(meter.RESPONSES), Bill(meter.RESPONSES)
    for bill in (whole, left):
        bill.asked = Asked("m", 10, 100, goes_on=True)
        bill.sent()
    whole.answered(made(background))
    left.streamed(StreamTotals(written=8), to_its_end=False)
    assert whole.settled() == left.settled() == ({"input": 10, "output": 100}, Counted.RESERVATION)


def test_embeddings_have_no_output() -> None:
    bill = Bill(meter.INPUTS)
    bill.asked = ASKED
    bill.sent()
    bill.answered(made({"data": [{"embedding": [0.5] * 99}]}))
    assert bill.settled() == ({"input": 10, "output": 0}, Counted.ESTIMATE)


def test_a_stream_is_as_its_provider_counted_where_it_came_to_its_end() -> None:
    assert streamed({"input": 1, "output": 2}).settled() == ({"input": 1, "output": 2}, Counted.PROVIDER)


def test_a_cut_stream_is_at_least_what_came() -> None:
    early = streamed({"input": 25, "output": 1, "cached": 5}, to_its_end=False)
    assert early.settled() == ({"input": 25, "output": 5, "cached": 5}, Counted.ESTIMATE)
    told = streamed({"input": 25, "output": 50}, to_its_end=False)
    assert told.settled() == ({"input": 25, "output": 50}, Counted.ESTIMATE)


def test_a_stream_without_counts_is_estimated() -> None:
    assert streamed({}).settled() == ({"input": 10, "output": 5}, Counted.ESTIMATE)


@pytest.mark.parametrize(
    ("asked", "usage", "counted"),
    [
        (ASKED, {"input": 10, "output": 100}, Counted.RESERVATION),
        (None, {}, Counted.NOBODY),
        (Asked("m", counted=False), {}, Counted.NOBODY),
    ],
)
def test_an_answer_that_was_never_read_is_what_was_reserved(
    asked: Asked | None, usage: dict[str, int], counted: Counted
) -> None:
    bill = sent(asked)
    bill.began(200)
    bill.answered(None)
    assert bill.settled() == (usage, counted)


def test_what_has_no_meter_counts_for_nobody() -> None:
    bill = Bill()
    bill.sent()
    bill.answered(made(TOLD))
    assert bill.settled() == ({}, Counted.NOBODY)


def test_to_look_at_what_was_made_costs_nothing() -> None:
    assert meter_for(meter.CHAT, "get") is None
    assert meter_for(meter.CHAT, "POST") is meter.CHAT
