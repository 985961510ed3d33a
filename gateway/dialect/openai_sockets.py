"""The sessions of the OpenAI API: Responses over a WebSocket, and Realtime. Both send one JSON event a message.

How the hierarchy's rules reach the model differs: a Responses request has instructions of its own; a Realtime session
has some, which a single response may replace.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any, Final, override

from msgspec.structs import replace

from gateway.dialect import grammar as g
from gateway.dialect import openai_realtime as realtime
from gateway.dialect import openai_responses as responses
from gateway.dialect.base import Denials, EventReading
from gateway.dialect.lanes import Lanes
from gateway.dialect.openai import RESPONDING, OpenAI
from gateway.dialect.openai_chat_stream import framed
from gateway.dialect.openai_event_calls import Session
from gateway.dialect.openai_events import LAST, EventStream
from gateway.dialect.refusals import OPENAI_TYPES, encode, error_type
from gateway.dialect.socket import Socket
from gateway.policy.call import Change
from gateway.policy.transcript import Hosted, Transcript
from gateway.segment import Path
from gateway.verdict import Refusal
from gateway.wire.document import Document, Patch
from gateway.wire.frames import Framing


class ResponsesSocket(OpenAI, Socket):
    """Responses over a WebSocket: `response.create` is a request's body, the events of answers are those of a stream.

    Answers in different lanes (`stream_id`) may come side by side, those in one lane follow one another.
    """

    def __init__(self) -> None:
        self._lanes = Lanes(_ResponsesAnswer, lambda message: message.get("stream_id"), LAST.__contains__)
        super().__init__("openai_responses", responses.CLIENT_EVENT, lambda _: self._lanes, telling=RESPONDING)

    @property
    @override
    def is_idle(self) -> bool:
        return self._lanes.is_idle

    @override
    def instruct(self, document: Document, rules: str, root: Path = ()) -> tuple[Patch, ...]:
        """The rules go to a request. What steers an answer (`response.steer`) has no instructions of its own."""
        return responses.instruct(document, rules, root) if document.get("type") == _CREATE else ()

    @override
    def asks(self, message: Document) -> bool:
        return message.get("type") in (_CREATE, "response.steer")

    @override
    def went(self, message: Document) -> None:
        """Nothing to remember: each request is complete."""

    @override
    def complaint(self, refusal: Refusal, message: Document | None = None) -> bytes:
        event: dict[str, Any] = {"type": "error", "status": refusal.status, "error": _error(refusal)}
        lane = message.get("stream_id") if message is not None else None
        return encode(event if lane is None else event | {"stream_id": lane})


class _ResponsesAnswer(EventStream):
    """The events of one response."""

    def __init__(self, session: Session) -> None:
        super().__init__(Framing.MESSAGE, session=session)
        self._lane: Any = None

    @override
    def _note(self, document: Document) -> None:
        super()._note(document)
        self._lane = document.get("stream_id")

    @override
    def ending(self, refusal: Refusal) -> bytes:
        """That of a response, whatever came last: other events (rate limits, progress) come in between."""
        self._type = _CREATE
        return super().ending(refusal)

    @override
    def _framed(self, event: dict[str, Any]) -> bytes:
        return super()._framed(event if self._lane is None else event | {"stream_id": self._lane})


class RealtimeSocket(OpenAI, Socket):
    """A Realtime session."""

    def __init__(self) -> None:
        self._lanes = _RealtimeLanes()
        self._ruled = False  # whether the session's instructions hold our rules
        super().__init__("openai_realtime", realtime.CLIENT_EVENT, lambda _: self._lanes, telling=RESPONDING)

    @override
    def transcript(self, document: Document) -> Transcript:
        """What one event tells; the server keeps the conversation."""
        told = self.told(document, self.request(document), _holder(document))
        return replace(told, is_whole=False)

    @override
    def hosted(self, document: Document, root: Path = ()) -> tuple[Hosted, ...]:
        return super().hosted(document, _holder(document))

    @property
    @override
    def is_idle(self) -> bool:
        return self._lanes.is_idle

    @override
    def instruct(self, document: Document, rules: str, root: Path = ()) -> tuple[Patch, ...]:
        """The rules go behind instructions that the client gives, and behind the session's where it gives none.

        A response's own instructions replace those of the session, so both must hold the rules. Instructions that the
        server has not told of yet cannot be lengthened; then only those that the client gives are.
        """
        holder = _HOLDERS.get(document.get("type"))
        if holder is None or document.get(holder, "type") in _MODELLESS:
            return ()
        if document.get(holder, "instructions") is not None:
            return g.lengthen(document, (holder,), "instructions", rules)
        known = self._lanes.instructions
        if self._ruled or known is None or rules in known:
            return ()
        whole = f"{known}\n\n{rules}" if known else rules
        if document.get(holder) is None:
            empty = holder in document.value
            value = {"instructions": whole}
            return (document.replace((holder,), value) if empty else document.append_member((), holder, value),)
        return g.lengthen(document, (holder,), "instructions", whole)

    @override
    def asks(self, message: Document) -> bool:
        return bool(message.get("type") == _CREATE)

    @override
    def went(self, message: Document) -> None:
        if message.get("type") == "conversation.item.create":
            self._lanes.session.own.append(message.get("item", "call_id"))
        if message.get("type") == _UPDATE and message.get("session", "type") not in _MODELLESS:
            given = message.get("session", "instructions") is not None
            self._ruled = self._ruled or given or self._lanes.instructions is not None

    @override
    def after_edit(self, document: Document, path: Path) -> tuple[Patch, ...]:
        if len(path) == 1 and document.get("logprobs"):
            return (document.replace(("logprobs",), None),)
        return super().after_edit(document, path)

    @override
    def complaint(self, refusal: Refusal, message: Document | None = None) -> bytes:
        about = message.get("event_id") if message is not None else None
        error = _error(refusal) | {"event_id": about if isinstance(about, str) else None}
        return encode({"type": "error", "event_id": f"event_{refusal.request_id}", "error": error})


class _RealtimeLanes(Lanes):
    """The messages of a Realtime server. `instructions` are those of the session, once the server has told."""

    def __init__(self) -> None:
        super().__init__(_RealtimeAnswer, _realtime_lane, realtime.LAST.__contains__)
        self.instructions: str | None = None

    @override
    def read(self, event: str | None, document: Document | None, data: bytes) -> EventReading:
        reading = super().read(event, document, data)
        assert document is not None
        if document.get("type") in ("session.created", "session.updated"):
            told = document.get("session", "instructions")
            self.instructions = told if isinstance(told, str) else None
        return reading

    @override
    def denials(self, changes: Mapping[Hashable, Change]) -> tuple[Denials, ...]:
        """None: the server goes on without the output of a call."""
        return ()


class _RealtimeAnswer(EventStream):
    """The events of one response, or of one thing that a user said."""

    def __init__(self, session: Session) -> None:
        super().__init__(Framing.MESSAGE, realtime.SERVER_EVENTS, realtime.LAST, session)

    @override
    def ending(self, refusal: Refusal) -> bytes:
        """`response.done`, incomplete for reason of `content_filter`; nothing where no response is under way."""
        identity = self._named.get("id")
        if identity is None:
            return b""
        response = {
            "id": identity,
            "object": "realtime.response",
            "status": "incomplete",
            "status_details": {"type": "incomplete", "reason": "content_filter"},
            "output": [],
            "usage": None,
        }
        done = {"type": "response.done", "event_id": f"event_{refusal.request_id}", "response": response}
        return framed(Framing.MESSAGE, done)


def _realtime_lane(message: Document) -> Hashable:
    response = message.get("response_id") or message.get("response", "id")
    if response is not None:
        return "response", str(response)
    # What a user said is told by item, beside the answers.
    return ("item", str(message.get("item_id"))) if "transcription" in str(message.get("type")) else None


_CREATE: Final = "response.create"
_UPDATE: Final = "session.update"
_HOLDERS: Final = {_CREATE: "response", _UPDATE: "session"}


def _holder(document: Document) -> Path:
    """Where in an event of a client the members of a request stand."""
    holder = _HOLDERS.get(document.get("type"))
    return () if holder is None else (holder,)


_MODELLESS: Final = ("transcription", "translation")
"""Types of session in which no model follows instructions."""


def _error(refusal: Refusal) -> dict[str, Any]:
    return {
        "type": error_type(OPENAI_TYPES, refusal.status),
        "code": refusal.code,
        "message": refusal.message,
        "param": None,
        "request_id": refusal.request_id,
        "rules": refusal.rules,
    }
