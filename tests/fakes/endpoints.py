"""Which API answers at which path: the table from method and path to an answer, and what the files API stores."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from email import message_from_bytes

from tests.fakes import anthropic_messages, bedrock, gemini, interactions, ollama, openai_chat, openai_responses
from tests.fakes.pieces import Json, dumps
from tests.fakes.script import Fail, Say, Seen

JSON_TYPE = "application/json"
SSE_TYPE = "text/event-stream; charset=utf-8"
LINES_TYPE = "application/x-ndjson"


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer: `chunks` are written one by one; a stream is chunked, anything else has a length."""

    chunks: Iterable[bytes]
    content_type: str = JSON_TYPE
    status: int = 200
    streamed: bool = False
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(slots=True)
class Stored:
    """What the upstream keeps between requests: files by id, and the batches made of them."""

    files: dict[str, bytes] = field(default_factory=dict)
    batches: dict[str, Json] = field(default_factory=dict)

    def keep(self, content: bytes) -> str:
        file_id = f"file-{len(self.files) + 1}"
        self.files[file_id] = content
        return file_id


@dataclass(frozen=True, slots=True)
class Asked:
    """One request, as an endpoint sees it. `name` is what the path's pattern captured."""

    seen: Seen
    say: Say
    stored: Stored
    name: str

    @property
    def body(self) -> Json:
        return self.seen.json()


type Endpoint = Callable[[Asked], Reply]


def reply(seen: Seen, say: Say, stored: Stored) -> Reply:
    """The answer to `seen`, in the form of the API that owns the path; 404 where none does."""
    for method, pattern, endpoint in _TABLE:
        match = re.fullmatch(pattern, seen.path)
        if match and method == seen.method:
            return endpoint(Asked(seen, say, stored, match[1] if match.re.groups else ""))
    return failure(seen, Fail(404, f"no such path: {seen.path}"))


def failure(seen: Seen, fail: Fail) -> Reply:
    """`fail` in the error shape of the API that owns the path."""
    shape = next((error for pattern, error in _ERRORS if re.match(pattern, seen.path)), openai_chat.error)
    headers = fail.headers
    if shape is bedrock.error:
        headers = (*headers, ("x-amzn-ErrorType", bedrock.ERRORS.get(fail.status, "InternalServerException")))
    return Reply([dumps(shape(fail.status, fail.message))], status=fail.status, headers=headers)


def _document(value: Json) -> Reply:
    return Reply([dumps(value)])


def _chat(asked: Asked) -> Reply:
    if asked.body.get("stream"):
        return Reply(openai_chat.events(asked.say, asked.body), SSE_TYPE, streamed=True)
    return _document(openai_chat.whole(asked.say, asked.body))


def _responses(asked: Asked) -> Reply:
    if asked.body.get("stream"):
        return Reply(openai_responses.events(asked.say, asked.body), SSE_TYPE, streamed=True)
    return _document(openai_responses.whole(asked.say, asked.body))


def _messages(asked: Asked) -> Reply:
    if asked.body.get("stream"):
        return Reply(anthropic_messages.events(asked.say, asked.body), SSE_TYPE, streamed=True)
    return _document(anthropic_messages.whole(asked.say, asked.body))


def _generate_stream(asked: Asked) -> Reply:
    if "alt=sse" in asked.seen.target:
        return Reply(gemini.events(asked.say, asked.body), SSE_TYPE, streamed=True)
    return Reply(gemini.array(asked.say, asked.body), JSON_TYPE, streamed=True)


def _interactions(asked: Asked) -> Reply:
    if asked.body.get("stream"):
        return Reply(interactions.events(asked.say, asked.body), SSE_TYPE, streamed=True)
    return _document(interactions.whole(asked.say, asked.body))


def _interaction(asked: Asked) -> Reply:
    if "stream=true" in asked.seen.target:
        return Reply(interactions.events(asked.say, {}, asked.name), SSE_TYPE, streamed=True)
    return _document(interactions.whole(asked.say, {}, asked.name))


def _ollama_chat(asked: Asked) -> Reply:
    if asked.body.get("stream", True):
        return Reply(ollama.events(asked.say, asked.body), LINES_TYPE, streamed=True)
    return _document(ollama.whole(asked.say, asked.body))


def _ollama_generate(asked: Asked) -> Reply:
    if asked.body.get("stream", True):
        return Reply(ollama.text_events(asked.say, asked.body), LINES_TYPE, streamed=True)
    return _document(ollama.whole_text(asked.say, asked.body))


def _converse_stream(asked: Asked) -> Reply:
    return Reply(bedrock.events(asked.say, asked.body), bedrock.STREAM_TYPE, streamed=True)


def _chunks(asked: Asked) -> Reply:
    return Reply(bedrock.chunks(asked.say, asked.body), bedrock.STREAM_TYPE, streamed=True)


def _model(name: str) -> Json:
    return {"id": name, "object": "model", "created": 1700000000, "owned_by": "fake"}


def _file(file_id: str, content: bytes, purpose: str) -> Json:
    return {
        "id": file_id,
        "object": "file",
        "bytes": len(content),
        "created_at": 1700000000,
        "filename": "upload.jsonl",
        "purpose": purpose,
        "status": "processed",
    }


