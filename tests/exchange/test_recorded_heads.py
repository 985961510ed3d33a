"""What a record may hold of a request's head: nothing in which a rule found something."""

from __future__ import annotations

import pytest

from gateway.dialect.families import FAMILIES
from gateway.exchange.events import Finish, RequestStarted, Respond
from gateway.exchange.machine import Exchange
from gateway.exchange.session import Session
from gateway.exchange.session_events import SessionStarted
from gateway.exchange.target import WITHHELD, judge_target, recordable
from gateway.verdict import Effect
from tests.exchange.gates import gate

GATE = gate()
SECRET = "tok_" + "abcd1234"


@pytest.mark.parametrize(
    ("host", "target", "recorded"),
    [
        ("api.example.com", "/v1/models?page=2", ("api.example.com", "/v1/models")),
        ("", "/", ("", "/")),
        ("api.example.com", f"/keys/{SECRET}", ("api.example.com", WITHHELD)),
        ("api.example.com", f"/keys?note={SECRET}", ("api.example.com", WITHHELD)),
        (f"{SECRET}.example.com", "/keys", (WITHHELD, "/keys")),
    ],
)
def test_what_holds_a_secret_is_withheld(host: str, target: str, recorded: tuple[str, str]) -> None:
    head = judge_target(GATE, FAMILIES["http"], host, target, ())
    assert (head.host, head.path) == recorded
    assert (head.total.effect is Effect.BLOCK) is (WITHHELD in recorded)
    assert recordable(GATE, host, target.partition("?")[0])[0] == recorded[0]


def test_a_secret_in_a_field_withholds_nothing_but_the_request() -> None:
    head = judge_target(GATE, FAMILIES["http"], "a.example", "/x", (("X-Note", SECRET),))
    assert (head.host, head.path, head.total.effect) == ("a.example", "/x", Effect.BLOCK)


def test_a_host_that_carries_data_in_a_code_is_refused_and_withheld() -> None:
    host = f"{b'the quick brown fox jumps'.hex()}.example.com"
    head = judge_target(GATE, FAMILIES["http"], host, "/x", ())
    assert (head.host, head.path, head.total.effect) == (WITHHELD, "/x", Effect.BLOCK)


def test_an_exchange_is_refused_by_its_head_before_anything_is_asked() -> None:
    exchange = Exchange(GATE, FAMILIES["http"], id="1", upstream="", principal="default")
    answer, finish = exchange.receive(RequestStarted("GET", f"/{SECRET}", (), has_body=False, host="a.example"))
    assert isinstance(answer, Respond)
    assert isinstance(finish, Finish)
    assert (answer.status, finish.record.host, finish.record.path) == (400, "a.example", WITHHELD)


def test_so_is_a_session() -> None:
    session = Session(lambda: GATE, FAMILIES["http"], id="1", upstream="", principal="default")
    answer, finish = session.receive(SessionStarted(f"/{SECRET}", (), (), "a.example"))
    assert isinstance(answer, Respond)
    assert isinstance(finish, Finish)
    assert (answer.status, finish.record.host, finish.record.path) == (400, "a.example", WITHHELD)
