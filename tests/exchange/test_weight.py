"""How much an event would have judged at once, which tells the shell where to judge it."""

from __future__ import annotations

import gzip
from dataclasses import replace

from gateway.exchange.events import AnswerData, AnswerStarted, ClientGone, LimitsTaken, RequestData
from gateway.exchange.gate import BodyLimits
from gateway.exchange.session_events import Declined, FromClient, FromServer
from tests.exchange.gates import gate
from tests.exchange.sessions import binary, made, opened
from tests.exchange.test_machine import JSON, STREAM, asked, exchange, feed, request, started
from tests.exchange.test_stream import chunk

GATE = replace(gate(), limits=BodyLimits(request=1_000, answer=2_000))
GZIP = (("Content-Encoding", "gzip"),)


def test_a_body_weighs_nothing_until_it_is_whole() -> None:
    one = exchange(GATE)
    assert one.weighs(started()) == 0
    feed(one, started(), LimitsTaken())
    assert one.weighs(RequestData(b"x" * 40, last=False)) == 0
    feed(one, RequestData(b" " * 40, last=False))
    assert one.weighs(RequestData(b"x" * 30, last=True)) == 70
    assert one.weighs(ClientGone()) == 0


def test_an_answer_weighs_as_its_body() -> None:
    one = exchange(GATE)
    feed(one, *request(), AnswerStarted(200, JSON), AnswerData(b" " * 50, last=False))
    assert one.weighs(AnswerData(b"x", last=True)) == 51


def test_a_coded_body_may_weigh_as_much_as_is_allowed() -> None:
    one = exchange(GATE)
    feed(one, started(headers=(*JSON, *GZIP)), LimitsTaken())
    assert one.weighs(RequestData(b"x", last=True)) == 2_000
    feed(one, RequestData(gzip.compress(asked()), last=True), AnswerStarted(200, (*JSON, *GZIP)))
    assert one.weighs(AnswerData(b"x", last=True)) == 2_000


def test_a_stream_weighs_as_what_waits_for_its_event_to_be_whole() -> None:
    one = exchange(GATE)
    half = chunk("hello")[:20]
    feed(one, *request(), AnswerStarted(200, STREAM), AnswerData(half, last=False))
    assert one.weighs(AnswerData(b"x", last=False)) == 21


def test_a_coded_stream_may_weigh_as_much_as_is_allowed() -> None:
    one = exchange(GATE)
    feed(one, *request(), AnswerStarted(200, (*STREAM, *GZIP)))
    assert one.weighs(AnswerData(b"x", last=False)) == 2_000


def test_messages_of_a_stream_weigh_as_those_of_any_other() -> None:
    one = exchange(GATE, "http")
    call = b'{"jsonrpc": "2.0", "id": 1, "method": "ping"}'
    feed(one, started(target="/mcp"), LimitsTaken(), RequestData(call, last=True))
    feed(one, AnswerStarted(200, STREAM), AnswerData(b"data: ", last=False))
    assert one.weighs(AnswerData(b"{}", last=False)) == 8


def test_what_passes_weighs_nothing() -> None:
    one = exchange(GATE)
    feed(one, *request(), AnswerStarted(204, ()))
    assert one.weighs(AnswerData(b"x" * 100, last=True)) == 0


def test_a_message_of_a_session_weighs_as_it_is_long() -> None:
    one = opened(by=GATE)
    assert one.weighs(FromClient(binary(b"x" * 30))) == 30
    assert one.weighs(FromServer(binary(b"x" * 40))) == 40
    assert one.weighs(ClientGone()) == 0


def test_a_refused_handshake_weighs_as_its_body() -> None:
    one = made(GATE)
    assert one.weighs(Declined(400, JSON, b"x" * 20)) == 20
    assert one.weighs(Declined(400, GZIP, b"x")) == 2_000
