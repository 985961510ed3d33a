"""The policy decision: a pure function from findings to a verdict.

It knows nothing of bodies, sockets or rules' patterns: texts with their findings come in, one effect with its reasons
and edits goes out. More findings never give a milder effect.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from msgspec import Struct

from gateway.errors import Code
from gateway.policy.profile import SCORED, Profile
from gateway.policy.sentence import around
from gateway.segment import Path, Place, Segment, Span, Trust
from gateway.verdict import Edit, Effect, Finding, Reason, Verdict

REMOVED: Final = "[removed by the security gateway: text that addressed the assistant]"
"""What is left where an instruction was cut out of data. Constant, so that a provider's prompt cache keeps hitting."""

_CODES: Final = {
    "injection": Code.INJECTION,
    "pii": Code.PII,
    "secret": Code.SECRET,
    "tool": Code.TOOL,
    "egress": Code.EGRESS,
}


type _Leaf = tuple[Path, Path | None]
"""A string, by its address: `path` and `inner` of `Place`."""


class _Reached(Struct, frozen=True):
    """Whether a sum of scores reaches the threshold: that of the rules that act, and with those that only watch."""

    live: bool
    watched: bool


class _Ruling(Struct, frozen=True):
    """What one finding in one text comes to."""

    finding: Finding
    effect: Effect


def decide(profile: Profile, judged: Sequence[tuple[Segment, Sequence[Finding]]]) -> Verdict:
    """The verdict on texts and their findings; reasons are in the order of the texts."""
    if not any(findings for _, findings in judged):
        return _CLEAN
    reached = _reached(profile, judged)
    reasons: list[Reason] = []
    changes: dict[_Leaf, list[tuple[Span, str]]] = {}
    effect = would_be = Effect.ALLOW
    code: Code | None = None
    for index, (segment, findings) in enumerate(judged):
        if not findings:
            continue
        rulings = _rule_on(profile, segment, findings, reached[_pool(index, segment)])
        for ruling in rulings:
            finding = ruling.finding
            reasons.append(Reason(ruling.effect, finding.rule, finding.category, index, finding.shadow))
            would_be = max(would_be, ruling.effect)
            applied = _applied(profile, ruling)
            if applied > effect and applied >= Effect.ASK:
                code = _code(applied, finding.category)
            effect = max(effect, applied)
        if editing := [ruling for ruling in rulings if _edits_text(profile, ruling)]:
            changes.setdefault(_leaf(segment), []).extend(_changes(segment, editing))
    edits = _edits(changes) if effect < Effect.ASK else ()
    return Verdict(effect, would_be, tuple(reasons), edits, code)


_CLEAN: Final = Verdict(Effect.ALLOW, Effect.ALLOW)
"""The verdict where nothing was found, which is nearly always."""


def only_reports(profile: Profile, category: str, effect: Effect | None, *, shadow: bool) -> bool:
    """Whether a rule, by its category and own effect, can do no more than report in what a model writes.

    Injection is scored, and no sum of scores is held against a model's own text (see `Profile.threshold`).
    """
    if not profile.enforce or shadow:
        return True
    if effect is None:
        effect = Effect.REPORT if category.partition(".")[0] == SCORED else profile.effect(category)
    return effect <= Effect.REPORT


def _rule_on(profile: Profile, segment: Segment, findings: Sequence[Finding], reached: _Reached) -> list[_Ruling]:
    rulings: list[_Ruling] = []
    for finding in findings:
        effect = finding.effect
        if effect is None and scored(finding):
            over = reached.watched if finding.shadow else reached.live
            effect = _scored_effect(segment) if over else Effect.REPORT
        elif effect is None:
            effect = profile.effect(finding.category)
        if Effect.REDACT <= effect <= Effect.REWRITE and not segment.editable:
            # An edit here would break a signature, and an edit that cannot be made is a block.
            effect = Effect.BLOCK
        rulings.append(_Ruling(finding, effect))
    return rulings


def scored(finding: Finding) -> bool:
    """Whether the finding is judged by the sum that it is part of."""
    return finding.category.partition(".")[0] == SCORED


def _leaf(segment: Segment) -> _Leaf:
    return segment.place.path, segment.place.inner


def _pool(index: int, segment: Segment) -> int | _Leaf:
    """What the text is summed with: a user's own words with the rest of them in that string, whatever they quote in
    between; data with nothing, since each quotation has an author of its own."""
    return _leaf(segment) if segment.trust is Trust.PRINCIPAL else index


def _reached(profile: Profile, judged: Sequence[tuple[Segment, Sequence[Finding]]]) -> dict[int | _Leaf, _Reached]:
    pools: dict[int | _Leaf, tuple[Trust, list[Finding]]] = {}
    for index, (segment, findings) in enumerate(judged):
        if findings:
            pools.setdefault(_pool(index, segment), (segment.trust, []))[1].extend(findings)
    return {
        pool: _Reached(
            _reaches(profile, trust, (finding for finding in findings if not finding.shadow)),
            _reaches(profile, trust, findings),
        )
        for pool, (trust, findings) in pools.items()
    }


def _reaches(profile: Profile, trust: Trust, findings: Iterable[Finding]) -> bool:
    """Whether the distinct rules that hit score enough together; each rule counts once."""
    threshold = profile.threshold(trust)
    scores = {finding.rule: finding.score for finding in findings if finding.effect is None and scored(finding)}
    return threshold is not None and sum(scores.values()) >= threshold


def _scored_effect(segment: Segment) -> Effect:
    return Effect.REWRITE if segment.trust is Trust.UNTRUSTED else Effect.BLOCK


def _applied(profile: Profile, ruling: _Ruling) -> Effect:
    """What is really done: a shadowed rule, and a profile that does not enforce, only report."""
    return ruling.effect if profile.enforce and not ruling.finding.shadow else min(ruling.effect, Effect.REPORT)


def _edits_text(profile: Profile, ruling: _Ruling) -> bool:
    return Effect.REDACT <= _applied(profile, ruling) <= Effect.REWRITE


def _code(effect: Effect, category: str) -> Code:
    return Code.APPROVAL if effect is Effect.ASK else code_of(category)


def code_of(category: str) -> Code:
    """What a client is refused with for something of that category."""
    return _CODES.get(category.partition(".")[0], Code.CONTENT)


def _edits(changes: Mapping[_Leaf, Iterable[tuple[Span, str]]]) -> tuple[Edit, ...]:
    return tuple(
        Edit(Place(path, inner), span, replacement)
        for (path, inner), some in changes.items()
        for span, replacement in merged(some)
    )


def _changes(segment: Segment, rulings: Sequence[_Ruling]) -> Iterator[tuple[Span, str]]:
    """What is replaced, in code points of the string that the segment stands in: several may be parts of one string."""
    offset = segment.place.offset
    cut: list[Span] = []
    for ruling in rulings:
        finding = ruling.finding
        if ruling.effect is Effect.REWRITE and segment.trust is Trust.UNTRUSTED:
            cut.append(finding.span)
        else:
            yield finding.span.shifted(offset), finding.replacement
    for span in around(segment.text, cut) if cut else ():
        yield span.shifted(offset), REMOVED


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
