"""How a session ends: closed by one side, declined, cut or failed, and always with one record.

Before it is open, an ending is an answer to the upgrade request; after that it is what may still leave, an event of the
dialect that says why, and a close frame for each side.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from enum import StrEnum

from gateway.dialect.route import Family
from gateway.dialect.sockets import opened
from gateway.dialect.usage import Usage
from gateway.errors import ClientError, Code, LockgateError, Malformed, OverLimit
from gateway.exchange import quota_fields, refuse
from gateway.exchange.calls import Calls
from gateway.exchange.demand import Counted
from gateway.exchange.events import (
    ClientGone,
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
from gateway.exchange.session_closes import GOING_AWAY, GOODBYES, INTERNAL, POLICY, reason_of, sendable
from gateway.exchange.session_events import (
    Cause,
    ClientClosed,
    CloseClient,
    CloseServer,
    Ended,
    Message,
    Opcode,
    ServerClosed,
    SessionCommand,
    ToClient,
    Withdrawn,
)
from gateway.exchange.session_facts import SessionFacts
from gateway.exchange.stream import AnswerStream
from gateway.segment import Direction, Kind, Place, Role, Segment, Trust
from gateway.verdict import Effect, Refusal, Verdict


class State(StrEnum):
    """Where a session is."""

    START = "start"
    LIMITS = "limits"
    DIALLING = "dialling"  # the upstream was asked for the upgrade
    OPEN = "open"
    ASKING = "asking"  # a message of the client waits for the limits
    DONE = "done"


class SessionEnding:
    """What a session needs to end in any state; what leads there is `Session`'s."""

    def __init__(self, gate: Callable[[], Gate], family: Family, facts: SessionFacts) -> None:
        self._gate = gate
        self._facts = facts
        self._state = State.START
        self._endpoint, self._socket = opened(family, "/")
        self._limits = LimitsTaken()
        self._stream: AnswerStream | None = None
        self._calls: Calls | None = None  # of tools, in the stream; None where nobody rules on them
        self._used_before: Usage = {}  # when an answer was last asked for
        self._ending = False
        self._opcode = Opcode.TEXT  # in which the server sends its messages

    @property
    def finished(self) -> bool:
        return self._state is State.DONE

    # --- what one side does ----------------------------------------------------------------------------------------

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
        return sendable(code), reason if passes else ""

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

    # --- what the gateway does -------------------------------------------------------------------------------------

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
        if self._ending and is_between and self._state is State.OPEN:
            return self._say_goodbye(Cause.SHUTDOWN)
        return []

    def _say_goodbye(self, cause: Cause) -> list[SessionCommand]:
        return [self._finish(self._outcome), CloseClient(GOING_AWAY, GOODBYES[cause]), CloseServer(GOING_AWAY, "")]

    def _on_stopped(self, event: Stopped) -> list[SessionCommand]:
        return self._withdraw(Code.STOPPED, event.why)

    def _on_withdrawn(self, event: Withdrawn) -> list[SessionCommand]:
        return self._withdraw(event.code, event.why)

    def _withdraw(self, code: Code, why: str) -> list[SessionCommand]:
        return self._end_by(refuse.of(code, self._facts.id, why), "cut" if self._is_open else "refused", POLICY)

    def _on_failed(self, event: Failed) -> list[SessionCommand]:
        self._facts.fault = f"{event.stage}: {event.detail}"
        return self._end_by(refuse.of(Code.INTERNAL, self._facts.id, refuse.INTERNAL), "failed", INTERNAL)

    # --- refusals --------------------------------------------------------------------------------------------------

    def _content(self, verdict: Verdict) -> Refusal:
        code = verdict.code or Code.CONTENT
        rules = refuse.rules_of(verdict.reasons)
        return refuse.of(code, self._facts.id, refuse.content_message(code, rules), rules=rules)

    def _refuse_error(self, error: LockgateError) -> list[SessionCommand]:
        if isinstance(error, ClientError):
            return self._end_by(refuse.of(error.code, self._facts.id, str(error)), "refused", POLICY)
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
        headers = self._with_limits(refuse.headers(refusal))
        return self._respond(refusal.status, headers, self._socket.refusal(refusal), outcome)

    def _cut(self, refusal: Refusal, outcome: str = "cut", close_code: int = POLICY) -> list[SessionCommand]:
        """End an open session: what may leave, then an ending for each answer under way, or an event that tells why."""
        self._facts.code, self._facts.told = refusal.code, refusal.message
        out = self._departed()
        if self._stream is not None:
            out += [ToClient(Message(self._opcode, line)) for line in self._stream.ending(refusal).splitlines()]
        return [*out, *self._close(close_code, refusal, outcome)]

    def _departed(self) -> list[SessionCommand]:
        """What the server said that is decided, and may leave."""
        frames = self._stream.departed() if self._stream is not None else []
        return [ToClient(Message(self._opcode, frame)) for frame in frames]

    # --- endings ---------------------------------------------------------------------------------------------------

    def _respond(self, status: int, headers: Headers, body: bytes, outcome: str) -> list[SessionCommand]:
        self._facts.status = status
        return [Respond(status, (*headers, *self._own_headers()), body), self._finish(outcome)]

    def _close(self, close_code: int, refusal: Refusal, outcome: str) -> list[SessionCommand]:
        complaint = self._socket.complaint(refusal)
        told: list[SessionCommand] = [ToClient(Message(Opcode.TEXT, complaint))] if complaint else []
        close = CloseClient(close_code, reason_of(refusal))
        return [*told, self._finish(outcome), close, CloseServer(GOING_AWAY, "")]

    def _finish(self, outcome: str) -> Finish:
        self._state = State.DONE
        self._note_stretch()
        self._facts.counted = Counted.PROVIDER if self._is_answered else Counted.RESERVATION
        return Finish(self._facts.record(outcome))

    def _note_stretch(self) -> None:
        """Note what became of the server's messages since its stream was begun."""
        if self._stream is not None:
            self._facts.answered(self._stream.totals)
        if self._calls is not None:
            self._facts.add_calls(self._calls)

    def _with_limits(self, headers: Headers) -> Headers:
        return quota_fields.added(headers, self._facts.dialect, self._limits.headers, self._limits.quotas)

    @property
    def _used(self) -> Usage:
        """The provider's counts of all answers so far."""
        return {**self._facts.usage, **(self._stream.totals.usage if self._stream is not None else {})}

    @property
    def _is_answered(self) -> bool:
        """Whether the provider has counted what was last asked for, and nothing is under way."""
        return self._socket.is_idle and self._used != self._used_before

    @property
    def _is_open(self) -> bool:
        return self._state in (State.OPEN, State.ASKING)

    @property
    def _outcome(self) -> str:
        """What became of a session that ended by itself: it may hold messages that were refused."""
        return "forwarded" if self._facts.code is None else "refused"

    def _own_headers(self) -> Headers:
        facts = self._facts
        counts = Counter(finding.rule for finding in facts.findings)
        listed = ", ".join(f"{rule}={count}" for rule, count in sorted(counts.items()))
        own = (("x-lockgate-id", facts.id), ("x-lockgate-effect", facts.applied.name.lower()))
        return (*own, ("x-lockgate-findings", listed)) if listed else own
