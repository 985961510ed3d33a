"""Ollama's chat and generate, as in docs/api.md of its repository (November 2026); streams are JSON lines."""

from __future__ import annotations

from collections.abc import Iterator

from tests.fakes.pieces import Json, dumps, pieces, text_of
from tests.fakes.script import Call, Say

COUNTS: Json = {
    "total_duration": 5000000,
    "load_duration": 1000000,
    "prompt_eval_count": 9,
    "prompt_eval_duration": 1000000,
    "eval_count": 12,
    "eval_duration": 3000000,
}


def whole(say: Say, asked: Json) -> Json:
    """The answer of `/api/chat` with `"stream": false`."""
    return {**_head(asked), "message": _message(say.text, say.calls), "done_reason": "stop", "done": True, **COUNTS}


def events(say: Say, asked: Json) -> Iterator[bytes]:
    """The lines of a streamed `/api/chat`; a tool call comes whole in one line."""
    head = _head(asked)
    for piece in pieces(say.text, say.step):
        yield _line({**head, "message": _message(piece), "done": False})
    if say.calls:
        yield _line({**head, "message": _message("", say.calls), "done": False})
    yield _line({**head, "message": _message(""), "done_reason": "stop", "done": True, **COUNTS})


def whole_text(say: Say, asked: Json) -> Json:
    """The answer of `/api/generate` with `"stream": false`."""
    return {**_head(asked), "response": say.text, "done_reason": "stop", "done": True, **COUNTS}


def text_events(say: Say, asked: Json) -> Iterator[bytes]:
    """The lines of a streamed `/api/generate`."""
    head = _head(asked)
    for piece in pieces(say.text, say.step):
        yield _line({**head, "response": piece, "done": False})
    yield _line({**head, "response": "", "done_reason": "stop", "done": True, **COUNTS})


def error(status: int, message: str) -> Json:
    """Ollama's error body: the message alone."""
    return {"error": message}


def _head(asked: Json) -> dict[str, object]:
    return {"model": text_of(asked, "model", "llama"), "created_at": "2026-11-01T00:00:00Z"}


def _message(text: str, calls: tuple[Call, ...] = ()) -> Json:
    message: dict[str, object] = {"role": "assistant", "content": text}
    if calls:
        message["tool_calls"] = [{"function": {"name": call.name, "arguments": call.parsed()}} for call in calls]
    return message


def _line(value: Json) -> bytes:
    return dumps(value) + b"\n"
