"""Answer streams of the Interactions API: steps that begin, go on in pieces and stop, each known by its index.

    interaction.created ──▶ (step.start ──▶ step.delta … ──▶ step.stop) … ──▶ interaction.completed ──▶ [DONE]

Events are told apart by what they hold rather than by their type, so that those of earlier revisions
(`content.start`, `interaction.complete`) are read alike. Source: `InteractionSSEEvent` in the types of google-genai 3.6
and "Streaming interactions" in the Gemini API guides (2026-11).
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Any, Final, override

from gateway.dialect import grammar as g
from gateway.dialect import interactions_stream_calls as made
from gateway.dialect import usage
from gateway.dialect.base import Denials, EventReading, Payload, StreamReader
from gateway.dialect.interactions_grammar import EVENT
from gateway.dialect.openai_calls import text_of
from gateway.dialect.openai_chat_stream import framed
from gateway.dialect.proto_json import member
from gateway.errors import Malformed
from gateway.policy.call import Called, Change
from gateway.segment import Path
from gateway.verdict import Refusal
from gateway.wire.document import Document
from gateway.wire.frames import Framing

_DONE: Final = b"[DONE]"
_LAST: Final = frozenset({"interaction.completed", "interaction.complete"})
"""Types after which no step follows; the second is that of earlier revisions."""

_NAMES: Final = ("id", "object", "model", "agent", "created", "updated", "role")
"""What an ending repeats of the interaction."""


class InteractionStream(StreamReader):
    """Channels are the index of a step with the place of a text below it; a step's text and its pieces are one."""

    def __init__(self, framing: Framing) -> None:
        self._framing = framing
        self._open: dict[int, dict[Hashable, None]] = {}  # growing texts, of each step
        self._stopped: set[int] = set()
        self._calls = made.StreamedCalls()
        self._begun: dict[int, made.Told] = {}  # steps that the client has seen begin, and not stop
        self._told = made.STEPS  # how the revision in use tells a step, as of the last event that left
        self._interaction: dict[str, Any] = {}  # as the client knows it
        self._is_over = False  # for the client, but for the end of the stream itself
        self._is_done = False
        # A blank line behind the comment could dispatch an event that an `id:` line began.
        self.keepalive = b": keep-alive\n" if framing is Framing.SSE else b""

    @override
    def read(self, event: str | None, document: Document | None, data: bytes) -> EventReading:
        if document is None:
            if data.strip() != _DONE:
                raise Malformed("an event of the stream is neither JSON nor `[DONE]`")
            ended = self._calls.passed()
            return EventReading(closes_all=True, calling=ended.calling, called=ended.called)
        if not isinstance(document.value, dict):
            raise Malformed("an event of the stream is not an object")
        kind = kind_of(event, document)
        index = self._step(document, kind)
        reading = g.read_event(EVENT, document, self._channel)
        for delta in reading.deltas:
            if not delta.whole and index is not None:
                self._open.setdefault(index, {})[delta.channel] = None
        is_last = kind in _LAST
        found = self._calls.read(document, index, stops=_stops(kind), ends_all=is_last)
        closes: tuple[Hashable, ...] = ()
        if index is not None and _stops(kind):
            self._stopped.add(index)
            closes = tuple(self._open.pop(index, ()))
        return EventReading(
            reading.deltas, closes, is_last, reading.uninspected, _usage(document), found.calling, found.called
        )

    def _step(self, document: Document, kind: str) -> int | None:
        """The index of the step that an event speaks of; None where it speaks of none."""
        index = document.get("index")
        is_piece = document.get("delta") is not None
        begins = made.told(document) is not None
        if index is None and not (is_piece or begins or _stops(kind)):
            return None
        if not isinstance(index, int) or isinstance(index, bool):
            raise Malformed("a step of the stream has no number for its `index`")
        if index in self._stopped:
            raise Malformed("a step of the stream goes on after it stopped")
        if begins and index in self._open:
            raise Malformed("a step of the stream begins twice")
        self._open.setdefault(index, {})
        return index

    @staticmethod
    def _channel(document: Document, path: Path) -> tuple[Any, ...]:
        above, *below = path
        if above not in ("step", "content", "delta"):
            return ("event", str(document.get("event_type")), *path)
        index = document.get("index")
        holder = document.get(above)
        kind = holder.get("type") if isinstance(holder, dict) else None
        if kind == "thought_summary" or "summary" in below:
            return (index, "summary")
        if below and below[-1] == "text" and below[0] != "result":
            return (index, "text")
        return (index, *below)

    @override
    def unfinished(self) -> tuple[Called, ...]:
        return self._calls.rest()

    @override
    def denials(self, changes: Mapping[Hashable, Change]) -> tuple[Denials, ...]:
        return self._calls.denials(changes)

    @override
    def changed(
        self, event: str | None, document: Document | None, data: bytes, changes: Mapping[Hashable, Change]
    ) -> Sequence[Payload]:
        if document is None:
            return ((event, data),)
        return self._calls.changed(event, document, changes)

    @override
    def sent(self, event: str | None, document: Document | None, data: bytes) -> None:
        self._calls.left()
        if document is None:
            self._is_over = self._is_done = True
            return
        kind, index = kind_of(event, document), document.get("index")
        told = made.told(document)
        if told is not None:
            self._told = self._begun[index] = told
        elif _stops(kind):
            self._begun.pop(index, None)
        interaction = document.get("interaction")
        if isinstance(interaction, dict):
            self._interaction = interaction
            self._told = made.CONTENTS if kind in ("interaction.start", "interaction.complete") else self._told
        self._is_over = self._is_over or kind in _LAST

    @override
    def ending(self, refusal: Refusal) -> bytes:
        """Stops the steps that have begun, then an error that says why, an `incomplete` interaction, and the end."""
        end = b"event: done\ndata: [DONE]\n\n" if self._framing is Framing.SSE and not self._is_done else b""
        if self._is_over:
            return end
        return b"".join(framed(self._framing, event, event["event_type"]) for event in self._last(refusal)) + end

    def _last(self, refusal: Refusal) -> Iterator[dict[str, Any]]:
        for index, told in self._begun.items():
            yield {"event_type": told.stop, "index": index}
        yield {"event_type": "error", "error": {"code": refusal.code, "message": refusal.message}}
        known: dict[str, Any] = {key: self._interaction[key] for key in _NAMES if key in self._interaction}
        ended = {"id": f"lockgate_{refusal.request_id}", **known, "status": "incomplete"}
        yield {"event_type": self._told.last, "interaction": ended}


def kind_of(event: str | None, document: Document) -> str:
    """The type of an event: its own word, or else the name that it comes under."""
    return text_of(member(document.value, "eventType")) or event or ""


def _stops(kind: str) -> bool:
    return kind.endswith(".stop")


def _usage(document: Document) -> usage.Usage:
    for place in (("interaction", "usage"), ("usage",), ("metadata", "total_usage")):
        found = usage.INTERACTIONS.read(document.get(*place))
        if found:
            return found
    return {}
