"""Calls in streams of Anthropic, Gemini and Bedrock, through the queue of an exchange: allowed, refused, approved."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.dialect.anthropic import MESSAGES
from gateway.dialect.base import Dialect
from gateway.dialect.bedrock_converse import CONVERSE
from gateway.dialect.bedrock_invoke import INVOKE
from gateway.dialect.gemini import GENERATE
from gateway.dialect.interactions import INTERACTIONS
from gateway.exchange.calls import Calls
from gateway.exchange.stream import AnswerStream
from gateway.policy.call import Answer
from gateway.policy.transcript import Transcript
from gateway.wire.document import parse
from gateway.wire.frames import Framing, framer
from tests.dialect.refusing import CUTS, pieces_of
from tests.dialect.test_bedrock_calls import heard as by_boto3
from tests.dialect.test_gemini_calls import payloads_of
from tests.exchange.policing import Look, policed
from tests.fakes import anthropic_messages, bedrock, gemini, interactions
from tests.fakes.script import Call, Say

GATE = policed()

ANSWERS = [
    Answer(is_approved=True, by="ann"),
    Answer(is_approved=True, by="ann", arguments={"what": "less"}),
    Answer(is_approved=True, by="ann", arguments={"what": "forbidden"}),
    Answer(is_approved=False, words="nobody answered"),
]

PROVIDERS: dict[str, tuple[Dialect, Framing, Callable[[Say, Any], Any], Callable[[Say, Any], Iterator[bytes]]]] = {
    "anthropic": (MESSAGES, Framing.SSE, anthropic_messages.whole, anthropic_messages.events),
    "gemini": (GENERATE, Framing.SSE, gemini.whole, gemini.events),
    "interactions": (INTERACTIONS, Framing.SSE, interactions.whole, interactions.events),
    "gemini-array": (GENERATE, Framing.ARRAY, gemini.whole, gemini.array),
    "bedrock-converse": (CONVERSE, Framing.AMAZON, bedrock.whole, bedrock.events),
    "bedrock-chunks": (INVOKE, Framing.AMAZON, anthropic_messages.whole, bedrock.chunks),
}


def ruled() -> Calls:
    return Calls(GATE.rules, lambda: Look(Transcript(), lambda _: False))


def left_of(stream: AnswerStream, pieces: list[bytes], answer: Answer) -> bytes:
    """The stream as it leaves, with that answer to whatever is asked."""
    out = b""
    for piece in (*pieces, None):
        if piece is None:
            stream.finish()
        else:
            stream.feed(piece)
        while questions := stream.ask():
            stream.answered([answer] * len(questions))
        out += stream.drain()
    assert not stream.waits
    return out


def whole_left_of(dialect: Dialect, value: Any, answer: Answer) -> tuple[bytes, Calls]:
    """A whole answer as it leaves, with that answer to whatever is asked, and what was ruled on its calls."""
    document = parse(json.dumps(value).encode())
    calls = ruled()
    calls.take(dialect.calls(document))
    while questions := calls.ask():
        calls.answered([answer] * len(questions))
    return dialect.changed(document, calls.changes), calls


def saying(tools: list[str], step: int) -> Say:
    """An answer with a call of each of these tools, in pieces of `step` characters."""
    calls = tuple(Call(tool, json.dumps({"what": f"no. {index}"}), f"t{index}") for index, tool in enumerate(tools))
    return Say("Hm, I see.", calls=calls, step=step)


def heard(name: str, raw: bytes) -> list[Any]:
    """Texts and calls in their order: what an agent makes of a stream or a whole answer. Empty texts say nothing."""
    framing = PROVIDERS[name][1]
    if name == "bedrock-converse":
        return _converse(by_boto3(raw)[0])
    if name == "bedrock-chunks":
        return _anthropic([json.loads(frame.data or b"") for frame in framer(framing, 1_000_000).feed(raw)])
    if name == "anthropic":
        return _anthropic(payloads_of(raw, framing))
    if name == "interactions":
        return _interactions(payloads_of(raw, framing))
    events = [json.loads(raw)] if raw.startswith(b"{") else payloads_of(raw, framing)
    parts = [part for one in events for part in one["candidates"][0]["content"]["parts"]]
    told = [part.get("text") if "text" in part else part["functionCall"] for part in parts]
    return _joined(told)


def _converse(blocks: list[Any]) -> list[Any]:
    calls = [block.get("toolUse") for block in blocks]
    return _joined(
        [
            {"id": call["toolUseId"], "name": call["name"], "args": call["input"]} if call else block["text"]
            for call, block in zip(calls, blocks, strict=True)
        ]
    )


def _anthropic(events: list[Any]) -> list[Any]:
    blocks: dict[int, Any] = {}
    for event in events:
        if event["type"] == "content_block_start":
            blocks[event["index"]] = {**event["content_block"], "json": ""}
        elif event["type"] == "content_block_delta":
            block, delta = blocks[event["index"]], event["delta"]
            block["text"] = block.get("text", "") + delta.get("text", "")
            block["json"] += delta.get("partial_json", "")
    calls = ("id", "name")
    return _joined(
        [
            {**{key: block[key] for key in calls}, "args": json.loads(block["json"] or "{}")}
            if block["type"] == "tool_use"
            else block["text"]
            for block in blocks.values()
        ]
    )


def _interactions(events: list[Any]) -> list[Any]:
    steps: dict[int, Any] = {}
    for event in events:
        if event["event_type"] == "step.start":
            steps[event["index"]] = {**event["step"], "told": ""}
        elif event["event_type"] == "step.delta":
            delta = event["delta"]
            steps[event["index"]]["told"] += delta.get("text", "") + delta.get("arguments", "")
    return _joined(
        [
            {"id": step["id"], "name": step["name"], "args": json.loads(step["told"] or "{}") or step["arguments"]}
            if step["type"] == "function_call"
            else step["told"]
            for step in steps.values()
        ]
    )


def _joined(told: list[Any]) -> list[Any]:
    out: list[Any] = []
    for one in told:
        if isinstance(one, str) and out and isinstance(out[-1], str):
            out[-1] += one
        elif one:
            out.append(one)
    return out


def whole_heard(name: str, raw: bytes) -> list[Any]:
    message = json.loads(raw)
    if name == "interactions":
        return _joined(
            [
                {"id": step["id"], "name": step["name"], "args": step["arguments"]}
                if step["type"] == "function_call"
                else step["content"][0]["text"]
                for step in message["steps"]
            ]
        )
    if name == "bedrock-converse":
        return _converse(message["output"]["message"]["content"])
    if name.startswith("gemini"):
        return heard(name, raw)
    return _joined(
        [
            {"id": block["id"], "name": block["name"], "args": block["input"]}
            if block["type"] == "tool_use"
            else block["text"]
            for block in message["content"]
        ]
    )


TOOLS = st.lists(st.sampled_from(["read", "watch", "pay", "wipe"]), max_size=5)


@pytest.mark.parametrize("name", PROVIDERS)
@given(TOOLS, st.sampled_from(ANSWERS), st.integers(1, 9), CUTS)
@settings(max_examples=40, deadline=None)
def test_a_stream_leaves_as_the_whole_answer_does(
    name: str, tools: list[str], answer: Answer, step: int, cuts: list[int]
) -> None:
    dialect, framing, whole, events = PROVIDERS[name]
    say = saying(tools, step)
    raw = b"".join(events(say, {}))
    stream_calls = ruled()
    stream = AnswerStream(GATE, dialect, framing, stream_calls)
    left = left_of(stream, pieces_of(raw, cuts), answer)
    expected, whole_calls = whole_left_of(dialect, whole(say, {}), answer)

    assert sorted(map(repr, stream_calls.changes.values())) == sorted(map(repr, whole_calls.changes.values()))
    assert heard(name, left) == whole_heard(name, expected)
    if not stream_calls.changes:
        assert left == raw
    assert stream.totals.edited is bool(stream_calls.changes)


@pytest.mark.parametrize("name", PROVIDERS)
def test_nothing_of_a_call_leaves_before_it_is_ruled_on(name: str) -> None:
    dialect, framing, _, events = PROVIDERS[name]
    say = Say("Hm, I see.", calls=(Call("pay", '{"what": "all"}', "t0"),), step=4)
    stream = AnswerStream(GATE, dialect, framing, ruled())
    for piece in events(say, {}):
        stream.feed(piece)
    out = stream.drain()
    if name == "bedrock-chunks":
        out = b"".join(frame.data or b"" for frame in framer(framing, 1_000_000).feed(out))
    assert b'"Hm, ' in out
    for word in (b"pay", b"STOP", b"tool_use", b"toolUse", b"requires_action"):
        assert word not in out
    assert len(stream.ask()) == 1
