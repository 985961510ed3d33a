"""What two readings of one text found: told once, over all of it, in any order of arrival."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from gateway.detect.overlap import Overlaps, is_failure
from gateway.segment import Span
from gateway.verdict import Effect, Finding, Severity


def found(start: int, end: int, rule: str = "a", mark: str = "p") -> Finding:
    return Finding(rule, "pii.cat", Severity.NOTICE, Span(start, end), 1, "[X]", f"{mark}{start}")


def joined(plain: list[Finding], unescaped: list[Finding]) -> list[Finding]:
    overlaps = Overlaps()
    overlaps.add(plain, unescaped)
    return overlaps.settled(1000)


def test_findings_of_one_rule_that_overlap_are_one() -> None:
    assert joined([found(0, 9), found(9, 12)], [found(3, 8, mark="u"), found(20, 22, mark="u")]) == [
        replace(found(0, 9), fingerprint="u3"),
        found(9, 12),
        found(20, 22, mark="u"),
    ]


def test_a_chain_of_overlaps_is_one() -> None:
    assert joined([found(0, 4), found(6, 9)], [found(3, 7, mark="u")]) == [replace(found(0, 9), fingerprint="u3")]


def test_rules_do_not_hide_each_other() -> None:
    assert joined([found(0, 4), found(0, 4, "b")], [found(0, 4)]) == [found(0, 4), found(0, 4, "b")]


def test_a_failure_outweighs_what_was_found() -> None:
    failure = replace(found(0, 50), fingerprint="", effect=Effect.BLOCK)
    assert is_failure(failure)
    assert not is_failure(found(0, 50))
    assert joined([failure], [found(3, 5)]) == [failure]


def test_what_may_still_grow_waits() -> None:
    overlaps = Overlaps()
    overlaps.add([found(0, 4), found(5, 9)], [])
    assert overlaps.settled(6) == [found(0, 4)]
    assert overlaps.start == 5
    overlaps.add([], [found(8, 12, mark="u")])
    assert overlaps.settled(12) == [replace(found(5, 12), fingerprint="u8")]
    assert overlaps.settled(1000) == []


SPANS = st.lists(st.tuples(st.integers(0, 40), st.integers(1, 6)), max_size=8)


def apart(spans: list[tuple[int, int]], mark: str) -> list[Finding]:
    """Findings of one reading, of which none overlaps another."""
    kept: list[Finding] = []
    for start, width in sorted(spans):
        if not kept or start >= kept[-1].span.end:
            kept.append(found(start, start + width, mark=mark))
    return kept


@settings(max_examples=200, deadline=None)
@given(first=SPANS, second=SPANS, steps=st.lists(st.integers(0, 50), max_size=5))
def test_the_order_of_arrival_does_not_matter(
    first: list[tuple[int, int]], second: list[tuple[int, int]], steps: list[int]
) -> None:
    plain, unescaped = apart(first, "p"), apart(second, "u")
    overlaps = Overlaps()
    told: list[Finding] = []
    before = 0
    for step in [*sorted(steps), 1000]:
        overlaps.add(*([f for f in some if before <= f.span.start < step] for some in (plain, unescaped)))
        told += overlaps.settled(step)
        before = step
    assert sorted(told, key=lambda finding: finding.span) == joined(plain, unescaped)
