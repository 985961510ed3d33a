"""Counts of tokens in one normal form, from each API's own."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.dialect import families, meter, usage
from gateway.dialect.usage import MOST, Shape
from gateway.wire.frames import Framing
from tests.dialect.replay import TRANSCRIPTS, cut, document, lines

BODIES: list[tuple[Shape, dict[str, Any], dict[str, int]]] = [
    (
        usage.CHAT,
        {
            "prompt_tokens": 100,
            "completion_tokens": 50,
            "prompt_tokens_details": {"cached_tokens": 60, "cache_write_tokens": 10},
            "completion_tokens_details": {"reasoning_tokens": 40},
        },
        {"input": 100, "output": 50, "cached": 60, "written": 10, "reasoning": 40},
    ),
    (usage.CHAT, {"prompt_tokens": 8, "total_tokens": 8}, {"input": 8}),
    (
        usage.RESPONSES,
        {
            "input_tokens": 30,
            "output_tokens": 20,
            "input_tokens_details": {"cached_tokens": 10},
            "output_tokens_details": {"reasoning_tokens": 5},
        },
        {"input": 30, "output": 20, "cached": 10, "reasoning": 5},
    ),
    (
        usage.RESPONSES,  # Realtime
        {"input_tokens": 30, "output_tokens": 20, "input_token_details": {"cached_tokens": 9}},
        {"input": 30, "output": 20, "cached": 9},
    ),
    (usage.RESPONSES, {"type": "duration", "seconds": 3}, {}),
    (
        usage.ANTHROPIC,
        {
            "input_tokens": 5,
            "cache_creation_input_tokens": 100,
            "cache_read_input_tokens": 1000,
            "output_tokens": 7,
            "output_tokens_details": {"thinking_tokens": 3},
        },
        {"input": 1105, "output": 7, "cached": 1000, "written": 100, "reasoning": 3},
    ),
    (
        usage.GEMINI,
        {
            "promptTokenCount": 100,
            "toolUsePromptTokenCount": 4,
            "cachedContentTokenCount": 80,
            "candidatesTokenCount": 10,
            "thoughtsTokenCount": 30,
        },
        {"input": 104, "output": 40, "cached": 80, "reasoning": 30},
    ),
    (usage.OLLAMA, {"prompt_eval_count": 26, "eval_count": 259, "done": True}, {"input": 26, "output": 259}),
    (
        usage.CONVERSE,
        {"inputTokens": 3, "cacheReadInputTokens": 10, "cacheWriteInputTokens": 2, "outputTokens": 4},
        {"input": 15, "output": 4, "cached": 10, "written": 2},
    ),
]


@pytest.mark.parametrize(("shape", "told", "normal"), BODIES)
def test_each_api_in_one_form(shape: Shape, told: dict[str, Any], normal: dict[str, int]) -> None:
    assert shape.read(told) == normal


@pytest.mark.parametrize("count", [-1, True, "5", 1.5, None, MOST + 1, [1]])
def test_what_is_no_count_says_nothing(count: Any) -> None:
    assert usage.CHAT.read({"prompt_tokens": count, "completion_tokens": 1}) == {"output": 1}


@pytest.mark.parametrize("told", [None, [], "x", 5, {}, {"prompt_tokens_details": 3}])
def test_anything_else_has_no_counts(told: Any) -> None:
    assert usage.CHAT.read(told) == {}


STREAMS: list[tuple[str, str, str, dict[str, int]]] = [
    ("openai", "/v1/chat/completions", "openai_chat/two_choices", {"input": 21, "output": 14}),
    ("openai", "/v1/responses", "openai_responses/streamed_text", {"input": 37, "output": 11}),
    ("anthropic", "/v1/messages", "anthropic/text", {"input": 25, "output": 12}),
    ("anthropic", "/v1/messages", "anthropic/streamed_tool_call", {"input": 25, "output": 49}),
    ("gemini", "/v1beta/models/g:streamGenerateContent", "gemini/text", {"input": 11, "output": 9}),
]


@pytest.mark.parametrize(("family", "path", "case", "counts"), STREAMS)
def test_recorded_streams(family: str, path: str, case: str, counts: dict[str, int]) -> None:
    reader = families.FAMILIES[family].endpoint("POST", path).dialect.stream(Framing.SSE)
    found: dict[str, int] = {}
    recorded = TRANSCRIPTS.joinpath(*case.split("/"), "response.sse").read_bytes().replace(b"\r\n", b"\n")
    for event, known, data in cut(recorded):
        found |= reader.read(event, known, data).usage
    assert found == counts


def test_a_recorded_stream_of_ollama() -> None:
    reader = families.FAMILIES["ollama"].endpoint("POST", "/api/chat").dialect.stream(Framing.LINES)
    found: dict[str, int] = {}
    for event, known, data in lines("ollama", "chat_stream", "response.ndjson"):
        found |= reader.read(event, known, data).usage
    assert found == meter.OLLAMA.used(known)
    assert set(found) == {"input", "output"}


def test_recorded_whole_answers() -> None:
    assert meter.CHAT.used(document("openai_chat", "every_kind", "response.json")).keys() >= {"input", "output"}
    assert meter.OLLAMA.used(document("ollama", "generate", "response.json")).keys() == {"input", "output"}


def test_anthropics_last_event_may_leave_out_what_the_cache_supplied() -> None:
    reader = families.FAMILIES["anthropic"].endpoint("POST", "/v1/messages").dialect.stream(Framing.SSE)
    stream = (
        b'event: message_start\ndata: {"type":"message_start","message":{"content":[],"usage":{"input_tokens":3,'
        b'"cache_read_input_tokens":1000,"output_tokens":1}}}\n\n'
        b'event: message_delta\ndata: {"type":"message_delta","delta":{},"usage":{"input_tokens":3,'
        b'"cache_read_input_tokens":null,"output_tokens":9}}\n\n'
    )
    readings = [reader.read(event, known, data) for event, known, data in cut(stream)]
    assert readings[-1].usage == {"input": 1003, "output": 9, "cached": 1000}
