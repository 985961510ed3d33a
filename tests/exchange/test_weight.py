"""How much an event would have judged at once, which tells the shell where to judge it."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from typing import Any

import pytest

from gateway.exchange.calls import may_complete
from gateway.exchange.events import AnswerData, Answered, AnswerStarted, ClientGone, LimitsTaken, RequestData
from gateway.exchange.gate import BodyLimits
from gateway.exchange.machine import Exchange
from gateway.exchange.session_events import Declined, FromClient, FromServer
from gateway.policy.call import Answer
from tests.exchange.gates import gate
from tests.exchange.policing import policed
from tests.exchange.sessions import binary, made, opened, text, user
from tests.exchange.test_machine import JSON, STREAM, asked, exchange, feed, request, started
from tests.exchange.test_stream import DONE, call, chunk
from tests.fakes import bedrock
from tests.fakes.script import Call, Say

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


class TestCalls:
    """They are held against the whole of what was asked."""

    ASKED = len(asked())

    def test_an_answer_weighs_as_its_body_and_what_was_asked(self) -> None:
        one = exchange(policed(by=GATE))
        feed(one, *request(), AnswerStarted(200, JSON))
        assert one.weighs(AnswerData(b"x", last=True)) == 1 + self.ASKED

    PAY = call("{}", name="pay")

    def after(self, *events: bytes) -> Exchange:
        one = exchange(policed(by=GATE))
        feed(one, *request(), AnswerStarted(200, STREAM), *(AnswerData(event, last=False) for event in events))
        return one

    def test_a_piece_of_one_weighs_as_it_is_long(self) -> None:
        for one, piece in ((self.after(), self.PAY), (self.after(self.PAY), call(" "))):
            assert one.weighs(AnswerData(piece, last=False)) == len(piece)

    @pytest.mark.parametrize(("end", "last"), [(DONE, False), (chunk(finish="tool_calls"), False), (b"", True)])
    def test_an_event_with_which_it_is_complete_weighs_more(self, end: bytes, last: bool) -> None:
        assert self.after(self.PAY).weighs(AnswerData(end, last=last)) == len(end) + self.ASKED

    def test_so_does_what_holds_one_from_its_beginning_to_its_end(self) -> None:
        both = self.PAY + DONE
        assert self.after().weighs(AnswerData(both, last=False)) == len(both) + self.ASKED

    def test_any_other_end_does_not(self) -> None:
        assert self.after(chunk("hello")).weighs(AnswerData(DONE, last=True)) == len(DONE)

    @pytest.mark.parametrize(
        "event",
        [
            {"candidates": [{"content": {"parts": [{"functionCall": {"name": "pay"}}]}}]},
            {"message": {"tool_calls": [{"function": {"name": "pay"}}]}, "done": False},
            {"type": "response.output_item.done", "item": {"type": "custom_tool_call"}},
            {"type": "response.completed", "response": {"output": [{"type": "a_call"}]}},
        ],
    )
    def test_one_that_comes_in_one_event_is_known_in_every_api(self, event: Any) -> None:
        assert may_complete(json.dumps(event).encode(), waits=False)

    @pytest.mark.parametrize("stream", [bedrock.events, bedrock.chunks])
    def test_what_ends_one_that_waits_is_known_in_amazons_framing(self, stream: Any) -> None:
        """The pieces of its arguments are not taken for its end."""
        pieces = list(stream(Say(calls=(Call("pay", '{"what": "all"}'),), step=3), {}))
        assert [may_complete(piece, waits=True) for piece in pieces].count(True) == 2

    @pytest.mark.parametrize("kind", ["content_block_stop", "message_stop", "response.function_call_arguments.done"])
    def test_what_ends_one_that_waits_is_known_too(self, kind: str) -> None:
        assert may_complete(json.dumps({"type": kind}).encode(), waits=True)

    def test_so_does_what_is_said_about_it(self) -> None:
        one = exchange(policed(by=GATE))
        feed(one, *request(), AnswerStarted(200, STREAM), AnswerData(call("{}", name="pay") + DONE, last=True))
        assert one.weighs(Answered((Answer(is_approved=True),))) == self.ASKED


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


def test_calls_of_a_session_weigh_as_what_was_said_in_it() -> None:
    one = opened(by=policed(by=GATE))
    said, begun = text(user("Pay my rent.")), text({"type": "response.output_item.done", "item": {"type": "a_call"}})
    one.receive(FromClient(said))
    assert one.weighs(FromServer(text({}))) == 2
    assert one.weighs(FromServer(begun)) == len(begun.data) + len(said.data)
    assert one.weighs(Answered(())) == len(said.data)


def test_a_refused_handshake_weighs_as_its_body() -> None:
    one = made(GATE)
    assert one.weighs(Declined(400, JSON, b"x" * 20)) == 20
    assert one.weighs(Declined(400, GZIP, b"x")) == 2_000
