"""Calls in streams of OpenAI's APIs and of Ollama, through the queue of an exchange: allowed, refused, changed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.dialect.base import Dialect
from gateway.dialect.ollama import OLLAMA
from gateway.dialect.openai import CHAT, RESPONSES
from gateway.dialect.openai_sockets import RealtimeSocket, ResponsesSocket
from gateway.exchange.stream import AnswerStream
from gateway.policy.call import Answer
from gateway.wire.frames import Framing
from tests.dialect.laws import sse_payloads
from tests.dialect.refusing import CUTS, pieces_of
from tests.exchange.test_calls_of_providers import ANSWERS, GATE, TOOLS, left_of, ruled, saying, whole_left_of
from tests.fakes import ollama, openai_chat, openai_responses, realtime
from tests.fakes.pieces import sse
from tests.fakes.script import Call, Say

type Heard = tuple[str, list[tuple[str, Any]], Any]
"""The texts as one, the calls, and why it stopped."""


def chat_events(raw: bytes) -> Heard:
    text, finish = "", None
    calls: dict[int, list[str]] = {}
    for choice in (choice for one in sse_payloads(raw.replace(b"data: [DONE]", b"")) for choice in one["choices"]):
        text += choice["delta"].get("content") or ""
        finish = choice["finish_reason"] or finish
        for call in choice["delta"].get("tool_calls", ()):
            held = calls.setdefault(call["index"], ["", ""])
            held[0] += call["function"].get("name", "")
            held[1] += call["function"].get("arguments", "")
    assert list(calls) == list(range(len(calls)))
    return text, [(name, json.loads(arguments)) for name, arguments in calls.values()], finish


def chat_whole(raw: bytes) -> Heard:
    (choice,) = json.loads(raw)["choices"]
    message = choice["message"]
    calls = [
        (one["function"]["name"], json.loads(one["function"]["arguments"])) for one in message.get("tool_calls", ())
    ]
    return message["content"] or "", calls, choice["finish_reason"]


def responses_events(raw: bytes) -> Heard:
    events = sse_payloads(raw)
    assert [one["sequence_number"] for one in events] == list(range(len(events)))
    done = [one["item"] for one in events if one["type"] == "response.output_item.done"]
    assert events[-1]["response"]["output"] == done
    said = "".join(one["delta"] for one in events if one["type"] == "response.output_text.delta")
    heard = _responded(events[-1]["response"])
    assert said == heard[0]
    return heard


def responses_whole(raw: bytes) -> Heard:
    return _responded(json.loads(raw))


def _responded(response: Any) -> Heard:
    text = "".join(part["text"] for one in response["output"] for part in one.get("content", ()))
    calls = [
        (one["name"], json.loads(one["arguments"])) for one in response["output"] if one["type"] == "function_call"
    ]
    return text, calls, response["status"]


def ollama_events(raw: bytes) -> Heard:
    lines = [json.loads(line) for line in raw.splitlines()]
    heard = [_ollama(line) for line in lines]
    return "".join(text for text, _, _ in heard), [call for _, calls, _ in heard for call in calls], heard[-1][2]


def ollama_whole(raw: bytes) -> Heard:
    return _ollama(json.loads(raw))


def _ollama(value: Any) -> Heard:
    message = value["message"]
    calls = [(one["function"]["name"], one["function"]["arguments"]) for one in message.get("tool_calls", ())]
    return message["content"], calls, value.get("done_reason")


type Api = tuple[
    Dialect,
    Framing,
    Callable[[Say, Any], Any],
    Callable[[Say, Any], Iterator[bytes]],
    Callable[[bytes], Heard],
    Callable[[bytes], Heard],
]
APIS: dict[str, Api] = {
    "chat": (CHAT, Framing.SSE, openai_chat.whole, openai_chat.events, chat_events, chat_whole),
    "responses": (
        RESPONSES,
        Framing.SSE,
        openai_responses.whole,
        openai_responses.events,
        responses_events,
        responses_whole,
    ),
    "ollama": (OLLAMA, Framing.LINES, ollama.whole, ollama.events, ollama_events, ollama_whole),
}


@pytest.mark.parametrize("name", APIS)
@given(TOOLS, st.sampled_from(ANSWERS), st.integers(1, 9), CUTS)
@settings(max_examples=40, deadline=None)
def test_a_stream_leaves_as_the_whole_answer_does(
    name: str, tools: list[str], answer: Answer, step: int, cuts: list[int]
) -> None:
    dialect, framing, whole, events, of_events, of_whole = APIS[name]
    say = saying(tools, step)
    raw = b"".join(events(say, {}))
    stream_calls = ruled()
    stream = AnswerStream(GATE, dialect, framing, stream_calls)
    left = left_of(stream, pieces_of(raw, cuts), answer)
    expected, whole_calls = whole_left_of(dialect, whole(say, {}), answer)

    # A call that is asked about is changed when that is answered, and those behind it may be judged before.
    assert sorted(map(repr, stream_calls.changes.values())) == sorted(map(repr, whole_calls.changes.values()))
    assert of_events(left) == of_whole(expected)
    if not stream_calls.changes:
        assert left == raw
    assert stream.totals.edited is bool(stream_calls.changes)


@pytest.mark.parametrize("name", APIS)
def test_nothing_of_a_call_leaves_before_it_is_ruled_on(name: str) -> None:
    dialect, framing, _, events, _, _ = APIS[name]
    say = Say("Hm, I see.", calls=(Call("pay", '{"what": "all"}', "t0"),), step=4)
    stream = AnswerStream(GATE, dialect, framing, ruled())
    for piece in events(say, {}):
        stream.feed(piece)
    out = stream.drain()
    assert b"Hm, " in out
    for word in (b"pay", b'"tool_calls"', b"function_call", b"done_reason", b"response.completed"):
        assert word not in out
    assert len(stream.ask()) == 1
    assert stream.waits


def test_a_call_whose_stream_just_ends_is_ruled_on_all_the_same() -> None:
    stream = AnswerStream(GATE, CHAT, Framing.SSE, ruled())
    function = {"name": "wipe", "arguments": '{"what": "all"}'}
    delta = {"tool_calls": [{"index": 0, "id": "t0", "function": function}]}
    stream.feed(sse({"choices": [{"index": 0, "delta": delta, "finish_reason": None}]}))
    assert stream.drain() == b""
    stream.finish()
    (left,) = sse_payloads(stream.drain())
    (said,) = left["choices"][0]["delta"].values()
    assert said.startswith("[The security gateway refused the call of `wipe`")


@pytest.mark.parametrize(
    ("socket", "messages"),
    [
        (ResponsesSocket, lambda say: openai_responses.messages(say, {})),
        (RealtimeSocket, realtime.response),
    ],
)
def test_a_session_leaves_message_by_message(socket: Callable[[], Dialect], messages: Callable[[Say], Any]) -> None:
    say = Say(calls=(Call("wipe", '{"what": "all"}', "t0"), Call("read", "{}", "t1")))
    stream = AnswerStream(GATE, socket(), Framing.MESSAGE, ruled())
    left = []
    for message in messages(say):
        stream.feed(json.dumps(message).encode())
        left += [json.loads(one) for one in stream.departed()]
    assert not stream.waits
    kinds = [one["item"]["type"] for one in left if one["type"] == "response.output_item.done"]
    assert kinds == ["message", "function_call"]
    assert '"wipe"' not in json.dumps(left)
    assert [one["type"] for one in left[-1]["response"]["output"]] == kinds
