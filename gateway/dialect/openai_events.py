"""Streams whose events name their `type`: those of the Responses API, of image generation, speech and transcription.

A channel is an output item with the path of a text below it, so that a delta, the restatement in its `done` event and
the item itself speak of one text.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, override

from gateway.dialect import grammar as g
from gateway.dialect import openai_event_calls as made
from gateway.dialect import openai_event_changes as changes_of
from gateway.dialect import openai_responses as responses
from gateway.dialect import usage
from gateway.dialect.base import Denials, EventReading, Payload, StreamReader
from gateway.dialect.grammar import Rule, read_event
from gateway.dialect.openai_chat_stream import completing, framed
from gateway.dialect.plain import Voice
from gateway.dialect.refusals import Shape, body
from gateway.errors import Malformed
from gateway.policy.call import Called, Change
from gateway.segment import Path
from gateway.verdict import Refusal
from gateway.wire.document import Document
from gateway.wire.frames import Framing

_DONE: Final = b"[DONE]"

_unknown: Final = g.opaque(g.UNKNOWN_ANSWER)


@dataclass(frozen=True, slots=True)
class Event:
    """What events of one type hold.

    `place` is where below its output item a text stands; a step with `#` is the event's member of that name.
    `closes` is whether all texts at that place are complete with the event.
    """

    rule: Rule
    place: tuple[str, ...] = ()
    closes: bool = False


_IDS: Final[dict[str, Rule]] = {
    "logprobs": g.logprobs,
    **g.skipped(
        "type sequence_number item_id output_index content_index summary_index annotation_index command_index"
        " stream_id segment_id event_id response_id call_id partial_image_index background output_format quality size"
        " created_at"
    ),
    **g.ignored("obfuscation usage"),
}


def event(table: Mapping[str, Rule], *place: str, closes: bool = False) -> Event:
    """An event whose members beyond ids and settings are read by `table`."""
    return Event(g.members({**_IDS, **table}, _unknown), place, closes)


def _piece(voice: Voice) -> Rule:
    """A `delta`: a string, or for the output of a shell an object of two."""
    string = g.growing(g.text(voice))
    return g.members({"stdout": string, "stderr": string}, string)


def texts(stem: str, voice: Voice, member: str, *place: str) -> dict[str, Event]:
    """The events of one growing text; `member` holds it whole when it is done, or what is there when it begins."""
    return {
        f"{stem}.added": event({member: g.growing(g.text(voice))}, *place),
        f"{stem}.delta": event({"delta": _piece(voice)}, *place),
        f"{stem}.done": event({member: g.text(voice)}, *place, closes=True),
    }


_IMAGE: Final = g.uninspected("image")
_AUDIO: Final = g.uninspected("audio")
PART: Final = ("content", "#content_index")
"""Where a part stands below its item."""

_SUMMARY: Final = ("summary", "#summary_index")

_EVENTS: Final[Mapping[str, Event]] = {
    **texts("response.output_text", g.ASSISTANT, "text", *PART, "text"),
    **texts("response.refusal", g.REFUSED, "refusal", *PART, "refusal"),
    **texts("response.reasoning_text", g.REASONED, "text", *PART, "text"),
    **texts("response.reasoning_summary_text", g.REASONED, "text", *_SUMMARY, "text"),
    **texts("response.function_call_arguments", g.CALL, "arguments", "arguments"),
    **texts("response.mcp_call_arguments", g.CALL, "arguments", "arguments"),
    **texts("response.custom_tool_call_input", g.CALL, "input", "input"),
    **texts("response.code_interpreter_call_code", g.CALL, "code", "code"),
    **texts("response.shell_call_command", g.CALL, "command", "action", "commands", "#command_index"),
    **texts("response.shell_call_output_content", g.RESULT, "output", "output", "#command_index"),
    **texts("response.audio.transcript", g.ASSISTANT, "transcript", "transcript"),
    **texts("transcript.text", g.ASSISTANT, "text", "text"),
    "response.output_item.added": event({"item": g.growing(responses.ANSWER_ITEM)}),
    "response.output_item.done": event({"item": responses.ANSWER_ITEM}, closes=True),
    "response.content_part.added": event({"part": g.growing(responses.ANSWER_PART)}, *PART),
    "response.content_part.done": event({"part": responses.ANSWER_PART}, *PART, closes=True),
    "response.reasoning_summary_part.added": event({"part": g.growing(responses.SUMMARY_PART)}, *_SUMMARY),
    "response.reasoning_summary_part.done": event({"part": responses.SUMMARY_PART}, *_SUMMARY, closes=True),
    "response.output_text.annotation.added": event({"annotation": responses.ANNOTATION}),
    "response.image_generation_call.partial_image": event({"partial_image_b64": _IMAGE}),
    "response.audio.delta": event({"delta": _AUDIO}),
    "image_generation.partial_image": event({"b64_json": _IMAGE}),
    "image_generation.completed": event({"b64_json": _IMAGE}),
    "image_edit.partial_image": event({"b64_json": _IMAGE}),
    "image_edit.completed": event({"b64_json": _IMAGE}),
    "speech.audio.delta": event({"audio": _AUDIO}),
}

LAST: Final = frozenset({"response.completed", "response.incomplete", "response.failed", "error"})
"""Types after which nothing more comes of a response."""

# Every other type: events that restate the response, that only tell of progress, or that are new. What a new type
# calls a delta may be a piece of a text.
_OTHER: Final = event({"response": responses.ANSWER, "delta": _piece(g.UNKNOWN_ANSWER)}, "delta")


class EventStream(StreamReader):
    """Reads one stream of typed events, by a table of their types."""

    def __init__(
        self,
        framing: Framing,
        events: Mapping[str, Event] = _EVENTS,
        last: frozenset[str] = LAST,
        session: made.Session | None = None,
    ) -> None:
        self._framing = framing
        self._events = events
        self._last_types = last
        self._names: dict[int | str, int | str] = {}  # of an item, by its index and by its id
        self._open: dict[tuple[Hashable, ...], None] = {}  # a dict keeps the order
        self._closed: set[tuple[Hashable, ...]] = set()
        self._type = "response"  # of the last event read
        self._named: dict[str, Any] = {}  # id, created_at and model of the response, once read
        self._response: dict[str, Any] | None = None  # as it stood in the last event that left
        self._sequence = -1  # number of the last event that left
        self._calls = made.EventCalls(session)
        self._found: deque[made.Found] = deque()  # of the events that were read and have not left yet
        self._shift = 0  # how many more events have left than came
        # A blank line behind the comment could dispatch an event that an `id:` line began.
        self.keepalive = b": keep-alive\n" if framing is Framing.SSE else b""

    @override
    def read(self, event: str | None, document: Document | None, data: bytes) -> EventReading:
        if document is None:
            if data.strip() == _DONE:
                self._found.append(made.NOTHING)
                return completing(EventReading(closes_all=True), self._calls.rest())
            raise Malformed("an event of the stream is neither JSON nor `[DONE]`")
        kind = document.get("type")
        self._type = kind if isinstance(kind, str) else event or ""
        self._note(document)
        known = self._events.get(self._type, _OTHER)
        place = self._place(known, document)
        reading = read_event(known.rule, document, partial(_channel, known, place))
        for delta in reading.deltas:
            if not delta.whole:
                self._opened(delta.channel)
        found = self._calls.read(self._type, document, place[0])
        self._found.append(found)
        is_last = self._type in self._last_types or document.get("error") is not None
        read = EventReading(
            reading.deltas,
            self._close(place) if known.closes else (),
            is_last,
            reading.uninspected,
            usage.RESPONSES.read(document.get("response", "usage") or document.get("usage")),
            found.calling,
        )
        return completing(read, (*found.called, *(self._calls.rest() if is_last else ())))

    @property
    def is_calling(self) -> bool:
        """Whether a call has begun and is not complete."""
        return self._calls.is_calling

    @override
    def unfinished(self) -> tuple[Called, ...]:
        return self._calls.rest()

    @override
    def denials(self, changes: Mapping[Hashable, Change]) -> tuple[Denials, ...]:
        return self._calls.session.denials(changes)

    @override
    def changed(
        self, event: str | None, document: Document | None, data: bytes, changes: Mapping[Hashable, Change]
    ) -> Sequence[Payload]:
        if document is None:
            return ((event, data),)
        out = changes_of.changed(event, document, self._found[0], changes, self._shift)
        self._shift += len(out) - 1
        return out

    @override
    def sent(self, event: str | None, document: Document | None, data: bytes) -> None:
        if self._found:
            self._found.popleft()
        if document is None:
            return
        number = document.get(changes_of.NUMBER)
        self._sequence = number + self._shift if isinstance(number, int) else self._sequence
        response = document.get("response")
        if isinstance(response, dict):
            self._response = response

    @override
    def ending(self, refusal: Refusal) -> bytes:
        """`response.incomplete` for reason of `content_filter`; an error event in a stream of another API."""
        if not self._type.startswith("response"):
            return b"data: " + body(Shape.OPENAI, refusal) + b"\n\n"
        if self._response is not None:
            return self._last("response.incomplete", self._response, self._sequence + 1)
        # Nothing has left yet, and a client takes no event before this one.
        begun = _begun(f"resp_{refusal.request_id}") | self._named
        start = {"type": "response.created", "response": begun, "sequence_number": 0}
        return self._framed(start) + self._last("response.incomplete", begun, 1)

    def _last(self, kind: str, response: dict[str, Any], number: int) -> bytes:
        ended = response | {
            "status": "incomplete",
            "incomplete_details": {"reason": "content_filter"},
            "error": None,
            "output": [],
        }
        return self._framed({"type": kind, "response": ended, "sequence_number": number})

    def _framed(self, event: dict[str, Any]) -> bytes:
        return framed(self._framing, event, event["type"])

    def _note(self, document: Document) -> None:
        for key in ("id", "created_at", "model"):
            value = document.get("response", key)
            if isinstance(value, str | int | float):
                self._named[key] = value

    def _place(self, known: Event, document: Document) -> tuple[Hashable, ...]:
        """The output item that an event speaks of, and the place below it."""
        steps = [_number(document, step[1:]) if step.startswith("#") else step for step in known.place]
        return (self._item(document), *steps)

    def _item(self, document: Document) -> int | str:
        """The one name of an item whose index, id or both an event gives.

        Some servers give every event an id of its own, or every item the same one: where there is an index, it counts.
        """
        index = None if document.get("output_index") is None else _number(document, "output_index")
        given = document.get("item_id") or document.get("item", "id")
        identity = str(given)
        if index is None:
            return self._names.setdefault(identity, identity)
        earlier = self._names.get(identity) if given else None
        name = self._names.setdefault(index, earlier if isinstance(earlier, str) else index)
        if isinstance(earlier, str) and earlier != name:
            raise Malformed("texts of one item of the stream have come under its `output_index` and under its id alone")
        if given:
            self._names[identity] = name
        return name

    def _opened(self, channel: Hashable) -> None:
        assert isinstance(channel, tuple)
        if any(channel[:length] in self._closed for length in range(1, len(channel) + 1)):
            # The text before was judged as complete; a client would still join this to it.
            raise Malformed("a text of the stream goes on after it was done")
        self._open[channel] = None

    def _close(self, place: tuple[Hashable, ...]) -> tuple[Hashable, ...]:
        self._closed.add(place)
        closed = tuple(channel for channel in self._open if channel[: len(place)] == place)
        for channel in closed:
            del self._open[channel]
        return closed


def _channel(known: Event, place: tuple[Hashable, ...], document: Document, path: Path) -> tuple[Hashable, ...]:
    # Types that are not known may each have a text of their own.
    return (*place, str(document.get("type")), *path[1:]) if known is _OTHER else (*place, *path[1:])


def _number(document: Document, member: str) -> int:
    """The index that an event gives in `member`; 0 where it gives none, as in streams of one text."""
    value = document.get(member)
    if value is None:
        return 0
    if not isinstance(value, int):
        raise Malformed(f"`{member}` in the stream is not a number")
    return value


def _begun(identity: str) -> dict[str, Any]:
    """The least that clients take for a response."""
    return {
        "id": identity,
        "object": "response",
        "created_at": 0,
        "model": "",
        "status": "in_progress",
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "metadata": {},
        "output": [],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "temperature": None,
        "top_p": None,
    }
