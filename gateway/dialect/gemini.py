"""The dialect of Google's Gemini API (and of Vertex AI, which carries the same bodies): where instructions go, and
what an edit of an answer breaks.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from typing import Any, Final, override

import orjson

from gateway.dialect import gemini_hosted, gemini_transcript, grammar, refusals
from gateway.dialect.base import Dialect, Reading, StreamReader
from gateway.dialect.gemini_calls import WholeAnswer
from gateway.dialect.gemini_grammar import ANSWER, candidate_path, request
from gateway.dialect.gemini_stream import GenerateStream
from gateway.dialect.proto_json import member, spelt
from gateway.errors import Malformed
from gateway.policy.call import Called, Change
from gateway.policy.transcript import Hosted, Transcript
from gateway.segment import Path
from gateway.verdict import Refusal
from gateway.wire.document import Document, Patch, apply
from gateway.wire.frames import Framing


class Generate(Dialect):
    """`generateContent`, and the methods around it: tokens, embeddings, batches, cached contents."""

    name = "gemini"

    @override
    def request(self, document: Document, *, apart: bool = False) -> Reading:
        """The model's name and whether a stream is asked for stand in the path, not in the body."""
        return grammar.read(request, document, apart=apart)

    @override
    def answer(self, document: Document) -> Reading:
        """An answer, or the array of answers that a stream without `alt=sse` is when it is read whole."""
        reading = grammar.read(ANSWER, document)
        model = document.get("modelVersion")
        return Reading(reading.segments, reading.uninspected, model if isinstance(model, str) else None)

    @override
    def stream(self, framing: Framing) -> StreamReader:
        return GenerateStream(framing)

    @override
    def transcript(self, document: Document) -> Transcript:
        return gemini_transcript.of_request(document)

    @override
    def hosted(self, document: Document) -> tuple[Hosted, ...]:
        return gemini_hosted.of_request(document)

    @override
    def calls(self, document: Document) -> tuple[Called, ...]:
        return WholeAnswer(document).called

    @override
    def changed(self, document: Document, changes: Mapping[Hashable, Change]) -> bytes:
        return apply(document.raw, WholeAnswer(document).patches(changes))

    @override
    def instruct(self, document: Document, rules: str) -> tuple[Patch, ...]:
        """In `systemInstruction`; where a cached prefix forbids that (it holds one), beside the data of the last turn.

        Source: "Context caching" in the API guide (2026-11): a request with `cachedContent` and `systemInstruction` is
        refused with 400.
        """
        part = {"text": rules}
        return tuple(patch for root in _prompts(document) for patch in instructed(document, root, part))

    @override
    def after_edit(self, document: Document, path: Path) -> tuple[Patch, ...]:
        """Token probabilities spell the text again, so they go. What else repeats it is read and edited by itself."""
        if "candidates" not in path:
            return ()
        root = candidate_path(path)
        candidate = document.get(*root)
        key = spelt(candidate, "logprobsResult") if isinstance(candidate, dict) else None
        return () if key is None else (document.replace((*root, key), None),)

    @override
    def refusal(self, refusal: Refusal) -> bytes:
        return refusals.body(refusals.Shape.GEMINI, refusal)


def _prompts(document: Document) -> Iterator[Path]:
    """Where the bodies stand that a model is to answer: the document, or the requests of a batch."""
    root: Path = ()
    for name in ("batch", "inputConfig", "requests", "requests"):
        value = document.get(*root)
        key = spelt(value, name) if isinstance(value, dict) else None
        if key is None:
            break
        root = (*root, key)
    requests = document.get(*root)
    if not isinstance(requests, list):
        yield from () if root else ((),)
        return
    yield from ((*root, index, "request") for index in range(len(requests)))


def instructed(document: Document, root: Path, part: dict[str, str]) -> Iterator[Patch]:
    """The patches that add a part to the instruction of the request at `root`."""
    body = document.get(*root)
    if not isinstance(body, dict):
        raise Malformed("a request is not an object")
    if member(body, "cachedContent"):
        yield from _beside_data(document, root, part)
        return
    key = spelt(body, "systemInstruction")
    if key is None:
        yield document.append_member(root, "systemInstruction", {"parts": [part]})
    elif body[key] is None:
        yield document.replace((*root, key), {"parts": [part]})
    elif isinstance(body[key], dict):
        yield from _add_part(document, (*root, key), part, first=False)
    else:
        raise Malformed("`systemInstruction` is not a content")


def _beside_data(document: Document, root: Path, part: dict[str, str]) -> Iterator[Patch]:
    """Before the first part of the last user turn."""
    contents = document.get(*root, "contents")
    turns: list[tuple[Path, Any]] = [((*root, "contents"), contents)]
    if isinstance(contents, list):
        turns = [((*root, "contents", index), turn) for index, turn in enumerate(contents)]
    for path, turn in reversed(turns):
        if isinstance(turn, dict) and turn.get("role") in (None, "user"):
            yield from _add_part(document, path, part, first=True)
            return
    raise Malformed("a request has no turn of the user")


def _add_part(document: Document, path: Path, part: dict[str, str], *, first: bool) -> Iterator[Patch]:
    """Add a part to a content, whose `parts` may be a single one without its list."""
    parts = document.get(*path, "parts")
    at = (*path, "parts")
    if isinstance(parts, list):
        yield document.insert_item(at, 0 if first else len(parts), part)
    elif isinstance(parts, dict):
        start, end = document.span(at)
        data = orjson.dumps(part)
        yield Patch(start, start, b"[" + data + b"," if first else b"[")
        yield Patch(end, end, b"]" if first else b"," + data + b"]")
    elif "parts" in document.get(*path):
        yield document.replace(at, [part])
    else:
        yield document.append_member(path, "parts", [part])


GENERATE: Final = Generate()
