"""Calls in answers of Anthropic Messages: found, refused and given other arguments, whole and streamed."""

from __future__ import annotations

import json
from typing import Any

import anthropic
import httpx2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.dialect.anthropic import MESSAGE_BATCHES, MESSAGES
from gateway.dialect.anthropic_stream import MessageStream
from gateway.errors import Malformed
from gateway.policy.call import Call, Called, Change
from gateway.wire.frames import Framing
from tests.dialect.laws import doc, play, sse_payloads
from tests.dialect.refusing import CUTS, REFUSAL, Decide, pieces_of, through
from tests.fakes.anthropic_messages import events, whole
from tests.fakes.script import Call as Asked
from tests.fakes.script import Say

REFUSED = Change(refusal=REFUSAL)


def use(number: int, name: str = "send_mail", **arguments: Any) -> dict[str, Any]:
    return {"type": "tool_use", "id": f"toolu_{number}", "name": name, "input": arguments}


def answer(*blocks: dict[str, Any], stop: str = "tool_use") -> dict[str, Any]:
    return {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude", "content": list(blocks)} | {
        "stop_reason": stop,
        "stop_sequence": None,
        "usage": {"input_tokens": 9, "output_tokens": 12},
    }


SAID = {"type": "text", "text": "I send it."}
SEARCHED = {"type": "server_tool_use", "id": "srv_1", "name": "web_search", "input": {"query": "x"}}
CONNECTED = {"type": "mcp_tool_use", "id": "mcp_1", "name": "echo", "server_name": "s", "input": {}}


def test_calls_are_those_that_the_agent_runs() -> None:
    found = MESSAGES.calls(doc(answer(SAID, SEARCHED, use(1, to="a@b.example"), CONNECTED, use(2, "look"))))
    assert found == (
        Called(2, Call("send_mail", {"to": "a@b.example"}, "toolu_1")),
        Called(4, Call("look", {}, "toolu_2")),
    )


def test_a_block_of_a_new_type_that_asks_for_a_tool_is_a_call() -> None:
    block = {"type": "remote_tool_use", "id": "t", "name": "wipe", "input": {"all": True}}
    assert MESSAGES.calls(doc(answer(block))) == (Called(0, Call("wipe", {"all": True}, "t")),)


@pytest.mark.parametrize("value", [{}, [], {"content": "text"}, {"content": [None, "x", {"type": 3}]}])
def test_an_answer_of_another_form_has_no_calls(value: Any) -> None:
    document = doc(value)
    assert MESSAGES.calls(document) == ()
    assert MESSAGES.changed(document, {0: REFUSED}) == document.raw


def test_a_call_of_which_nothing_is_right_is_still_a_call() -> None:
    (found,) = MESSAGES.calls(doc(answer({"type": "tool_use", "name": 3, "input": "x"})))
    assert found.call == Call("", "x", "")


def test_a_refused_call_is_a_text_at_its_place_and_all_else_stays_as_it_came() -> None:
    raw = json.dumps(answer(SAID, use(1), use(2, "look", at=1.50)), indent=1).encode()
    document = doc(json.loads(raw))
    document = type(document)(raw, document.value)
    changed = MESSAGES.changed(document, {1: REFUSED})
    start, end = document.span(("content", 1))
    assert (
        changed
        == raw[:start] + json.dumps({"type": "text", "text": REFUSAL}, separators=(",", ":")).encode() + (raw[end:])
    )
    assert json.loads(changed)["stop_reason"] == "tool_use"


def test_where_no_call_is_left_the_turn_has_ended() -> None:
    document = doc(answer(SAID, use(1), SEARCHED, use(2)))
    changed = json.loads(MESSAGES.changed(document, {1: REFUSED, 3: REFUSED}))
    refusal = {"type": "text", "text": REFUSAL}
    assert changed == answer(SAID, refusal, SEARCHED, refusal, stop="end_turn")


@pytest.mark.parametrize("stop", ["max_tokens", "pause_turn", "refusal"])
def test_another_reason_to_stop_stays(stop: str) -> None:
    document = doc(answer(use(1), stop=stop))
    assert json.loads(MESSAGES.changed(document, {0: REFUSED}))["stop_reason"] == stop


def test_arguments_are_replaced_and_nothing_else() -> None:
    document = doc(answer(use(1, to="x@evil.example"), use(2)))
    changed = json.loads(MESSAGES.changed(document, {0: Change(arguments={"to": "a@b.example"})}))
    assert changed == answer(use(1, to="a@b.example"), use(2))


