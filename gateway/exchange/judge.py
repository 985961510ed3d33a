"""From segments to a verdict: detection with what it remembers, then the decision."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Sequence
from functools import cache
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from gateway.detect.memory import VerdictMemory
from gateway.detect.rule import Scope
from gateway.errors import Code
from gateway.exchange.gate import Gate
from gateway.policy.decide import decide, scored
from gateway.policy.quoted import quoted_spans
from gateway.segment import Direction, Kind, Role, Segment, Trust
from gateway.verdict import Effect, Finding, Reason, Verdict

SHORT: Final = 256
"""Code points up to which a text is looked at together with others. Measured, that costs no more than to name it."""
FEW: Final = 16
"""Texts that are not worth a look at all of them before each is taken."""


class Judgement(Struct, frozen=True):
    """A verdict with the segments it speaks of and their findings, index by index."""

    verdict: Verdict
    segments: tuple[Segment, ...] = ()
    findings: tuple[tuple[Finding, ...], ...] = ()


def judge(
    gate: Gate, direction: Direction, segments: Iterable[Segment], memory: VerdictMemory | None = None
) -> Judgement:
    """Scan every segment and decide. In a request, quoted parts of the user's texts become segments of their own.

    `memory` is for texts that will be met again in a body that is remembered in no other way.
    """
    segments = tuple(segments)
    scan = _Scan(gate, direction, memory, segments)
    judged: list[tuple[Segment, tuple[Finding, ...]]] = []
    for segment in segments:
        parts = split_quoted(segment, gate.hierarchy.delimiters) if direction is Direction.REQUEST else (segment,)
        if len(parts) == 1:
            judged.append((parts[0], scan(parts[0])))
        else:
            judged += _scan_split(gate, scan, direction, segment, parts)
    texts, findings = zip(*judged, strict=True) if judged else ((), ())
    if direction is Direction.ANSWER and _calls_any(texts, gate.stopped_tools()):
        return Judgement(STOPPED_TOOL, texts, findings)
    return Judgement(decide(gate.profile, judged), texts, findings)


STOPPED_TOOL: Final = Verdict(
    Effect.BLOCK, Effect.BLOCK, (Reason(Effect.BLOCK, "stopped-tool", "tool.stopped", 0),), (), Code.TOOL
)
"""The verdict on a call of a tool that an operator has stopped, whatever the profile."""


def _calls_any(texts: Sequence[Segment], stopped: Container[str]) -> bool:
    """Whether a model calls one of these tools. Any text of a call that is such a name counts: while a tool is stopped,
    one call too many is refused rather than one too few."""
    return bool(stopped) and any(text.kind is Kind.TOOL_CALL and text.text in stopped for text in texts)


def _scan_split(
    gate: Gate, scan: _Scan, direction: Direction, whole: Segment, parts: Iterable[Segment]
) -> Iterator[tuple[Segment, tuple[Finding, ...]]]:
    """The text as one and its parts, each with its share of the findings.

    Whose words they are matters to instructions alone. A secret is one whoever is quoted with it, and what tells that
    it is one may stand on the other side of the border; so the whole text answers for all rules that look at it.
    """
    scope = _scope(direction, whole.role, whole.trust)
    once = tuple(finding for finding in scan(whole) if not scored(finding))
    yield replace(whole, wrappable=False), once
    for part in parts:
        found = scan(part)
        yield part, tuple(one for one in found if scored(one) or not gate.rules.rules[one.rule].reach.covers(scope))


@cache
def _scope(direction: Direction, role: Role, trust: Trust) -> Scope:
    return Scope(direction, role, trust)


class _Scan:
    """What is found in a text of a body. Of many short ones, most are known beforehand to hold nothing."""

    def __init__(
        self, gate: Gate, direction: Direction, memory: VerdictMemory | None, segments: Sequence[Segment]
    ) -> None:
        self._rules = gate.rules
        self._direction = direction
        self._memory = memory
        self._silent: dict[Scope, frozenset[str]] = {}
        if len(segments) > FEW:
            self._look_at_all(segments)

    def _look_at_all(self, segments: Iterable[Segment]) -> None:
        short: dict[Scope, dict[str, None]] = {}  # each text once, in order
        for segment in segments:
            if len(segment.text) <= SHORT:
                short.setdefault(_scope(self._direction, segment.role, segment.trust), {})[segment.text] = None
        for scope, texts in short.items():
            self._silent[scope] = frozenset(self._rules.silent(tuple(texts), scope))

    def __call__(self, segment: Segment) -> tuple[Finding, ...]:
        text = segment.text
        if not text:
            return ()
        scope = _scope(self._direction, segment.role, segment.trust)
        if scope in self._silent and text in self._silent[scope]:
            return ()
        if self._memory is None:
            return self._rules.scan(text, scope)
        known = self._memory.recall(text, scope, self._rules)
        if known is None:
            known = self._rules.scan(text, scope)
            self._memory.remember(text, scope, self._rules, known)
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
