"""How an exchange ends: forwarded, refused, cut or failed, and always with one record.

What went wrong becomes the refusal that a client is told, in the shape that the state still allows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from enum import StrEnum
from typing import Final

from gateway.dialect.apart import Expected
from gateway.dialect.route import Family
from gateway.errors import ClientError, Code, LockgateError, Malformed, OverLimit, UpstreamError
from gateway.exchange import quota_fields, refuse
from gateway.exchange.bill import Bill
from gateway.exchange.calls import Calls
from gateway.exchange.events import (
    Announce,
    AnswerStarted,
    ClientGone,
    Command,
    DialDenied,
    DropUpstream,
    EndAnswer,
    Failed,
    Fault,
    Finish,
    Headers,
    LimitsTaken,
    Overdue,
    RequestBroken,
    Respond,
    SendAnswer,
    StartClock,
    Stopped,
    UpstreamFailed,
)
from gateway.exchange.facts import Facts
from gateway.exchange.messages import MessageStream
from gateway.exchange.stream import AnswerStream
from gateway.policy.tools.wrapper import PATIENCE
from gateway.verdict import Refusal, Verdict


class State(StrEnum):
    """Where an exchange is."""

    START = "start"
    LIMITS = "limits"
    BODY = "body"  # the request body is collected
    RECALLING = "recalling"  # what became of calls in an answer before
    WAITING = "waiting"  # for the upstream's head
    WHOLE = "whole"  # the answer body is collected
    READING = "reading"  # for the text of a PDF, which either body may be
    STREAM = "stream"  # the answer is judged event by event
    ASKING = "asking"  # whether calls in the answer are approved
    PASSING = "passing"  # the answer passes in pieces, not inspected
    DONE = "done"


_UNHEARD: Final = frozenset({Fault.UNREACHABLE, Fault.UNTRUSTED})
"""Faults of an upstream that has not seen the request."""

_WHOLE: Final = frozenset({"forwarded", "edited"})
"""Outcomes of an answer that came to its end."""

_UPSTREAM_OPEN: Final = frozenset(
    {State.WAITING, State.WHOLE, State.STREAM, State.ASKING, State.PASSING, State.READING}
)


class Refused(LockgateError):
    """Carries a refusal out of a nested step."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal


class Ending:
    """What an exchange needs to end in any state; what leads there is `Exchange`'s."""

    def __init__(self, family: Family, facts: Facts) -> None:
        self._facts = facts
        self._state = State.START
        self._endpoint = family.fallback
        self._bill = Bill()
        self._limits = LimitsTaken()
        self._answer: AnswerStarted | None = None
        self._stream: AnswerStream | MessageStream | None = None
        self._begun = False  # whether the client has the head of an answer
        self._made: Calls | None = None  # of tools, by the request itself
        self._expected: Expected | None = None  # the same, where they are answered on another stream
        self._calls: Calls | None = None  # of tools, in the answer; None where nobody rules on them

    # --- failures --------------------------------------------------------------------------------------------------

    def _on_upstream_failed(self, event: UpstreamFailed) -> list[Command]:
        self._facts.fault = f"upstream.{event.fault}: {event.detail}"
        if event.fault in _UNHEARD:
            self._turned_down()
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
        self._turned_down()
        return self._refuse(refuse.of(Code.EGRESS, self._facts.id, event.reason))

    def _turned_down(self) -> None:
        """The upstream has not seen the request. One that has may answer calls whatever else it says of them."""
        self._bill.turned_down()
        if self._expected is not None:
            self._expected.withdraw()

    def _on_request_broken(self, event: RequestBroken) -> list[Command]:
        self._facts.fault = f"request_body: {event.detail}"
        return self._refuse(refuse.of(Code.UNREADABLE, self._facts.id, f"the request body is broken: {event.detail}"))

    def _on_client_gone(self, _: ClientGone) -> list[Command]:
        return [DropUpstream(), self._finish("client_gone")]

    def _on_stopped(self, event: Stopped) -> list[Command]:
        refusal = refuse.of(Code.STOPPED, self._facts.id, event.why)
        return self._guarded(lambda: self._refuse(refusal, outcome="cut" if self._begun else "refused"))

    def _clock(self) -> list[Command]:
        """Have it told when the calls that the request makes take too long; and where else they may be answered."""
        announced: list[Command] = [Announce(self._expected)] if self._expected is not None else []
        seconds = self._made.timeout if self._made is not None else None
        return [*announced, StartClock(seconds, seconds * PATIENCE)] if seconds is not None else []

    def _on_overdue(self, _: Overdue) -> list[Command]:
        """A tool takes too long: its caller is told, and what it still says is not waited for."""
        words = self._made.overdue() if self._made is not None else ""
        self._facts.fault = f"tool: {words}"
        refusal = refuse.of(Code.TOOL, self._facts.id, words, rules=("tool-timeout",))
        return self._guarded(lambda: self._refuse(refusal, outcome="cut" if self._begun else "refused"))

    def _on_failed(self, event: Failed) -> list[Command]:
        self._facts.fault = f"{event.stage}: {event.detail}"
        refusal = refuse.of(Code.INTERNAL, self._facts.id, refuse.INTERNAL)
        return self._guarded(lambda: self._refuse(refusal, outcome="failed"))

    def _refuse_error(self, error: LockgateError) -> list[Command]:
        if isinstance(error, Refused):
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

    # --- refusals --------------------------------------------------------------------------------------------------

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
        dialect = self._endpoint.dialect
        headers = self._with_limits((*refuse.headers(refusal), *dialect.refusal_fields(refusal)))
        return [*drop, *self._respond(dialect.status(refusal), headers, dialect.refusal(refusal), outcome)]

    def _cut(self, out: bytes, refusal: Refusal, outcome: str = "cut") -> list[Command]:
        """End a stream early: what may leave, then the dialect's ending; a reset where the dialect has none."""
        assert self._stream is not None
        self._facts.code, self._facts.told = refusal.code, refusal.message
        ending = self._stream.ending(refusal)
        return [DropUpstream(), *self._sent(out + ending), *self._end(outcome, clean=bool(ending))]

    def _cut_content(self, stream: AnswerStream | MessageStream, cut: Verdict) -> list[Command]:
        return self._cut(stream.drain(), self._content_refusal(cut))

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

    def _with_limits(self, headers: Headers) -> Headers:
        """An answer's fields, with those that tell of the limits."""
        return quota_fields.added(headers, self._facts.dialect, self._limits.headers, self._limits.quotas)

    def _end(self, outcome: str, *, clean: bool = True) -> list[Command]:
        return [EndAnswer(clean), self._finish(outcome)]

    def _finish(self, outcome: str) -> Finish:
        self._state = State.DONE
        if self._stream is not None:
            self._facts.add_stream(self._stream.totals, self._endpoint)
            self._bill.streamed(self._stream.totals, to_its_end=outcome in _WHOLE)
        if isinstance(self._stream, MessageStream):
            self._stream.close()
        if self._made is not None:
            self._facts.add_calls(self._made, apart=self._expected is not None)
        if self._calls is not None:
            self._facts.add_calls(self._calls)
        self._facts.usage, self._facts.counted = self._bill.settled()
        return Finish(self._facts.record(outcome))

    def _own_headers(self) -> Headers:
        facts = self._facts
        own = (("x-lockgate-id", facts.id), ("x-lockgate-effect", facts.applied.name.lower()))
        if not facts.findings:
            return own
        counts = Counter(finding.rule for finding in facts.findings)
        listed = ", ".join(f"{rule}={count}" for rule, count in sorted(counts.items()))
        return (*own, ("x-lockgate-findings", listed))