def test_a_call_without_input_gets_the_arguments() -> None:
    document = doc(answer({"type": "tool_use", "id": "t", "name": "f"}))
    changed = json.loads(MESSAGES.changed(document, {0: Change(arguments={"a": 1})}))
    assert changed["content"][0]["input"] == {"a": 1}


def test_with_no_change_the_bytes_are_those_that_came() -> None:
    document = doc(answer(use(1)))
    assert MESSAGES.changed(document, {}) == document.raw


def test_calls_in_the_results_of_a_batch() -> None:
    line = doc({"custom_id": "a", "result": {"type": "succeeded", "message": answer(SAID, use(1))}})
    assert MESSAGE_BATCHES.calls(line) == (Called(1, Call("send_mail", {}, "toolu_1")),)
    changed = json.loads(MESSAGE_BATCHES.changed(line, {1: REFUSED}))
    assert changed["result"]["message"] == answer(SAID, {"type": "text", "text": REFUSAL}, stop="end_turn")


# Streams.


def begin(index: int, block: dict[str, Any]) -> dict[str, Any]:
    return {"type": "content_block_start", "index": index, "content_block": block}


def piece(index: int, text: Any) -> dict[str, Any]:
    delta = {"type": "input_json_delta", "partial_json": text}
    return {"type": "content_block_delta", "index": index, "delta": delta}


def stop(index: int) -> dict[str, Any]:
    return {"type": "content_block_stop", "index": index}


START = {"type": "message_start", "message": answer(stop="")}
OVER = {"type": "message_stop"}


def told(stream: list[dict[str, Any]]) -> list[tuple[tuple[Any, ...], tuple[Called, ...]]]:
    return [(reading.calling, reading.called) for reading in play(MessageStream(), stream)]


def test_a_call_is_complete_when_its_block_stops() -> None:
    events = [START, begin(0, use(1)), piece(0, '{"to":'), piece(0, ' "a"}'), stop(0), OVER]
    done = Called(0, Call("send_mail", {"to": "a"}, "toolu_1"))
    assert told(events) == [((), ()), ((0,), ()), ((0,), ()), ((0,), ()), ((0,), (done,)), ((), ())]


def test_calls_whose_blocks_are_interleaved_are_told_apart() -> None:
    events = [START, begin(0, use(1)), begin(1, use(2)), piece(1, '{"b":2}'), piece(0, '{"a":1}'), stop(1), stop(0)]
    called = [one for _, some in told(events) for one in some]
    assert [(one.key, one.call.arguments) for one in called] == [(1, {"b": 2}), (0, {"a": 1})]


def test_a_call_that_starts_with_its_arguments_has_them() -> None:
    assert told([START, begin(0, use(1, to="a")), stop(0)])[-1][1][0].call.arguments == {"to": "a"}


def test_tools_of_the_provider_are_no_calls() -> None:
    events = [START, begin(0, SEARCHED), piece(0, "{}"), stop(0), begin(1, CONNECTED), stop(1), OVER]
    assert all(one == ((), ()) for one in told(events))


@pytest.mark.parametrize("written", ['{"to": "a', "not json", '{"to": "a"} {}'])
def test_arguments_that_are_no_json_are_a_text_that_is_not_readable(written: str) -> None:
    ((_, (called,)),) = [one for one in told([START, begin(0, use(1)), piece(0, written), stop(0)]) if one[1]]
    assert (called.call.arguments, called.call.is_readable) == (written, False)


def test_arguments_that_two_parsers_read_differently_are_refused() -> None:
    with pytest.raises(Malformed, match="twice"):
        told([START, begin(0, use(1)), piece(0, '{"to": "a", "to": "b"}'), stop(0)])


@pytest.mark.parametrize("last", [OVER, {"type": "error", "error": {"type": "api_error", "message": "x"}}])
def test_a_call_that_nothing_stopped_is_complete_with_the_message(last: dict[str, Any]) -> None:
    calling, called = told([START, begin(0, use(1)), piece(0, '{"to":1}'), last])[-1]
    assert calling == (0,)
    assert called == (Called(0, Call("send_mail", {"to": 1}, "toolu_1")),)


def test_a_call_within_which_the_stream_ends_is_not_finished() -> None:
    reader = MessageStream()
    play(reader, [START, begin(0, use(1)), piece(0, '{"to":'), begin(1, use(2)), piece(1, "{}"), stop(1)])
    assert reader.unfinished() == (Called(0, Call("send_mail", '{"to":', "toolu_1", is_readable=False)),)
    assert reader.unfinished() == ()


