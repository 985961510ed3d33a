"""The exchange: one request and its answer, as a machine that is fed events and gives commands.

    START ──▶ LIMITS ──▶ BODY ──▶ WAITING ──▶ WHOLE | STREAM | PASSING ──▶ DONE
                │          │         ▲
                └──────────┴─────────┘            any state ──▶ DONE by a refusal

Where a limit needs what the body says, it is asked behind BODY: START ──▶ BODY ──▶ LIMITS ──▶ WAITING.

    BODY and WHOLE ──▶ READING, and on from there, where the text of a PDF is read elsewhere
    WHOLE and STREAM ──▶ ASKING, and on from there, where a call of a tool must be approved

It fails closed: whatever goes wrong, an exception in any stage included, becomes a refusal and a record. The machine
knows no socket, clock or loop; the same events give the same commands.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from gateway.dialect.base import Coverage
from gateway.dialect.route import Endpoint, Family, Form
from gateway.errors import InternalError, LockgateError
from gateway.exchange import headers as fields
from gateway.exchange import hosted, messages, pdf, refuse, signed
from gateway.exchange.bill import Bill, meter_for
from gateway.exchange.calls import may_complete
from gateway.exchange.collecting import BINARY, Reading, labelled_binary
from gateway.exchange.consulting import Held
from gateway.exchange.content import inspect, is_told_by_first_bytes, readable
from gateway.exchange.demand import Consults, Demand
from gateway.exchange.ending import State
from gateway.exchange.events import (
    Announced,
    AnswerData,
    Answered,
    AnswerStarted,
    CallsOverdue,
    ClientGone,
    Command,
    DialDenied,
    Event,
    Extracted,
    Failed,
    Headers,
    LimitsTaken,
    Overdue,
    ReadBody,
    Recall,
    Recalled,
    RequestBroken,
    RequestData,
    RequestStarted,
    SendUpstream,
    StartUpstream,
    Stopped,
    UpstreamFailed,
)
from gateway.exchange.facts import Facts
from gateway.exchange.gate import Gate
from gateway.exchange.judge import STOPPED_TOOL
from gateway.exchange.making import Making
from gateway.exchange.recorded import Inspected
from gateway.exchange.stream import AnswerStream
from gateway.exchange.target import judge_target
from gateway.exchange.whole import Outcome
from gateway.policy.profile import UnknownJson
from gateway.segment import Direction, Uninspected
from gateway.verdict import Effect, Refusal
from gateway.wire.coding import decode
from gateway.wire.document import Document, glance, parse
from gateway.wire.media import content_type


class _Leaning(Struct, frozen=True):
    """A request that may go on from what its provider keeps: as it came, and decoded."""

    raw: bytes
    document: Document


class Exchange(Making):
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
        isolation: int | None = None,
    ) -> None:
        super().__init__(gate, family, Facts(id, upstream, principal, gate.rules.digest), isolation, consults)
        self._family = family
        self._uploading = False
        self._is_signed = False  # over its bytes, so that any change makes it worthless
        self._leaning: _Leaning | None = None

    @property
    def finished(self) -> bool:
        return self._state is State.DONE

    def weighs(self, event: Event) -> int:
        """About how many bytes the event would have judged at once; a coded body may decode to all that is allowed."""
        if isinstance(event, Extracted):
            return sum(map(len, event.texts))
        if isinstance(event, Answered):
            return len(self._asked_body)  # other arguments are held against it
        if not isinstance(event, RequestData | AnswerData):
            return 0
        if self._state is State.STREAM:
            return self._weight_of_stream(event)
        if not event.last or self._state not in (State.BODY, State.WHOLE):
            return 0
        headers = self._request.headers if self._answer is None else self._answer.headers
        is_coded = fields.value(headers, "content-encoding") is not None
        # The calls in it are held against what was asked.
        asked = 0 if self._calls is None else len(self._asked_body)
        return self._gate.limits.answer if is_coded else self._body.size + len(event.data) + asked

    def _weight_of_stream(self, event: RequestData | AnswerData) -> int:
        """A call that is complete with an event is held against what was asked, however few bytes tell of it."""
        stream = self._stream
        assert stream is not None
        if self._decoder is not None:
            return self._gate.limits.answer
        weight = len(event.data) + stream.unread
        if self._calls is None or not isinstance(stream, AnswerStream):
            return weight
        is_calling = (event.last and stream.waits) or may_complete(event.data, waits=stream.waits)
        return weight + (len(self._asked_body) if is_calling else 0)

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
        self._is_signed = self._family.is_signed(event.headers, event.target.partition("?")[2])
        self._lead_to(self._family.endpoint(event.method, path))
        if self._unknown and self._gate.profile.unknown_json is UnknownJson.PASS:
            self._endpoint = replace(self._endpoint, coverage=Coverage.PASS)
        self._media = content_type(event.headers)
        headers = messages.unrepeated(self._endpoint, event.headers)
        head = judge_target(self._gate, self._family, event.host, event.target, headers)
        self._facts.add_head(head)
        if head.total.effect >= Effect.ASK:
            return self._refuse(self._content_refusal(head.total.verdict))
        if not event.has_body or not self._reads_request:
            # What is known of it now is all that will be, but for a body that turns out to be text.
            return self._rule(self._requested(None), self._refuse, self._begin_consulting)
        return self._begin_consulting()

    def _lead_to(self, endpoint: Endpoint) -> None:
        self._unknown = endpoint is self._family.fallback and endpoint.coverage is Coverage.TEXT
        self._endpoint = signed.unmarked(endpoint) if self._is_signed else endpoint
        self._facts.dialect = endpoint.dialect.name
        self._bill = Bill(meter_for(endpoint.meter, self._request.method))

    def _begin_consulting(self) -> list[Command]:
        if self._consults is Consults.LATE and self._request.has_body and self._reads_request:
            self._state = State.BODY
            return [ReadBody()]
        return self._consult(Demand(asked=self._asked(None), tools=self._called(None)))

    def _on_limits(self, event: LimitsTaken) -> list[Command]:
        if self._state is not State.LIMITS:
            raise InternalError("limits came that nobody asked for")
        self._limits = event
        self._facts.limited(event)
        switched = self._switched(event)
        if switched:
            return switched
        refusal = refuse.limited(event, self._facts.id)
        if refusal is not None:
            return self._refuse(refusal)
        if self._held is not None:
            return self._start_upstream(self._held.sent, self._held.headers)
        if not self._request.has_body:
            return self._start_upstream(b"", self._fields(None, b""))
        if self._reads_request:
            self._state = State.BODY
            return [ReadBody()]
        if is_told_by_first_bytes(self._endpoint, self._endpoint.request_form):
            self._body = labelled_binary("request", self._gate.limits.request, self._request.headers)
            self._state = State.BODY
            return [ReadBody()]
        return [self._begin_upload(BINARY), ReadBody()]

    @property
    def _reads_request(self) -> bool:
        return self._refuses_unknown or readable(self._endpoint, self._endpoint.request_form, self._media)

    def _begin_upload(self, uninspected: tuple[Uninspected, ...]) -> StartUpstream:
        self._state = State.WAITING
        self._uploading = True
        self._facts.request = Inspected(coverage=Coverage.PASS.value, uninspected=uninspected)
        return self._upstream_command(None, self._onward_headers())

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
        if self._endpoint.doubt is not None:
            self._lead_to(self._endpoint.told_by(body))
        self._refuse_unknown_json(body, self._media)
        if self._gate.firewall is not None and self._endpoint.coverage is Coverage.DIALECT:
            self._asked_body = body
            if self._endpoint.generates and self._endpoint.dialect.may_lean(body):
                return self._recall(raw, body)
        return self._judge_body(raw, body)

    def _recall(self, raw: bytes, body: bytes) -> list[Command]:
        """Ask for what became of calls in answers that the request goes on from: its provider waits for them."""
        self._leaning = _Leaning(raw, glance(body))
        if names := self._endpoint.dialect.leans_on(self._leaning.document):
            self._state = State.RECALLING
            return [Recall(names)]
        return self._on_recalled(Recalled())

    def _on_recalled(self, event: Recalled) -> list[Command]:
        leaning, self._leaning = self._leaning, None
        if leaning is None:
            raise InternalError("something was recalled that nobody asked for")
        raw, body = leaning.raw, leaning.document.raw
        resumed = self._endpoint.dialect.resumed(leaning.document, event.denials)
        if resumed != body:
            self._facts.edited = True
            self._request = replace(self._request, headers=fields.of_edited(self._request.headers))
            raw = self._asked_body = body = resumed
        self._state = State.BODY
        return self._judge_body(raw, body)

    def _judge_body(self, raw: bytes, body: bytes) -> list[Command]:
        if pdf.is_read(self._endpoint, self._endpoint.request_form) and pdf.is_pdf(body, self._media):
            return self._extract(Reading(Direction.REQUEST, raw, body))
        return self._request_judged(raw, inspect(self._gate, self._endpoint, Direction.REQUEST, body, self._media))

    def _request_judged(self, raw: bytes, outcome: Outcome) -> list[Command]:
        if messages.calls_stopped(self._gate, self._endpoint.dialect, outcome.document):
            outcome = replace(outcome, verdict=STOPPED_TOOL)
        self._facts.add(Direction.REQUEST, outcome)
        if self._is_signed:
            self._facts.add_reasons(Effect.ALLOW, Effect.ALLOW, signed.notes(self._gate, self._endpoint))
        if self._bill.meter is not None:
            self._facts.model = self._bill.meter.model_of(self._path, outcome.document) or self._facts.model
        self._facts.operation = messages.operation(self._endpoint, outcome.document, named=not outcome.findings)
        self._endpoint = messages.bound(self._endpoint, outcome.document, Direction.REQUEST)
        headers = self._fields(outcome.document, outcome.body)
        if outcome.verdict.effect >= Effect.ASK:
            return self._refuse_request(outcome.document, headers, self._content_refusal(outcome.verdict))
        if self._is_signed and outcome.edited:
            return self._refuse(signed.refusal(outcome.verdict, self._facts.id))
        refused = hosted.refused(self._gate, self._endpoint, outcome, self._asked_body, self._facts)
        if refused is not None:
            return self._refuse(refuse.of(refused.code, self._facts.id, refused.words, rules=refused.rules))
        return self._rule(
            (*messages.made(self._endpoint, outcome.document, self._facts.upstream), *self._requested(outcome)),
            partial(self._refuse_request, outcome.document, headers),
            partial(self._request_ruled, raw, outcome, headers),
        )

    def _request_ruled(self, raw: bytes, outcome: Outcome, headers: Headers) -> list[Command]:
        """Send the request, or see first whether the limits allow it."""
        if self._made is not None and self._made.changes:
            body = messages.with_arguments(self._endpoint, parse(outcome.body), self._made.changes)
            outcome, headers = replace(outcome, body=body, edited=True), self._fields(outcome.document, body)
            self._facts.edited = True
        document = outcome.document or self._reread(raw, outcome)
        if outcome.edited:
            raw, headers = outcome.body, fields.of_edited(headers)
        if self._consults is Consults.EARLY:
            return self._start_upstream(raw, headers)
        self._held = Held(raw, outcome.body, headers)
        asked = self._asked(document, outcome.inspected.uninspected)
        return self._consult(Demand(asked=asked, tools=self._called(outcome.document)))

    def _refuse_request(self, document: Document | None, headers: Headers, refusal: Refusal) -> list[Command]:
        """Refuse what a client sends: tell it, or its receiver where it is that one who waits."""
        instead = messages.instead(self._endpoint, document, refusal)
        if instead is None:
            return self._refuse(refusal)
        self._facts.edited = True
        self._facts.code, self._facts.told = refusal.code, refusal.message
        return self._start_upstream(instead, fields.of_edited(headers))

    def _fields(self, before: Document | None, body: bytes) -> Headers:
        return messages.request_fields(self._endpoint, self._onward_headers(), before, body)

    def _onward_headers(self) -> Headers:
        """The request's fields for the upstream; where the answer will be read, it is to come without coding, unless
        the fields are signed."""
        if self._endpoint.coverage is Coverage.PASS or self._endpoint.answer_form is Form.BYTES:
            return self._request.headers
        headers = self._request.headers if self._is_signed else fields.uncoded(self._request.headers)
        # A part of a body could be read in slices that no rule sees whole.
        return fields.without(headers, ("range", "if-range"))

    def _start_upstream(self, body: bytes, headers: Headers) -> list[Command]:
        self._state = State.WAITING
        if self._made is not None and self._made.refused is None:
            self._expected = messages.expect(self._endpoint, self._made, self._facts.id)
        return [*self._clock(), self._upstream_command(body, headers)]

    def _upstream_command(self, body: bytes | None, headers: Headers) -> StartUpstream:
        self._bill.sent()
        return StartUpstream(self._request.method, self._request.target, headers, body)


_STEPS: Final[Mapping[type[Event], Callable[[Exchange, Any], list[Command]]]] = {
    RequestStarted: Exchange._on_request,
    LimitsTaken: Exchange._on_limits,
    RequestData: Exchange._on_request_data,
    AnswerStarted: Exchange._on_answer,
    AnswerData: Exchange._on_answer_data,
    UpstreamFailed: Exchange._on_upstream_failed,
    DialDenied: Exchange._on_dial_denied,
    Extracted: Exchange._on_extracted,
    Answered: Exchange._on_answered,
    Recalled: Exchange._on_recalled,
    Announced: Exchange._on_announced,
    CallsOverdue: Exchange._on_calls_overdue,
    RequestBroken: Exchange._on_request_broken,
    ClientGone: Exchange._on_client_gone,
    Stopped: Exchange._on_stopped,
    Overdue: Exchange._on_overdue,
    Failed: Exchange._on_failed,
}
"""What each event does."""
