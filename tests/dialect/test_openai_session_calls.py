"""Calls in sessions over a WebSocket: each is put to its answer, and is told alike wherever the session tells of it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from openai.types.realtime import RealtimeServerEvent
from pydantic import TypeAdapter

from gateway.dialect.base import Denials
from gateway.dialect.openai_sockets import RealtimeSocket, ResponsesSocket
from gateway.errors import Malformed
from gateway.policy.call import Call, Change
from gateway.wire.frames import Framing
from tests.dialect.calling import Decide, Passed, as_it_is, decided, given, passed, refused
from tests.dialect.replay import event, made
from tests.fakes import openai_responses, realtime, script

FETCH = script.Call("fetch", '{"url": "x"}', "c1")
MAIL = script.Call("mail", '{"to": "y"}', "c2")


def session(socket: ResponsesSocket | RealtimeSocket, messages: Iterable[Any], decide: Decide = as_it_is) -> Passed:
    return passed(socket.stream(Framing.MESSAGE), map(event, messages), decide)


def lane(name: str, *calls: script.Call) -> list[dict[str, Any]]:
    return [dict(one) for one in openai_responses.messages(script.Say(calls=calls), {"stream_id": name})]


class TestResponses:
    def test_answers_side_by_side_have_calls_of_their_own(self) -> None:
        pairs = zip(lane("a", FETCH), lane("b", MAIL), strict=True)
        out = session(ResponsesSocket(), [one for pair in pairs for one in pair], refused("mail"))
        assert [call.name for call in out.calls] == ["fetch", "mail"]
        assert len({called.key for called in out.called}) == 2
        by_lane: dict[str, list[Any]] = {"a": [], "b": []}
        for payload in out.payloads:
            by_lane[payload["stream_id"]].append(payload)
        assert by_lane["a"] == lane("a", FETCH)
        assert [one["sequence_number"] for one in by_lane["b"]] == list(range(len(by_lane["b"])))
        assert by_lane["b"][-1]["response"]["output"][0]["content"][0]["text"] == "No `mail`."

    def test_one_answer_after_another_in_a_lane(self) -> None:
        out = session(ResponsesSocket(), [*lane("a", FETCH), *lane("a", FETCH)], refused("fetch"))
        assert len({called.key for called in out.called}) == 2
        assert b"function_call" not in b"".join(data for _, data in out.events)

    def test_an_answer_whose_end_never_came_completes_its_calls_with_the_next(self) -> None:
        out = session(ResponsesSocket(), [*lane("a", FETCH)[:4], *lane("a")])
        (call,) = out.calls
        assert (call.name, call.is_readable) == ("fetch", False)

    def test_what_a_session_leaves_unfinished(self) -> None:
        out = session(ResponsesSocket(), lane("a", FETCH)[:-2])
        assert [call.name for call in out.calls] == ["fetch"]

    def test_no_call_begins_after_the_end(self) -> None:
        shell = {"type": "shell_call", "call_id": "c", "action": {"commands": ["ls"]}, "status": "in_progress"}
        late = {"type": "response.output_item.added", "stream_id": "a", "output_index": 0, "item": shell}
        with pytest.raises(Malformed, match="after its end"):
            session(ResponsesSocket(), [*lane("a"), late])

    def test_refused_calls_are_remembered_by_their_response(self) -> None:
        reader = ResponsesSocket().stream(Framing.MESSAGE)
        changes: dict[Any, Change] = {}
        for one in lane("a", FETCH, MAIL):
            changes |= decided(reader.read(*event(one)).called, refused("mail"))
        output = {"type": "function_call_output", "call_id": "c2", "output": "No `mail`."}
        assert reader.denials(changes) == (Denials(("resp_1",), (output,)),)

    def test_a_request_is_supplied_with_them(self) -> None:
        output = {"type": "function_call_output", "call_id": "c2", "output": "No."}
        message = made({"type": "response.create", "previous_response_id": "resp_1", "input": []})
        socket = ResponsesSocket()
        assert socket.leans_on(message) == ("resp_1",)
        assert b'"input": [{"type":"function_call_output"' in socket.resumed(message, [Denials((), (output,))])


SERVER: TypeAdapter[Any] = TypeAdapter(RealtimeServerEvent)


def conversed(*calls: script.Call) -> list[dict[str, Any]]:
    """A response as it comes, with the events that tell of its items as parts of the conversation."""
    out = [realtime.session()]
    for one in realtime.response(script.Say(calls=calls)):
        out.append(one)
        if one["type"] in ("response.output_item.added", "response.output_item.done"):
            kind = str(one["type"]).replace("response.output_item", "conversation.item")
            out.append(
                {"type": kind, "event_id": f"{one['event_id']}_c", "previous_item_id": None, "item": one["item"]}
            )
    return [dict(one) for one in out]


class TestRealtime:
    def test_a_call_is_told_of_once(self) -> None:
        messages = conversed(FETCH, MAIL)
        out = session(RealtimeSocket(), messages)
        assert out.calls == [Call("fetch", {"url": "x"}, "c1"), Call("mail", {"to": "y"}, "c2")]
        assert out.payloads == messages

    def test_an_item_that_is_no_call_is_none(self) -> None:
        item = {"type": "message", "role": "user", "content": [], "status": "completed"}
        assert session(RealtimeSocket(), [realtime.added(item)]).calling == [()]

    def test_a_refused_call_is_nowhere(self) -> None:
        out = session(RealtimeSocket(), conversed(FETCH, MAIL), refused("mail"))
        assert b"c2" not in b"".join(data for _, data in out.events).replace(b"item_c2", b"")
        told = [one["item"] for one in out.payloads if one.get("item", {}).get("id") == "item_c2"]
        assert {one["type"] for one in told} == {"message"}
        assert len(told) == 4
        assert out.payloads[-1]["response"]["output"][1] == told[-1]

    def test_its_events_are_those_of_the_api(self) -> None:
        out = session(RealtimeSocket(), conversed(FETCH, MAIL), refused("mail"))
        for payload in out.payloads:
            SERVER.validate_python(payload)
        ids = [payload["event_id"] for payload in out.payloads]
        assert len(set(ids)) == len(ids)
        assert {one["response_id"] for one in out.payloads if "output_index" in one} == {"resp_1"}

    def test_other_arguments_are_told_everywhere(self) -> None:
        out = session(RealtimeSocket(), conversed(MAIL), given({"to": "z"}, "mail"))
        whole = [one["item"]["arguments"] for one in out.payloads if one.get("item", {}).get("status") == "completed"]
        assert whole == ['{"to":"z"}', '{"to":"z"}']
        assert b'"y"' not in b"".join(data for _, data in out.events)

    def test_a_call_that_the_client_brought_is_none_of_the_model(self) -> None:
        item = {"type": "function_call", "call_id": "mine", "name": "mail", "arguments": "{}", "status": "completed"}
        socket = RealtimeSocket()
        socket.went(made({"type": "conversation.item.create", "item": item}))
        assert session(socket, [realtime.added(item)]).called == []

    def test_a_call_that_only_the_conversation_tells_of_is_judged(self) -> None:
        item = {"type": "function_call", "call_id": "new", "name": "mail", "arguments": "{}", "status": "completed"}
        out = session(RealtimeSocket(), [realtime.added(item)], refused("mail"))
        assert out.calls == [Call("mail", {}, "new")]
        assert out.payloads[0]["item"]["type"] == "message"

    def test_one_that_has_only_begun_there_is_told_of_later(self) -> None:
        item = {"type": "function_call", "call_id": "new", "name": "mail", "arguments": "", "status": "in_progress"}
        assert session(RealtimeSocket(), [realtime.added(item)]).calling == [()]

    def test_nothing_is_remembered_since_the_server_goes_on(self) -> None:
        reader = RealtimeSocket().stream(Framing.MESSAGE)
        changes: dict[Any, Change] = {}
        for one in conversed(MAIL):
            changes |= decided(reader.read(*event(one)).called, refused("mail"))
        assert changes
        assert reader.denials(changes) == ()
