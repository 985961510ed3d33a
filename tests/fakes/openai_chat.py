"""OpenAI Chat Completions and embeddings, as documented in the API reference (types of openai 3.54, November 2026)."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, zip_longest

from tests.fakes.pieces import Json, dumps, number, pieces, sse, text_of
from tests.fakes.script import Call, Say

USAGE = {"prompt_tokens": 9, "completion_tokens": 12, "total_tokens": 21}


def whole(say: Say, asked: Json) -> Json:
    """A `chat.completion`."""
    choices = [_choice(index, one, asked) for index, one in enumerate(say.choices(number(asked, "n", 1)))]
    return {**_head(asked, "chat.completion"), "choices": choices, "usage": USAGE}


def events(say: Say, asked: Json) -> Iterator[bytes]:
    """`chat.completion.chunk` events, choices interleaved as the API does, and `[DONE]`."""
    head = _head(asked, "chat.completion.chunk")
    streams = [_deltas(index, one) for index, one in enumerate(say.choices(number(asked, "n", 1)))]
    for choice in chain.from_iterable(zip_longest(*streams)):
        if choice is not None:
            yield sse({**head, "choices": [choice]})
    options = asked.get("stream_options")
    if isinstance(options, dict) and options.get("include_usage"):
        yield sse({**head, "choices": [], "usage": USAGE})
    yield sse(b"[DONE]")


def error(status: int, message: str) -> Json:
    """The error body of every OpenAI endpoint ("Error codes" in the API guides)."""
    return {"error": {"message": message, "type": "scripted_error", "param": None, "code": f"scripted_{status}"}}


def embeddings(asked: Json) -> Json:
    """A list with one small vector for each input."""
    given = asked["input"]
    inputs = given if isinstance(given, list) else [given]
    data = [{"object": "embedding", "index": index, "embedding": [0.25, -0.5]} for index in range(len(inputs))]
    usage = {"prompt_tokens": len(inputs), "total_tokens": len(inputs)}
    return {"object": "list", "data": data, "model": text_of(asked, "model", "text-embedding"), "usage": usage}


def _head(asked: Json, kind: str) -> dict[str, object]:
    return {"id": "chatcmpl-1", "object": kind, "created": 1700000000, "model": text_of(asked, "model", "gpt")}


def _finish(say: Say) -> str:
    return "tool_calls" if say.calls else "stop"


def _choice(index: int, say: Say, asked: Json) -> Json:
    message: dict[str, object] = {"role": "assistant", "content": say.text or None, "refusal": None}
    if say.calls:
        message["tool_calls"] = [_call(call) for call in say.calls]
    logprobs = {"content": [_logprob(say.text)], "refusal": None} if asked.get("logprobs") else None
    return {"index": index, "message": message, "logprobs": logprobs, "finish_reason": _finish(say)}


def _logprob(token: str) -> Json:
    return {"token": token, "logprob": -0.1, "bytes": list(token.encode()), "top_logprobs": []}


def _call(call: Call) -> Json:
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}


def _deltas(index: int, say: Say) -> Iterator[Json]:
    def chunk(delta: Json, finish: str | None = None) -> Json:
        return {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish}

    yield chunk({"role": "assistant", "content": "", "refusal": None})
    for piece in pieces(say.text, say.step):
        yield chunk({"content": piece})
    for place, call in enumerate(say.calls):
        function = {"name": call.name, "arguments": ""}
        yield chunk({"tool_calls": [{"index": place, "id": call.id, "type": "function", "function": function}]})
        for piece in pieces(call.arguments, say.step):
            yield chunk({"tool_calls": [{"index": place, "function": {"arguments": piece}}]})
    yield chunk({}, _finish(say))


def batch_line(say: Say, custom_id: str, asked: Json) -> bytes:
    """One line of a batch's output file ("Batch API" in the API guides)."""
    response = {"status_code": 200, "request_id": "req_1", "body": whole(say, asked)}
    return dumps({"id": "batch_req_1", "custom_id": custom_id, "response": response, "error": None}) + b"\n"
