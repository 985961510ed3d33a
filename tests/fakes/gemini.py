"""Gemini generateContent, streamGenerateContent and embeddings, as in the API reference (google-genai 3.4, 11/2026)."""

from __future__ import annotations

from collections.abc import Iterator

from tests.fakes.pieces import Json, dumps, number, pieces, sse
from tests.fakes.script import Call, Say

SIGNATURE = "dGhvdWdodC1zaWduYXR1cmU="
"""The signature of every thought and call: opaque base64, to be carried back unchanged."""


def whole(say: Say, asked: Json) -> Json:
    """A GenerateContentResponse."""
    config = asked.get("generationConfig")
    wanted = number(config, "candidateCount", 1) if isinstance(config, dict) else 1
    candidates = [_candidate(index, _parts(one), "STOP") for index, one in enumerate(say.choices(wanted))]
    return _response(candidates)


def events(say: Say, asked: Json) -> Iterator[bytes]:
    """The answers of `streamGenerateContent?alt=sse`."""
    return (sse(answer) for answer in _answers(say))


def array(say: Say, asked: Json) -> Iterator[bytes]:
    """The answers of `streamGenerateContent` without `alt=sse`: one JSON array, an item a chunk."""
    opening = b"["
    for answer in _answers(say):
        yield opening + dumps(answer)
        opening = b",\r\n"
    yield b"]"


def error(status: int, message: str) -> Json:
    """A google.rpc.Status, with the names of google/rpc/code.proto."""
    names = {
        400: "INVALID_ARGUMENT",
        401: "UNAUTHENTICATED",
        403: "PERMISSION_DENIED",
        404: "NOT_FOUND",
        429: "RESOURCE_EXHAUSTED",
        503: "UNAVAILABLE",
    }
    return {"error": {"code": status, "message": message, "status": names.get(status, "INTERNAL")}}


def embeddings(asked: Json) -> Json:
    """A BatchEmbedContentsResponse with one small vector for each request."""
    requests = asked.get("requests", [])
    assert isinstance(requests, list)
    return {"embeddings": [{"values": [0.25, -0.5]} for _ in requests]}


def _answers(say: Say) -> Iterator[Json]:
    for part in _parts(say):
        text = part.get("text")
        if isinstance(text, str) and "thoughtSignature" not in part:
            for piece in pieces(text, say.step):
                yield _response([_candidate(0, [{"text": piece}], None)])
        else:
            yield _response([_candidate(0, [part], None)])
    yield _response([_candidate(0, [{"text": ""}], "STOP")])


def _response(candidates: list[Json]) -> Json:
    usage = {"promptTokenCount": 9, "candidatesTokenCount": 12, "totalTokenCount": 21}
    return {"candidates": candidates, "usageMetadata": usage, "modelVersion": "gemini", "responseId": "r1"}


def _candidate(index: int, parts: list[Json], finish: str | None) -> Json:
    candidate: dict[str, object] = {"content": {"parts": parts, "role": "model"}, "index": index}
    if finish:
        candidate["finishReason"] = finish
    return candidate


def _parts(say: Say) -> list[Json]:
    thought = {"text": say.thinking, "thought": True, "thoughtSignature": SIGNATURE}
    text = {"text": say.text}
    return [*([thought] if say.thinking else []), *([text] if say.text else []), *map(_call, say.calls)]


def _call(call: Call) -> Json:
    return {"functionCall": {"name": call.name, "args": call.parsed()}, "thoughtSignature": SIGNATURE}