def _upload(asked: Asked) -> Reply:
    """Keep the file part of a multipart/form-data body (RFC 7578)."""
    content_type = asked.seen.header("content-type") or ""
    form = message_from_bytes(b"Content-Type: " + content_type.encode() + b"\r\n\r\n" + asked.seen.body)
    parts = {part.get_param("name", header="content-disposition"): part for part in form.walk()}
    content = parts["file"].get_payload(decode=True)
    assert isinstance(content, bytes)
    return _document(_file(asked.stored.keep(content), content, str(parts["purpose"].get_payload())))


def _file_content(asked: Asked) -> Reply:
    return Reply([asked.stored.files[asked.name]], "application/octet-stream")


def _file_deleted(asked: Asked) -> Reply:
    del asked.stored.files[asked.name]
    return _document({"id": asked.name, "object": "file", "deleted": True})


def _batch_made(asked: Asked) -> Reply:
    """Answer every line of the input file at once, into an output file."""
    lines = [json.loads(line) for line in asked.stored.files[str(asked.body["input_file_id"])].splitlines()]
    output = b"".join(openai_chat.batch_line(asked.say, line["custom_id"], line["body"]) for line in lines)
    batch_id = f"batch_{len(asked.stored.batches) + 1}"
    asked.stored.batches[batch_id] = {
        "id": batch_id,
        "object": "batch",
        "endpoint": asked.body["endpoint"],
        "input_file_id": asked.body["input_file_id"],
        "output_file_id": asked.stored.keep(output),
        "completion_window": asked.body["completion_window"],
        "created_at": 1700000000,
        "status": "completed",
    }
    return _document(asked.stored.batches[batch_id])


def _message_batch_made(asked: Asked) -> Reply:
    requests = asked.body["requests"]
    assert isinstance(requests, list)
    results = b"".join(anthropic_messages.batch_line(asked.say, one["custom_id"], one["params"]) for one in requests)
    return _document(anthropic_messages.batch(asked.stored.keep(results), "in_progress"))


def _message_batch(asked: Asked) -> Reply:
    """The batch, ended, with the address of its results on the host that was asked."""
    results = f"http://{asked.seen.header('host')}/v1/messages/batches/{asked.name}/results"
    return _document({**anthropic_messages.batch(asked.name, "ended"), "results_url": results})


_TABLE: tuple[tuple[str, str, Endpoint], ...] = (
    ("POST", "/v1/chat/completions", _chat),
    ("POST", "/v1/responses", _responses),
    ("GET", "/v1/responses/([^/]+)", lambda asked: _document(openai_responses.whole(asked.say, {}))),
    ("POST", "/v1/embeddings", lambda asked: _document(openai_chat.embeddings(asked.body))),
    ("GET", "/v1/models", lambda _: _document({"object": "list", "data": [_model("gpt")]})),
    ("GET", "/v1/models/([^/]+)", lambda asked: _document(_model(asked.name))),
    ("POST", "/v1/files", _upload),
    ("GET", "/v1/files/([^/]+)/content", _file_content),
    ("DELETE", "/v1/files/([^/]+)", _file_deleted),
    ("POST", "/v1/batches", _batch_made),
    ("GET", "/v1/batches/([^/]+)", lambda asked: _document(asked.stored.batches[asked.name])),
    ("POST", "/v1/messages", _messages),
    ("POST", "/v1/messages/count_tokens", lambda _: _document({"input_tokens": 9})),
    ("POST", "/v1/messages/batches", _message_batch_made),
    ("GET", "/v1/messages/batches/([^/]+)", _message_batch),
    ("GET", "/v1/messages/batches/([^/]+)/results", lambda a: Reply([a.stored.files[a.name]], LINES_TYPE)),
    ("POST", "/v1[a-z0-9]*/models/[^/]+:generateContent", lambda a: _document(gemini.whole(a.say, a.body))),
    ("POST", "/v1[a-z0-9]*/models/[^/]+:streamGenerateContent", _generate_stream),
    ("POST", "/v1[a-z0-9]*/models/[^/]+:batchEmbedContents", lambda a: _document(gemini.embeddings(a.body))),
    ("POST", "/v1[a-z0-9]*/interactions", _interactions),
    ("GET", "/v1[a-z0-9]*/interactions/([^/]+)", _interaction),
    ("POST", "/v1[a-z0-9]*/interactions/([^/]+)/cancel", _interaction),
    ("DELETE", "/v1[a-z0-9]*/interactions/([^/]+)", lambda _: _document({})),
    ("POST", "/v1/.*/publishers/mistralai/models/[^/]+:(?:rawPredict|streamRawPredict)", _chat),
    ("POST", "/api/chat", _ollama_chat),
    ("POST", "/api/generate", _ollama_generate),
    ("POST", "/model/[^/]+/converse", lambda a: _document(bedrock.whole(a.say, a.body))),
    ("POST", "/model/[^/]+/converse-stream", _converse_stream),
    ("POST", "/model/[^/]+/invoke", lambda a: _document(anthropic_messages.whole(a.say, a.body))),
    ("POST", "/model/[^/]+/invoke-with-response-stream", _chunks),
)
"""Method, pattern of the whole path, endpoint."""

_ERRORS: tuple[tuple[str, Callable[[int, str], Json]], ...] = (
    ("/v1/messages", anthropic_messages.error),
    ("/v1[a-z0-9]*/models/[^/]+:", gemini.error),
    ("/v1[a-z0-9]*/interactions", interactions.error),
    ("/api/", ollama.error),
    ("/model/", bedrock.error),
)
"""Start of the path, and the shape of its errors; OpenAI's for the rest."""
