"""Texts that come in several parts. Some readers join the parts, others put each on a line of its own: both are judged.

Either reading alone would miss what the other shows: words that are cut in two, or one that is glued to a word before.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate

from msgspec import Struct
from msgspec.structs import replace

from gateway.exchange.gate import Gate
from gateway.exchange.judge import Judgement, judge
from gateway.policy.decide import merged
from gateway.segment import Direction, Segment, Span
from gateway.verdict import Finding, Verdict


class Parted(Struct, frozen=True):
    """What became of a text in parts; `changes` are in code points of the parts joined."""

    verdict: Verdict
    findings: tuple[Finding, ...]
    changes: list[tuple[Span, str]]


def judge_parted(gate: Gate, direction: Direction, like: Segment, parts: Sequence[str]) -> Parted:
    """Judge the text that `parts` make; `like` says what kind of text it is."""
    joined = judge(gate, direction, [replace(like, text="".join(parts))])
    if len(parts) == 1:
        return Parted(joined.verdict, _findings(joined), _changes(joined))
    lines = judge(gate, direction, [replace(like, text="\n".join(parts))])
    breaks = [end + index for index, end in enumerate(accumulate(map(len, parts[:-1])))]
    moved = [
        (Span(*(point - bisect_left(breaks, point) for point in (span.start, span.end))), text)
        for span, text in _changes(lines)
    ]
    known = {finding.rule for finding in _findings(joined)}
    verdict = max(joined.verdict, lines.verdict, key=lambda one: one.effect)
    return Parted(
        replace(
            verdict,
            would_be=max(joined.verdict.would_be, lines.verdict.would_be),
            reasons=joined.verdict.reasons + tuple(one for one in lines.verdict.reasons if one.rule not in known),
        ),
        _findings(joined) + tuple(one for one in _findings(lines) if one.rule not in known),
        merged([*_changes(joined), *moved]),
    )


def _findings(judgement: Judgement) -> tuple[Finding, ...]:
    return tuple(finding for findings in judgement.findings for finding in findings)


def _changes(judgement: Judgement) -> list[tuple[Span, str]]:
    return [(edit.span, edit.replacement) for edit in judgement.verdict.edits]
