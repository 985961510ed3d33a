"""Edits of findings and marks of the hierarchy as one set."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.exchange.combine import combined
from gateway.policy.decide import merged
from gateway.segment import Place, Span
from gateway.verdict import Edit

PLACE = Place(("a",))
PLACES = (PLACE, Place(("a",), ("b",)), Place(("c",)))


def test_marks_inside_replaced_text_are_dropped_and_those_at_its_borders_stay() -> None:
    found = [Edit(PLACE, Span(2, 6), "X")]
    marks = [
        Edit(PLACE, Span(0, 0), "<"),
        Edit(PLACE, Span(2, 2), "|"),
        Edit(PLACE, Span(4, 4), " "),
        Edit(PLACE, Span(5, 6), "_"),
        Edit(PLACE, Span(6, 6), ">"),
        Edit(Place(("b",)), Span(4, 4), " "),
    ]
    assert [edit.replacement for edit in combined(found, marks)] == ["X", "<", "|", ">", " "]


def test_without_findings_all_marks_stay() -> None:
    marks = (Edit(PLACE, Span(0, 0), "<"), Edit(PLACE, Span(3, 3), ">"))
    assert combined((), marks) == marks


def test_offsets_of_places_count() -> None:
    found = [Edit(Place(("a",), None, 10), Span(0, 4), "X")]
    marks = [Edit(Place(("a",), None, 8), Span(at, at), str(at)) for at in (0, 2, 3, 6)]
    assert [edit.replacement for edit in combined(found, marks)] == ["X", "0", "2", "6"]


def test_a_hundred_thousand_of_each_are_combined() -> None:
    found = [Edit(PLACE, Span(10 * at, 10 * at + 3), "x") for at in range(100_000)]
    marks = [Edit(PLACE, Span(10 * at + 1, 10 * at + 2), "_") for at in range(0, 100_000, 2)]
    assert combined(found, marks) == tuple(found)


_SPANS = st.builds(lambda start, length: Span(start, start + length), st.integers(0, 30), st.integers(0, 4))
_EDITS = st.lists(st.tuples(st.sampled_from(PLACES), _SPANS), max_size=8)


@given(_EDITS, st.lists(st.builds(Edit, st.sampled_from(PLACES), _SPANS, st.just("_")), max_size=8))
def test_a_mark_goes_exactly_where_a_replaced_text_of_the_same_string_holds_it(
    ranges: list[tuple[Place, Span]], marks: list[Edit]
) -> None:
    found = [
        Edit(place, span, "X")
        for place in PLACES
        for span, _ in merged((span, "X") for at, span in ranges if at == place and span.start < span.end)
    ]

    def inside(mark: Edit) -> bool:
        return any(
            one.place == mark.place and one.span.start < mark.span.end and mark.span.start < one.span.end
            for one in found
        )

    assert combined(found, marks) == (*found, *(mark for mark in marks if not inside(mark)))
