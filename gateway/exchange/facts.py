"""What becomes the record of an exchange, gathered while it runs."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from gateway.dialect.route import Endpoint
from gateway.dialect.usage import Usage
from gateway.errors import Code
from gateway.exchange.calls import Calls
from gateway.exchange.demand import Counted
from gateway.exchange.events import LimitsTaken
from gateway.exchange.recorded import CallRecord, ExchangeRecord, Inspected
from gateway.exchange.stream import StreamTotals
from gateway.exchange.target import Head
from gateway.exchange.whole import Outcome
from gateway.segment import Direction
from gateway.verdict import Effect, Finding, Reason


class Facts:
    """The growing record; `record` freezes it."""

    def __init__(self, id: str, upstream: str, principal: str, ruleset: str) -> None:
        self.id = id
        self.upstream = upstream
        self.principal = principal
        self.ruleset = ruleset
        self.dialect = self.method = self.path = self.host = ""
        self.status = 0
        self.effect = self.would_be = Effect.ALLOW
        self.code: Code | None = None
        self.reasons: list[Reason] = []
        self.findings: list[Finding] = []
        self.request = Inspected()
        self.answer = Inspected()
        self.model: str | None = None
        self.operation: str | None = None
        self.streamed = False
        self.edited = False
        self.wrapped = 0
        self.held_max = 0
        self.usage: Usage = {}
        self.counted = Counted.NOBODY
        self.switched_from: str | None = None
        self.limit: str | None = None
        self.limits: str | None = None
        self.fault: str | None = None
        self.told: str | None = None
        self.upstream_failed = False
        self.calls: list[CallRecord] = []

    def add(self, direction: Direction, outcome: Outcome) -> None:
        self._judge(outcome.verdict.effect, outcome.verdict.would_be, outcome.verdict.reasons, outcome.findings)
        if direction is Direction.REQUEST:
            self.request = outcome.inspected
            self.wrapped = outcome.wrapped
        else:
            self.answer = outcome.inspected
        self.edited = self.edited or outcome.edited
        self.model = self.model or outcome.model

    def limited(self, taken: LimitsTaken) -> None:
        """Add who counted, and which limit refused, or why nobody could count."""
        self.limits = taken.source
        self.limit = taken.denied
        if taken.unavailable is not None:
            self.fault = f"limits: {taken.unavailable}"

    def add_head(self, head: Head) -> None:
        """Add what became of the head of the request, before its body."""
        self.host, self.path = head.host, head.path
        verdict = head.total.verdict
        self._judge(verdict.effect, verdict.would_be, verdict.reasons, head.total.findings)

    def add_stream(self, totals: StreamTotals, endpoint: Endpoint) -> None:
        self._judge(totals.effect, totals.would_be, totals.reasons, totals.findings)
        self.answer = Inspected(totals.bytes, 0, totals.events, endpoint.coverage.value, tuple(totals.uninspected))
        self.held_max = totals.held_max

    def add_calls(self, calls: Calls, *, apart: bool = False) -> None:
        """Add what became of the calls of tools; not of their results where those come `apart`, at their own time."""
        self._judge(calls.effect, calls.would_be, tuple(calls.reasons()), ())
        self.calls += (replace(one, became=None) if apart else one for one in calls.records())

    def add_reasons(self, effect: Effect, would_be: Effect, reasons: Sequence[Reason]) -> None:
        """Add why something was decided that is no text."""
        self._judge(effect, would_be, reasons, ())

    def _judge(self, effect: Effect, would_be: Effect, reasons: Sequence[Reason], findings: Sequence[Finding]) -> None:
        self.effect = max(self.effect, effect)
        self.would_be = max(self.would_be, would_be)
        self.reasons += reasons
        self.findings += findings

    def outcome_of_edits(self) -> str:
        return "edited" if self.edited else "forwarded"

    @property
    def applied(self) -> Effect:
        """What was done in the end: a refusal is a block, whatever led to it; a failed upstream is none of ours."""
        return self.effect if self.code is None or self.upstream_failed else Effect.BLOCK

    def record(self, outcome: str) -> ExchangeRecord:
        return ExchangeRecord(
            id=self.id,
            upstream=self.upstream,
            principal=self.principal,
            dialect=self.dialect,
            method=self.method,
            path=self.path,
            ruleset=self.ruleset,
            status=self.status,
            outcome="edited" if outcome == "forwarded" and self.edited else outcome,
            effect=self.applied,
            would_be=max(self.would_be, self.applied),
            code=self.code,
            reasons=tuple(self.reasons),
            fingerprints=tuple(dict.fromkeys(finding.fingerprint for finding in self.findings if finding.fingerprint)),
            request=self.request,
            answer=self.answer,
            model=self.model,
            host=self.host,
            operation=self.operation,
            streamed=self.streamed,
            wrapped=self.wrapped,
            held_max=self.held_max,
            usage=dict(self.usage),
            counted=self.counted,
            switched_from=self.switched_from,
            limit=self.limit,
            limits=self.limits,
            fault=self.fault,
            told=self.told,
            calls=tuple(self.calls),
        )
