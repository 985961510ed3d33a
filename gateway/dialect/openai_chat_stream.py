"""The stream of OpenAI chat completions: `chat.completion.chunk` events, and those of the older text completions.

Channels are named by where a piece stands, with the positions in lists replaced by the `index` of choice and call, so
interleaved choices and parallel calls stay apart. Clients join the pieces of a call by its index, whatever its id.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Mapping, Sequence
from itertools import chain
from typing import Any, Final, override

from msgspec.structs import replace

from gateway.dialect import openai_chat, usage
from gateway.dialect import openai_chat_stream_calls as made
from gateway.dialect.base import EventReading, Payload, StreamReader
from gateway.dialect.grammar import read_event
from gateway.dialect.openai_chat_stream_changes import changed
from gateway.dialect.refusals import encode
from gateway.errors import Malformed
from gateway.policy.call import Called, Change
from gateway.segment import Path
from gateway.verdict import Refusal
from gateway.wire.document import Document
from gateway.wire.frames import Framing

_DONE: Final = b"[DONE]"
_TEXT: Final = "text_completion"
_ITEM: Final = len(("choices", 0, "delta", "tool_calls", 0))
_HEAD: Final = ("id", "object", "created", "model")


class ChatStream(StreamReader):
    """Reads one stream of chat or text completions."""

    def __init__(self, framing: Framing) -> None:
        self._framing = framing
        self._calls = made.ChatCalls()
        self._found: deque[made.Found] = deque()  # of the events that were read and have not left yet
        self._open: dict[Hashable, dict[Hashable, None]] = {}  # by choice; a dict keeps the order
        self._finished: set[Hashable] = set()
        self._head: dict[str, Any] = {}  # what all chunks of the stream have alike
        self._seen: dict[int, bool] = {}  # choices, and whether their finish_reason has left for the client
        # A blank line behind the comment could dispatch an event that an `id:` line began.
        self.keepalive = b": keep-alive\n" if framing is Framing.SSE else b""

    @override
    def read(self, event: str | None, document: Document | None, data: bytes) -> EventReading:
        if document is None:
            if data.strip() == _DONE:
                self._found.append(made.NOTHING)
                return completing(EventReading(closes_all=True), self._calls.rest())
            raise Malformed("an event of the stream is neither JSON nor `[DONE]`")
        self._note(document)
        found = self._calls.read(document)
        self._found.append(found)
        reading = read_event(openai_chat.CHUNK, document, self._channel)
        for delta in reading.deltas:
            if not delta.whole:
                self._opened(delta.channel)
        closed = [channel for call in found.over for channel in self._ended(call)]
        is_error = document.get("error") is not None
        over = self._calls.rest() if is_error else made.over((*found.over, *chain(*found.finished.values())))
        read = EventReading(
            reading.deltas,
            (*closed, *self._closed(document)),
            is_error,
            reading.uninspected,
            usage.CHAT.read(document.get("usage")),
            tuple(piece.call.key for piece in found.pieces.values()),
        )
        return completing(read, (*over, *found.whole.values()))

    @override
    def unfinished(self) -> tuple[Called, ...]:
        return self._calls.rest()

    @override
    def changed(
        self, event: str | None, document: Document | None, data: bytes, changes: Mapping[Hashable, Change]
    ) -> Sequence[Payload]:
        found = self._found[0]
        if document is None:
            return ((event, data),)
        return ((event, changed(document, found, changes)),)

    @override
    def sent(self, event: str | None, document: Document | None, data: bytes) -> None:
        if self._found:
            self._found.popleft()
        for choice in _choices(document):
            index = choice.get("index")
            if isinstance(index, int):
                self._seen[index] = self._seen.get(index, False) or bool(choice.get("finish_reason"))

    @override
    def ending(self, refusal: Refusal) -> bytes:
        """A last chunk that finishes each open choice with `content_filter`, then `[DONE]`."""
        head = {"id": f"chatcmpl-{refusal.request_id}", "object": "chat.completion.chunk", "created": 0, "model": ""}
        head |= self._head
        rest: dict[str, Any] = {"text": ""} if head["object"] == _TEXT else {"delta": {}}
        choices = [
            {"index": index, **rest, "logprobs": None, "finish_reason": "content_filter"}
            for index, finished in sorted((self._seen or {0: False}).items())
            if not finished
        ]
        last = framed(self._framing, head | {"choices": choices}) if choices else b""
        return last + (b"data: [DONE]\n\n" if self._framing is Framing.SSE else b"")

    def _note(self, document: Document) -> None:
        """Keep what an ending must repeat. Choices count from when they are read: a held one must be finished too."""
        for key in _HEAD:
            if not self._head.get(key):  # Azure's first chunk has them empty
                value = document.get(key)
                if isinstance(value, str | int):
                    self._head[key] = value
        for choice in _choices(document):
            index = choice.get("index")
            if isinstance(index, int):
                self._seen.setdefault(index, False)

    def _channel(self, document: Document, path: Path) -> tuple[Hashable, ...]:
        piece = self._found[-1].pieces.get(path[:_ITEM])
        steps: list[Hashable] = [] if piece is None else list(piece.call.key)
        for depth, step in enumerate(path[0 if piece is None else _ITEM :], 1 if piece is None else _ITEM + 1):
            steps.append(made.index_of(document.get(*path[:depth]), step) if isinstance(step, int) else step)
        return tuple(steps)

    def _ended(self, call: made.StreamedCall) -> list[Hashable]:
        """The channels of a call that is over before its choice is."""
        channels = self._open.get(call.key[1], {})
        ended: list[Hashable] = [
            known for known in channels if isinstance(known, tuple) and known[: len(call.key)] == call.key
        ]
        for channel in ended:
            del channels[channel]
        return ended

    def _opened(self, channel: Hashable) -> None:
        choice = channel[1] if isinstance(channel, tuple) else None
        if choice in self._finished:
            # The text before was judged as complete; a client would still join this to it.
            raise Malformed("a choice of the stream goes on after its `finish_reason`")
        self._open.setdefault(choice, {})[channel] = None

    def _closed(self, document: Document) -> tuple[Hashable, ...]:
        closed: list[Hashable] = []
        for position, choice in enumerate(_choices(document)):
            if choice.get("finish_reason"):
                index = made.index_of(choice, position)
                closed += self._open.pop(index, {})
                self._finished.add(index)
        return tuple(closed)


def _choices(document: Document | None) -> list[dict[str, Any]]:
    choices = document.get("choices") if document is not None else None
    return [choice for choice in choices if isinstance(choice, dict)] if isinstance(choices, list) else []


def completing(reading: EventReading, called: tuple[Called, ...]) -> EventReading:
    """The reading of an event with which these calls are complete."""
    if not (called or reading.calling):
        return reading
    calling = dict.fromkeys((*reading.calling, *(one.key for one in called)))
    return replace(reading, calling=tuple(calling), called=called)


def framed(framing: Framing, value: dict[str, Any], event: str | None = None) -> bytes:
    """One event as bytes."""
    if framing is not Framing.SSE:
        return encode(value) + b"\n"
    name = b"" if event is None else b"event: " + event.encode() + b"\n"
    return name + b"data: " + encode(value) + b"\n\n"
