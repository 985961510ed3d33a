"""Answer streams of Bedrock's Converse API: the texts of each event, and an ending that SDKs accept.

Source: "ConverseStreamOutput" in the API reference of Bedrock Runtime, and the model of the service in botocore 1.44
(2026-11). The type of an event stands in its header, and the index of the block that it belongs to in its payload. Only
some blocks have a start of their own; a text begins with its first piece.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any, Final, override

import orjson
from msgspec.structs import replace

from gateway.dialect import grammar as g
from gateway.dialect import usage
from gateway.dialect.anthropic_grammar import QUOTED, RAN, THOUGHT
from gateway.dialect.base import EventReading, Payload, StreamReader
from gateway.dialect.bedrock_calls import StreamedCalls
from gateway.dialect.bedrock_grammar import PADDED, media, settings
from gateway.dialect.bedrock_stream import KEEPALIVE, is_exception, read_other
from gateway.dialect.grammar import Rule
from gateway.dialect.plain import ANSWERED, Voice
from gateway.errors import Malformed
from gateway.policy.call import Called, Change
from gateway.segment import Path
from gateway.verdict import Refusal
from gateway.wire.document import Document
from gateway.wire.frame import amazon_event

_unknown: Final = g.opaque(ANSWERED)


def _piece(voice: Voice) -> Rule:
    return g.growing(g.text(voice))


_STARTED: Final = g.members(
    {
        "toolUse": g.members({"name": _piece(g.CALL_NAME), **g.skipped("toolUseId type")}, _unknown),
        "toolResult": g.members(g.skipped("toolUseId type status"), _unknown),
        "image": g.members(g.skipped("format"), _unknown),
    },
    _unknown,
)

_RESULT: Final = g.members({"text": _piece(RAN), "json": g.opaque(RAN)}, _unknown)

_THOUGHT: Final = g.members(
    {"text": _piece(THOUGHT), "redactedContent": g.uninspected("encrypted"), **g.ignored("signature")}, _unknown
)

_DELTA: Final = g.members(
    {
        "text": _piece(g.ASSISTANT),
        "toolUse": g.members({"input": _piece(g.CALL)}, _unknown),
        "toolResult": g.each(_RESULT, _unknown),
        "reasoningContent": _THOUGHT,
        "citation": g.opaque(QUOTED),
        "image": media("image"),
    },
    # Deltas of a new type may be pieces of a text; whose, is not known.
    g.growing(_unknown),
)

_OF_BLOCK: Final = {**g.skipped("contentBlockIndex"), **PADDED}

_EVENTS: Final[Mapping[str, Rule]] = {
    "messageStart": g.members(g.skipped("role") | PADDED, _unknown),
    "contentBlockStart": g.members({"start": _STARTED, **_OF_BLOCK}, _unknown),
    "contentBlockDelta": g.members({"delta": _DELTA, **_OF_BLOCK}, _unknown),
    "contentBlockStop": g.members(_OF_BLOCK, _unknown),
    "messageStop": g.members(g.skipped("stopReason") | PADDED, _unknown),
    "metadata": g.members({**settings(_unknown), **g.ignored("usage metrics"), **PADDED}, _unknown),
}

_START: Final = "contentBlockStart"
_STOP: Final = "contentBlockStop"
_BLOCKS: Final = (_START, "contentBlockDelta", _STOP)
_LAST: Final = "messageStop"
"""After which no text goes on; counts and traces follow."""

_CUT: Final = "content_filtered"
"""Not `guardrail_intervened`: agents take that for word of a guardrail at Amazon, and some edit their history then."""


class ConverseStream(StreamReader):
    """Blocks come one by one or interleaved, each under its index; each kind of delta in a block is a channel, and so
    is the name of a call, which stays until the block is complete."""

    keepalive = KEEPALIVE

    def __init__(self) -> None:
        self._calls = StreamedCalls()
        self._channels: dict[int, dict[Hashable, None]] = {}  # of the blocks that were begun and not stopped
        self._begun: set[int] = set()

        # What the client has seen:
        self._started = False
        self._open: dict[int, None] = {}
        self._stopped = False  # the message; what follows is no part of it
        self._ended = False

    @override
    def read(self, event: str | None, document: Document | None, data: bytes) -> EventReading:
        """Raises Malformed where SDKs would put an event's text at different places, or into none."""
        rule = _EVENTS.get(event or "")
        if rule is None or event is None or document is None:
            return read_other(event, document, data)
        channels = self._of_block(event, document) if event in _BLOCKS else {}
        reading = g.read_event(rule, document, _channel)
        channels.update((delta.channel, None) for delta in reading.deltas if not delta.whole)
        if event == _STOP:
            del self._channels[_index(document)]
        calling, called = self._calls.read(event, document)
        return replace(
            reading,
            closes=tuple(channels) if event == _STOP else (),
            closes_all=event == _LAST,
            usage=usage.CONVERSE.read(document.get("usage")) if event == "metadata" else {},
            calling=calling,
            called=called,
        )

    def _of_block(self, event: str, document: Document) -> dict[Hashable, None]:
        """The channels of an event's block. One that begins twice, or goes on after its end, is refused: some clients
        append it, and some begin anew."""
        index = _index(document)
        is_open = index in self._channels
        if index in self._begun and (not is_open or event == _START):
            raise Malformed("a block of the stream begins twice, or goes on after its end")
        if not is_open:
            self._begun.add(index)
            self._channels[index] = {}
        return self._channels[index]

    @override
    def changed(
        self, event: str | None, document: Document | None, data: bytes, changes: Mapping[Hashable, Change]
    ) -> Sequence[Payload]:
        if event is None or document is None:
            return ((event, data),)
        return self._calls.changed(event, document, data, changes)

    @override
    def unfinished(self) -> tuple[Called, ...]:
        return self._calls.unfinished()

    @override
    def sent(self, event: str | None, document: Document | None, data: bytes) -> None:
        if event == "messageStart":
            self._started = True
        elif event == _STOP and document is not None:
            self._open.pop(_index(document), None)
        elif event in _BLOCKS and document is not None:
            self._open[_index(document)] = None
        elif event == _LAST:
            self._stopped = True
        self._ended = self._ended or is_exception(event)

    @override
    def ending(self, refusal: Refusal) -> bytes:
        """What is open is stopped, and the message ends as one that was filtered, which says why in the one member that
        has place for it. A client that has seen no message yet gets the start of an empty one first.

        Behind the end of a message nothing is missed: an event without a meaning ends the stream in good order.
        """
        if self._ended:
            return b""
        if self._stopped:
            return KEEPALIVE
        out = [] if self._started else [_event("messageStart", {"role": "assistant"})]
        out += [_event(_STOP, {"contentBlockIndex": index}) for index in self._open]
        told = {"message": refusal.message, "reason": refusal.code, "rules": refusal.rules}
        stopped = {"stopReason": _CUT, "additionalModelResponseFields": {"refusal": told}}
        return b"".join((*out, _event(_LAST, stopped)))


def _event(name: str, value: dict[str, Any]) -> bytes:
    return amazon_event(name, orjson.dumps(value))


def _index(document: Document) -> int:
    index = document.get("contentBlockIndex")
    if not isinstance(index, int) or isinstance(index, bool) or index < 0:
        raise Malformed("an event of a block has no index")
    return index


def _channel(document: Document, path: Path) -> tuple[Any, ...]:
    """Items of a list in a delta are pieces of one text."""
    return (document.get("contentBlockIndex"), *(step for step in path if isinstance(step, str)))
