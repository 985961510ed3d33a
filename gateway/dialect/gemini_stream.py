"""Answer streams of Google's Gemini API: the texts of each event, and an ending that SDKs accept.

Each event is an answer of its own, whose parts go on where those of the event before ended. Source: the REST reference
of `streamGenerateContent` (v1beta, 2026-11). google-genai 3.4 fails on SSE comments, so an ending holds none.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import replace
from typing import Any, Final, override

import orjson

from gateway.dialect import grammar as g
from gateway.dialect.base import Delta, EventReading, StreamReader
from gateway.dialect.gemini_grammar import answer, candidate_path, member
from gateway.dialect.grammar import Rule
from gateway.dialect.plain import PlainStream, Voice
from gateway.segment import Path
from gateway.verdict import Refusal
from gateway.wire.document import Document
from gateway.wire.frames import Framing


def _piece(voice: Voice) -> Rule:
    return g.growing(g.text(voice))


_EVENT: Final = answer(_piece)
_NAMES: Final = ("usageMetadata", "modelVersion", "responseId")


class GenerateStream(StreamReader):
    """Channels are a candidate's text, its thoughts, and each streamed value of a call's arguments."""

    def __init__(self, framing: Framing) -> None:
        self._framing = framing
        self._channels: dict[int, dict[Hashable, None]] = {}  # of each candidate
        self._head: dict[str, Any] = {}  # the last event that came, for the names in the ending
        self._sent = 0  # from here on: what the client has seen
        self._finished: set[int] = set()

    @override
    def read(self, event: str | None, document: Document | None, data: bytes) -> EventReading:
        if document is None:
            return PlainStream().read(event, document, data)
        reading = g.read_event(_EVENT, document, _channel)
        if isinstance(document.value, dict):
            self._head = document.value
        closes: list[Hashable] = []
        for delta in reading.deltas:
            if not delta.whole:
                self._channels.setdefault(_candidate_at(document, delta.place.path), {})[delta.channel] = None
                closes += _completed(document, delta)
        for index, is_last in _candidates(document):
            channels = self._channels.setdefault(index, {})
            closes += channels if is_last else ()
        return replace(reading, closes=tuple(dict.fromkeys(closes)), usage=_usage(document))

    @override
    def sent(self, event: str | None, document: Document | None, data: bytes) -> None:
        self._sent += 1
        if document is not None:
            self._finished.update(index for index, is_last in _candidates(document) if is_last)

    @override
    def ending(self, refusal: Refusal) -> bytes:
        """One more event that ends each candidate which is not, with `finishReason: PROHIBITED_CONTENT`.

        In an array it is the last item, after the comma or the opening bracket that belong to an item's own frame. The
        closing bracket is not out yet: behind it nothing is left to cut.
        """
        still = [index for index in sorted(self._channels) or [0] if index not in self._finished]
        last = orjson.dumps(self._last(still, refusal)) if still else b""
        if self._framing is not Framing.ARRAY:
            return b"data: " + last + b"\r\n\r\n" if last else b""
        if not last:
            return b"]"
        return (b",\r\n" if self._sent else b"[") + last + b"]"

    def _last(self, still: list[int], refusal: Refusal) -> dict[str, Any]:
        ended = {"content": {"role": "model", "parts": []}, "finishReason": "PROHIBITED_CONTENT"}
        last: dict[str, Any] = {
            "candidates": [{**ended, "finishMessage": refusal.message, "index": index} for index in still]
        }
        return last | {key: value for key, value in self._head.items() if key in _NAMES}


def _candidates(document: Document) -> Iterator[tuple[int, bool]]:
    """Index of each candidate in an event, and whether this event is its last."""
    found = document.get("candidates")
    for candidate in found if isinstance(found, list) else [found]:
        if isinstance(candidate, dict):
            yield _index(candidate), bool(member(candidate, "finishReason"))


def _index(candidate: dict[str, Any]) -> int:
    """proto3 JSON leaves out a zero."""
    index = candidate.get("index")
    return index if isinstance(index, int) else 0


def _candidate_at(document: Document, path: Path) -> int:
    """The candidate that the text at `path` belongs to, which may stand in an array of answers."""
    return _index(document.get(*candidate_path(path)))


def _channel(document: Document, path: Path) -> tuple[Any, ...]:
    index = _candidate_at(document, path)
    part = document.get(*path[:-1])
    if path[-1] == "text":
        return (index, "thought" if part.get("thought") is True else "text")
    return (index, "args", str(member(part, "jsonPath")))


def _completed(document: Document, delta: Delta) -> list[Hashable]:
    """The channel of a streamed argument that is complete with this piece."""
    part = document.get(*delta.place.path[:-1])
    goes_on = member(part, "willContinue") is True
    return [] if delta.place.path[-1] == "text" or goes_on else [delta.channel]


def _usage(document: Document) -> dict[str, int]:
    usage = document.get("usageMetadata")
    counts = {"input": "promptTokenCount", "output": "candidatesTokenCount"}
    found = {name: usage.get(key) for name, key in counts.items()} if isinstance(usage, dict) else {}
    return {name: value for name, value in found.items() if isinstance(value, int)}
