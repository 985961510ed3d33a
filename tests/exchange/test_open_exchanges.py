"""Who waits for an answer in a conversation, and whose answers nobody waits for any more."""

from __future__ import annotations

from gateway.dialect.mcp import Mcp
from gateway.exchange.facts import Facts
from gateway.exchange.open_exchanges import MAX_OPEN, OpenExchange, OpenExchanges
from gateway.segment import Direction

CLIENT, SERVER = Direction.REQUEST, Direction.ANSWER


def exchange(id: str = "e1", *tokens: str) -> OpenExchange:
    return OpenExchange(Facts(id, "mcp/n", "default", ""), Mcp(), CLIENT, tokens=frozenset(tokens))


def test_each_side_counts_its_own_requests() -> None:
    opened, ours, theirs = OpenExchanges(), exchange("ours"), exchange("theirs")
    opened.add((CLIENT, 1), ours)
    opened.add((SERVER, 1), theirs)
    assert opened.take((CLIENT, 1)) is ours
    assert opened.take((CLIENT, 1)) is None
    assert opened.get((SERVER, 1)) is theirs


def test_an_exchange_waits_for_each_of_its_requests() -> None:
    opened, batch = OpenExchanges(), exchange()
    opened.add((CLIENT, 1), batch)
    opened.add((CLIENT, 2), batch)
    assert opened.take((CLIENT, 1)) is batch
    assert batch.waiting == {2}


def test_a_batch_is_given_up_once_and_as_a_whole() -> None:
    opened, batch, other = OpenExchanges(), exchange("batch"), exchange("other")
    for id_ in (1, 2):
        opened.add((CLIENT, id_), batch)
    opened.add((CLIENT, 3), other)
    assert opened.take_all() == [batch, other]
    assert opened.take_all() == []


def test_an_exchange_that_is_dropped_keeps_what_it_waited_for() -> None:
    opened, batch, other = OpenExchanges(), exchange("batch"), exchange("other")
    for id_, one in ((1, batch), (2, other), (3, batch)):
        opened.add((CLIENT, id_), one)
    opened.drop(batch)
    assert batch.waiting == {1, 3}
    assert opened.take_all() == [other]


def test_it_is_found_by_its_record_and_by_what_reports_its_progress() -> None:
    opened, one = OpenExchanges(), exchange("e1", "t1")
    opened.add((CLIENT, 1), one)
    assert opened.by_id("e1") is opened.by_token("t1") is one
    assert opened.by_id("t1") is opened.by_token("e1") is None


def test_one_that_waits_alone_on_its_side_is_told_apart() -> None:
    opened, one = OpenExchanges(), exchange()
    assert opened.only_one(CLIENT) == []
    opened.add((CLIENT, 1), one)
    opened.add((SERVER, 1), exchange())
    assert opened.only_one(CLIENT) == [one]
    opened.add((CLIENT, 2), exchange())
    assert opened.only_one(CLIENT) == []


def test_the_oldest_is_surplus_once_there_are_too_many() -> None:
    opened = OpenExchanges()
    for id_ in range(MAX_OPEN):
        opened.add((CLIENT, id_), exchange())
    assert opened.surplus() is None
    opened.add((CLIENT, MAX_OPEN), exchange())
    assert opened.surplus() == (CLIENT, 0)


def test_answers_are_late_until_their_id_is_used_again_or_too_many_are_missing() -> None:
    opened = OpenExchanges()
    opened.give_up(range(MAX_OPEN))
    opened.add((CLIENT, "1"), exchange())
    assert [opened.is_late(id_) for id_ in (0, 1, "2")] == [True, False, True]
    opened.give_up(["a", "b"])
    assert [opened.is_late(id_) for id_ in (0, 2, "b")] == [False, True, True]


def test_an_answer_may_mean_a_request_of_the_other_side_whose_id_is_spelt_otherwise() -> None:
    opened, one = OpenExchanges(), exchange()
    opened.add((CLIENT, "7"), one)
    opened.add((SERVER, 7), exchange())
    assert opened.answered(SERVER, {7}) == [one]
    assert opened.answered(SERVER, {8}) == []
