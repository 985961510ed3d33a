"""Answer streams of Google's Gemini API: the texts of each event, and an ending that SDKs accept.

Each event is an answer of its own, whose parts go on where those of the event before ended. Source: the REST reference
of `streamGenerateContent` (v1beta, 2026-11). google-genai 3.4 fails on SSE comments, so an ending holds none.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any, Final, override

import orjson
from msgspec.structs import replace

from gateway.dialect import grammar as g
from gateway.dialect import usage
from gateway.dialect.base import Delta, EventReading, Payload, StreamReader
from gateway.dialect.gemini_calls import StreamedCalls, candidates, index_of, is_last, parts_of
from gateway.dialect.gemini_grammar import answer, candidate_path, goes_on
from gateway.dialect.grammar import Rule
from gateway.dialect.plain import PlainStream, Voice
from gateway.dialect.proto_json import member
from gateway.policy.call import Called, Change
from gateway.segment import Path
from gateway.verdict import Refusal
from gateway.wire.document import Document, apply
from gateway.wire.frames import Framing


def _piece(voice: Voice) -> Rule:
    return g.growing(g.text(voice))


_EVENT: Final = answer(_piece)
_PIECE: Final = ("stringValue", "string_value")
_OF_CALLS: Final = ("name", "args")
_NAMES: Final = ("usageMetadata", "modelVersion", "responseId")


class GenerateStream(StreamReader):
    """Channels are a candidate's text, its thoughts, and the name and each streamed value of a call that goes on."""

    def __init__(self, framing: Framing) -> None:
        self._framing = framing
        self._channels: dict[int, dict[tuple[Any, ...], None]] = {}  # of each candidate
        self._complete: dict[int, int] = {}  # calls, of each candidate
        self._calls = StreamedCalls()
        self._head: dict[str, Any] = {}  # the last event that came, for the names in the ending
        self._sent = 0  # from here on: what the client has seen
        self._finished: set[int] = set()

    @override
    def read(self, event: str | None, document: Document | None, data: bytes) -> EventReading:
        calls = self._calls.read(document)
        if document is None:
            return PlainStream().read(event, document, data)
        reading = g.read_event(_EVENT, document, self._channel)
        if isinstance(document.value, dict):
            self._head = document.value
        closes: list[Hashable] = []
        for delta in reading.deltas:
            if not delta.whole:
                assert isinstance(delta.channel, tuple)
                self._channels.setdefault(delta.channel[0], {})[delta.channel] = None
                closes += _completed(document, delta)
        for _, index, candidate in candidates(document):
            self._complete[index] = self._complete.get(index, 0) + sum(map(_completes, _parts_in(candidate)))
            closes += self._ended(index, ends_all=is_last(candidate))
        return replace(
            reading,
            closes=tuple(dict.fromkeys(closes)),
            usage=usage.GEMINI.read(document.get("usageMetadata")),
            calling=calls.calling,
            called=calls.called,
        )

    def _channel(self, document: Document, path: Path) -> tuple[Any, ...]:
        above = candidate_path(path)
        index = index_of(document.get(*above))
        owner = document.get(*path[:-1])
        if "functionCall" in path or "function_call" in path:
            call = self._complete.get(index, 0) + sum(map(_completes, _parts_before(document, above, path)))
            if path[-1] == "name":
                return (index, "name", call)
            is_piece = path[-1] in _PIECE and isinstance(owner, dict)
            return (index, "args", call, str(member(owner, "jsonPath")) if is_piece else path)
        if path[-1] == "text" and isinstance(owner, dict):
            return (index, "thought" if owner.get("thought") is True else "text")
        return (index, *path[len(above) :])

    def _ended(self, index: int, *, ends_all: bool) -> list[Hashable]:
        """The channels of a candidate that end with it, or with the last of its calls that is complete."""
        channels = self._channels.setdefault(index, {})
        if ends_all:
            return list(channels)
        ended = [channel for channel in channels if channel[1] in _OF_CALLS and channel[2] < self._complete[index]]
        for channel in ended:
            del channels[channel]
        return list(ended)

    @override
    def changed(
        self, event: str | None, document: Document | None, data: bytes, changes: Mapping[Hashable, Change]
    ) -> Sequence[Payload]:
        """One event for each, as an item of an array has just one place."""
        if document is None:
            return ((event, data),)
        return ((event, apply(data, self._calls.patches(document, changes))),)

    @override
    def unfinished(self) -> tuple[Called, ...]:
        return self._calls.unfinished()

    @override
    def sent(self, event: str | None, document: Document | None, data: bytes) -> None:
        self._sent += 1
        self._calls.left()
        if document is not None:
            self._finished.update(index for _, index, candidate in candidates(document) if is_last(candidate))

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


def _parts_in(candidate: dict[str, Any]) -> list[Any]:
    return [part for _, part in parts_of(candidate, ())]


def _parts_before(document: Document, candidate: Path, path: Path) -> list[Any]:
    """The parts of an event that stand before the one which holds what is at `path`."""
    position = path[len(candidate) + 2]
    return _parts_in(document.get(*candidate))[:position] if isinstance(position, int) else []


def _completes(part: Any) -> bool:
    """Whether a call is complete with this part."""
    call = member(part, "functionCall") if isinstance(part, dict) else None
    return isinstance(call, dict) and not goes_on(call)


def _completed(document: Document, delta: Delta) -> list[Hashable]:
    """The channel of a streamed argument that is complete with this piece."""
    piece = document.get(*delta.place.path[:-1])
    is_piece = delta.place.path[-1] in _PIECE and isinstance(piece, dict)
    return [delta.channel] if is_piece and member(piece, "willContinue") is not True else []
