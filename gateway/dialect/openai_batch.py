"""Batch files of the OpenAI API: JSON Lines of which each holds a request, or the answer to one.

Each line is read by the grammar of the API that its `url` names, with paths that begin at `body`. Files for fine-tuning
are uploaded the same way; their lines are conversations without an envelope, and stay free of marks and rules: a model
would learn them.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any, Final, override

from msgspec.structs import replace

from gateway.dialect import grammar as g
from gateway.dialect import openai_chat as chat
from gateway.dialect.base import Dialect, Reading, StreamReader
from gateway.dialect.grammar import Rule, Sink
from gateway.dialect.openai import (
    CHAT,
    COMPLETIONS,
    IMAGES,
    INPUTS,
    RESPONSES,
    REST,
    OpenAI,
    after_edit,
    answer,
    calls,
    changed,
)
from gateway.dialect.plain import ANSWERED, ASKED, PLAIN
from gateway.dialect.refusals import Shape, body
from gateway.policy.call import Called, Change
from gateway.policy.transcript import Hosted, Transcript
from gateway.segment import Path
from gateway.verdict import Refusal
from gateway.wire.document import Document, Patch
from gateway.wire.frames import Framing

_BODY: Final[Path] = ("body",)
_ANSWER: Final[Path] = ("response", "body")

# The values of `endpoint` in the reference of POST /batches, by how they end: Azure writes them without /v1.
_APIS: Final[tuple[tuple[str, OpenAI], ...]] = (
    ("/chat/completions", CHAT),
    ("/completions", COMPLETIONS),
    ("/responses", RESPONSES),
    ("/embeddings", INPUTS),
    ("/moderations", INPUTS),
    ("/images/generations", IMAGES),
    ("/images/edits", IMAGES),
)


def _api(line: Any) -> OpenAI:
    if isinstance(line, dict) and "body" not in line and "messages" in line:  # a conversation to be trained on
        return CHAT
    url = line.get("url") if isinstance(line, dict) else None
    return next((api for end, api in _APIS if isinstance(url, str) and url.endswith(end)), REST)


def _root(line: Document) -> Path:
    """Where in a line that goes up the request stands; without an envelope it is the line."""
    return _BODY if line.get(*_BODY) is not None else ()


def _asked(sink: Sink, line: Any, path: Path) -> None:
    """A line of a file that goes up."""
    _sent_line(line, g.opaque(ASKED))(sink, line, path)


def _sent_line(line: Any, unknown: Rule) -> Rule:
    if isinstance(line, dict) and "body" in line:
        return g.members({"body": _api(line).asked, "method": g.skip, "url": g.skip}, unknown)
    if isinstance(line, dict) and "messages" in line:
        return chat.REQUEST
    return unknown


_unknown: Final = g.opaque(ANSWERED)
_RESULT: Final[Rule] = g.members(
    {"id": g.skip, "response": g.members({"body": answer, **g.skipped("status_code request_id")}, _unknown)}, _unknown
)


def _answered(sink: Sink, line: Any, path: Path) -> None:
    """A line of a file that comes down: a result, or one of a file that went up before."""
    rule = _RESULT if isinstance(line, dict) and "response" in line else _sent_line(line, _unknown)
    rule(sink, line, path)


class Batch(Dialect):
    """One line of a batch file or of its results."""

    name = "openai_batch"

    @override
    def request(self, document: Document, *, apart: bool = False) -> Reading:
        reading = g.read(_asked, document)
        if isinstance(document.value, dict) and "body" in document.value:
            return reading
        return replace(reading, segments=tuple(replace(found, wrappable=False) for found in reading.segments))

    @override
    def answer(self, document: Document) -> Reading:
        return g.read(_answered, document)

    @override
    def transcript(self, document: Document) -> Transcript:
        return _api(document.value).told(document, self.request(document), _root(document))

    @override
    def hosted(self, document: Document) -> tuple[Hosted, ...]:
        return _api(document.value).hosted(document, _root(document))

    @override
    def calls(self, document: Document) -> tuple[Called, ...]:
        return calls(document, _ANSWER)

    @override
    def changed(self, document: Document, changes: Mapping[Hashable, Change]) -> bytes:
        return changed(document, changes, _ANSWER)

    @override
    def stream(self, framing: Framing) -> StreamReader:
        return PLAIN.stream(framing)

    @override
    def instruct(self, document: Document, rules: str) -> tuple[Patch, ...]:
        return _api(document.value).instruct(document, rules, _BODY)

    @override
    def after_edit(self, document: Document, path: Path) -> tuple[Patch, ...]:
        return after_edit(document, path)

    @override
    def refusal(self, refusal: Refusal) -> bytes:
        return body(Shape.OPENAI, refusal)


BATCH: Final = Batch()
