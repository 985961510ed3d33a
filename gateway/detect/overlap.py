"""Joins what two readings of one text, as it came and with its escapes undone, found: each thing is told once."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from operator import attrgetter

from msgspec.structs import replace

from gateway.segment import Span
from gateway.verdict import Finding


def is_failure(finding: Finding) -> bool:
    """Whether it says that a rule could not be applied, and not that something was found; it has no fingerprint."""
    return not finding.fingerprint


class Overlaps:
    """Findings of both readings that are not told yet.

    Findings of one rule that overlap become one, over all that they span, so that a redaction leaves nothing of
    either. The reading without escapes knows better what was found, and gives the fingerprint. This does not depend
    on the order in which they come.
    """

    def __init__(self) -> None:
        self._waiting: list[tuple[Finding, int]] = []

    @property
    def start(self) -> int | None:
        """Where the first of them starts."""
        return min((finding.span.start for finding, _ in self._waiting), default=None)

    def add(self, plain: Iterable[Finding], unescaped: Iterable[Finding]) -> None:
        self._waiting += [(finding, 1) for finding in plain]
        self._waiting += [(finding, 0) for finding in unescaped]

    def settled(self, before: int) -> list[Finding]:
        """The findings that end by `before`, where no further one will start sooner."""
        if not self._waiting:
            return []
        told: list[Finding] = []
        kept: list[tuple[Finding, int]] = []
        ordered = sorted(self._waiting, key=lambda entry: (entry[0].rule, entry[0].span, entry[1]))
        for _, entries in groupby(ordered, key=lambda entry: entry[0].rule):
            for cluster in _clusters(entries):
                end = max(finding.span.end for finding, _ in cluster)
                if end > before:
                    kept += cluster
                else:
                    told.append(_joined(cluster, end))
        self._waiting = kept
        return sorted(told, key=attrgetter("span", "rule"))


def _clusters(entries: Iterable[tuple[Finding, int]]) -> list[list[tuple[Finding, int]]]:
    """Entries of one rule, sorted by span, split where none overlaps into the next."""
    clusters: list[list[tuple[Finding, int]]] = []
    end = 0
    for finding, reading in entries:
        if not clusters or finding.span.start >= end:
            clusters.append([])
        clusters[-1].append((finding, reading))
        end = max(end, finding.span.end)
    return clusters


def _joined(cluster: list[tuple[Finding, int]], end: int) -> Finding:
    best = min(cluster, key=lambda entry: (not is_failure(entry[0]), entry[1], entry[0].span))
    return replace(best[0], span=Span(cluster[0][0].span.start, end))
