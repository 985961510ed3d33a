"""How a session begins: its head is judged, the limits are asked, then the upstream, and only then the client answered.

What the upstream answers instead of 101 is the client's answer, inspected as any other.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final
from urllib.parse import parse_qs

from msgspec.structs import replace

from gateway.dialect.base import Coverage
from gateway.dialect.route import Family
from gateway.dialect.sockets import opened
from gateway.errors import InternalError
from gateway.exchange import answer as answers
from gateway.exchange import headers as fields
from gateway.exchange import refuse
from gateway.exchange.calls import Calls
from gateway.exchange.demand import Demand, Part
from gateway.exchange.events import Consult, LimitsTaken
from gateway.exchange.gate import Gate
from gateway.exchange.session_ending import SessionEnding, State
from gateway.exchange.session_events import Accept, Accepted, Declined, Dial, SessionCommand, SessionStarted
from gateway.exchange.session_facts import SessionFacts
from gateway.exchange.sight import called, joined, sight
from gateway.exchange.stream import AnswerStream
from gateway.exchange.target import judge_target
from gateway.exchange.whole import unread
from gateway.policy.profile import UnknownJson
from gateway.policy.transcript import Transcript
from gateway.segment import Direction
from gateway.verdict import Effect
from gateway.wire.coding import decode
from gateway.wire.frames import Framing
from gateway.wire.media import content_type

REMEMBERED: Final = 200
"""Messages of the client against which calls are held: a long conversation. What was before is as good as never said,
so a call that stems from it is asked about rather than let through."""


class SessionOpening(SessionEnding):
    """A session up to its first message."""

    def __init__(self, gate: Callable[[], Gate], family: Family, facts: SessionFacts, isolation: int | None) -> None:
        super().__init__(gate, family, facts)
        self._family = family
        self._isolation = isolation
        self._said: deque[Transcript] = deque(maxlen=REMEMBERED)  # what the client's messages told
        self._sizes: deque[int] = deque(maxlen=REMEMBERED)  # bytes of these messages
        self._started = SessionStarted("/", ())

    def _on_started(self, event: SessionStarted) -> list[SessionCommand]:
        path = event.target.partition("?")[0]
        self._started = event
        self._facts.model = _model(event.target)
        self._endpoint, self._socket = opened(self._family, path)
        is_unknown = self._endpoint.coverage is Coverage.TEXT
        if is_unknown and self._gate().profile.unknown_json is UnknownJson.PASS:
            self._endpoint = replace(self._endpoint, coverage=Coverage.PASS)
        self._facts.dialect = self._endpoint.dialect.name
        head = judge_target(self._gate(), self._family, event.host, event.target, event.headers)
        self._facts.add_head(head)
        if head.total.effect >= Effect.ASK:
            return self._decline(self._content(head.total.verdict))
        self._state = State.LIMITS
        meter = self._endpoint.meter
        # Of what such a session costs nothing will be told, so it is the session itself that the limits must allow.
        asked = meter.asked("", None) if meter is not None and not meter.counted else None
        return [Consult(Demand(Part.OPENING, asked))]

    def _on_limits(self, event: LimitsTaken) -> list[SessionCommand]:
        if self._state is not State.LIMITS:
            raise InternalError("limits came that nobody asked for")
        self._limits = event
        self._facts.limited(event)
        refusal = refuse.limited(event, self._facts.id)
        if refusal is not None:
            return self._decline(refusal)
        self._state = State.DIALLING
        limits = self._gate().limits
        headers = fields.uncoded(self._started.headers)
        return [Dial(self._started.target, headers, self._started.protocols, limits.event, limits.answer)]

    def _on_accepted(self, event: Accepted) -> list[SessionCommand]:
        self._state = State.OPEN
        self._facts.status = 101
        self._facts.streamed = True
        self._facts.coverage = self._endpoint.coverage.value
        self._begin_stream()
        headers = (*self._with_limits(event.headers), *self._own_headers())
        accept: list[SessionCommand] = [Accept(headers, event.protocol, self._gate().limits.event)]
        return [*accept, *self._go_on()]

    def _on_declined(self, event: Declined) -> list[SessionCommand]:
        media = content_type(event.headers)
        coding = fields.value(event.headers, "content-encoding")
        body = decode(event.body, coding, self._gate().limits.answer) if coding else event.body
        self._facts.coverage = self._endpoint.coverage.value
        self._facts.came(Direction.ANSWER, len(body), messages=0)
        if answers.is_read(self._endpoint, media):
            outcome = answers.inspect_answer(self._gate(), self._endpoint, media, event.status, body)
        else:
            outcome = unread(body)
        self._facts.judged(Direction.ANSWER, outcome)
        if outcome.verdict.effect >= Effect.ASK:
            return self._decline(self._content(outcome.verdict))
        if not outcome.edited:
            return self._respond(event.status, event.headers, event.body, "forwarded")
        return self._respond(event.status, fields.of_edited(event.headers), outcome.body, "edited")

    def _begin_stream(self) -> None:
        """Judge what the server says from here on by what is in force now."""
        self._note_stretch()
        self._stream = self._calls = None
        gate = self._gate()
        self._facts.ruleset = gate.rules.digest
        if self._endpoint.coverage is Coverage.DIALECT:
            if gate.firewall is not None:
                named = called(self._started.session) or f"connection {self._facts.id}"
                self._calls = Calls(
                    gate.rules, lambda: sight(gate, joined(self._said, named), self._isolation), gate.stopped_tools
                )
            self._stream = AnswerStream(gate, self._endpoint.dialect, Framing.MESSAGE, self._calls)


def _model(target: str) -> str | None:
    """The model that a query names, as the Realtime API has it."""
    return next(iter(parse_qs(target.partition("?")[2]).get("model", ())), None)
