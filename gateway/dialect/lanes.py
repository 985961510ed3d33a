"""The server's messages in a session of the OpenAI API: several answers, one after another and side by side.

Each answer is read as a stream of its own, in a lane that a message names: the `stream_id` of the Responses API, the
`response_id` of the Realtime API. What is remembered of an answer goes with its last event.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, override

from msgspec.structs import replace

from gateway.dialect.base import Denials, EventReading, Payload, StreamReader
from gateway.dialect.openai_chat_stream import completing
from gateway.dialect.openai_event_calls import Session
from gateway.dialect.openai_events import EventStream
from gateway.errors import Malformed, OverLimit
from gateway.policy.call import Called, Change
from gateway.verdict import Refusal
from gateway.wire.document import Document

_FIRST: Final = "response.created"

_AT_ONCE: Final = 256
"""Answers that may be under way at once; clients have a few."""

_REMEMBERED: Final = 256
"""Lanes whose answer is over that are known as such: more than a session has at once, or a client looks back to."""


@dataclass(slots=True)
class _Lane:
    """An answer under way: a number that no other has, its reader, and the channels of its texts that still grow."""

    number: int
    name: Hashable
    stream: EventStream
    open: dict[Hashable, None] = field(default_factory=dict)  # a dict keeps the order


@dataclass(frozen=True, slots=True)
class _Read:
    """What a message that was read, and has not left yet, belongs to; and the answers that end with it."""

    lane: _Lane
    ended: tuple[int, ...]


class Lanes(StreamReader):
    """Reads the messages of one session.

    `lane_of` names the lane of a message, `is_last` tells whether it ends that lane's answer, `make` makes the reader
    of one answer, among those of a session.
    """

    def __init__(
        self,
        make: Callable[[Session], EventStream],
        lane_of: Callable[[Document], Hashable],
        is_last: Callable[[str], bool],
    ) -> None:
        self._make = make
        self.session = Session()
        self._lane_of = lane_of
        self._is_last = is_last
        self._number = 0
        self._open: dict[Hashable, _Lane] = {}  # by name, as far as messages were read
        self._unended: dict[int, _Lane] = {}  # by number, as far as messages have left
        self._read: deque[_Read] = deque()  # messages leave in the order in which they were read
        self._over: dict[Hashable, None] = {}  # names of lanes whose answer is over, oldest first
        self._usage: dict[str, int] = {}

    @property
    def is_idle(self) -> bool:
        return not self._open

    @override
    def read(self, event: str | None, document: Document | None, data: bytes) -> EventReading:
        if document is None:
            raise Malformed("a message of the session is not JSON")
        name, kind = self._lane_of(document), _type(document)
        closes: list[Hashable] = []
        ended: list[int] = []
        called: tuple[Called, ...] = ()
        if kind == _FIRST:
            if name in self._open:  # an answer whose end never came
                called = self._open[name].stream.unfinished()
            self._leave(name, closes, ended)
            self._over.pop(name, None)
        lane = self._open.get(name) or _Lane(self._number + 1, name, self._make(self.session))
        reading = lane.stream.read(event, document, data)
        if kind == _FIRST:
            self._enter(lane)
        deltas = tuple(
            delta if delta.whole else replace(delta, channel=self._grow(lane, delta.channel))
            for delta in reading.deltas
        )
        for channel in reading.closes:
            closes.append((lane.number, channel))
            lane.open.pop((lane.number, channel), None)
        if lane.stream.is_calling:
            self._follow(lane)
        if self._is_last(kind):
            self._leave(name, closes, ended)
            self._count(reading.usage)
        self._read.append(_Read(lane, tuple(ended)))
        read = EventReading(deltas, tuple(closes), False, reading.uninspected, dict(self._usage), reading.calling)
        return completing(read, (*called, *reading.called))

    @override
    def unfinished(self) -> tuple[Called, ...]:
        return tuple(called for lane in self._open.values() for called in lane.stream.unfinished())

    @override
    def denials(self, changes: Mapping[Hashable, Change]) -> tuple[Denials, ...]:
        return self.session.denials(changes)

    @override
    def changed(
        self, event: str | None, document: Document | None, data: bytes, changes: Mapping[Hashable, Change]
    ) -> Sequence[Payload]:
        return self._read[0].lane.stream.changed(event, document, data, changes)

    def _grow(self, lane: _Lane, channel: Hashable) -> Hashable:
        """The name of a growing text among those of all lanes."""
        self._follow(lane)
        named = (lane.number, channel)
        lane.open[named] = None
        return named

    def _follow(self, lane: _Lane) -> None:
        """A text or a call goes on from one message of an answer to the next."""
        if lane.name in self._over:
            raise Malformed("an answer of the session goes on after its end")
        self._enter(lane)

    def _enter(self, lane: _Lane) -> None:
        if lane.name in self._open:
            return
        if len(self._open) >= _AT_ONCE:
            raise OverLimit(f"the session has more than {_AT_ONCE} answers at once")
        self._number = lane.number
        self._open[lane.name] = self._unended[lane.number] = lane

    def _leave(self, name: Hashable, closes: list[Hashable], ended: list[int]) -> None:
        """End the answer that is under way in a lane, if one is: add what still grows of it, and its number."""
        lane = self._open.pop(name, None)
        if lane is None:
            return
        self._over[name] = None
        if len(self._over) > _REMEMBERED:
            del self._over[next(iter(self._over))]
        closes += lane.open
        ended.append(lane.number)

    def _count(self, usage: dict[str, int]) -> None:
        for name, count in usage.items():
            self._usage[name] = self._usage.get(name, 0) + count

    @override
    def sent(self, event: str | None, document: Document | None, data: bytes) -> None:
        read = self._read.popleft()
        read.lane.stream.sent(event, document, data)
        for number in read.ended:
            del self._unended[number]

    @override
    def ending(self, refusal: Refusal) -> bytes:
        """Ends every answer that the client has not seen the end of: a line for each message."""
        return b"".join(lane.stream.ending(refusal) for lane in self._unended.values())


def _type(document: Document) -> str:
    kind = document.get("type")
    return kind if isinstance(kind, str) else ""
