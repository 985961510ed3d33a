"""What an exchange does with the answer: read whole, as a stream, or passed on. `machine.py` has what comes before."""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import partial
from typing import Final, override

from msgspec import Struct
from msgspec.structs import replace

from gateway.dialect.apart import Expected
from gateway.dialect.base import Coverage, Denials
from gateway.dialect.message import MessageDialect
from gateway.dialect.route import Family
from gateway.errors import Code, InternalError, Malformed
from gateway.exchange import answer as answers
from gateway.exchange import headers as fields
from gateway.exchange import messages, pdf, refuse
from gateway.exchange.calls import Calls
from gateway.exchange.collected import Collected
from gateway.exchange.collecting import BINARY, Collecting, Reading, labelled_binary
from gateway.exchange.content import is_told_by_first_bytes
from gateway.exchange.ending import State
from gateway.exchange.events import (
    Announced,
    AnswerData,
    Answered,
    AnswerStarted,
    Ask,
    BeginAnswer,
    CallsOverdue,
    Command,
    Headers,
    Listen,
    Remember,
    Settle,
    StartClock,
)
from gateway.exchange.facts import Facts
from gateway.exchange.gate import Gate
from gateway.exchange.listing import server_of, shown
from gateway.exchange.messages import MessageStream
from gateway.exchange.recorded import Inspected
from gateway.exchange.results import checked, misfit
from gateway.exchange.sight import sight, told
from gateway.exchange.stream import AnswerStream
from gateway.exchange.whole import Outcome
from gateway.exchange.whole_calls import WholeCalls, whole_calls
from gateway.policy.tools.wrapper import PATIENCE
from gateway.segment import Direction, Uninspected
from gateway.verdict import Effect, Reason
from gateway.wire.coding import Decoder, decode
from gateway.wire.frames import Framing
from gateway.wire.media import content_type

OVERDUE: Final = Reason(Effect.REWRITE, "tool-timeout", "tool.timeout", 0)
"""Why a stream says that a call has failed that was sent by an exchange of its own."""

_SWITCHING_PROTOCOLS: Final = 101
"""RFC 9110, section 15.2.2. No `Upgrade` leaves with an exchange: a WebSocket has a session."""


class _Whole(Struct, frozen=True):
    """An answer that was judged: as it came, what became of it, and its calls, where somebody rules on them."""

    raw: bytes
    outcome: Outcome
    calls: WholeCalls | None = None


