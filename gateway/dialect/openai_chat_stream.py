"""The stream of OpenAI chat completions: `chat.completion.chunk` events, and those of the older text completions.

Channels are named by where a piece stands, with the positions in lists replaced by the `index` of choice and call, so
interleaved choices and parallel calls stay apart. Clients join the pieces of a call by its index, whatever its id.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any, Final, override

from gateway.dialect import openai_chat, usage
from gateway.dialect.base import EventReading, StreamReader
from gateway.dialect.grammar import read_event
from gateway.dialect.refusals import encode
from gateway.errors import Malformed
from gateway.segment import Path
from gateway.verdict import Refusal
from gateway.wire.document import Document, parse
from gateway.wire.frames import Framing

_DONE: Final = b"[DONE]"
_TEXT: Final = "text_completion"
_ARGUMENTS: Final = ("arguments", "input")
_HEAD: Final = ("id", "object", "created", "model")


@dataclass(slots=True)
class _Call:
    """The call that is being made at an index: how many were made there before it, its id, and what came of it."""

    before: int = 0
    id: str = ""
    pieces: list[str] = field(default_factory=list)


class ChatStream(StreamReader):
    """Reads one stream of chat or text completions."""

    def __init__(self, framing: Framing) -> None:
        self._framing = framing
        self._calls: dict[tuple[Hashable, ...], _Call] = {}  # by where a call stands
        self._over: list[Hashable] = []  # channels of calls that ended with the event that is read
        self._open: dict[Hashable, dict[Hashable, None]] = {}  # by choice; a dict keeps the order
        self._finished: set[Hashable] = set()
        self._head: dict[str, Any] = {}  # what all chunks of the stream have alike
        self._seen: dict[int, bool] = {}  # choices, and whether their finish_reason has left for the client

    @override
    def read(self, event: str | None, document: Document | None, data: bytes) -> EventReading:
        if document is None:
            if data.strip() == _DONE:
                return EventReading(closes_all=True)
            raise Malformed("an event of the stream is neither JSON nor `[DONE]`")
        self._note(document)
        self._over.clear()
        reading = read_event(openai_chat.CHUNK, document, self._channel)
        for delta in reading.deltas:
            if not delta.whole:
                self._opened(delta.channel)
        return EventReading(
            reading.deltas,
            (*self._over, *self._closed(document)),
            document.get("error") is not None,
            reading.uninspected,
            usage.CHAT.read(document.get("usage")),
        )

    @override
    def sent(self, event: str | None, document: Document | None, data: bytes) -> None:
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
        steps: list[Hashable] = []
        for depth, step in enumerate(path, 1):
            if isinstance(step, int):
                item = document.get(*path[:depth])
                steps.append(_index(item, step))
                if path[depth - 2] == "tool_calls":
                    call = self._call(tuple(steps), item)
                    steps.append(call.before)
                    if path[-1] in _ARGUMENTS:
                        call.pieces.append(document.get(*path))
            else:
                steps.append(step)
        return tuple(steps)

    def _call(self, place: tuple[Hashable, ...], item: Any) -> _Call:
        """Which of the calls at an index a piece belongs to.

        Some servers give all parallel calls the same index (Gemini's compatible endpoint did); there a new call has
        another id and a name. To a client that joins by index it still goes on with the call before it, so that must be
        complete. An id that changes without a name means nothing.
        """
        call = self._calls.setdefault(place, _Call())
        given = item.get("id") if isinstance(item, dict) else None
        if isinstance(given, str) and given and given != call.id:
            if call.id and _names_a_call(item):
                self._end(place, call)
                call = self._calls[place] = _Call(call.before + 1)
            call.id = call.id or given
        return call

    def _end(self, place: tuple[Hashable, ...], call: _Call) -> None:
        if not _is_complete("".join(call.pieces)):
            raise Malformed("a call of the stream begins at the `index` of one that is not complete")
        channels = self._open.get(place[1], {})
        within = (*place, call.before)
        ended = [known for known in channels if isinstance(known, tuple) and known[: len(within)] == within]
        for channel in ended:
            del channels[channel]
        self._over += ended

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
                index = _index(choice, position)
                closed += self._open.pop(index, {})
                self._finished.add(index)
        return tuple(closed)


def _names_a_call(item: dict[str, Any]) -> bool:
    called = item.get("function") or item.get("custom")
    return isinstance(called, dict) and bool(called.get("name"))


def _is_complete(arguments: str) -> bool:
    """Whether nothing can be added to the arguments of a call: an object, or none at all."""
    try:
        return not arguments or isinstance(parse(arguments.encode()).value, dict)
    except Malformed:
        return False


def _choices(document: Document | None) -> list[dict[str, Any]]:
    choices = document.get("choices") if document is not None else None
    return [choice for choice in choices if isinstance(choice, dict)] if isinstance(choices, list) else []


def _index(item: Any, position: int) -> int:
    """The `index` that an item of a list gives itself; its position where it gives none."""
    index = item.get("index") if isinstance(item, dict) else None
    if index is None:
        return position
    if not isinstance(index, int):
        raise Malformed("an `index` in the stream is not a number")
    return index


def framed(framing: Framing, value: dict[str, Any], event: str | None = None) -> bytes:
    """One event as bytes."""
    if framing is not Framing.SSE:
        return encode(value) + b"\n"
    name = b"" if event is None else b"event: " + event.encode() + b"\n"
    return name + b"data: " + encode(value) + b"\n\n"
