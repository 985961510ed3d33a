"""Passages: the way from a text back to its source, and what an edit may touch."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.segment import Span
from gateway.wire.passage import Weaver, in_bare_value, in_form, in_markup, in_script, plain


def woven() -> Weaver:
    """`ab&cd` out of `ab&amp;<i>cd`."""
    weaver = Weaver()
    weaver.add("ab", 0, 2)
    weaver.add("&", 2, 7)
    weaver.add("cd", 10, 12)
    return weaver


def test_characters_that_stand_for_themselves_are_found_one_by_one() -> None:
    passage = woven().passage(str)
    assert passage.text == "ab&cd"
    assert passage.places(Span(1, 2)) == [(1, 2)]
    assert passage.places(Span(4, 5)) == [(11, 12)]


def test_a_reference_is_found_whole_and_ranges_that_touch_are_one() -> None:
    passage = woven().passage(str)
    assert passage.places(Span(2, 3)) == [(2, 7)]
    assert passage.places(Span(1, 4)) == [(1, 7), (10, 11)]


def test_a_border_has_no_source_and_comes_once() -> None:
    weaver = Weaver()
    weaver.border(0)
    weaver.add("a", 3, 4)
    weaver.border(4)
    weaver.border(9)
    weaver.add("b", 9, 10)
    passage = weaver.passage(str)
    assert passage.text == "a\nb"
    assert passage.places(Span(0, 3)) == [(3, 4), (9, 10)]
    assert passage.places(Span(1, 2)) == []


def test_an_empty_span_and_an_empty_run_have_no_place() -> None:
    weaver = woven()
    weaver.add("", 12, 12)
    assert weaver.passage(str).places(Span(2, 2)) == []


def test_structure_may_not_be_changed() -> None:
    weaver = Weaver()
    weaver.add("name", 0, 4, fixed=True)
    weaver.add("value", 5, 10)
    passage = weaver.passage(str)
    assert passage.may_change(Span(4, 9))
    assert not passage.may_change(Span(3, 9))
    assert not plain("all", fixed=True).may_change(Span(0, 1))


def test_a_copy_grows_by_itself() -> None:
    weaver = woven()
    copy = weaver.copy()
    copy.add("e", 12, 13)
    assert (weaver.passage(str).text, copy.passage(str).text) == ("ab&cd", "ab&cde")


def test_a_passage_within_a_passage_leads_to_the_outermost_source() -> None:
    outer = woven().passage(in_markup)
    inner = Weaver()
    inner.add("b&c", 1, 4)
    passage = inner.passage(in_markup, outer)
    assert passage.places(Span(0, 3)) == [(1, 7), (10, 11)]
    assert passage.written("<") == "&amp;lt;"
    assert passage.may_change(Span(0, 3))


def test_structure_of_the_outer_passage_may_not_be_changed_from_within() -> None:
    inner = Weaver()
    inner.add("a", 0, 1)
    assert not inner.passage(str, plain("a", fixed=True)).may_change(Span(0, 1))


@given(st.text())
def test_a_text_that_is_its_own_source_keeps_its_places(text: str) -> None:
    assert plain(text).places(Span(0, len(text))) == ([(0, len(text))] if text else [])


def test_each_place_has_its_spelling() -> None:
    assert in_markup("<a&\"'>") == "&lt;a&amp;&quot;&#39;&gt;"
    assert in_bare_value("a =`\n>") == "a&#32;&#61;&#96;&#10;&gt;"
    assert in_script("</script>") == "\\u003c/script>"
    assert in_form("[A] &=é") == "%5BA%5D+%26%3D%C3%A9"
