"""The policy decision: a pure function from findings to a verdict.

It knows nothing of bodies, sockets or rules' patterns: texts with their findings come in, one effect with its reasons
and edits goes out. More findings never give a milder effect.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from gateway.errors import Code
from gateway.policy.profile import SCORED, Profile
from gateway.policy.sentence import around
from gateway.segment import Segment, Span, Trust
from gateway.verdict import Edit, Effect, Finding, Reason, Verdict

REMOVED: Final = "[removed by the security gateway: text that addressed the assistant]"
"""What is left where an instruction was cut out of data. Constant, so that a provider's prompt cache keeps hitting."""

_CODES: Final = {"injection": Code.INJECTION, "pii": Code.PII, "secret": Code.SECRET, "tool": Code.TOOL}


@dataclass(frozen=True, slots=True)
class _Ruling:
    """What one finding in one text comes to."""

    finding: Finding
    effect: Effect


def decide(profile: Profile, judged: Sequence[tuple[Segment, Sequence[Finding]]]) -> Verdict:
    """The verdict on texts and their findings; reasons are in the order of the texts."""
    reasons: list[Reason] = []
    edits: list[Edit] = []
    effect = would_be = Effect.ALLOW
    code: Code | None = None
    for index, (segment, findings) in enumerate(judged):
        if not findings:
            continue
        rulings = _rule_on(profile, segment, findings)
        for ruling in rulings:
            finding = ruling.finding
            reasons.append(Reason(ruling.effect, finding.rule, finding.category, index, finding.shadow))
            would_be = max(would_be, ruling.effect)
            applied = _applied(profile, ruling)
            if applied > effect and applied >= Effect.ASK:
                code = _code(applied, finding.category)
            effect = max(effect, applied)
        edits.extend(_edits(segment, [ruling for ruling in rulings if _edits_text(profile, ruling)]))
    if effect >= Effect.ASK:
        edits.clear()
    return Verdict(effect, would_be, tuple(reasons), tuple(edits), code)


def only_reports(profile: Profile, category: str, effect: Effect | None, *, shadow: bool) -> bool:
    """Whether a rule, by its category and own effect, can do no more than report in what a model writes.

    Injection is scored, and no sum of scores is held against a model's own text (see `Profile.threshold`).
    """
    if not profile.enforce or shadow:
        return True
    if effect is None:
        effect = Effect.REPORT if category.partition(".")[0] == SCORED else profile.effect(category)
    return effect <= Effect.REPORT


def _rule_on(profile: Profile, segment: Segment, findings: Sequence[Finding]) -> list[_Ruling]:
    live = _reaches(profile, segment, (finding for finding in findings if not finding.shadow))
    watched = _reaches(profile, segment, findings)
    rulings: list[_Ruling] = []
    for finding in findings:
        effect = finding.effect
        if effect is None and _scored(finding):
            effect = _scored_effect(segment) if (watched if finding.shadow else live) else Effect.REPORT
        elif effect is None:
            effect = profile.effect(finding.category)
        if Effect.REDACT <= effect <= Effect.REWRITE and not segment.editable:
            # An edit here would break a signature, and an edit that cannot be made is a block.
            effect = Effect.BLOCK
        rulings.append(_Ruling(finding, effect))
    return rulings


def _scored(finding: Finding) -> bool:
    return finding.category.partition(".")[0] == SCORED


def _reaches(profile: Profile, segment: Segment, findings: Iterable[Finding]) -> bool:
    """Whether the distinct rules that hit this text score enough together; each rule counts once."""
    threshold = profile.threshold(segment.trust)
    scores = {finding.rule: finding.score for finding in findings if finding.effect is None and _scored(finding)}
    return threshold is not None and sum(scores.values()) >= threshold


def _scored_effect(segment: Segment) -> Effect:
    return Effect.REWRITE if segment.trust is Trust.UNTRUSTED else Effect.BLOCK


def _applied(profile: Profile, ruling: _Ruling) -> Effect:
    """What is really done: a shadowed rule, and a profile that does not enforce, only report."""
    return ruling.effect if profile.enforce and not ruling.finding.shadow else min(ruling.effect, Effect.REPORT)


def _edits_text(profile: Profile, ruling: _Ruling) -> bool:
    return Effect.REDACT <= _applied(profile, ruling) <= Effect.REWRITE


def _code(effect: Effect, category: str) -> Code:
    return Code.APPROVAL if effect is Effect.ASK else _CODES.get(category.partition(".")[0], Code.CONTENT)


def _edits(segment: Segment, rulings: Sequence[_Ruling]) -> list[Edit]:
    changes = [_change(segment, ruling) for ruling in rulings]
    return [Edit(segment.place, span, replacement) for span, replacement in merged(changes)]


def _change(segment: Segment, ruling: _Ruling) -> tuple[Span, str]:
    finding = ruling.finding
    if ruling.effect is Effect.REWRITE and segment.trust is Trust.UNTRUSTED:
        return around(segment.text, finding.span), REMOVED
    return finding.span, finding.replacement


def merged(changes: Iterable[tuple[Span, str]]) -> list[tuple[Span, str]]:
    """The changes in order, overlapping ones as one over both, with the replacement of the one that starts first."""
    kept: list[tuple[Span, str]] = []
    for span, replacement in sorted(changes, key=lambda change: (change[0].start, -change[0].end)):
        if kept and span.start < kept[-1][0].end:
            first, text = kept[-1]
            kept[-1] = (Span(first.start, max(first.end, span.end)), text)
        else:
            kept.append((span, replacement))
    return kept
