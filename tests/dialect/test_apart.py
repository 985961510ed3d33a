"""Calls whose answers come on another stream."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from gateway.dialect.apart import LATE, Ear, Ears, Expected
from gateway.errors import Malformed
from gateway.policy.tools.wrapper import Result


@dataclass
class Calls:
    """Calls that nothing is asked of."""

    timeout: float | None = 30.0

    def returned(self, id_: str, result: Result) -> str | None:
        return None

    def overdue(self) -> str:
        return "too late"


def ear() -> Ear:
    return Ear("/m?s=1")


def test_an_answer_belongs_to_who_sent_the_call_and_is_waited_for_once() -> None:
    one = ear()
    expected = one.expect(Calls(), "id-1", {1: None, "b": None})
    assert one.answered(1) is expected
    assert one.answered(1) is None
    assert expected.owed == {"b": None}
    assert not one.expects(1)
    assert one.expects("b")


@pytest.mark.parametrize("id_", ["1", " 1", "+1", "01", "1.0", "0x1", "1e0"])
def test_an_answer_that_some_clients_take_for_one_is_one_and_the_other_may_still_come(id_: str) -> None:
    one = ear()
    expected = one.expect(Calls(), "id-1", {1: None})
    assert one.answered(id_) is expected
    assert one.answered(1) is expected
    assert one.answered(1) is None


def test_an_answer_to_nothing_is_nobodys() -> None:
    one = ear()
    one.expect(Calls(), "id-1", {1: None})
    assert one.answered(2) is None
    assert one.answered("a") is None


def test_what_was_withdrawn_is_waited_for_no_more_and_may_come() -> None:
    one = ear()
    expected = one.expect(Calls(), "id-1", {1: None, 2: None})
    one.answered(1)
    assert expected.withdraw() == (2,)
    assert not one.expects(2)
    assert not one.is_late(2)


def test_what_was_given_up_is_late_until_its_id_is_used_again() -> None:
    one = ear()
    assert one.give_up(one.expect(Calls(), "id-1", {1: None})) == (1,)
    assert one.is_late(1)
    assert one.is_late("1")
    assert not one.is_late(2)
    again = one.expect(Calls(), "id-2", {1: None})
    assert not one.is_late(1)
    assert one.answered(1) is again


def test_so_many_late_answers_are_known() -> None:
    one = ear()
    one.give_up(one.expect(Calls(), "id-1", dict.fromkeys(range(LATE + 1))))
    assert not one.is_late(0)
    assert one.is_late(1)


def test_progress_is_told_by_its_token() -> None:
    one = ear()
    expected = one.expect(Calls(), "id-1", {1: None, 2: "t"})
    assert one.reported("t") is expected
    one.answered(2)
    assert one.reported("t") is None


def test_a_stream_is_known_by_its_address_while_it_is_heard() -> None:
    ears, heard = Ears(), list[Expected]()
    one = ears.begin("/m?s=1")
    assert ears.at("/m?s=1") is None
    one.open(heard.append)
    assert ears.at("/m?s=1") is one
    assert ears.at("/m?s=2") is None
    expected = one.expect(Calls(), "id-1", {1: None})
    expected.announce()
    ears.end(one)
    expected.announce()
    assert heard == [expected]
    assert ears.at("/m?s=1") is None


def test_an_address_is_one_streams_until_that_is_over() -> None:
    ears = Ears()
    one = ears.begin("/m")
    with pytest.raises(Malformed, match="that it gave to another client"):
        ears.begin("/m")
    ears.end(one)
    other = ears.begin("/m")
    ears.end(one)
    other.open(lambda _: None)
    assert ears.at("/m") is other
