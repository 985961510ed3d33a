"""Amazon Bedrock's runtime, as its API reference and the model of the service in botocore 1.44 have it (2026-11)."""

from __future__ import annotations

from collections.abc import Iterator

from tests.fakes import anthropic_messages
from tests.fakes.amazon import chunk, event
from tests.fakes.pieces import Json, dumps, pieces
from tests.fakes.script import Call, Say

SIGNATURE = "c2lnbmVkLXJlYXNvbmluZw=="
STREAM_TYPE = "application/vnd.amazon.eventstream"
USAGE = {"inputTokens": 9, "outputTokens": 12, "totalTokens": 21}
METRICS = {"inputTokenCount": 9, "outputTokenCount": 12, "invocationLatency": 700, "firstByteLatency": 300}

ERRORS = {
    400: "ValidationException",
    401: "UnrecognizedClientException",
    403: "AccessDeniedException",
    404: "ResourceNotFoundException",
    429: "ThrottlingException",
    503: "ServiceUnavailableException",
}


def whole(say: Say, _asked: Json) -> Json:
    """The answer of Converse."""
    return {
        "metrics": {"latencyMs": 700},
        "output": {"message": {"content": _blocks(say), "role": "assistant"}},
        "stopReason": _stop_reason(say),
        "usage": USAGE,
    }


def events(say: Say, _asked: Json) -> Iterator[bytes]:
    """The events of ConverseStream. Only the block of a call has a start of its own; `p` is padding."""
    yield event("messageStart", {"role": "assistant", "p": "abcd"})
    for index, block in enumerate(_blocks(say)):
        yield from _block_events(index, block, say)
    yield event("messageStop", {"stopReason": _stop_reason(say), "p": "abc"})
    yield event("metadata", {"metrics": {"latencyMs": 700}, "usage": USAGE, "p": "abcdefgh"})


def chunks(say: Say, asked: Json) -> Iterator[bytes]:
    """The events of a model of Anthropic's in chunks: the last one tells how long it took, and no ping comes."""
    for one in anthropic_messages.payloads(say, asked):
        metrics = {"amazon-bedrock-invocationMetrics": METRICS} if one["type"] == "message_stop" else {}
        if one["type"] != "ping":
            yield chunk({**one, **metrics})


def error(status: int, message: str) -> Json:
    """The body of an error; which one it is stands in a field of the answer."""
    del status
    return {"message": message}


def _stop_reason(say: Say) -> str:
    return "tool_use" if say.calls else "end_turn"


def _blocks(say: Say) -> list[dict[str, Json]]:
    thought: list[dict[str, Json]] = [
        {"reasoningContent": {"reasoningText": {"text": say.thinking, "signature": SIGNATURE}}}
    ]
    text: list[dict[str, Json]] = [{"text": say.text}]  # type: ignore[dict-item]
    return [*(thought if say.thinking else []), *(text if say.text else []), *map(_tool_use, say.calls)]


def _tool_use(call: Call) -> dict[str, Json]:
    return {"toolUse": {"toolUseId": call.id, "name": call.name, "input": call.parsed()}}


def _block_events(index: int, block: dict[str, Json], say: Say) -> Iterator[bytes]:
    place = {"contentBlockIndex": index}
    if call := block.get("toolUse"):
        start = {"toolUse": {"toolUseId": call["toolUseId"], "name": call["name"]}}
        yield event("contentBlockStart", {**place, "start": start, "p": "ab"})
        deltas: list[Json] = [
            {"toolUse": {"input": piece}} for piece in pieces(dumps(call["input"]).decode(), say.step)
        ]
    elif "reasoningContent" in block:
        deltas = [{"reasoningContent": {"text": piece}} for piece in pieces(say.thinking, say.step)]
        deltas.append({"reasoningContent": {"signature": SIGNATURE}})
    else:
        deltas = [{"text": piece} for piece in pieces(say.text, say.step)]
    for delta in deltas:
        yield event("contentBlockDelta", {**place, "delta": delta, "p": "abcdefghi"})
    yield event("contentBlockStop", {**place, "p": "a"})
