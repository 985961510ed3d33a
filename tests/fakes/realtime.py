"""The OpenAI Realtime API, as documented in `openai.types.realtime` and `openai.types.beta.realtime` (openai 3.54)."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from itertools import count

from tests.fakes.pieces import Json, pieces
from tests.fakes.script import Call, Say

SOUND = base64.b64encode(b"\x00\x7f" * 24).decode()
"""Forty-eight bytes of audio."""


def session(instructions: str | None = None, kind: str = "realtime") -> Json:
    """The first event of a session."""
    given = {} if instructions is None else {"instructions": instructions}
    return {
        "type": "session.created",
        "event_id": "event_s",
        "session": {"type": kind, "object": "realtime.session", "id": "sess_1", "model": "gpt-realtime", **given},
    }


def response(say: Say, number: int = 1, *, beta: bool = False, spoken: bool = False) -> Iterator[Json]:
    """The events of one response: a message, in text or `spoken`, and calls."""
    identity = f"resp_{number}"
    ids = (f"event_{number}_{place}" for place in count())
    started = {"object": "realtime.response", "id": identity, "status": "in_progress", "output": []}
    yield {"type": "response.created", "event_id": next(ids), "response": started}
    items: list[Json] = []
    if say.text:
        items.append(_message(say.text, number, beta=beta, spoken=spoken))
        for event in _message_events(say, number, beta=beta, spoken=spoken):
            yield {"event_id": next(ids), "response_id": identity, "output_index": 0, **event}
    for call in say.calls:
        items.append(_call(call, call.arguments, "completed"))
        for event in _call_events(call, say.step):
            yield {"event_id": next(ids), "response_id": identity, "output_index": len(items) - 1, **event}
    done = {**started, "status": "completed", "output": items, "usage": {"input_tokens": 9, "output_tokens": 12}}
    yield {"type": "response.done", "event_id": next(ids), "response": done}


def heard(text: str, step: int, item: str = "item_u") -> Iterator[Json]:
    """What a user said, as it is transcribed."""
    stem = "conversation.item.input_audio_transcription"
    place = {"item_id": item, "content_index": 0}
    for number, piece in enumerate(pieces(text, step)):
        yield {"type": f"{stem}.delta", "event_id": f"event_{item}_{number}", **place, "delta": piece}
    usage = {"type": "tokens", "input_tokens": 3, "output_tokens": 4, "total_tokens": 7}
    yield {"type": f"{stem}.completed", "event_id": f"event_{item}", **place, "transcript": text, "usage": usage}


def added(item: Json) -> Json:
    """The server's word for an item that the client added."""
    return {"type": "conversation.item.added", "event_id": "event_a", "previous_item_id": None, "item": item}


def _part(text: str, *, spoken: bool) -> Json:
    return {"type": "audio", "transcript": text} if spoken else {"type": "text", "text": text}


def _message(text: str, number: int, *, beta: bool, spoken: bool) -> Json:
    member = {"transcript": text} if spoken else {"text": text}
    kind = ("" if beta else "output_") + ("audio" if spoken else "text")
    content = [{"type": kind, **member}] if text else []
    status = "completed" if text else "in_progress"
    return {
        "id": f"item_{number}",
        "object": "realtime.item",
        "type": "message",
        "status": status,
        "role": "assistant",
        "content": content,
    }


def _message_events(say: Say, number: int, *, beta: bool, spoken: bool) -> Iterator[Json]:
    stem = _STEMS[beta, spoken]
    place = {"item_id": f"item_{number}", "content_index": 0}
    member = "transcript" if spoken else "text"
    yield {"type": "response.output_item.added", "item": _message("", number, beta=beta, spoken=spoken)}
    yield {"type": "response.content_part.added", **place, "part": _part("", spoken=spoken)}
    for piece in pieces(say.text, say.step):
        yield {"type": f"{stem}.delta", **place, "delta": piece}
        if spoken:
            yield {"type": "response.audio.delta" if beta else "response.output_audio.delta", **place, "delta": SOUND}
    yield {"type": f"{stem}.done", **place, member: say.text}
    yield {"type": "response.content_part.done", **place, "part": _part(say.text, spoken=spoken)}
    yield {"type": "response.output_item.done", "item": _message(say.text, number, beta=beta, spoken=spoken)}


_STEMS = {
    (False, False): "response.output_text",
    (True, False): "response.text",
    (False, True): "response.output_audio_transcript",
    (True, True): "response.audio_transcript",
}


def _call(call: Call, arguments: str, status: str) -> Json:
    return {
        "id": f"item_{call.id}",
        "object": "realtime.item",
        "type": "function_call",
        "status": status,
        "call_id": call.id,
        "name": call.name,
        "arguments": arguments,
    }


def _call_events(call: Call, step: int) -> Iterator[Json]:
    place = {"item_id": f"item_{call.id}", "call_id": call.id}
    yield {"type": "response.output_item.added", "item": _call(call, "", "in_progress")}
    for piece in pieces(call.arguments, step):
        yield {"type": "response.function_call_arguments.delta", **place, "delta": piece}
    yield {
        "type": "response.function_call_arguments.done",
        **place,
        "name": call.name,
        "arguments": call.arguments,
    }
    yield {"type": "response.output_item.done", "item": _call(call, call.arguments, "completed")}
