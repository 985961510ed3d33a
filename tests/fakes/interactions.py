"""Google's Interactions, as in the types of google-genai 3.6 and the API guides ("Streaming interactions", 11/2026)."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

from tests.fakes.pieces import Json, dumps, pieces, sse
from tests.fakes.script import Call, Say

SIGNATURE = "dGhvdWdodC1zaWduYXR1cmU="
USAGE: Json = {"total_input_tokens": 9, "total_output_tokens": 10, "total_thought_tokens": 2, "total_tokens": 21}


def whole(say: Say, asked: Json, identity: str = "int_1") -> Json:
    """An interaction that is over, or that waits for what its calls return."""
    return {**_interaction(asked, identity, _status(say)), "steps": [*_steps(say)], "usage": USAGE}


def events(say: Say, asked: Json, identity: str = "int_1") -> Iterator[bytes]:
    """The events of one interaction, each with an id to resume from, and the end."""
    for number, event in zip(count(1), _events(say, asked, identity), strict=False):
        yield sse({**event, "event_id": f"ev_{number}"}, str(event["event_type"]))
    yield sse(b"[DONE]", "done")


def error(status: int, message: str) -> Json:
    """The API's own error, whose code is a word."""
    names = {400: "invalid_request", 401: "unauthenticated", 404: "not_found", 429: "rate_limit_exceeded"}
    return {"error": {"code": names.get(status, "internal_error"), "message": message}}


def waits_for(asked: Json, calls: tuple[Call, ...]) -> list[str]:
    """The ids of the calls of an earlier interaction for which a request that goes on from it brings no result."""
    given = asked.get("input")
    steps = given if isinstance(given, list) else []
    brought = {step.get("call_id") for step in steps if step.get("type") == "function_result"}
    return [call.id for call in calls if call.id not in brought]


def _status(say: Say) -> str:
    return "requires_action" if say.calls else "completed"


def _interaction(asked: Json, identity: str, status: str) -> Json:
    kept = {key: asked[key] for key in ("previous_interaction_id", "model", "agent") if key in asked}
    return {"id": identity, "object": "interaction", "created": "2026-11-25T12:00:00Z", "status": status, **kept}


def _steps(say: Say) -> Iterator[Json]:
    if say.thinking:
        yield {"type": "thought", "signature": SIGNATURE, "summary": [{"type": "text", "text": say.thinking}]}
    if say.text:
        yield {"type": "model_output", "content": [{"type": "text", "text": say.text}]}
    yield from map(_call, say.calls)


def _call(call: Call) -> Json:
    return {"type": "function_call", "id": call.id, "name": call.name, "arguments": call.parsed()}


def _events(say: Say, asked: Json, identity: str) -> Iterator[Json]:
    yield {"event_type": "interaction.created", "interaction": _interaction(asked, identity, "in_progress")}
    yield {"event_type": "interaction.status_update", "interaction_id": identity, "status": "in_progress"}
    for index, step in enumerate(_steps(say)):
        start, deltas = _told(step, say.step)
        yield {"event_type": "step.start", "index": index, "step": start}
        for delta in deltas:
            yield {"event_type": "step.delta", "index": index, "delta": delta}
        yield {"event_type": "step.stop", "index": index}
    if say.calls:
        yield {"event_type": "interaction.status_update", "interaction_id": identity, "status": _status(say)}
    last = {**_interaction(asked, identity, _status(say)), "usage": USAGE}
    yield {"event_type": "interaction.completed", "interaction": last}


def _told(step: Json, size: int) -> tuple[Json, list[Json]]:
    """How a step begins, and the pieces that follow."""
    kind = step["type"]
    if kind == "function_call":
        arguments = dumps(step["arguments"]).decode()
        deltas: list[Json] = [{"type": "arguments_delta", "arguments": piece} for piece in pieces(arguments, size)]
        return {**step, "arguments": {}}, deltas
    contents = step["summary" if kind == "thought" else "content"]
    assert isinstance(contents, list)
    texts = [{"type": "text", "text": piece} for piece in pieces(contents[0]["text"], size)]
    if kind == "thought":
        summaries: list[Json] = [{"type": "thought_summary", "content": text} for text in texts]
        return {"type": kind}, [*summaries, {"type": "thought_signature", "signature": SIGNATURE}]
    return {"type": kind}, list(texts)
