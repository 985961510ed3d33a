"""The exchange: one request and its answer, as a machine that is fed events and gives commands.

    START ──▶ LIMITS ──▶ BODY ──▶ WAITING ──▶ WHOLE | STREAM | PASSING ──▶ DONE
                │          │         ▲
                └──────────┴─────────┘            any state ──▶ DONE by a refusal

Where a limit needs what the body says, it is asked behind BODY: START ──▶ BODY ──▶ LIMITS ──▶ WAITING.

    BODY and WHOLE ──▶ READING, and on from there, where the text of a PDF is read elsewhere

It fails closed: whatever goes wrong, an exception in any stage included, becomes a refusal and a record. The machine
knows no socket, clock or loop; the same events give the same commands.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from gateway.dialect.base import Coverage
from gateway.dialect.message import MessageDialect
from gateway.dialect.meter import Asked
from gateway.dialect.route import Family, Form
from gateway.dialect.spelling import resolved
from gateway.errors import Code, InternalError, LockgateError, Malformed
from gateway.exchange import answer as answers
from gateway.exchange import headers as fields
from gateway.exchange import messages, pdf, refuse
from gateway.exchange.bill import Bill, meter_for
from gateway.exchange.body import is_json
from gateway.exchange.collected import Collected
from gateway.exchange.content import inspect, is_told_by_first_bytes, readable
from gateway.exchange.demand import Consults, Demand
from gateway.exchange.ending import Ending, Refused, State
from gateway.exchange.events import (
    AnswerData,
    AnswerStarted,
    BeginAnswer,
    ClientGone,
    Command,
    Consult,
    DialDenied,
    Event,
    Extract,
    Extracted,
    Failed,
    Headers,
    Inspected,
    LimitsTaken,
    ReadBody,
    RequestBroken,
    RequestData,
    RequestStarted,
    SendUpstream,
    StartUpstream,
    Stopped,
    Unread,
    UpstreamFailed,
)
from gateway.exchange.facts import Facts
from gateway.exchange.first_bytes import FirstBytes
from gateway.exchange.gate import Gate
from gateway.exchange.judge import STOPPED_TOOL
from gateway.exchange.messages import MessageStream
from gateway.exchange.stream import AnswerStream
from gateway.exchange.target import judge_target
from gateway.exchange.whole import Outcome
from gateway.policy.profile import UnknownJson
from gateway.segment import Direction, Uninspected
from gateway.verdict import Effect
from gateway.wire.coding import Decoder, decode
from gateway.wire.document import Document, glance
from gateway.wire.frames import Framing
from gateway.wire.media import MediaType, content_type

_BINARY: Final = (Uninspected("binary_body"),)
_SWITCHING_PROTOCOLS: Final = 101
"""RFC 9110, section 15.2.2. No `Upgrade` leaves with an exchange: a WebSocket has a session."""


class Held(Struct, frozen=True):
    """A request that was judged and waits for the limits: the bytes to send, the same decoded, and its fields."""

    sent: bytes
    body: bytes
    headers: Headers


class Exchange(Ending):
    """One request and its answer. Feed it events until `finished`; it never raises."""

    def __init__(
        self,
        gate: Gate,
        family: Family,
        *,
        id: str,
        upstream: str,
        principal: str,
        consults: Consults = Consults.EARLY,
    ) -> None:
        super().__init__(family, Facts(id, upstream, principal, gate.rules.digest))
        self._consults = consults
        self._demand = Demand()
        self._held: Held | None = None
        self._gate = gate
        self._family = family
        self._unknown = True
        self._request = RequestStarted("", "/", (), has_body=False)
        self._media = MediaType()
        self._body = Collected("request", gate.limits.request)
        self._may_outgrow = False  # whether the body is collected as a PDF alone, and passes where it is too large
        self._reading: _Reading | None = None
        self._decoder: Decoder | None = None
        self._uploading = False
        self._bodiless = False

    @property
    def finished(self) -> bool:
        return self._state is State.DONE

    def weighs(self, event: Event) -> int:
        """About how many bytes the event would have judged at once; a coded body may decode to all that is allowed."""
        if isinstance(event, Extracted):
            return sum(map(len, event.texts))
        if not isinstance(event, RequestData | AnswerData):
            return 0
        if self._state is State.STREAM:
            assert self._stream is not None
            return len(event.data) + self._stream.unread if self._decoder is None else self._gate.limits.answer
        if not event.last or self._state not in (State.BODY, State.WHOLE):
            return 0
        headers = self._request.headers if self._answer is None else self._answer.headers
        is_coded = fields.value(headers, "content-encoding") is not None
        return self._gate.limits.answer if is_coded else self._body.size + len(event.data)

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
        self._bill = Bill(meter_for(self._endpoint.meter, event.method))
        if self._consults is Consults.LATE and event.has_body and self._reads_request:
            self._state = State.BODY
            return [ReadBody()]
        return self._consult(Demand(asked=self._asked(None)))

    def _asked(self, document: Document | None, unread: tuple[Uninspected, ...] = ()) -> Asked | None:
        """What the request may cost; None where nobody asks, or nothing is counted."""
        meter = self._bill.meter
        if meter is None or self._consults is Consults.EARLY:
            return None
        return meter.asked(self._path, document, unread)

    @property
    def _path(self) -> str:
        return resolved(self._request.target.partition("?")[0])

    def _consult(self, demand: Demand) -> list[Command]:
        self._state = State.LIMITS
        self._demand = demand
        self._bill.asked = demand.asked
        return [Consult(demand)]

    def _on_limits(self, event: LimitsTaken) -> list[Command]:
        self._limits = event
        self._facts.limited(event)
        switched = self._switched(event)
        if switched:
            return switched
        refusal = refuse.limited(event, self._facts.id)
        if refusal is not None:
            return self._refuse(refusal)
        if self._held is not None:
            self._state = State.WAITING
            return [self._upstream_command(self._held.sent, self._held.headers)]
        if not self._request.has_body:
            return self._start_upstream(b"", self._fields(None, b""))
        if self._reads_request:
            self._state = State.BODY
            return [ReadBody()]
        if is_told_by_first_bytes(self._endpoint, self._endpoint.request_form):
            self._body = _labelled_binary("request", self._gate.limits.request, self._request.headers)
            self._state = State.BODY
            return [ReadBody()]
        return [self._begin_upload(_BINARY), ReadBody()]

    @property
    def _reads_request(self) -> bool:
        return self._refuses_unknown or readable(self._endpoint, self._endpoint.request_form, self._media)

    def _switched(self, event: LimitsTaken) -> list[Command]:
        """Ask again with the request for another model, where the limit names one and the request can be changed."""
        held, meter, demand = self._held, self._bill.meter, self._demand
        if event.switch_to is None or held is None or meter is None or demand.asked is None or demand.switched:
            return []
        renamed = meter.renamed(self._request.target, held.body, event.switch_to)
        if renamed is None:
            return []
        target, body = renamed
        self._request = replace(self._request, target=target)
        if body is not held.body:
            self._held = Held(body, body, fields.of_edited(held.headers))
        self._facts.switched_from, self._facts.model = demand.asked.model, event.switch_to
        self._facts.edited = True
        return self._consult(replace(demand, asked=replace(demand.asked, model=event.switch_to), switched=True))

    def _begin_upload(self, uninspected: tuple[Uninspected, ...]) -> StartUpstream:
        self._state = State.WAITING
        self._uploading = True
        self._facts.request = Inspected(coverage=Coverage.PASS.value, uninspected=uninspected)
        return self._upstream_command(None, self._onward_headers())

    def _passing(self, event: RequestData | AnswerData) -> tuple[Uninspected, ...]:
        """What a body is called that passes unread from here on; nothing while it is collected.

        Its first bytes tell that it is no text, or its size that its text will not be read.
        """
        told = self._body.are_binary(event.data, last=event.last)
        if told:
            self._may_outgrow = pdf.is_pdf(self._body.head, self._media)
        if self._may_outgrow:
            may_pass = self._body.size > pdf.MOST and not self._gate.profile.refuses_unknown
            return (Uninspected(Unread.TOO_LARGE),) if may_pass else ()
        return _BINARY if told else ()

    def _taken(self) -> bytes:
        self._may_outgrow = False
        return self._body.take()

    def _on_request_data(self, event: RequestData) -> list[Command]:
        if self._uploading:
            # An upstream may answer before the body is over; the rest still belongs to it.
            self._uploading = not event.last
            self._facts.request = replace(self._facts.request, bytes=self._facts.request.bytes + len(event.data))
            return [SendUpstream(event.data, event.last)]
        if self._state is not State.BODY:
            return []
        self._body.add(event.data)
        if unread := self._passing(event):
            start = self._begin_upload(unread)
            return [start, *self._on_request_data(RequestData(self._taken(), event.last))]
        return self._judge_request(self._taken()) if event.last else []

    def _judge_request(self, raw: bytes) -> list[Command]:
        coding = fields.value(self._request.headers, "content-encoding")
        body = decode(raw, coding, self._gate.limits.request) if coding else raw
        self._refuse_unknown_json(body, self._media)
        if pdf.is_read(self._endpoint, self._endpoint.request_form) and pdf.is_pdf(body, self._media):
            return self._extract(_Reading(Direction.REQUEST, raw, body))
        return self._request_judged(raw, inspect(self._gate, self._endpoint, Direction.REQUEST, body, self._media))

    def _request_judged(self, raw: bytes, outcome: Outcome) -> list[Command]:
        if messages.calls_stopped(self._gate, self._endpoint.dialect, outcome.document):
            outcome = replace(outcome, verdict=STOPPED_TOOL)
        self._facts.add(Direction.REQUEST, outcome)
        if self._bill.meter is not None:
            self._facts.model = self._bill.meter.model_of(self._path, outcome.document) or self._facts.model
        self._facts.operation = messages.operation(self._endpoint, outcome.document, named=not outcome.findings)
        self._endpoint = messages.bound(self._endpoint, outcome.document, Direction.REQUEST)
        headers = self._fields(outcome.document, outcome.body)
        if outcome.verdict.effect >= Effect.ASK:
            return self._refuse_request(outcome, headers)
        document = outcome.document or self._reread(raw, outcome)
        if outcome.edited:
            raw, headers = outcome.body, fields.of_edited(headers)
        if self._consults is Consults.EARLY:
            return self._start_upstream(raw, headers)
        self._held = Held(raw, outcome.body, headers)
        asked = self._asked(document, outcome.inspected.uninspected)
        return self._consult(Demand(asked=asked, tools=messages.called(self._endpoint, outcome.document)))

    def _reread(self, raw: bytes, outcome: Outcome) -> Document | None:
        """The whole of a body whose beginning was known and left out, where a limit needs it; None for no document."""
        is_needed = self._bill.meter is not None and self._consults is Consults.LATE
        if not is_needed or outcome.inspected.coverage != Coverage.DIALECT:
            return None
        coding = fields.value(self._request.headers, "content-encoding")
        try:
            return glance(decode(raw, coding, self._gate.limits.request) if coding else raw)
        except Malformed:
            return None

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
            raise Refused(
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
        self._state = State.WAITING
        return [self._upstream_command(body, headers)]

    def _upstream_command(self, body: bytes | None, headers: Headers) -> StartUpstream:
        self._bill.sent()
        return StartUpstream(self._request.method, self._request.target, headers, body)

    # --- the answer ------------------------------------------------------------------------------------------------

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
        if self._bodiless:
            return self._begin_passing(event, uninspected=())
        if framing is not None:
            return self._begin_stream(event, framing)
        if self._refuses_unknown or answers.is_read(self._endpoint, self._media):
            self._state = State.WHOLE
            self._body = Collected("answer", self._gate.limits.answer)
            return []
        if is_told_by_first_bytes(self._endpoint, self._endpoint.answer_form):
            self._body = _labelled_binary("answer", self._gate.limits.answer, event.headers)
            self._state = State.WHOLE
            return []
        return self._begin_passing(event, uninspected=_BINARY)

    def _begin_passing(self, event: AnswerStarted, uninspected: tuple[Uninspected, ...]) -> list[Command]:
        self._state = State.PASSING
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
        if stream.cut is not None:
            return self._cut_content(stream, stream.cut)
        outcome = "edited" if stream.totals.edited else "forwarded"
        return self._sent(stream.drain()) + (self._end(outcome) if event.last else [])

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
        self._bill.answered(outcome.document)
        if outcome.verdict.effect >= Effect.ASK:
            self._endpoint = messages.bound(self._endpoint, outcome.document, Direction.ANSWER)
            return self._refuse(self._content_refusal(outcome.verdict))
        headers = self._with_limits(headers)
        if not outcome.edited:
            return self._respond(status, headers, raw, self._facts.outcome_of_edits())
        return self._respond(status, fields.of_edited(headers), outcome.body, "edited")

    # --- either body as a PDF ---------------------------------------------------------------------------------------

    def _extract(self, reading: _Reading) -> list[Command]:
        self._reading, self._state = reading, State.READING
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
            raise Refused(refuse.of(Code.CONTENT, self._facts.id, why))
        outcome = pdf.inspect(self._gate, self._endpoint, reading.direction, reading.body, self._media, event)
        judged = self._request_judged if reading.direction is Direction.REQUEST else self._answer_judged
        return judged(reading.raw, outcome)


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
    Stopped: Exchange._on_stopped,
    Failed: Exchange._on_failed,
}
"""What each event does."""


class _Reading(Struct, frozen=True):
    """A body whose text is being read: as it came, and decoded."""

    direction: Direction
    raw: bytes
    body: bytes


def _labelled_binary(what: str, limit: int, headers: Headers) -> Collected:
    """A body whose label says that it is no text, to be collected until its first bytes have told."""
    return Collected(what, limit, FirstBytes(fields.value(headers, "content-encoding"), limit))
