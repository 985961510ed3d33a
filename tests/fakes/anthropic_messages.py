"""Anthropic Messages, as documented in the API reference (types of anthropic 2.12, November 2026)."""

from __future__ import annotations

from collections.abc import Iterator

from tests.fakes.pieces import Json, dumps, pieces, sse, text_of
from tests.fakes.script import Call, Say

SIGNATURE = "c2lnbmVkLXRoaW5raW5n"
"""The signature of every thinking block: opaque base64, to be carried back unchanged."""


def whole(say: Say, asked: Json) -> Json:
    """A `message`."""
    return _message(say, asked, _blocks(say), _stop_reason(say))


def events(say: Say, asked: Json) -> Iterator[bytes]:
    """The events of one message ("Streaming messages" in the API guides), with the ping that opens real streams."""
    return (sse(payload, str(payload["type"])) for payload in payloads(say, asked))


def payloads(say: Say, asked: Json) -> Iterator[Json]:
    """What the events say."""
    yield {"type": "message_start", "message": _message(say, asked, [], None)}
    yield {"type": "ping"}
    for index, block in enumerate(_blocks(say)):
        yield from _block_events(index, block, say)
    delta = {"stop_reason": _stop_reason(say), "stop_sequence": None}
    yield {"type": "message_delta", "delta": delta, "usage": {"output_tokens": 12}}
    yield {"type": "message_stop"}


def error(status: int, message: str) -> Json:
    """The error body of every Anthropic endpoint ("Errors" in the API guides)."""
    types = {
        400: "invalid_request_error",
        401: "authentication_error",
        403: "permission_error",
        404: "not_found_error",
        429: "rate_limit_error",
        529: "overloaded_error",
    }
    named = types.get(status, "api_error")
    return {"type": "error", "error": {"type": named, "message": message}, "request_id": "req_1"}


def batch_line(say: Say, custom_id: str, asked: Json) -> bytes:
    """One line of a message batch's results."""
    result = {"type": "succeeded", "message": whole(say, asked)}
    return dumps({"custom_id": custom_id, "result": result}) + b"\n"


def batch(batch_id: str, status: str) -> Json:
    """A `message_batch` of one request."""
    ended = status == "ended"
    return {
        "id": batch_id,
        "type": "message_batch",
        "processing_status": status,
        "request_counts": {"processing": not ended, "succeeded": ended, "errored": 0, "canceled": 0, "expired": 0},
        "created_at": "2026-11-01T00:00:00Z",
        "expires_at": "2026-11-02T00:00:00Z",
        "ended_at": "2026-11-01T00:01:00Z" if ended else None,
        "cancel_initiated_at": None,
        "archived_at": None,
        "results_url": None,
    }


def _message(say: Say, asked: Json, blocks: list[Json], stop: str | None) -> Json:
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": text_of(asked, "model", "claude"),
        "content": blocks,
        "stop_reason": stop,
        "stop_sequence": None,
        "usage": {"input_tokens": 9, "output_tokens": 12 if stop else 1},
    }


def _stop_reason(say: Say) -> str:
    return "tool_use" if say.calls else "end_turn"


def _blocks(say: Say) -> list[Json]:
    thinking = {"type": "thinking", "thinking": say.thinking, "signature": SIGNATURE}
    text = {"type": "text", "text": say.text}
    return [*([thinking] if say.thinking else []), *([text] if say.text else []), *map(_tool_use, say.calls)]


def _tool_use(call: Call) -> Json:
    return {"type": "tool_use", "id": call.id, "name": call.name, "input": call.parsed()}


def _block_events(index: int, block: Json, say: Say) -> Iterator[Json]:
    start, deltas = _parts(block, say.step)
    yield {"type": "content_block_start", "index": index, "content_block": start}
    for delta in deltas:
        yield {"type": "content_block_delta", "index": index, "delta": delta}
    yield {"type": "content_block_stop", "index": index}


def _parts(block: Json, step: int) -> tuple[Json, list[Json]]:
    """What a block starts as, and the deltas that fill it."""
    if block["type"] == "tool_use":
        arguments = pieces(dumps(block["input"]).decode(), step)
        return {**block, "input": {}}, [{"type": "input_json_delta", "partial_json": piece} for piece in arguments]
    if block["type"] == "thinking":
        thinking = pieces(str(block["thinking"]), step)
        deltas: list[Json] = [{"type": "thinking_delta", "thinking": piece} for piece in thinking]
        deltas.append({"type": "signature_delta", "signature": SIGNATURE})
        return {"type": "thinking", "thinking": "", "signature": ""}, deltas
    text = pieces(str(block["text"]), step)
    return {"type": "text", "text": ""}, [{"type": "text_delta", "text": piece} for piece in text]