class Answering(Collecting, ABC):
    """An exchange from the upstream's first word on."""

    def __init__(self, gate: Gate, family: Family, facts: Facts, isolation: int | None) -> None:
        super().__init__(gate, family, facts)
        self._isolation = isolation
        self._decoder: Decoder | None = None
        self._bodiless = False
        self._asked_body = b""  # decoded, where calls in the answer will be held against what was said before
        self._reports = 0  # of progress, that began the clock anew
        self._listens = False  # whether it hears of calls that are answered on its stream
        self._denials: tuple[Denials, ...] = ()  # that were remembered
        self._is_over = False  # whether all of a stream has come
        self._late: list[AnswerData] = []  # what came while somebody was asked
        self._whole: _Whole | None = None  # an answer that waits for what is said about its calls

    @abstractmethod
    def _on_request_answered(self, event: Answered) -> list[Command]:
        """What follows once it is said what is to become of calls that the request makes."""

    def _on_answer(self, event: AnswerStarted) -> list[Command]:
        self._answer = event
        self._answer = event = replace(event, headers=self._endpoint.dialect.answer_fields(event.headers))
        self._facts.status = event.status
        self._bill.began(event.status)
        if event.status == _SWITCHING_PROTOCOLS:
            raise Malformed("it goes over to another protocol, which nobody asked for")
        self._media = content_type(event.headers)
        framing = answers.framing(self._endpoint, self._media, event.status)
        self._bodiless = answers.is_bodiless(self._request.method, event.status)
        self._calls = self._ruled_calls()
        if self._bodiless:
            return self._begin_passing(event, uninspected=())
        if framing is not None:
            return self._begin_stream(event, framing)
        if self._refuses_unknown or answers.is_read(self._endpoint, self._media):
            self._state = State.WHOLE
            self._body = Collected("answer", self._gate.limits.answer)
            return []
        if is_told_by_first_bytes(self._endpoint, self._endpoint.answer_form):
            self._body = labelled_binary("answer", self._gate.limits.answer, event.headers)
            self._state = State.WHOLE
            return []
        return self._begin_passing(event, uninspected=BINARY)

    def _ruled_calls(self) -> Calls | None:
        """Who rules on the calls in an answer; nobody where there is no policy for tools, or no dialect for calls."""
        gate, dialect, body = self._gate, self._endpoint.dialect, self._asked_body
        if gate.firewall is None or self._endpoint.coverage is not Coverage.DIALECT:
            return None
        seen = partial(told, dialect, body, self._request.session)
        return Calls(gate.rules, lambda: sight(gate, seen(), self._isolation), gate.stopped_tools)

    def _begin_passing(self, event: AnswerStarted, uninspected: tuple[Uninspected, ...]) -> list[Command]:
        self._state = State.PASSING
        self._facts.answer = Inspected(coverage=Coverage.PASS.value, uninspected=uninspected)
        return [self._begin(event.status, event.headers)]

    def _begin_stream(self, event: AnswerStarted, framing: Framing) -> list[Command]:
        coding = fields.value(event.headers, "content-encoding")
        self._decoder = Decoder(coding, self._gate.limits.answer) if coding else None
        dialect = self._endpoint.dialect
        if self._endpoint.coverage is Coverage.DIALECT and framing not in dialect.framings:
            raise Malformed(f"its stream comes in another framing than the API's own: `{self._media.essence}`")
        if isinstance(dialect, MessageDialect):
            self._stream = MessageStream(
                self._gate, dialect, framing, self._content_refusal, self._facts.upstream, self._made
            )
        else:
            self._stream = AnswerStream(self._gate, dialect, framing, self._calls)
        self._facts.streamed = True
        self._state = State.STREAM
        return [self._begin(event.status, fields.of_edited(event.headers))]

    def _begin(self, status: int, headers: Headers) -> BeginAnswer:
        self._begun = True
        return BeginAnswer(status, (*self._with_limits(headers), *self._own_headers()))

    def _on_answer_data(self, event: AnswerData) -> list[Command]:
        if self._state is State.PASSING:
            data = b"" if self._bodiless else event.data
            self._facts.answer = replace(self._facts.answer, bytes=self._facts.answer.bytes + len(data))
            return self._sent(data) + (self._end("forwarded") if event.last else [])
        if self._state is State.STREAM:
            return self._on_stream_data(event)
        if self._state is State.ASKING:
            self._late.append(event)
            return []
        if self._state is not State.WHOLE:
            return []
        self._body.add(event.data)
        if unread := self._passing(event):
            assert self._answer is not None
            begin = self._begin_passing(self._answer, uninspected=unread)
            return [*begin, *self._on_answer_data(AnswerData(self._taken(), event.last))]
        return self._judge_answer(self._taken()) if event.last else []

    def _on_stream_data(self, event: AnswerData) -> list[Command]:
        stream, decoder = self._stream, self._decoder
        assert stream is not None
        stream.feed(event.data if decoder is None else decoder.feed(event.data))
        if event.last and stream.cut is None:
            if decoder is not None:
                stream.feed(decoder.finish())
            stream.finish()
        self._is_over = event.last
        return self._streamed(stream)

    def _streamed(self, stream: AnswerStream | MessageStream) -> list[Command]:
        """What of a stream may leave now, and what must be asked before more of it may."""
        if stream.cut is not None:
            return self._cut_content(stream, stream.cut)
        out = self._sent(stream.drain())
        if isinstance(stream, MessageStream) and not self._is_over:
            out = [*self._listening(stream), *out, *self._renewed(stream)]
        if isinstance(stream, MessageStream):
            settled, stream.settled = stream.settled, {}
            out += map(settle, settled)
        if isinstance(stream, AnswerStream) and (denials := stream.denials()) != self._denials:
            # Before the events that name the answer are with the client, or it could lean on it too soon.
            self._denials = denials
            out = [Remember(denials), *out]
        if isinstance(stream, AnswerStream) and (questions := stream.ask()):
            self._state = State.ASKING
            return [*out, Ask(questions, stream.keepalive, is_patient=bool(stream.keepalive))]
        if not self._is_over:
            return out
        if isinstance(stream, AnswerStream) and stream.waits:
            raise Malformed("the stream ended within a call of a tool")
        return [*out, *self._end("edited" if stream.totals.edited else "forwarded")]

    def _listening(self, stream: MessageStream) -> list[Command]:
        """Hear of calls that are answered on the stream, before a client can know where to send them."""
        if stream.ear is None or self._listens:
            return []
        self._listens = True
        return [Listen(stream.ear)]

    def _renewed(self, stream: MessageStream) -> list[Command]:
        """Begin clocks anew where progress was reported."""
        is_own = stream.reports > self._reports
        self._reports = stream.reports
        others, stream.renewed = stream.renewed, {}
        return [*(self._clock() if is_own else ()), *(clock for one in others for clock in clock_of(one))]

    def _on_announced(self, event: Announced) -> list[Command]:
        return clock_of(event.expected)

    def _on_calls_overdue(self, event: CallsOverdue) -> list[Command]:
        """Calls that are answered on this stream take too long: their caller is told on it."""
        expected, stream = event.expected, self._stream
        if not expected.owed or not isinstance(stream, MessageStream):
            return []
        words = expected.calls.overdue()
        stream.totals.reasons.append(OVERDUE)
        stream.totals.edited = True
        refusal = refuse.of(Code.TOOL, self._facts.id, words, rules=(OVERDUE.rule,))
        return [*self._sent(stream.give_up(expected, refusal)), settle(expected)]

    def _caught_up(self) -> list[Command]:
        """What follows from the pieces that came while somebody was asked."""
        late, self._late = self._late, []
        return [command for event in late if self._state is not State.DONE for command in self._on_answer_data(event)]

    def _judge_answer(self, raw: bytes) -> list[Command]:
        assert self._answer is not None
        coding = fields.value(self._answer.headers, "content-encoding")
        body = decode(raw, coding, self._gate.limits.answer) if coding else raw
        self._refuse_unknown_json(body, self._media)
        if pdf.is_read(self._endpoint, self._endpoint.answer_form) and pdf.is_pdf(body, self._media):
            return self._extract(Reading(Direction.ANSWER, raw, body))
        status = self._answer.status
        return self._answer_judged(raw, answers.inspect_answer(self._gate, self._endpoint, self._media, status, body))

    @override
    def _answer_judged(self, raw: bytes, outcome: Outcome) -> list[Command]:
        outcome = self._without_hidden(outcome)
        if self._made is not None and not isinstance(self._endpoint.dialect, MessageDialect):
            status = self._answer.status if self._answer is not None else 0
            words = misfit(self._made, status, raw, outcome.document)
            if words is not None:
                self._facts.add(Direction.ANSWER, outcome)
                return self._refuse(refuse.of(Code.TOOL, self._facts.id, words, rules=("tool-result",)))
        self._facts.add(Direction.ANSWER, outcome)
        self._bill.answered(outcome.document)
        if outcome.verdict.effect >= Effect.ASK:
            self._endpoint = messages.bound(self._endpoint, outcome.document, Direction.ANSWER)
            return self._refuse(self._content_refusal(outcome.verdict))
        whole = _Whole(raw, outcome)
        if self._calls is not None:
            found = whole_calls(self._endpoint, outcome)
            whole = replace(whole, calls=found)
            self._calls.take(found.called())
            if questions := self._calls.ask():
                self._whole, self._state = whole, State.ASKING
                return [Ask(questions)]
        return self._respond_with(whole)

    def _without_hidden(self, outcome: Outcome) -> Outcome:
        """The answer without the tools and the results in it that its client may not see."""
        if outcome.verdict.effect >= Effect.ASK:
            return outcome
        dialect, document = self._endpoint.dialect, outcome.document
        left = shown(self._gate, dialect, server_of(self._facts.upstream), document, outcome.body)
        body = checked(dialect, [self._made] if self._made is not None else (), document, left.body)
        is_edited = outcome.edited or body != outcome.body
        return replace(outcome, verdict=left.added_to(outcome.verdict), body=body, edited=is_edited)

    def _respond_with(self, whole: _Whole) -> list[Command]:
        """Give the answer, with what became of its calls."""
        assert self._answer is not None
        status, headers = self._answer.status, self._with_limits(self._answer.headers)
        changes = self._calls.changes if self._calls is not None else {}
        if changes and whole.calls is not None:
            answer = self._respond(status, fields.of_edited(headers), whole.calls.changed(changes), "edited")
            denials = whole.calls.denials(changes)
            return [Remember(denials), *answer] if denials else answer
        if not whole.outcome.edited:
            return self._respond(status, headers, whole.raw, self._facts.outcome_of_edits())
        return self._respond(status, fields.of_edited(headers), whole.outcome.body, "edited")

    def _on_answered(self, event: Answered) -> list[Command]:
        """Somebody said what is to become of the calls that wait."""
        if self._state is not State.ASKING:
            raise InternalError("questions were answered that nobody asked")
        if self._answer is None:
            return self._on_request_answered(event)
        if isinstance(self._stream, AnswerStream):
            self._state = State.STREAM
            self._stream.answered(event.answers)
            return [*self._streamed(self._stream), *self._caught_up()]
        assert self._calls is not None
        assert self._whole is not None
        self._calls.answered(event.answers)
        return self._respond_with(self._whole)


def clock_of(expected: Expected) -> list[Command]:
    """The clock of calls that an exchange of their own has sent; none where they are answered already."""
    seconds = expected.calls.timeout
    return [StartClock(seconds, seconds * PATIENCE, expected)] if seconds is not None and expected.owed else []


def settle(expected: Expected) -> Settle:
    """What became of such calls."""
    assert isinstance(expected.calls, Calls), "an exchange has sent them"
    return Settle(expected.of, tuple(one for one in expected.calls.records() if one.became is not None))
