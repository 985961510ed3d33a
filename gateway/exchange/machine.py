"""The exchange: one request and its answer, as a machine that is fed events and gives commands.

    START ──▶ LIMITS ──▶ BODY ──▶ WAITING ──▶ WHOLE | STREAM | PASSING ──▶ DONE
                │          │         ▲
                └──────────┴─────────┘            any state ──▶ DONE by a refusal

    BODY and WHOLE ──▶ READING, and on from there, where the text of a PDF is read elsewhere

It fails closed: whatever goes wrong, an exception in any stage included, becomes a refusal and a record. The machine
knows no socket, clock or loop; the same events give the same commands.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from gateway.dialect.base import Coverage
from gateway.dialect.message import MessageDialect
from gateway.dialect.route import Family, Form
from gateway.errors import ClientError, Code, InternalError, LockgateError, Malformed, OverLimit, UpstreamError
from gateway.exchange import answer as answers
from gateway.exchange import headers as fields
from gateway.exchange import messages, pdf, refuse
from gateway.exchange.body import is_json
from gateway.exchange.content import inspect, is_told_by_first_bytes, readable
from gateway.exchange.events import (
    AnswerData,
    AnswerStarted,
    BeginAnswer,
    ClientGone,
    Command,
    Consult,
    DialDenied,
    DropUpstream,
    EndAnswer,
    Event,
    Extract,
    Extracted,
    Failed,
    Fault,
    Finish,
    Headers,
    Inspected,
    LimitsTaken,
    ReadBody,
    RequestBroken,
    RequestData,
    RequestStarted,
    Respond,
    SendAnswer,
    SendUpstream,
    StartUpstream,
    Unread,
    UpstreamFailed,
)
from gateway.exchange.facts import Facts
from gateway.exchange.first_bytes import FirstBytes
from gateway.exchange.gate import Gate
from gateway.exchange.messages import MessageStream
from gateway.exchange.stream import AnswerStream
from gateway.exchange.target import judge_target
from gateway.exchange.whole import Outcome
from gateway.policy.profile import UnknownJson
from gateway.segment import Direction, Uninspected
from gateway.verdict import Effect, Refusal, Verdict
from gateway.wire.coding import Decoder, decode
from gateway.wire.document import Document
from gateway.wire.frames import Framing
from gateway.wire.media import MediaType, content_type


class _State(StrEnum):
    START = "start"
    LIMITS = "limits"
    BODY = "body"  # the request body is collected
    WAITING = "waiting"  # for the upstream's head
    WHOLE = "whole"  # the answer body is collected
    READING = "reading"  # for the text of a PDF, which either body may be
    STREAM = "stream"  # the answer is judged event by event
    PASSING = "passing"  # the answer passes in pieces, not inspected
    DONE = "done"


_BINARY: Final = (Uninspected("binary_body"),)
_SWITCHING_PROTOCOLS: Final = 101
"""RFC 9110, section 15.2.2. No `Upgrade` leaves with an exchange: a WebSocket has a session."""


class Exchange:
    """One request and its answer. Feed it events until `finished`; it never raises."""

    def __init__(self, gate: Gate, family: Family, *, id: str, upstream: str, principal: str) -> None:
        self._gate = gate
        self._family = family
        self._facts = Facts(id, upstream, principal, gate.rules.digest)
        self._state = _State.START
        self._endpoint = family.fallback
        self._unknown = True
        self._request = RequestStarted("", "/", (), has_body=False)
        self._media = MediaType()
        self._collected: list[bytes] = []
        self._size = 0
        self._answer: AnswerStarted | None = None
        self._limit_headers: Headers = ()
        self._decoder: Decoder | None = None
        self._stream: AnswerStream | MessageStream | None = None
        self._first_bytes: FirstBytes | None = None  # while they have not told yet whether the body is text
        self._may_outgrow = False  # whether the body is collected as a PDF alone, and passes where it is too large
        self._reading: _Reading | None = None
        self._begun = False
        self._uploading = False
        self._bodiless = False

    @property
    def finished(self) -> bool:
        return self._state is _State.DONE

    def weighs(self, event: Event) -> int:
        """About how many bytes the event would have judged at once; a coded body may decode to all that is allowed."""
        if isinstance(event, Extracted):
            return sum(map(len, event.texts))
        if not isinstance(event, RequestData | AnswerData):
            return 0
        if self._state is _State.STREAM:
            assert self._stream is not None
            return len(event.data) + self._stream.unread if self._decoder is None else self._gate.limits.answer
        if not event.last or self._state not in (_State.BODY, _State.WHOLE):
            return 0
        headers = self._request.headers if self._answer is None else self._answer.headers
        is_coded = fields.value(headers, "content-encoding") is not None
        return self._gate.limits.answer if is_coded else self._size + len(event.data)

    def receive(self, event: Event) -> list[Command]:
        """The commands that follow from an event. An exchange that is over ignores what still comes."""
        if self.finished:
            return []
        try:
            return _STEPS[type(event)](self, event)
        except LockgateError as error:
            return self._refuse_error(error)
        except Exception as error:  # noqa: BLE001 - the outer boundary: every failure becomes a refusal
            return self._on_failed(Failed(f"exchange.{self._state}", f"{type(error).__name__}: {error}"))

    # --- the request -----------------------------------------------------------------------------------------------

    def _on_request(self, event: RequestStarted) -> list[Command]:
        path = event.target.partition("?")[0]
        self._request = event
        self._facts.method = event.method
        self._endpoint = self._family.endpoint(event.method, path)
        self._unknown = self._endpoint is self._family.fallback and self._endpoint.coverage is Coverage.TEXT
        if self._unknown and self._gate.profile.unknown_json is UnknownJson.PASS:
            self._endpoint = replace(self._endpoint, coverage=Coverage.PASS)
        self._facts.dialect = self._endpoint.dialect.name
        self._media = content_type(event.headers)
        headers = messages.unrepeated(self._endpoint, event.headers)
        head = judge_target(self._gate, self._family, event.host, event.target, headers)
        self._facts.add_head(head)
        if head.total.effect >= Effect.ASK:
            return self._refuse(self._content_refusal(head.total.verdict))
        self._state = _State.LIMITS
        return [Consult()]

    def _on_limits(self, event: LimitsTaken) -> list[Command]:
        self._limit_headers = event.headers
        if event.denied is not None:
            message = f"the limit `{event.denied}` is used up; it frees again in {event.retry_after} s"
            return self._refuse(refuse.of(Code.RATE, self._facts.id, message, retry_after=event.retry_after))
        if not self._request.has_body:
            return self._start_upstream(b"", self._fields(None, b""))
        if self._refuses_unknown or readable(self._endpoint, self._endpoint.request_form, self._media):
            self._state = _State.BODY
            return [ReadBody()]
        if is_told_by_first_bytes(self._endpoint, self._endpoint.request_form):
            self._first_bytes = self._looking_at(self._request.headers, self._gate.limits.request)
            self._state = _State.BODY
            return [ReadBody()]
        return [self._begin_upload(_BINARY), ReadBody()]

    def _begin_upload(self, uninspected: tuple[Uninspected, ...]) -> StartUpstream:
        self._state = _State.WAITING
        self._uploading = True
        self._facts.request = Inspected(coverage=Coverage.PASS.value, uninspected=uninspected)
        return self._upstream_command(None, self._onward_headers())

    def _looking_at(self, headers: Headers, limit: int) -> FirstBytes:
        return FirstBytes(fields.value(headers, "content-encoding"), limit)

    def _passing(self, event: RequestData | AnswerData) -> tuple[Uninspected, ...]:
        """What a body is called that passes unread from here on; nothing while it is collected.

        Its first bytes tell that it is no text, or its size that its text will not be read.
        """
        told = self._first_bytes.are_binary(event.data, last=event.last) if self._first_bytes else False
        if self._first_bytes is not None and told is not None:
            self._may_outgrow = told and pdf.is_pdf(self._first_bytes.head, self._media)
            self._first_bytes = None
        if self._may_outgrow:
            may_pass = self._size > pdf.MOST and not self._gate.profile.refuses_unknown
            return (Uninspected(Unread.TOO_LARGE),) if may_pass else ()
        return _BINARY if told else ()

    def _on_request_data(self, event: RequestData) -> list[Command]:
        if self._uploading:
            # An upstream may answer before the body is over; the rest still belongs to it.
            self._uploading = not event.last
            self._facts.request = replace(self._facts.request, bytes=self._facts.request.bytes + len(event.data))
            return [SendUpstream(event.data, event.last)]
        if self._state is not _State.BODY:
            return []
        self._collect(event.data, self._gate.limits.request, "request")
        if unread := self._passing(event):
            start = self._begin_upload(unread)
            return [start, *self._on_request_data(RequestData(self._take_collected(), event.last))]
        return self._judge_request(self._take_collected()) if event.last else []

    def _judge_request(self, raw: bytes) -> list[Command]:
        coding = fields.value(self._request.headers, "content-encoding")
        body = decode(raw, coding, self._gate.limits.request) if coding else raw
        self._refuse_unknown_json(body, self._media)
        if pdf.is_read(self._endpoint, self._endpoint.request_form) and pdf.is_pdf(body, self._media):
            return self._extract(_Reading(Direction.REQUEST, raw, body))
        return self._request_judged(raw, inspect(self._gate, self._endpoint, Direction.REQUEST, body, self._media))

    def _request_judged(self, raw: bytes, outcome: Outcome) -> list[Command]:
        self._facts.add(Direction.REQUEST, outcome)
        self._facts.operation = messages.operation(self._endpoint, outcome.document, named=not outcome.findings)
        self._endpoint = messages.bound(self._endpoint, outcome.document, Direction.REQUEST)
        headers = self._fields(outcome.document, outcome.body)
        if outcome.verdict.effect >= Effect.ASK:
            return self._refuse_request(outcome, headers)
        if not outcome.edited:
            return self._start_upstream(raw, headers)
        return self._start_upstream(outcome.body, fields.of_edited(headers))

    def _refuse_request(self, outcome: Outcome, headers: Headers) -> list[Command]:
        """Refuse what a client sends: tell it, or its receiver where it is that one who waits."""
        refusal = self._content_refusal(outcome.verdict)
        instead = messages.instead(self._endpoint, outcome.document, refusal)
        if instead is None:
            return self._refuse(refusal)
        self._facts.edited = True
        return self._start_upstream(instead, fields.of_edited(headers))

    def _fields(self, before: Document | None, body: bytes) -> Headers:
        return messages.request_fields(self._endpoint, self._onward_headers(), before, body)

    def _refuse_unknown_json(self, body: bytes, media: MediaType) -> None:
        """A profile may refuse JSON on paths that no dialect knows instead of reading it as text."""
        if self._refuses_unknown and (media.is_json or media.is_lines or is_json(body)):
            raise _Refused(
                refuse.of(
                    Code.CONTENT,
                    self._facts.id,
                    f"no dialect knows `{self._facts.path}` and the profile `{self._gate.profile.name}` refuses JSON "
                    'that cannot be understood; set `unknown_json = "scan"` under [rules] to read it as text',
                )
            )

    @property
    def _refuses_unknown(self) -> bool:
        return self._unknown and self._gate.profile.refuses_unknown

    def _onward_headers(self) -> Headers:
        """The request's fields for the upstream; where the answer will be read, it must come without coding."""
        if self._endpoint.coverage is Coverage.PASS or self._endpoint.answer_form is Form.BYTES:
            return self._request.headers
        # A part of a body could be read in slices that no rule sees whole.
        return fields.without(fields.uncoded(self._request.headers), ("range", "if-range"))

    def _start_upstream(self, body: bytes, headers: Headers) -> list[Command]:
        self._state = _State.WAITING
        return [self._upstream_command(body, headers)]

    def _upstream_command(self, body: bytes | None, headers: Headers) -> StartUpstream:
        return StartUpstream(self._request.method, self._request.target, headers, body)

    # --- the answer ------------------------------------------------------------------------------------------------

    def _on_answer(self, event: AnswerStarted) -> list[Command]:
        self._answer = event
        self._answer = event = replace(event, headers=self._endpoint.dialect.answer_fields(event.headers))
        self._facts.status = event.status
        if event.status == _SWITCHING_PROTOCOLS:
            raise Malformed("it goes over to another protocol, which nobody asked for")
        self._media = content_type(event.headers)
        framing = answers.framing(self._endpoint, self._media, event.status)
        self._bodiless = answers.is_bodiless(self._request.method, event.status)
        if self._bodiless:
            return self._begin_passing(event, uninspected=())
        if framing is not None:
            return self._begin_stream(event, framing)
        if self._refuses_unknown or answers.is_read(self._endpoint, self._media):
            self._state = _State.WHOLE
            return []
        if is_told_by_first_bytes(self._endpoint, self._endpoint.answer_form):
            self._first_bytes = self._looking_at(event.headers, self._gate.limits.answer)
            self._state = _State.WHOLE
            return []
        return self._begin_passing(event, uninspected=_BINARY)

    def _begin_passing(self, event: AnswerStarted, uninspected: tuple[Uninspected, ...]) -> list[Command]:
        self._state = _State.PASSING
        self._facts.answer = Inspected(coverage=Coverage.PASS.value, uninspected=uninspected)
        return [self._begin(event.status, event.headers)]

    def _begin_stream(self, event: AnswerStarted, framing: Framing) -> list[Command]:
        coding = fields.value(event.headers, "content-encoding")
        self._decoder = Decoder(coding, self._gate.limits.answer) if coding else None
        dialect = self._endpoint.dialect
        if isinstance(dialect, MessageDialect):
            self._stream = MessageStream(self._gate, dialect, framing, self._content_refusal)
        else:
            self._stream = AnswerStream(self._gate, dialect, framing)
        self._facts.streamed = True
        self._state = _State.STREAM
        return [self._begin(event.status, fields.of_edited(event.headers))]

    def _begin(self, status: int, headers: Headers) -> BeginAnswer:
        self._begun = True
        return BeginAnswer(status, (*headers, *self._limit_headers, *self._own_headers()))

    def _on_answer_data(self, event: AnswerData) -> list[Command]:
        if self._state is _State.PASSING:
            data = b"" if self._bodiless else event.data
            self._facts.answer = replace(self._facts.answer, bytes=self._facts.answer.bytes + len(data))
            return self._sent(data) + (self._end("forwarded") if event.last else [])
        if self._state is _State.STREAM:
            return self._on_stream_data(event)
        if self._state is not _State.WHOLE:
            return []
        self._collect(event.data, self._gate.limits.answer, "answer")
        if unread := self._passing(event):
            assert self._answer is not None
            begin = self._begin_passing(self._answer, uninspected=unread)
            return [*begin, *self._on_answer_data(AnswerData(self._take_collected(), event.last))]
        return self._judge_answer(self._take_collected()) if event.last else []

    def _on_stream_data(self, event: AnswerData) -> list[Command]:
        stream, decoder = self._stream, self._decoder
        assert stream is not None
        stream.feed(event.data if decoder is None else decoder.feed(event.data))
        if event.last and stream.cut is None:
            if decoder is not None:
                stream.feed(decoder.finish())
            stream.finish()
        if stream.cut is not None:
            return self._cut_content(stream, stream.cut)
        outcome = "edited" if stream.totals.edited else "forwarded"
        return self._sent(stream.drain()) + (self._end(outcome) if event.last else [])

    def _cut_content(self, stream: AnswerStream | MessageStream, cut: Verdict) -> list[Command]:
        return self._cut(stream.drain(), self._content_refusal(cut))

    def _judge_answer(self, raw: bytes) -> list[Command]:
        assert self._answer is not None
        coding = fields.value(self._answer.headers, "content-encoding")
        body = decode(raw, coding, self._gate.limits.answer) if coding else raw
        self._refuse_unknown_json(body, self._media)
        if pdf.is_read(self._endpoint, self._endpoint.answer_form) and pdf.is_pdf(body, self._media):
            return self._extract(_Reading(Direction.ANSWER, raw, body))
        status = self._answer.status
        return self._answer_judged(raw, answers.inspect_answer(self._gate, self._endpoint, self._media, status, body))

    def _answer_judged(self, raw: bytes, outcome: Outcome) -> list[Command]:
        assert self._answer is not None
        status, headers = self._answer.status, self._answer.headers
        self._facts.add(Direction.ANSWER, outcome)
        if outcome.verdict.effect >= Effect.ASK:
            self._endpoint = messages.bound(self._endpoint, outcome.document, Direction.ANSWER)
            return self._refuse(self._content_refusal(outcome.verdict))
        if not outcome.edited:
            return self._respond(status, headers, raw, self._facts.outcome_of_edits())
        return self._respond(status, fields.of_edited(headers), outcome.body, "edited")

    # --- either body as a PDF ---------------------------------------------------------------------------------------

    def _extract(self, reading: _Reading) -> list[Command]:
        self._reading, self._state = reading, _State.READING
        if len(reading.body) > pdf.MOST:
            return self._on_extracted(Extracted(unread=Unread.TOO_LARGE))
        return [Extract(reading.body)]

    def _on_extracted(self, event: Extracted) -> list[Command]:
        reading = self._reading
        if reading is None:
            raise InternalError("the text of a PDF came that nobody asked for")
        self._reading = None
        if event.unread is not None and (
            why := pdf.refusal(self._gate.profile, reading.body, self._media, event.unread)
        ):
            raise _Refused(refuse.of(Code.CONTENT, self._facts.id, why))
        outcome = pdf.inspect(self._gate, self._endpoint, reading.direction, reading.body, self._media, event)
        judged = self._request_judged if reading.direction is Direction.REQUEST else self._answer_judged
        return judged(reading.raw, outcome)

    # --- failures and refusals -------------------------------------------------------------------------------------

    def _on_upstream_failed(self, event: UpstreamFailed) -> list[Command]:
        self._facts.fault = f"upstream.{event.fault}: {event.detail}"
        if self._stream is not None and self._begun:
            self._stream.break_off()
            if self._stream.cut is not None:
                return self._cut_content(self._stream, self._stream.cut)
            return self._sent(self._stream.drain()) + self._end("failed", clean=False)
        if self._begun:
            return self._end("failed", clean=False)
        code = Code.TIMEOUT if event.fault is Fault.TIMEOUT else Code.UPSTREAM
        self._facts.upstream_failed = True
        return self._refuse(refuse.of(code, self._facts.id, refuse.FAULTS[event.fault]), outcome="failed")

    def _on_dial_denied(self, event: DialDenied) -> list[Command]:
        return self._refuse(refuse.of(Code.EGRESS, self._facts.id, event.reason))

    def _on_request_broken(self, event: RequestBroken) -> list[Command]:
        self._facts.fault = f"request_body: {event.detail}"
        return self._refuse(refuse.of(Code.UNREADABLE, self._facts.id, f"the request body is broken: {event.detail}"))

    def _on_client_gone(self, _: ClientGone) -> list[Command]:
        return [DropUpstream(), self._finish("client_gone")]

    def _on_failed(self, event: Failed) -> list[Command]:
        self._facts.fault = f"{event.stage}: {event.detail}"
        refusal = refuse.of(Code.INTERNAL, self._facts.id, refuse.INTERNAL)
        return self._guarded(lambda: self._refuse(refusal, outcome="failed"))

    def _refuse_error(self, error: LockgateError) -> list[Command]:
        if isinstance(error, _Refused):
            return self._refuse(error.refusal)
        if isinstance(error, ClientError):
            return self._refuse(refuse.of(error.code, self._facts.id, str(error)))
        if not isinstance(error, Malformed | OverLimit | UpstreamError):
            return self._on_failed(Failed(f"exchange.{self._state}", f"{type(error).__name__}: {error}"))
        self._facts.fault = f"{self._state}: {error}"
        if self._answer is not None:
            code = Code.UPSTREAM
            message = f"the upstream's answer cannot be inspected: {error}"
        else:
            code = Code.TOO_LARGE if isinstance(error, OverLimit) else Code.UNREADABLE
            message = str(error)
        refusal = refuse.of(code, self._facts.id, message)
        return self._guarded(lambda: self._refuse(refusal, outcome="refused"))

    def _content_refusal(self, verdict: Verdict) -> Refusal:
        code = verdict.code or Code.CONTENT
        rules = refuse.rules_of(verdict.reasons)
        self._facts.code = code
        return refuse.of(code, self._facts.id, refuse.content_message(code, rules), rules=rules)

    def _refuse(self, refusal: Refusal, outcome: str = "refused") -> list[Command]:
        self._facts.code, self._facts.told = refusal.code, refusal.message
        if self._stream is not None and self._begun:
            return self._cut(self._stream.drain(), refusal, outcome)
        drop: list[Command] = [DropUpstream()] if self._state in _UPSTREAM_OPEN else []
        if self._begun:
            return [*drop, *self._end(outcome, clean=False)]
        headers = (*refuse.headers(refusal), *self._limit_headers)
        status = messages.status(self._endpoint, refusal)
        return [*drop, *self._respond(status, headers, self._endpoint.dialect.refusal(refusal), outcome)]

    def _cut(self, out: bytes, refusal: Refusal, outcome: str = "cut") -> list[Command]:
        """End a stream early: what may leave, then the dialect's ending; a reset where the dialect has none."""
        assert self._stream is not None
        self._facts.code, self._facts.told = refusal.code, refusal.message
        ending = self._stream.ending(refusal)
        return [DropUpstream(), *self._sent(out + ending), *self._end(outcome, clean=bool(ending))]

    def _guarded(self, refuse_it: Callable[[], list[Command]]) -> list[Command]:
        """Refuse; where even that fails (the dialect's own shape is what broke), end without one."""
        try:
            return refuse_it()
        except Exception as error:  # noqa: BLE001 - the outer boundary, second line: a bare refusal needs no dialect
            self._facts.fault = f"{self._facts.fault}; refusing failed: {type(error).__name__}: {error}"
            if self._begun:
                return [DropUpstream(), *self._end("failed", clean=False)]
            return [DropUpstream(), *self._respond(500, refuse.BARE_HEADERS, refuse.BARE_BODY, "failed")]

    # --- endings ---------------------------------------------------------------------------------------------------

    def _sent(self, data: bytes) -> list[Command]:
        return [SendAnswer(data)] if data else []

    def _respond(self, status: int, headers: Headers, body: bytes, outcome: str) -> list[Command]:
        self._facts.status = status
        return [Respond(status, (*headers, *self._own_headers()), body), self._finish(outcome)]

    def _end(self, outcome: str, *, clean: bool = True) -> list[Command]:
        return [EndAnswer(clean), self._finish(outcome)]

    def _finish(self, outcome: str) -> Finish:
        self._state = _State.DONE
        if self._stream is not None:
            self._facts.add_stream(self._stream.totals, self._endpoint)
        return Finish(self._facts.record(outcome))

    def _own_headers(self) -> Headers:
        facts = self._facts
        counts = Counter(finding.rule for finding in facts.findings)
        listed = ", ".join(f"{rule}={count}" for rule, count in sorted(counts.items()))
        own = (("x-lockgate-id", facts.id), ("x-lockgate-effect", facts.applied.name.lower()))
        return (*own, ("x-lockgate-findings", listed)) if listed else own

    # --- collecting ------------------------------------------------------------------------------------------------

    def _collect(self, data: bytes, limit: int, what: str) -> None:
        self._size += len(data)
        if self._size > limit:
            raise OverLimit(f"the {what} body is over the limit of {limit} bytes (`max_{what}` under [gateway])")
        self._collected.append(data)

    def _take_collected(self) -> bytes:
        body = b"".join(self._collected)
        self._collected.clear()
        self._size = 0
        self._may_outgrow = False
        return body


_STEPS: Final[Mapping[type[Event], Callable[[Exchange, Any], list[Command]]]] = {
    RequestStarted: Exchange._on_request,
    LimitsTaken: Exchange._on_limits,
    RequestData: Exchange._on_request_data,
    AnswerStarted: Exchange._on_answer,
    AnswerData: Exchange._on_answer_data,
    UpstreamFailed: Exchange._on_upstream_failed,
    DialDenied: Exchange._on_dial_denied,
    Extracted: Exchange._on_extracted,
    RequestBroken: Exchange._on_request_broken,
    ClientGone: Exchange._on_client_gone,
    Failed: Exchange._on_failed,
}
"""What each event does."""

_UPSTREAM_OPEN: Final = frozenset({_State.WAITING, _State.WHOLE, _State.STREAM, _State.PASSING, _State.READING})


class _Reading(Struct, frozen=True):
    """A body whose text is being read: as it came, and decoded."""

    direction: Direction
    raw: bytes
    body: bytes


class _Refused(LockgateError):
    """Carries a refusal out of a nested step."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal
