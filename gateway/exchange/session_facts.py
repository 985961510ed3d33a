"""What becomes the record of a session, gathered while it runs: one record, however long it goes on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import override

from gateway.exchange.facts import Facts
from gateway.exchange.judge import Judgement
from gateway.exchange.recorded import ExchangeRecord, Inspected
from gateway.exchange.stream import KEPT, StreamTotals
from gateway.exchange.whole import Outcome
from gateway.segment import Direction, Uninspected
from gateway.verdict import Effect, Finding, Reason


@dataclass(slots=True)
class _Side:
    """What came from one side. What was not inspected is kept by name: its places are those of many messages."""

    bytes: int = 0
    messages: int = 0
    segments: int = 0
    unread: dict[str, None] = field(default_factory=dict)

    def leave_out(self, uninspected: Iterable[Uninspected]) -> None:
        self.unread.update(dict.fromkeys(part.what for part in uninspected))

    def inspected(self, coverage: str) -> Inspected:
        unread = tuple(Uninspected(what) for what in self.unread)
        return Inspected(self.bytes, self.segments, self.messages, coverage, unread)


class SessionFacts(Facts):
    """The growing record of a session."""

    def __init__(self, id: str, upstream: str, principal: str, ruleset: str) -> None:
        super().__init__(id, upstream, principal, ruleset)
        self.method = "GET"
        self.coverage = "none"
        self._sides = {direction: _Side() for direction in Direction}

    def came(self, direction: Direction, size: int, messages: int = 1) -> None:
        """Count a message, or a body that is none."""
        side = self._sides[direction]
        side.bytes += size
        side.messages += messages

    def judged(self, direction: Direction, outcome: Outcome) -> None:
        """Add what became of a message that was judged alone."""
        self._judge(outcome.verdict.effect, outcome.verdict.would_be, outcome.verdict.reasons, outcome.findings)
        side = self._sides[direction]
        side.segments += outcome.inspected.segments
        side.leave_out(outcome.inspected.uninspected)
        self.wrapped += outcome.wrapped
        self.model = self.model or outcome.model

    def answered(self, totals: StreamTotals) -> None:
        """Add what became of a stretch of the server's messages that was judged as a stream."""
        self._judge(totals.effect, totals.would_be, totals.reasons, totals.findings)
        self._sides[Direction.ANSWER].leave_out(totals.uninspected)
        self.held_max = max(self.held_max, totals.held_max)
        self.usage |= totals.usage
        self.edited = self.edited or totals.edited

    def closed_with(self, judgement: Judgement) -> None:
        """Add what was found in the reason of a close, which is left out whole where anything in it must not pass."""
        verdict = judgement.verdict
        findings = [finding for findings in judgement.findings for finding in findings]
        self._judge(min(verdict.effect, Effect.REDACT), verdict.would_be, verdict.reasons, findings)

    @override
    def _judge(self, effect: Effect, would_be: Effect, reasons: Sequence[Reason], findings: Sequence[Finding]) -> None:
        """A session may go on for days: there is room for so many findings, and again for so many refusals."""
        room = KEPT if effect < Effect.ASK else 2 * KEPT
        if len(self.reasons) >= room:
            reasons, findings = (), ()
        super()._judge(effect, would_be, reasons, findings)

    @override
    def record(self, outcome: str) -> ExchangeRecord:
        self.request, self.answer = (self._sides[direction].inspected(self.coverage) for direction in Direction)
        return super().record(outcome)