def test_a_piece_of_another_type_is_no_part_of_the_arguments() -> None:
    events = [START, begin(0, use(1)), piece(0, None), piece(0, "{}"), stop(0)]
    assert told(events)[-1][1][0].call.arguments == {}


def test_a_message_that_starts_with_a_call_holds_it() -> None:
    begun = {"type": "message_start", "message": answer(use(1), stop="")}
    assert told([begun, piece(0, '{"a":1}'), stop(0)]) == [
        ((0,), ()),
        ((0,), ()),
        ((0,), (Called(0, Call("send_mail", {"a": 1}, "toolu_1")),)),
    ]
    reader = MessageStream()
    play(reader, [begun, piece(0, '{"a":1}'), stop(0)])
    document = doc(begun)
    ((_, data),) = reader.changed("message_start", document, document.raw, {0: REFUSED})
    assert json.loads(data)["message"]["content"] == [{"type": "text", "text": REFUSAL}]


def test_a_refused_block_has_no_text_but_the_refusal() -> None:
    """A piece of text that was none in a call would be one in a text."""
    stray = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "run rm -rf"}}
    message = received(sent([START, begin(0, use(1)), stray, piece(0, "{}"), stop(0), *ended()], lambda _: REFUSED))
    assert [(block.type, block.text) for block in message.content if block.type == "text"] == [("text", REFUSAL)]


def test_an_event_that_is_not_json_stays() -> None:
    assert MessageStream().changed(None, None, b"[DONE]", {0: REFUSED}) == ((None, b"[DONE]"),)


def test_a_stream_is_kept_alive_by_pings() -> None:
    assert sse_payloads(MessageStream().keepalive) == [{"type": "ping"}]
    assert received(MessageStream().keepalive + sent([START, *ended()], lambda _: None)).content == []


def ended() -> list[dict[str, Any]]:
    delta = {"type": "message_delta", "delta": {"stop_reason": "tool_use", "stop_sequence": None}}
    return [{**delta, "usage": {"output_tokens": 12}}, OVER]


def written(stream: list[dict[str, Any]]) -> bytes:
    return b"".join(f"event: {one['type']}\ndata: {json.dumps(one)}\n\n".encode() for one in stream)


def sent(stream: list[dict[str, Any]], decide: Decide) -> bytes:
    return through([written(stream)], MessageStream(), Framing.SSE, decide)


def received(body: bytes) -> anthropic.types.Message:
    """The message that the SDK makes of a stream."""

    def answered(_request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, headers={"content-type": "text/event-stream"}, content=body)

    with (
        httpx2.Client(transport=httpx2.MockTransport(answered)) as http,
        anthropic.Anthropic(api_key="k", base_url="http://gateway", http_client=http) as client,
        client.messages.stream(model="m", max_tokens=9, messages=[{"role": "user", "content": "x"}]) as stream,
    ):
        return stream.get_final_message()


ARGUMENTS = st.dictionaries(st.text(max_size=5), st.text(max_size=12) | st.integers(-9, 9) | st.booleans(), max_size=3)
FATES = st.none() | st.just(REFUSED) | ARGUMENTS.map(lambda some: Change(arguments=some))


@given(st.lists(st.tuples(ARGUMENTS, FATES), max_size=4), st.sampled_from(["", "I send it."]), st.integers(1, 9), CUTS)
@settings(max_examples=60, deadline=None)
def test_what_the_sdk_makes_of_a_changed_stream_is_the_changed_message(
    asked: list[tuple[dict[str, Any], Change | None]], text: str, step: int, cuts: list[int]
) -> None:
    calls = [Asked("send_mail", json.dumps(some), f"toolu_{number}") for number, (some, _) in enumerate(asked)]
    say = Say(text, tuple(calls), thinking="Hm.", step=step)
    fate = {f"toolu_{number}": change for number, (_, change) in enumerate(asked)}
    raw = b"".join(events(say, {}))

    def decide(called: Called) -> Change | None:
        return fate[called.call.id]

    document = doc(whole(say, {}))
    found = MESSAGES.calls(document)
    assert [one.call.arguments for one in found] == [some for some, _ in asked]
    changes = {one.key: change for one in found if (change := decide(one)) is not None}
    left = through(pieces_of(raw, cuts), MessageStream(), Framing.SSE, decide)
    if not changes:
        assert left == raw
    expected = anthropic.types.Message.model_validate_json(MESSAGES.changed(document, changes))
    assert received(left).model_dump(exclude_none=True) == expected.model_dump(exclude_none=True)
