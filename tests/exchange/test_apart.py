"""Calls over HTTP+SSE: one exchange sends them, and another one's stream has their answers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from gateway.detect.json_schema import JsonSchema
from gateway.dialect.mcp_answers import Answers
from gateway.dialect.mcp_door import Door, Inner, Street
from gateway.dialect.mcp_family import mcp
from gateway.dialect.route import Family
from gateway.errors import Code
from gateway.exchange.demand import Consults
from gateway.exchange.events import (
    Announce,
    Announced,
    AnswerData,
    AnswerStarted,
    CallsOverdue,
    ClientGone,
    Command,
    Consult,
    DialDenied,
    EndAnswer,
    Event,
    Fault,
    LimitsTaken,
    Listen,
    RequestData,
    RequestStarted,
    SendAnswer,
    Settle,
    StartClock,
    StartUpstream,
    UpstreamFailed,
)
from gateway.exchange.machine import Exchange
from gateway.policy.tools.tool import ResultPolicy
from gateway.policy.tools.wrapper import Became, Terms
from gateway.verdict import Effect
from tests.exchange.policing import Policy, policed
from tests.exchange.test_machine import feed, only, record
from tests.exchange.test_messages import event, progress

SMALL = Terms(2.0, (("read", ResultPolicy(max_size=60)),))
JSON = (("Content-Type", "application/json"),)
STREAM = (("Content-Type", "text/event-stream"),)


class Server:
    """A server behind the gateway, as two machines see it."""

    def __init__(self, terms: Terms = SMALL, consults: Consults = Consults.EARLY) -> None:
        self.door = Door("n", "http://h/sse", "http://gate", b"k", Answers())
        self.gate = policed(Policy(terms=terms))
        self.consults = consults

    def exchange(self, asked: Inner, id_: str) -> Exchange:
        return self.at(mcp(self.door, asked), id_)

    def at(self, family: Family, id_: str) -> Exchange:
        return Exchange(self.gate, family, id=id_, upstream="mcp/n", principal="default", consults=self.consults)

    def stream(self) -> Exchange:
        one = self.exchange(Inner("/sse"), "stream")
        feed(one, RequestStarted("GET", "/sse", (), has_body=False), LimitsTaken(), AnswerStarted(200, STREAM))
        return one

    def heard(self, address: str = "/m?s=1") -> Exchange:
        """A stream that has named its address, and is listened to."""
        one = self.stream()
        commands = feed(one, named(address))
        only(commands, Listen).ear.open(lambda _: None)
        return one

    def sent(self, *messages: Any, id_: str = "post") -> tuple[Exchange, list[Command]]:
        one = self.exchange(Inner("/m?s=1", answers_apart=True), id_)
        body = json.dumps(messages[0] if len(messages) == 1 else list(messages)).encode()
        started = RequestStarted("POST", "/m?s=1", JSON, has_body=True)
        return one, feed(one, started, LimitsTaken(), RequestData(body, last=True))


def call(id_: Any = 1, name: str = "read", token: Any = None) -> dict[str, Any]:
    meta = {"_meta": {"progressToken": token}} if token is not None else {}
    return {"jsonrpc": "2.0", "id": id_, "method": "tools/call", "params": {"name": name, "arguments": {}, **meta}}


def answer(text: str, id_: Any = 1) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": id_, "result": {"content": [{"type": "text", "text": text}]}}


def data(value: Any) -> AnswerData:
    return AnswerData(event(value), last=False)


def named(address: str) -> AnswerData:
    return AnswerData(f"event: endpoint\ndata: {address}\n\n".encode(), last=False)


def heard(commands: Sequence[Command]) -> list[Any]:
    """The messages that a client is sent."""
    text = b"".join(one.data for one in commands if isinstance(one, SendAnswer)).decode()
    return [json.loads(line.removeprefix("data: ")) for line in text.splitlines() if line.startswith("data: {")]


def accepted(one: Exchange) -> list[Command]:
    return feed(one, AnswerStarted(202, ()), AnswerData(b"Accepted", last=True))


def test_the_stream_listens_before_its_client_can_know_of_the_address() -> None:
    commands = feed(Server().stream(), named("/m?s=1"))
    assert [type(command) for command in commands] == [Listen, SendAnswer]


def test_a_call_is_left_to_the_stream_before_it_is_sent() -> None:
    server = Server()
    stream = server.heard()
    _, commands = server.sent(call())
    assert [type(command) for command in commands[-3:]] == [Announce, StartClock, StartUpstream]
    expected = only(commands, Announce).expected
    assert feed(stream, Announced(expected)) == [StartClock(2.0, 40.0, expected)]


def test_a_result_on_the_stream_is_held_to_what_is_configured() -> None:
    server = Server()
    stream = server.heard()
    post, _ = server.sent(call())
    made = record(accepted(post))
    assert (made.outcome, [one.became for one in made.calls]) == ("forwarded", [None])
    commands = feed(stream, data(answer("long " * 20)))
    (told,) = heard(commands)
    assert told["result"]["isError"]
    assert "[tools.read.result] allows 60" in told["result"]["content"][0]["text"]
    settled = only(commands, Settle)
    assert (settled.of, [one.became for one in settled.calls]) == ("post", [Became.TOO_LARGE])


def test_a_result_that_fits_goes_on_as_it_came() -> None:
    server = Server()
    stream = server.heard()
    server.sent(call())
    raw = event(answer("short"))
    commands = feed(stream, AnswerData(raw, last=False))
    assert only(commands, SendAnswer).data == raw
    assert [one.became for one in only(commands, Settle).calls] == [Became.RETURNED]


def test_a_result_of_another_schema_is_a_failure() -> None:
    schema = JsonSchema({"required": ["x"]})
    server = Server(Terms(results=(("read", ResultPolicy(schema=schema)),)))
    stream = server.heard()
    server.sent(call())
    (told,) = heard(feed(stream, data(answer('{"y": 1}'))))
    assert "of [tools.read.result]" in told["result"]["content"][0]["text"]


def test_an_answer_with_an_id_that_clients_take_for_it_is_held_to_the_same() -> None:
    server = Server()
    stream = server.heard()
    server.sent(call())
    for id_ in ("+1", 1):
        (told,) = heard(feed(stream, data(answer("long " * 20, id_))))
        assert told["result"]["isError"], id_


def test_the_result_is_judged_whichever_exchange_is_over_first() -> None:
    server = Server()
    stream = server.heard()
    post, _ = server.sent(call())
    assert heard(feed(stream, data(answer("long " * 20))))[0]["result"]["isError"]
    assert [one.became for one in record(accepted(post)).calls] == [None]


def test_a_call_that_takes_too_long_has_failed_and_its_answer_comes_too_late() -> None:
    server = Server()
    stream = server.heard()
    _, commands = server.sent(call())
    expected = only(commands, Announce).expected
    feed(stream, Announced(expected))
    commands = feed(stream, CallsOverdue(expected))
    (told,) = heard(commands)
    assert told["id"] == 1
    assert "has not answered within the 2 seconds" in told["result"]["content"][0]["text"]
    assert [one.became for one in only(commands, Settle).calls] == [Became.OVERDUE]
    assert feed(stream, data(answer("short"))) == []
    assert feed(stream, data(answer("short", "1"))) == []
    assert feed(stream, CallsOverdue(expected)) == []
    made = record(feed(stream, ClientGone()))
    assert [(reason.rule, reason.category) for reason in made.reasons] == [("tool-timeout", "tool.timeout")]


def test_a_call_that_was_answered_is_not_overdue_and_needs_no_clock() -> None:
    server = Server()
    stream = server.heard()
    _, commands = server.sent(call())
    expected = only(commands, Announce).expected
    feed(stream, data(answer("short")))
    assert feed(stream, Announced(expected)) == []
    assert feed(stream, CallsOverdue(expected)) == []


def test_progress_begins_the_clock_anew() -> None:
    server = Server()
    stream = server.heard()
    _, commands = server.sent(call(token=1))
    expected = only(commands, Announce).expected
    feed(stream, Announced(expected))
    assert StartClock(2.0, 40.0, expected) in feed(stream, data(progress("half")))
    other = progress("half")
    other["params"]["progressToken"] = 2
    assert not any(isinstance(one, StartClock) for one in feed(stream, data(other)))


def test_all_calls_of_a_batch_are_settled_together() -> None:
    server = Server()
    stream = server.heard()
    _, commands = server.sent(call(1), call(2))
    expected = only(commands, Announce).expected
    first = feed(stream, data([answer("short", 1)]))
    assert not any(isinstance(one, Settle) for one in first)
    commands = feed(stream, CallsOverdue(expected))
    assert [told["id"] for told in heard(commands)] == [2]
    assert [one.became for one in only(commands, Settle).calls] == [Became.RETURNED, Became.OVERDUE]


def test_the_limits_are_asked_before_the_stream_waits() -> None:
    server = Server(consults=Consults.LATE)
    server.heard()
    one = server.exchange(Inner("/m?s=1", answers_apart=True), "post")
    body = RequestData(json.dumps(call()).encode(), last=True)
    commands = feed(one, RequestStarted("POST", "/m?s=1", JSON, has_body=True), body)
    assert only(commands, Consult).demand.tools == ("read",)
    assert only(feed(one, LimitsTaken()), Announce).expected.of == "post"


@pytest.mark.parametrize("ends", [UpstreamFailed(Fault.UNREACHABLE, "refused"), DialDenied("not allowed")], ids=str)
def test_a_call_that_its_server_has_not_seen_is_not_waited_for(ends: Event) -> None:
    server = Server()
    stream = server.heard()
    post, commands = server.sent(call())
    expected = only(commands, Announce).expected
    feed(post, ends)
    assert expected.owed == {}
    assert feed(stream, CallsOverdue(expected)) == []


@pytest.mark.parametrize(
    "ends",
    [
        (AnswerStarted(404, JSON), AnswerData(b"{}", last=True)),
        (UpstreamFailed(Fault.BROKEN, "reset"),),
        (ClientGone(),),
    ],
    ids=["not-found", "broken", "client-gone"],
)
def test_one_that_it_has_seen_is_held_to_its_terms_whatever_else_it_says(ends: tuple[Event, ...]) -> None:
    server = Server()
    stream = server.heard()
    post, _ = server.sent(call())
    feed(post, *ends)
    assert heard(feed(stream, data(answer("long " * 20))))[0]["result"]["isError"]


def test_a_second_call_of_an_id_that_waits_is_refused() -> None:
    server = Server()
    server.heard()
    server.sent(call(1))
    _, commands = server.sent(call("1"))
    assert not any(isinstance(one, StartUpstream) for one in commands)
    assert record(commands).told == "another call with the same `id` is not answered yet"


class TestElsewhere:
    """The stream is served by another process, or by none."""

    def test_a_call_whose_result_is_held_to_something_does_not_reach_the_server(self) -> None:
        _, commands = Server().sent(call())
        sent = only(commands, StartUpstream)
        assert json.loads(sent.body or b"")["method"] == "lockgate/refused"

    def test_one_whose_result_is_not_is_sent_and_has_its_time(self) -> None:
        _, commands = Server(Terms(2.0)).sent(call())
        assert json.loads(only(commands, StartUpstream).body or b"") == call()
        assert only(commands, StartClock) == StartClock(2.0, 40.0)

    def test_so_it_is_once_the_stream_is_over(self) -> None:
        server = Server()
        feed(server.heard(), ClientGone())
        post, commands = server.sent(call())
        assert json.loads(only(commands, StartUpstream).body or b"")["method"] == "lockgate/refused"
        made = record(accepted(post))
        assert made.code is Code.TOOL
        assert "streamable HTTP" in (made.told or "")
        assert [one.effect for one in made.calls] == [Effect.BLOCK]

    def test_a_call_without_an_id_is_answered_nowhere(self) -> None:
        server = Server(Terms(2.0))
        server.heard()
        note = {name: value for name, value in call().items() if name != "id"}
        _, commands = server.sent(note)
        assert not any(isinstance(one, Announce) for one in commands)


class TestAddresses:
    def test_the_same_address_may_be_named_twice(self) -> None:
        stream = Server().heard()
        assert [type(one) for one in feed(stream, named("/m?s=1"))] == [SendAnswer]

    def test_a_second_address_ends_the_stream(self) -> None:
        stream = Server().heard()
        commands = feed(stream, named("/m?s=2"))
        assert only(commands, EndAnswer).clean is False
        assert "a second address" in (record(commands).fault or "")

    def test_that_of_another_stream_ends_it_too(self) -> None:
        server = Server()
        server.heard()
        commands = feed(server.stream(), named("/m?s=1"))
        assert "an address that it gave to another client" in (record(commands).fault or "")
        server.heard("/m?s=2")

    def test_another_server_may_have_the_same(self) -> None:
        server, answers = Server(), Answers()
        server.door = Door("n", "http://h/sse", "http://gate", b"k", answers)
        server.heard()
        other = Server()
        other.door = Door("o", "http://other/sse", "http://gate", b"k", answers)
        other.heard()
        assert only(other.sent(call())[1], Announce).expected.ear.address == "http://other/m?s=1"

    def test_by_proxy_it_may_be_the_path_of_the_stream_itself(self) -> None:
        server, answers = Server(), Answers()
        stream = Street("http://h", answers)
        one = server.at(mcp(asked=Inner("/sse"), street=stream), "stream")
        feed(one, RequestStarted("GET", "/sse", (), has_body=False), LimitsTaken(), AnswerStarted(200, STREAM))
        only(feed(one, named("/sse?s=1")), Listen).ear.open(lambda _: None)
        post = server.at(mcp(asked=Inner("/sse?s=1"), street=stream), "post")
        body = RequestData(json.dumps(call()).encode(), last=True)
        feed(post, RequestStarted("POST", "/sse?s=1", JSON, has_body=True), LimitsTaken(), body)
        assert heard(feed(one, data(answer("long " * 20))))[0]["result"]["isError"]
