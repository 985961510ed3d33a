"""Answers in which calls stand where a specification has none: an object for a list, or a list for an object."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.dialect.anthropic import MESSAGES
from gateway.dialect.base import Dialect
from gateway.dialect.containers import items_of, members_of
from gateway.dialect.gemini import GENERATE
from gateway.dialect.ollama import OLLAMA
from gateway.dialect.openai import CHAT, RESPONSES
from gateway.errors import Malformed
from gateway.wire.document import parse
from gateway.wire.frames import Framing

FUNCTION: dict[str, Any] = {"name": "pay", "arguments": "{}"}
CALL = {"index": 0, "id": "a", "type": "function", "function": FUNCTION}
USE = {"type": "tool_use", "id": "a", "name": "pay", "input": {}}
ITEM = {"type": "function_call", "call_id": "a", **FUNCTION}
PART = {"functionCall": {"name": "pay", "args": {}}}


def choices(**choice: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, **choice}]}


def candidate(content: Any) -> dict[str, Any]:
    return {"candidates": [{"content": content}]}


WHOLE: list[tuple[Dialect, dict[str, Any]]] = [
    (CHAT, {"choices": {"0": {"message": {"tool_calls": [CALL]}}}}),
    (CHAT, choices(message=[{"tool_calls": [CALL]}])),
    (CHAT, choices(message={"tool_calls": CALL})),
    (CHAT, choices(message={"function_call": [FUNCTION]})),
    (RESPONSES, {"object": "response", "output": {"0": ITEM}}),
    (MESSAGES, {"type": "message", "content": USE}),
    (GENERATE, candidate([{"parts": [PART]}])),
    (GENERATE, candidate({"parts": [{"functionCall": [PART["functionCall"]]}]})),
    (OLLAMA, {"message": {"tool_calls": CALL}}),
    (OLLAMA, {"message": [{"tool_calls": [CALL]}]}),
]

EVENTS: list[tuple[Dialect, dict[str, Any]]] = [
    (CHAT, {"choices": {"0": {"delta": {"tool_calls": [CALL]}}}}),
    (CHAT, choices(delta=[{"tool_calls": [CALL]}])),
    (CHAT, choices(delta={"tool_calls": CALL})),
    (CHAT, choices(delta={"function_call": [FUNCTION]})),
    (RESPONSES, {"type": "response.output_item.done", "output_index": 0, "item": [ITEM]}),
    (RESPONSES, {"type": "response.completed", "response": {"id": "r", "output": {"0": ITEM}}}),
    (MESSAGES, {"type": "message_start", "message": {"content": USE}}),
    (MESSAGES, {"type": "content_block_start", "index": 0, "content_block": [USE]}),
    (GENERATE, candidate([{"parts": [PART]}])),
    (OLLAMA, {"message": {"tool_calls": CALL}}),
]


@pytest.mark.parametrize(("dialect", "answer"), WHOLE)
def test_a_whole_answer_with_calls_in_another_container_is_refused(dialect: Dialect, answer: dict[str, Any]) -> None:
    with pytest.raises(Malformed, match=r" where an? (?:list|object) must be"):
        dialect.calls(parse(json.dumps(answer).encode()))


@pytest.mark.parametrize(("dialect", "event"), EVENTS)
def test_so_is_an_event_of_a_stream(dialect: Dialect, event: dict[str, Any]) -> None:
    framing = Framing.LINES if dialect is OLLAMA else Framing.SSE
    data = json.dumps(event).encode()
    with pytest.raises(Malformed, match=r" where an? (?:list|object) must be"):
        dialect.stream(framing).read(event.get("type"), parse(data), data)


@pytest.mark.parametrize("value", [None, "", "said", 0, [], {}, False])
def test_what_holds_nothing_is_empty(value: Any) -> None:
    assert items_of(value, "x") == []
    assert members_of(value, "x") == {}
