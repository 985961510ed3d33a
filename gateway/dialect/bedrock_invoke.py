"""Anthropic's models through Bedrock's `invoke`: the bodies of the Messages API, and its events in chunks of a binary
stream.

Source: "Anthropic Claude Messages API" in the user guide of Bedrock, "ResponseStream" in the API reference of Bedrock
Runtime, and `lib/bedrock` of anthropic-sdk-python 2.12 (2026-11).
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Final, override

import orjson

from gateway.dialect.anthropic import Messages
from gateway.dialect.anthropic_stream import MessageStream
from gateway.dialect.base import EventReading, Payload, StreamReader
from gateway.dialect.bedrock_refusals import Refusals
from gateway.dialect.bedrock_stream import KEEPALIVE, is_exception, read_other
from gateway.dialect.plain import PlainStream
from gateway.policy.call import Called, Change
from gateway.verdict import Refusal
from gateway.wire.amazon_chunk import CHUNK
from gateway.wire.document import Document
from gateway.wire.frame import amazon_event
from gateway.wire.frames import Framing

_VERSION: Final = "anthropic_version"
"""The member that Bedrock demands in a body for a model of Anthropic's, and no other publisher's model takes. Its value
tells nothing: it is "bedrock-2023-05-31" in the user guide, and a date from Anthropic's own SDK."""


def is_for_anthropic(document: Document) -> bool:
    """Whether a request's body is for a model of Anthropic's, whatever its model is called."""
    return isinstance(document.value, dict) and _VERSION in document.value


class Invoke(Refusals, Messages):
    """`invoke` and `invoke-with-response-stream`."""

    name = "bedrock_messages"

    @override
    def stream(self, framing: Framing) -> StreamReader:
        return ChunkStream()


_OLDER: Final = PlainStream()
"""For events without a type, as models before the Messages API write theirs."""


class ChunkStream(StreamReader):
    """The events of a message, each in a chunk; exceptions of Bedrock end it."""

    keepalive = KEEPALIVE

    def __init__(self) -> None:
        self._message = MessageStream()
        self._ended = False

    @override
    def read(self, event: str | None, document: Document | None, data: bytes) -> EventReading:
        if event == CHUNK:
            is_known = document is None or document.get("type") is not None
            return (self._message if is_known else _OLDER).read(None, document, data)
        return read_other(event, document, data)

    @override
    def changed(
        self, event: str | None, document: Document | None, data: bytes, changes: Mapping[Hashable, Change]
    ) -> Sequence[Payload]:
        if event != CHUNK:
            return ((event, data),)
        return [(CHUNK, changed) for _, changed in self._message.changed(None, document, data, changes)]

    @override
    def unfinished(self) -> tuple[Called, ...]:
        return self._message.unfinished()

    @override
    def sent(self, event: str | None, document: Document | None, data: bytes) -> None:
        if event == CHUNK:
            self._message.sent(None, document, data)
        self._ended = self._ended or is_exception(event)

    @override
    def ending(self, refusal: Refusal) -> bytes:
        if self._ended:
            return b""
        return b"".join(amazon_event(CHUNK, orjson.dumps(event)) for event in self._message.last_events(refusal))


INVOKE: Final = Invoke()
