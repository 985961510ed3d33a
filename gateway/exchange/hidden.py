"""Hidden text of pages as findings, so that it is judged, recorded and cut like anything else that is found.

What follows from each category is in the tables of `policy/profile.py`; `[rules.effects]` may say otherwise.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from gateway.exchange.gate import Gate
from gateway.policy.decide import scored
from gateway.policy.profile import HIDDEN
from gateway.segment import Span
from gateway.verdict import Effect, Finding, Severity
from gateway.wire.markup.look import Hiding

_BARE: Final = f"{HIDDEN}.bare"
_LOADED: Final = f"{HIDDEN}.loaded"

CATEGORIES: Final = frozenset(
    (HIDDEN, *(f"{kind}{way}" for kind in (_BARE, _LOADED) for way in ("", *(f".{one}" for one in Hiding))))
)
"""Every category of hidden text: `hidden.bare.comment` is a comment without an instruction in it."""


def findings(gate: Gate, way: Hiding, parts: Iterable[Span], text: str, found: Iterable[Finding]) -> Iterator[Finding]:
    """That text is hidden: for each part that holds an instruction, and for each run of parts that do not.

    `parts` of `text` are what single elements or comments hold, in order; `found` is what the rules found in it. There
    is none where the profile allows it.
    """
    hits = _united(finding.span for finding in found if scored(finding) and not finding.shadow)
    for span, loaded in _runs(parts, hits):
        category = f"{_LOADED if loaded else _BARE}.{way}"
        if gate.profile.effect(category) > Effect.ALLOW:
            fingerprint = gate.rules.fingerprint(text[span.start : span.end])
            yield Finding(f"{HIDDEN}.{way}", category, Severity.NOTICE, span, Severity.NOTICE, "", fingerprint)


def is_bare(finding: Finding) -> bool:
    """Whether it is about text without an instruction: what is cut for being hidden alone leaves no marker."""
    return finding.category.startswith(_BARE)


def _united(spans: Iterable[Span]) -> list[Span]:
    """The spans in order, those that overlap as one."""
    united: list[Span] = []
    for span in sorted(spans):
        if united and span.start < united[-1].end:
            united[-1] = Span(united[-1].start, max(united[-1].end, span.end))
        else:
            united.append(span)
    return united


def _runs(parts: Iterable[Span], hits: Sequence[Span]) -> Iterator[tuple[Span, bool]]:
    """Parts and whether a hit touches them; those without one, as long as they follow each other, as one."""
    run: Span | None = None
    at = 0
    for part in parts:
        while at < len(hits) and hits[at].end <= part.start:
            at += 1
        if at == len(hits) or hits[at].start >= part.end:
            run = Span(run.start if run else part.start, part.end)
            continue
        if run:
            yield run, False
            run = None
        yield part, True
    if run:
        yield run, False
