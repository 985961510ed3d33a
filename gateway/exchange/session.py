"""A session over a WebSocket, as a machine that is fed events and gives commands: the exchange's sibling.

    START ──▶ LIMITS ──▶ DIALLING ──▶ OPEN ⇄ ASKING ──▶ DONE          any state ──▶ DONE by a refusal

The client's messages are judged one by one, as requests are; those of the server as one stream where a dialect knows
them, and one by one elsewhere. A message that is refused is not forwarded, and where the dialect has an event to say
so, the session goes on; whatever else goes wrong ends it. It fails closed, and knows no socket, clock or loop.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from urllib.parse import parse_qs

from msgspec.structs import replace

from gateway.dialect.base import Coverage
from gateway.dialect.route import Family
from gateway.dialect.sockets import opened
from gateway.errors import Code, InternalError, LockgateError, Malformed, OverLimit
from gateway.exchange import answer as answers
from gateway.exchange import headers as fields
from gateway.exchange import refuse
from gateway.exchange.body import is_json
from gateway.exchange.events import (
    ClientGone,
    Consult,
    DialDenied,
    Failed,
    Fault,
    Finish,
    Headers,
    LimitsTaken,
    RequestBroken,
    Respond,
    Stopped,
    UpstreamFailed,
)
from gateway.exchange.gate import Gate
from gateway.exchange.judge import judge
from gateway.exchange.session_events import (
    Accept,
    Accepted,
    Cause,
    ClientClosed,
    CloseClient,
    CloseServer,
    Declined,
    Dial,
    Ended,
    FromClient,
    FromServer,
    Message,
    Opcode,
    ServerClosed,
    SessionCommand,
    SessionEvent,
    SessionStarted,
    ToClient,
    ToServer,
)
from gateway.exchange.session_facts import SessionFacts
from gateway.exchange.stream import AnswerStream
from gateway.exchange.target import judge_target
from gateway.exchange.whole import Outcome, inspect, unread
from gateway.policy.profile import UnknownJson
from gateway.segment import Direction, Kind, Place, Role, Segment, Trust, Uninspected
from gateway.verdict import Effect, Refusal, Verdict
from gateway.wire.coding import decode
from gateway.wire.document import Document, glance
from gateway.wire.frames import Framing
from gateway.wire.media import MediaType, content_type

NORMAL: Final = 1000
GOING_AWAY: Final = 1001
PROTOCOL: Final = 1002
NO_CODE: Final = 1005
POLICY: Final = 1008
INTERNAL: Final = 1011
"""Close codes of RFC 6455, 7.4.1. An upstream that failed is a 1011 too: 1014 (bad gateway) is newer, and some clients
take it for a broken frame."""

_JSON: Final = MediaType("application", "json")
_TEXT: Final = MediaType("text", "plain", "utf-8")


class _State(StrEnum):
    START = "start"
    LIMITS = "limits"
    DIALLING = "dialling"  # the upstream was asked for the upgrade
    OPEN = "open"
    ASKING = "asking"  # a message of the client waits for the limits
    DONE = "done"


@dataclass(frozen=True, slots=True)
class _Asked:
    """A message of the client that was judged: as it goes on, and as it was read, where it is a document."""

    message: Message
    document: Document | None


class Session:
    """One session. Feed it events until `finished`; it never raises.

    `gate` gives what is in force: a session may last for hours, so each message, and each answer, is judged by what
    is in force as it begins.
    """

    def __init__(self, gate: Callable[[], Gate], family: Family, *, id: str, upstream: str, principal: str) -> None:
        self._gate = gate
        self._family = family
        self._facts = SessionFacts(id, upstream, principal, gate().rules.digest)
        self._state = _State.START
        self._endpoint, self._socket = opened(family, "/")
        self._started = SessionStarted("/", ())
        self._limit_headers: Headers = ()
        self._stream: AnswerStream | None = None
        self._asked: _Asked | None = None
        self._ending = False
        self._steps: dict[type, Callable[..., list[SessionCommand]]] = {
            SessionStarted: self._on_started,
            LimitsTaken: self._on_limits,
            Accepted: self._on_accepted,
            Declined: self._on_declined,
            FromClient: self._on_client,
            FromServer: self._on_server,
            ClientClosed: self._on_client_closed,
            ServerClosed: self._on_server_closed,
            RequestBroken: self._on_broken,
            UpstreamFailed: self._on_upstream_failed,
            DialDenied: self._on_dial_denied,
            ClientGone: self._on_client_gone,
            Ended: self._on_ended,
            Stopped: self._on_stopped,
            Failed: self._on_failed,
        }

    @property
    def finished(self) -> bool:
        return self._state is _State.DONE

    def weighs(self, event: SessionEvent) -> int:
        """About how many bytes the event would have judged at once; a coded body may decode to all that is allowed."""
        if isinstance(event, FromClient | FromServer):
            return len(event.message.data)
        if not isinstance(event, Declined):
            return 0
        is_coded = fields.value(event.headers, "content-encoding") is not None
        return self._gate().limits.answer if is_coded else len(event.body)

    def receive(self, event: SessionEvent) -> list[SessionCommand]:
        """The commands that follow from an event. A session that is over ignores what still comes."""
        if self.finished:
            return []
        try:
            return self._steps[type(event)](event)
        except LockgateError as error:
            return self._refuse_error(error)
        except Exception as error:  # noqa: BLE001 - the outer boundary: every failure becomes a refusal
            return self._on_failed(Failed(f"session.{self._state}", f"{type(error).__name__}: {error}"))

    # --- the handshake ---------------------------------------------------------------------------------------------

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
        self._state = _State.LIMITS
        return [Consult()]

    def _on_limits(self, event: LimitsTaken) -> list[SessionCommand]:
        if self._state is _State.ASKING:
            return self._on_asked_limits(event)
        if self._state is not _State.LIMITS:
            raise InternalError("limits came that nobody asked for")
        self._limit_headers = event.headers
        self._facts.limited(event)
        refusal = refuse.limited(event, self._facts.id)
        if refusal is not None:
            return self._decline(refusal)
        self._state = _State.DIALLING
        limits = self._gate().limits
        headers = fields.uncoded(self._started.headers)
        return [Dial(self._started.target, headers, self._started.protocols, limits.event, limits.answer)]

    def _on_accepted(self, event: Accepted) -> list[SessionCommand]:
        self._state = _State.OPEN
        self._facts.status = 101
        self._facts.streamed = True
        self._facts.coverage = self._endpoint.coverage.value
        self._begin_stream()
        headers = (*event.headers, *self._limit_headers, *self._own_headers())
        accept: list[SessionCommand] = [Accept(headers, event.protocol, self._gate().limits.event)]
        return [*accept, *self._go_on()]

    def _on_declined(self, event: Declined) -> list[SessionCommand]:
        """The upstream's refusal is the client's answer, inspected as any other."""
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

    # --- the client's messages -------------------------------------------------------------------------------------

    def _on_client(self, event: FromClient) -> list[SessionCommand]:
        if self._state is not _State.OPEN:
            raise InternalError("a message came before the handshakes, or while another waits")
        message = event.message
        self._facts.came(Direction.REQUEST, len(message.data))
        document: Document | None = None
        try:
            if self._endpoint.coverage is Coverage.DIALECT:
                document = glance(message.data)
            outcome = self._inspect(Direction.REQUEST, message)
        except (Malformed, OverLimit) as error:
            self._facts.fault = f"message: {error}"
            code = Code.TOO_LARGE if isinstance(error, OverLimit) else Code.UNREADABLE
            return self._turn_down(refuse.of(code, self._facts.id, str(error)), document)
        if outcome.verdict.effect >= Effect.ASK:
            return self._turn_down(self._content(outcome.verdict), document)
        self._facts.edited = self._facts.edited or outcome.edited
        asked = _Asked(Message(message.opcode, outcome.body), document)
        if document is not None and self._socket.asks(document):
            self._asked = asked
            self._state = _State.ASKING
            return [Consult()]
        return self._forward(asked)

    def _on_asked_limits(self, event: LimitsTaken) -> list[SessionCommand]:
        asked = self._asked
        assert asked is not None
        self._asked = None
        self._state = _State.OPEN
        self._facts.limited(event)
        refusal = refuse.limited(event, self._facts.id)
        if refusal is not None:
            return [*self._turn_down(refusal, asked.document), *self._go_on()]
        return self._forward(asked)

    def _forward(self, asked: _Asked) -> list[SessionCommand]:
        if asked.document is not None:
            self._socket.went(asked.document)
        return [ToServer(asked.message)]

    def _turn_down(self, refusal: Refusal, document: Document | None) -> list[SessionCommand]:
        """Answer a message with a refusal. Where the dialect has no event for that, the session ends."""
        self._facts.code = refusal.code
        complaint = self._socket.complaint(refusal, document)
        if complaint:
            return [ToClient(Message(Opcode.TEXT, complaint))]
        return self._close(POLICY, refusal, "refused")

    # --- the server's messages -------------------------------------------------------------------------------------

    def _on_server(self, event: FromServer) -> list[SessionCommand]:
        if not self._is_open:
            raise InternalError("a message came before the handshakes")
        message = event.message
        self._facts.came(Direction.ANSWER, len(message.data))
        if self._stream is not None:
            return self._on_stream(self._stream, message)
        outcome = self._inspect(Direction.ANSWER, message)
        if outcome.verdict.effect >= Effect.ASK:
            return self._cut(self._content(outcome.verdict))
        self._facts.edited = self._facts.edited or outcome.edited
        return [ToClient(Message(message.opcode, outcome.body))]

    def _on_stream(self, stream: AnswerStream, message: Message) -> list[SessionCommand]:
        if message.opcode is Opcode.BINARY:
            raise Malformed("a binary message where the API has text")
        stream.feed(message.data)
        if stream.cut is not None:
            return self._cut(self._content(stream.cut))
        out = self._departed()
        if stream.at_rest and self._socket.is_idle:
            # What this stretch held is over: what is remembered of it can go, and what is in force now holds.
            self._begin_stream()
        return [*out, *self._go_on()]

    def _begin_stream(self) -> None:
        if self._stream is not None:
            self._facts.answered(self._stream.totals)
            self._stream = None
        gate = self._gate()
        self._facts.ruleset = gate.rules.digest
        if self._endpoint.coverage is Coverage.DIALECT:
            self._stream = AnswerStream(gate, self._endpoint.dialect, Framing.MESSAGE)

    def _departed(self) -> list[SessionCommand]:
        frames = self._stream.departed() if self._stream is not None else []
        return [ToClient(Message(Opcode.TEXT, frame)) for frame in frames]

    # --- both ------------------------------------------------------------------------------------------------------

    def _inspect(self, direction: Direction, message: Message) -> Outcome:
        """Judge a message alone. Raises Malformed for what cannot be read as what it should be."""
        outcome = self._read(self._gate(), direction, message)
        self._facts.judged(direction, outcome)
        return outcome

    def _read(self, gate: Gate, direction: Direction, message: Message) -> Outcome:
        data, coverage = message.data, self._endpoint.coverage
        if len(data) > gate.limits.event:
            raise OverLimit(f"a message has more than {gate.limits.event} bytes (`max_event` under [gateway])")
        if coverage is Coverage.DIALECT:
            if message.opcode is Opcode.BINARY:
                raise Malformed("a binary message where the API has text")
            return inspect(gate, self._endpoint, direction, data, _JSON)
        if coverage is Coverage.PASS:
            return unread(data)
        if is_json(data):  # in binary messages too: Gemini's Live API sends its events in them
            self._refuse_unknown_json(gate)
            return _unjoined(inspect(gate, self._endpoint, direction, data, _JSON))
        if message.opcode is Opcode.BINARY:
            return unread(data)
        return _unjoined(inspect(gate, self._endpoint, direction, data, _TEXT))

    def _refuse_unknown_json(self, gate: Gate) -> None:
        if gate.profile.unknown_json is UnknownJson.BLOCK:
            raise _Refused(
                refuse.of(
                    Code.CONTENT,
                    self._facts.id,
                    f"no dialect knows the messages of `{self._facts.path}` and the profile `{gate.profile.name}` "
                    'refuses JSON that cannot be understood; set `unknown_json = "scan"` under [rules] to read it as '
                    "text",
                )
            )

    def _content(self, verdict: Verdict) -> Refusal:
        code = verdict.code or Code.CONTENT
        rules = refuse.rules_of(verdict.reasons)
        return refuse.of(code, self._facts.id, refuse.content_message(code, rules), rules=rules)

    # --- endings ---------------------------------------------------------------------------------------------------

    def _on_client_closed(self, event: ClientClosed) -> list[SessionCommand]:
        code, reason = self._passed_on(Direction.REQUEST, event.code, event.reason)
        return [self._finish(self._outcome), CloseClient(code, ""), CloseServer(code, reason)]

    def _on_server_closed(self, event: ServerClosed) -> list[SessionCommand]:
        code, reason = self._passed_on(Direction.ANSWER, event.code, event.reason)
        out = self._broken_off()
        if self.finished:
            return out
        return [*out, self._finish(self._outcome), CloseServer(code, ""), CloseClient(code, reason)]

    def _passed_on(self, direction: Direction, code: int, reason: str) -> tuple[int, str]:
        """A close as the other side gets it. A reason is a text like any other; one with a finding stays behind."""
        voice = (Role.USER, Trust.PRINCIPAL) if direction is Direction.REQUEST else (Role.TOOL, Trust.UNTRUSTED)
        judgement = judge(self._gate(), direction, [Segment(Place(()), reason, *voice, Kind.OPAQUE)])
        self._facts.closed_with(judgement)
        passes = judgement.verdict.effect <= Effect.REPORT
        return _sendable(code), reason if passes else ""

    def _broken_off(self) -> list[SessionCommand]:
        """The server sends no more: what came whole is decided and leaves."""
        if self._stream is None:
            return []
        self._stream.break_off()
        if self._stream.cut is not None:
            return self._cut(self._content(self._stream.cut))
        return self._departed()

    def _on_broken(self, event: RequestBroken) -> list[SessionCommand]:
        self._facts.fault = f"client: {event.detail}"
        self._facts.code = Code.UNREADABLE
        return [self._finish("refused"), CloseServer(GOING_AWAY, "")]

    def _on_upstream_failed(self, event: UpstreamFailed) -> list[SessionCommand]:
        self._facts.fault = f"upstream.{event.fault}: {event.detail}"
        self._facts.upstream_failed = True
        code = Code.TIMEOUT if event.fault is Fault.TIMEOUT else Code.UPSTREAM
        refusal = refuse.of(code, self._facts.id, refuse.FAULTS[event.fault])
        if not self._is_open:
            return self._decline(refusal, "failed")
        out = self._broken_off()
        if self.finished:
            return out
        self._facts.code = self._facts.code or code
        return [*out, *self._close(INTERNAL, refusal, "failed")]

    def _on_dial_denied(self, event: DialDenied) -> list[SessionCommand]:
        return self._decline(refuse.of(Code.EGRESS, self._facts.id, event.reason))

    def _on_client_gone(self, _: ClientGone) -> list[SessionCommand]:
        return [self._finish("client_gone"), CloseServer(GOING_AWAY, "")]

    def _on_ended(self, event: Ended) -> list[SessionCommand]:
        if event.cause is Cause.DRAINING:
            self._ending = True
            return self._go_on() if self._is_open else []
        if not self._is_open:
            return self._on_failed(Failed(event.cause, "cut before it was open"))
        return self._say_goodbye(event.cause)

    def _go_on(self) -> list[SessionCommand]:
        """Nothing, unless the session is to end and no answer is under way."""
        is_between = self._socket.is_idle and (self._stream is None or self._stream.at_rest)
        if self._ending and is_between and self._state is _State.OPEN:
            return self._say_goodbye(Cause.SHUTDOWN)
        return []

    def _say_goodbye(self, cause: Cause) -> list[SessionCommand]:
        reason = _GOODBYES[cause]
        return [self._finish(self._outcome), CloseClient(GOING_AWAY, reason), CloseServer(GOING_AWAY, "")]

    def _on_stopped(self, event: Stopped) -> list[SessionCommand]:
        return self._end_by(refuse.of(Code.STOPPED, self._facts.id, event.why), "cut", POLICY)

    def _on_failed(self, event: Failed) -> list[SessionCommand]:
        self._facts.fault = f"{event.stage}: {event.detail}"
        return self._end_by(refuse.of(Code.INTERNAL, self._facts.id, refuse.INTERNAL), "failed", INTERNAL)

    def _refuse_error(self, error: LockgateError) -> list[SessionCommand]:
        if isinstance(error, _Refused):
            return self._end_by(error.refusal, "refused", POLICY)
        if not isinstance(error, Malformed | OverLimit):
            return self._on_failed(Failed(f"session.{self._state}", f"{type(error).__name__}: {error}"))
        # The client's messages are read elsewhere, so it is the upstream's.
        self._facts.fault = f"{self._state}: {error}"
        message = f"the upstream's answer cannot be inspected: {error}"
        return self._end_by(refuse.of(Code.UPSTREAM, self._facts.id, message), "refused", INTERNAL)

    def _end_by(self, refusal: Refusal, outcome: str, close_code: int) -> list[SessionCommand]:
        """End by a refusal; where even that fails (the dialect's own shape is what broke), end without words."""
        try:
            if not self._is_open:
                return self._decline(refusal, outcome)
            return self._cut(refusal, outcome, close_code)
        except Exception as error:  # noqa: BLE001 - the outer boundary, second line: a bare ending needs no dialect
            self._facts.code = refusal.code
            self._facts.fault = f"{self._facts.fault}; refusing failed: {type(error).__name__}: {error}"
            if not self._is_open:
                return [Respond(500, refuse.BARE_HEADERS, refuse.BARE_BODY), self._finish("failed")]
            return [self._finish("failed"), CloseClient(INTERNAL, ""), CloseServer(GOING_AWAY, "")]

    def _decline(self, refusal: Refusal, outcome: str = "refused") -> list[SessionCommand]:
        """Refuse the upgrade."""
        self._facts.code, self._facts.told = refusal.code, refusal.message
        headers = (*refuse.headers(refusal), *self._limit_headers)
        return self._respond(refusal.status, headers, self._socket.refusal(refusal), outcome)

    def _respond(self, status: int, headers: Headers, body: bytes, outcome: str) -> list[SessionCommand]:
        self._facts.status = status
        return [Respond(status, (*headers, *self._own_headers()), body), self._finish(outcome)]

    def _cut(self, refusal: Refusal, outcome: str = "cut", close_code: int = POLICY) -> list[SessionCommand]:
        """End an open session: what may leave, then an ending for each answer under way, or an event that tells why."""
        self._facts.code, self._facts.told = refusal.code, refusal.message
        out = self._departed()
        if self._stream is not None:
            out += [ToClient(Message(Opcode.TEXT, line)) for line in self._stream.ending(refusal).splitlines()]
        return [*out, *self._close(close_code, refusal, outcome)]

    def _close(self, close_code: int, refusal: Refusal, outcome: str) -> list[SessionCommand]:
        complaint = self._socket.complaint(refusal)
        told: list[SessionCommand] = [ToClient(Message(Opcode.TEXT, complaint))] if complaint else []
        reason = f"{refusal.code}, {refusal.request_id}"
        return [*told, self._finish(outcome), CloseClient(close_code, reason), CloseServer(GOING_AWAY, "")]

    @property
    def _is_open(self) -> bool:
        return self._state in (_State.OPEN, _State.ASKING)

    @property
    def _outcome(self) -> str:
        """What became of a session that ended by itself: it may hold messages that were refused."""
        return "forwarded" if self._facts.code is None else "refused"

    def _finish(self, outcome: str) -> Finish:
        self._state = _State.DONE
        if self._stream is not None:
            self._facts.answered(self._stream.totals)
        return Finish(self._facts.record(outcome))

    def _own_headers(self) -> Headers:
        facts = self._facts
        counts = Counter(finding.rule for finding in facts.findings)
        listed = ", ".join(f"{rule}={count}" for rule, count in sorted(counts.items()))
        own = (("x-lockgate-id", facts.id), ("x-lockgate-effect", facts.applied.name.lower()))
        return (*own, ("x-lockgate-findings", listed)) if listed else own


_GOODBYES: Final = {Cause.SHUTDOWN: "the gateway shuts down", Cause.IDLE: "nothing was said for too long"}


def _sendable(code: int) -> int:
    """The code as it may stand in a frame: some only describe what never came, and most are not assigned (RFC 6455,
    7.4.2, and the IANA registry of close codes, 2026-11)."""
    if code == NO_CODE:
        return NORMAL
    return code if 1000 <= code <= 1003 or 1007 <= code <= 1014 or 3000 <= code <= 4999 else PROTOCOL


def _model(target: str) -> str | None:
    """The model that a query names, as the Realtime API has it."""
    return next(iter(parse_qs(target.partition("?")[2]).get("model", ())), None)


def _unjoined(outcome: Outcome) -> Outcome:
    """Messages that no dialect knows are judged one by one: a text over several of them is named as not joined."""
    unjoined = Uninspected("unjoined_stream")
    return replace(
        outcome,
        inspected=replace(outcome.inspected, uninspected=(*outcome.inspected.uninspected, unjoined)),
    )


class _Refused(LockgateError):
    """Carries a refusal out of a nested step."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal
