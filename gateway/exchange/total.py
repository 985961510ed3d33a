"""What the verdicts on the parts of a request or an answer come to together."""

from __future__ import annotations

from msgspec.structs import replace

from gateway.errors import Code
from gateway.exchange import part
from gateway.segment import Path, Uninspected
from gateway.verdict import Effect, Finding, Reason, Verdict
from gateway.wire.document import Patch


class Total:
    """What several parts add up to: the documents of a body, or what stands before it."""

    def __init__(self) -> None:
        self.effect = Effect.ALLOW
        self.would_be = Effect.ALLOW
        self.code: Code | None = None
        self.reasons: list[Reason] = []
        self.findings: list[Finding] = []
        self.patches: list[Patch] = []
        self.uninspected: list[Uninspected] = []
        self.segments = 0
        self.wrapped = 0

    def add(self, outcome: part.Outcome, start: int = 0, path: Path = ()) -> None:
        """Add what became of a document that begins at byte `start`, as the value at `path`."""
        if outcome.verdict.reasons:
            self._add_verdict(outcome)
        if start:
            for patch in outcome.patches:
                self.patches.append(Patch(patch.start + start, patch.end + start, patch.data))
        else:
            self.patches += outcome.patches
        for seen in outcome.uninspected:
            self.uninspected.append(Uninspected(seen.what, (*path, *seen.path)))
        self.segments += outcome.segments
        self.wrapped += outcome.wrapped

    def _add_verdict(self, outcome: part.Outcome) -> None:
        verdict = outcome.verdict
        if verdict.effect > self.effect:
            self.effect, self.code = verdict.effect, verdict.code
        self.would_be = max(self.would_be, verdict.would_be)
        for reason in verdict.reasons:
            self.reasons.append(replace(reason, segment=reason.segment + self.segments))
        self.findings += outcome.findings

    @property
    def verdict(self) -> Verdict:
        """The verdict on the whole; its edits are in `patches`."""
        return Verdict(self.effect, self.would_be, tuple(self.reasons), (), self.code)

    @property
    def outcome(self) -> part.Outcome:
        """The whole as one part."""
        return part.Outcome(
            self.verdict,
            tuple(self.findings),
            self.segments,
            tuple(self.patches),
            self.wrapped,
            tuple(self.uninspected),
        )
