"""Edits of two kinds as one set: what findings replace, and what marks text as data."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

from gateway.segment import Path, Span
from gateway.verdict import Edit

type _Leaf = tuple[Path, Path | None]


def combined(findings: Sequence[Edit], marks: Sequence[Edit]) -> tuple[Edit, ...]:
    """Both kinds of edit, less the marks inside text that a finding replaces anyway.

    Those of findings do not overlap in one text, so of what begins before a mark ends, the last reaches furthest.
    """
    if not findings:
        return tuple(marks)
    replaced: dict[_Leaf, list[Span]] = {}
    for edit in findings:
        replaced.setdefault(_leaf(edit), []).append(edit.span.shifted(edit.place.offset))
    for spans in replaced.values():
        spans.sort()

    def inside(mark: Edit) -> bool:
        spans = replaced.get(_leaf(mark), [])
        at = mark.span.shifted(mark.place.offset)
        before = bisect_left(spans, at.end, key=_start) - 1
        return before >= 0 and at.start < spans[before].end

    return (*findings, *(mark for mark in marks if not inside(mark)))


def _leaf(edit: Edit) -> _Leaf:
    return edit.place.path, edit.place.inner


def _start(span: Span) -> int:
    return span.start
