"""OpenAI Responses, as documented in the API reference (types of openai 3.54, November 2026)."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

from tests.fakes.pieces import Json, pieces, sse, text_of
from tests.fakes.script import Call, Say

USAGE: Json = {
    "input_tokens": 9,
    "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
    "output_tokens": 12,
    "output_tokens_details": {"reasoning_tokens": 0},
    "total_tokens": 21,
}


def whole(say: Say, asked: Json) -> Json:
    """A completed `response`."""
    return _response(asked, "completed", _items(say))


def events(say: Say, asked: Json) -> Iterator[bytes]:
    """The events of one response."""
    for message in messages(say, asked):
        yield sse(message, str(message["type"]))


def messages(say: Say, asked: Json) -> Iterator[Json]:
    """The same, as they come over a WebSocket; `sequence_number` counts them from 0, without a gap."""
    lane = {"stream_id": asked["stream_id"]} if "stream_id" in asked else {}
    for sequence, event in zip(count(), _events(say, asked), strict=False):
        yield {**event, "sequence_number": sequence, **lane}


def _events(say: Say, asked: Json) -> Iterator[Json]:
    started = _response(asked, "in_progress", [])
    yield {"type": "response.created", "response": started}
    yield {"type": "response.in_progress", "response": started}
    index = 0
    if say.text:
        yield from _message_events(say, index)
        index += 1
    for call in say.calls:
        yield from _call_events(call, index, say.step)
        index += 1
    yield {"type": "response.completed", "response": whole(say, asked)}


def _response(asked: Json, status: str, output: list[Json]) -> Json:
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1700000000,
        "status": status,
        "error": None,
        "incomplete_details": None,
        "instructions": asked.get("instructions"),
        "model": text_of(asked, "model", "gpt"),
        "output": output,
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": asked.get("tools", []),
        "usage": USAGE if status == "completed" else None,
    }


def _items(say: Say) -> list[Json]:
    message = [_message(say.text)] if say.text else []
    return [*message, *(_call(call, call.arguments, "completed") for call in say.calls)]


def _message(text: str) -> Json:
    return {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed", "content": [_part(text)]}


def _part(text: str) -> Json:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def _call(call: Call, arguments: str, status: str) -> Json:
    return {
        "id": f"fc_{call.id}",
        "type": "function_call",
        "status": status,
        "call_id": call.id,
        "name": call.name,
        "arguments": arguments,
    }


def _message_events(say: Say, index: int) -> Iterator[Json]:
    empty = {**_message(""), "status": "in_progress", "content": []}
    place = {"item_id": "msg_1", "output_index": index, "content_index": 0}
    yield {"type": "response.output_item.added", "output_index": index, "item": empty}
    yield {"type": "response.content_part.added", **place, "part": _part("")}
    for piece in pieces(say.text, say.step):
        yield {"type": "response.output_text.delta", **place, "delta": piece, "logprobs": []}
    yield {"type": "response.output_text.done", **place, "text": say.text, "logprobs": []}
    yield {"type": "response.content_part.done", **place, "part": _part(say.text)}
    yield {"type": "response.output_item.done", "output_index": index, "item": _message(say.text)}


def _call_events(call: Call, index: int, step: int) -> Iterator[Json]:
    place = {"item_id": f"fc_{call.id}", "output_index": index}
    started, done = _call(call, "", "in_progress"), _call(call, call.arguments, "completed")
    yield {"type": "response.output_item.added", "output_index": index, "item": started}
    for piece in pieces(call.arguments, step):
        yield {"type": "response.function_call_arguments.delta", **place, "delta": piece}
    name_and_arguments = {"name": call.name, "arguments": call.arguments}
    yield {"type": "response.function_call_arguments.done", **place, **name_and_arguments}
    yield {"type": "response.output_item.done", "output_index": index, "item": done}
