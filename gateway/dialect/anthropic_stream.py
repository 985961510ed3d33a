"""Answer streams of Anthropic's Messages API: the texts of each event, and an ending that SDKs accept.

Source: "Streaming messages" in Anthropic's API guides and `lib/streaming` of anthropic-sdk-python 2.12 (2026-11).
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Any, Final, override

import orjson
from msgspec.structs import replace

from gateway.dialect import grammar as g
from gateway.dialect import usage
from gateway.dialect.anthropic_calls import StreamedCalls
from gateway.dialect.anthropic_grammar import CITATION, THOUGHT, block, message
from gateway.dialect.base import EventReading, Payload, StreamReader
from gateway.dialect.grammar import Rule
from gateway.dialect.plain import ANSWERED, PlainStream, Voice
from gateway.dialect.usage import Usage
from gateway.errors import Malformed
from gateway.policy.call import Called, Change
from gateway.segment import Path
from gateway.verdict import Refusal
from gateway.wire.document import Document

_unknown: Final = g.opaque(ANSWERED)


def _piece(voice: Voice) -> Rule:
    return g.growing(g.text(voice))


_DELTA: Final = g.by(
    "type",
    {
        "text_delta": g.members({"type": g.skip, "text": _piece(g.ASSISTANT)}, _unknown),
        "input_json_delta": g.members({"type": g.skip, "partial_json": _piece(g.CALL)}, _unknown),
        "thinking_delta": g.members({"thinking": _piece(THOUGHT), **g.skipped("type estimated_tokens")}, _unknown),
        "signature_delta": g.members(g.skipped("type") | g.ignored("signature"), _unknown),
        "citations_delta": g.members({"type": g.skip, "citation": CITATION}, _unknown),
    },
    # Deltas of a new type may be pieces of a text; whose, is not known.
    g.members({"type": _unknown}, g.growing(_unknown)),
)

_STOPPED: Final = g.members(g.skipped("stop_reason") | g.ignored("container"), _unknown)

_EVENT: Final[Rule] = g.by(
    "type",
    {
        "message_start": g.members({"type": g.skip, "message": message(_piece)}, _unknown),
        "content_block_start": g.members(
            {"content_block": block(g.ASSISTANT, _piece), **g.skipped("type index")}, _unknown
        ),
        "content_block_delta": g.members({"delta": _DELTA, **g.skipped("type index")}, _unknown),
        "content_block_stop": g.members(g.skipped("type index"), _unknown),
        "message_delta": g.members({"delta": _STOPPED, **g.skipped("type"), **g.ignored("usage")}, _unknown),
        "message_stop": g.members(g.skipped("type"), _unknown),
        "ping": g.members(g.skipped("type"), _unknown),
    },
    _unknown,
)

_LAST: Final = ("message_stop", "error")
"""Types of events after which nothing follows."""


class MessageStream(StreamReader):
    """Blocks come one by one or interleaved, each under its index; each kind of delta in a block is a channel, and so
    is the name of a call, which stays until the block is complete."""

    keepalive = b'event: ping\ndata: {"type": "ping"}\n\n'

    def __init__(self) -> None:
        self._calls = StreamedCalls()
        self._channels: dict[int, dict[Hashable, None]] = {}  # of the blocks that were started and not stopped
        self._begun: set[int] = set()
        self._head: dict[str, Any] = {}  # members of the message that the upstream started
        self._started = False  # from here on: what the client has seen
        self._ended = False
        self._open: dict[int, None] = {}
        self._output = 0
        self._counts: dict[str, Any] = {}  # as the events have them

    @override
    def read(self, event: str | None, document: Document | None, data: bytes) -> EventReading:
        """Raises Malformed where SDKs would put an event's text at different places, or into none."""
        if document is None:
            return PlainStream().read(event, document, data)
        kind = document.get("type")
        if event is not None and kind != event:
            raise Malformed("an event's name and its type differ")
        self._check_order(kind, document)
        reading = g.read_event(_EVENT, document, _channel)
        for delta in reading.deltas:
            if not delta.whole:
                self._channels[_block_of(document, delta.place.path)][delta.channel] = None
        closes = self._channels.pop(document.get("index"), {}) if kind == "content_block_stop" else {}
        calling, called = self._calls.read(kind, document)
        return replace(
            reading,
            closes=tuple(closes),
            closes_all=kind in _LAST,
            usage=self._count(document),
            calling=calling,
            called=called,
        )

    def _check_order(self, kind: Any, document: Document) -> None:
        if kind == "message_start":
            started = document.get("message")
            self._head = started if isinstance(started, dict) else {}
            content = self._head.get("content")
            self._begin(range(len(content) if isinstance(content, list) else 0))
        elif kind == "content_block_start":
            self._begin((_index(document),))
        elif kind in ("content_block_delta", "content_block_stop") and _index(document) not in self._channels:
            raise Malformed("an event belongs to a block that is not open")

    def _begin(self, indices: range | tuple[int, ...]) -> None:
        """A second block under an index is refused: some clients append it, and some continue the first."""
        for index in indices:
            if index in self._begun:
                raise Malformed("a block of the stream starts twice")
            self._begun.add(index)
            self._channels[index] = {}

    def _count(self, document: Document) -> Usage:
        """What all events up to this one have told: later ones may leave out what the first one said of the cache."""
        told = _told(document)
        self._counts |= told
        return usage.ANTHROPIC.read(self._counts) if told else {}

    @override
    def changed(
        self, event: str | None, document: Document | None, data: bytes, changes: Mapping[Hashable, Change]
    ) -> Sequence[Payload]:
        return ((event, data),) if document is None else self._calls.changed(event, document, data, changes)

    @override
    def unfinished(self) -> tuple[Called, ...]:
        return self._calls.unfinished()

    @override
    def sent(self, event: str | None, document: Document | None, data: bytes) -> None:
        if document is None:
            return
        kind = document.get("type")
        if kind == "message_start":
            self._started = True
        elif kind == "content_block_start":
            self._open[_index(document)] = None
        elif kind == "content_block_stop":
            self._open.pop(_index(document), None)
        elif kind in _LAST:
            self._ended = True
        self._output = usage.ANTHROPIC.read(_told(document)).get("output", self._output)

    @override
    def ending(self, refusal: Refusal) -> bytes:
        return b"".join(_written(event) for event in self.last_events(refusal))

    def last_events(self, refusal: Refusal) -> Iterator[dict[str, Any]]:
        """What is open is stopped, and the message ends with `stop_reason: refusal`, which says why in `stop_details`.

        A client that has seen no message yet gets the start of an empty one first; one that has seen the end, nothing.
        """
        if self._ended:
            return
        if not self._started:
            yield {"type": "message_start", "message": self._empty(refusal)}
        yield from ({"type": "content_block_stop", "index": index} for index in self._open)
        details = {"type": "refusal", "category": None, "explanation": refusal.message}
        stopped = {"stop_reason": "refusal", "stop_sequence": None, "stop_details": details}
        yield {"type": "message_delta", "delta": stopped, "usage": {"output_tokens": self._output}}
        yield {"type": "message_stop"}

    def _empty(self, refusal: Refusal) -> dict[str, Any]:
        return {
            "id": self._head.get("id") or f"msg_{refusal.request_id}",
            "type": "message",
            "role": "assistant",
            "model": self._head.get("model") or "",
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": {"input_tokens": 0, "output_tokens": 0},
        }


def _written(event: dict[str, Any]) -> bytes:
    return f"event: {event['type']}\ndata: ".encode() + orjson.dumps(event) + b"\n\n"


def _index(document: Document) -> int:
    index = document.get("index")
    if not isinstance(index, int) or isinstance(index, bool):
        raise Malformed("an event of a block has no index")
    return index


def _block_of(document: Document, path: Path) -> int:
    """The block that the text at `path` belongs to; a message may start with blocks in it."""
    step = path[2] if path[0] == "message" else document.get("index")
    assert isinstance(step, int)
    return step


def _channel(document: Document, path: Path) -> tuple[Any, ...]:
    return (_block_of(document, path), *path[3 if path[0] == "message" else 1 :])


def _told(document: Document) -> dict[str, Any]:
    """The counts in an event. A null says nothing."""
    told = document.get("message", "usage") or document.get("usage")
    return {name: count for name, count in told.items() if count is not None} if isinstance(told, dict) else {}
