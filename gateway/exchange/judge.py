"""From segments to a verdict: detection with what it remembers, then the decision."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from gateway.detect.rule import Scope
from gateway.exchange.gate import Gate
from gateway.policy.decide import decide
from gateway.policy.quoted import quoted_spans
from gateway.segment import Direction, Kind, Role, Segment, Trust
from gateway.verdict import Finding, Verdict


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict with the segments it speaks of and their findings, index by index."""

    verdict: Verdict
    segments: tuple[Segment, ...] = ()
    findings: tuple[tuple[Finding, ...], ...] = ()


def judge(gate: Gate, direction: Direction, segments: Iterable[Segment]) -> Judgement:
    """Scan every segment and decide. In a request, quoted parts of the user's texts become segments of their own."""
    texts = tuple(segments)
    if direction is Direction.REQUEST:
        texts = tuple(part for segment in texts for part in split_quoted(segment, gate.hierarchy.delimiters))
    findings = tuple(_scan(gate, direction, segment) for segment in texts)
    return Judgement(decide(gate.profile, tuple(zip(texts, findings, strict=True))), texts, findings)


def _scan(gate: Gate, direction: Direction, segment: Segment) -> tuple[Finding, ...]:
    if not segment.text:
        return ()
    scope = Scope(direction, segment.role, segment.trust)
    known = gate.memory.recall(segment.text, scope, gate.rules)
    if known is None:
        known = gate.rules.scan(segment.text, scope)
        gate.memory.remember(segment.text, scope, gate.rules, known)
    return known


def split_quoted(segment: Segment, delimiters: Sequence[tuple[str, str]]) -> tuple[Segment, ...]:
    """A user's text as its own words and the material quoted in it, in order; any other segment as it is."""
    if segment.role is not Role.USER or segment.kind is not Kind.TEXT:
        return (segment,)
    spans = quoted_spans(segment.text, delimiters)
    if not spans:
        return (segment,)
    parts: list[Segment] = []
    position = 0
    for span in spans:
        parts.append(_part(segment, position, span.start))
        quoted = _part(segment, span.start, span.end)
        parts.append(replace(quoted, trust=Trust.UNTRUSTED, kind=Kind.QUOTED, wrappable=True))
        position = span.end
    parts.append(_part(segment, position, len(segment.text)))
    return tuple(part for part in parts if part.text)


def _part(segment: Segment, start: int, end: int) -> Segment:
    place = replace(segment.place, offset=segment.place.offset + start)
    return replace(segment, place=place, text=segment.text[start:end])
