"""How evidence is weighed: trees, words, and what was shipped."""

from __future__ import annotations

import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import resources
from gateway.policy.provenance.evidence import Evidence
from gateway.policy.provenance.weighing import Tree, Weigher, parse, words_spoken

STUMP = Tree((0, -1, -1), (0.5, 0.0, 0.0), (1, -1, -1), (2, -1, -1), (0.0, -2.0, 2.0))
DEEP = Tree(
    (1, 0, -1, -1, -1), (0.0, 0.5, 0.0, 0.0, 0.0), (1, 2, -1, -1, -1), (4, 3, -1, -1, -1), (0, 0, 1.0, 2.0, 3.0)
)


def weigher(*trees: Tree, words: dict[str, tuple[float, float]] | None = None) -> Weigher:
    return Weigher(("x", "passage.speaks"), words or {}, -1.0, trees, 0.0, 0.5)


def logit(likelihood: float) -> float:
    return math.log(likelihood / (1 - likelihood))


@pytest.mark.parametrize(("x", "told"), [(0.0, -2.0), (0.5, -2.0), (0.5001, 2.0), (9.0, 2.0)])
def test_a_number_that_is_not_above_a_threshold_leads_left(x: float, told: float) -> None:
    assert logit(weigher(STUMP).likelihood(Evidence({"x": x}))) == pytest.approx(told)


def test_trees_add_up_and_a_number_that_is_missing_is_zero() -> None:
    assert logit(weigher(STUMP, DEEP).likelihood(Evidence({}))) == pytest.approx(-2.0 + 1.0)


def test_more_places_of_a_number_than_were_learned_make_no_difference() -> None:
    assert logit(weigher(STUMP).likelihood(Evidence({"x": 0.50001}))) == pytest.approx(-2.0)


def test_words_of_the_passage_count_by_their_weights() -> None:
    told = weigher(DEEP, words={"kindly": (1.0, 5.0), "wire": (2.0, 1.0)})
    assert told.spoken("") == -1.0
    assert told.spoken("nothing known") == -1.0
    assert told.spoken("Kindly do") == pytest.approx(4.0)
    assert told.spoken("wire, kindly") == pytest.approx(-1.0 + (2.0 * 1.0 + 1.0 * 5.0) / math.sqrt(5))
    assert logit(told.likelihood(Evidence({"x": 0.0}, text="Kindly do."))) == pytest.approx(3.0)


@given(st.integers(1, 50))
def test_a_word_that_is_repeated_alone_says_no_more(count: int) -> None:
    told = weigher(words={"kindly": (1.5, 5.0)})
    assert told.spoken("kindly " * count) == pytest.approx(4.0)


def test_words_are_taken_as_they_are_spoken() -> None:
    assert words_spoken("Bitte 发给 Anna@x.example") == ["bitte", "发", "给", "anna", "x", "example"]


def test_what_is_shipped_is_read_once_and_knows_its_numbers() -> None:
    shipped = resources.weigher()
    assert resources.weigher() is shipped
    assert 0 < shipped.threshold < 1
    assert {"rules", "request.fit", "passage.speaks"} <= set(shipped.numbers)
    for tree in shipped.trees:
        inner = [at for at, feature in enumerate(tree.feature) if feature >= 0]
        assert all(at < tree.left[at] < len(tree.feature) and at < tree.right[at] < len(tree.feature) for at in inner)
        assert all(feature < len(shipped.numbers) for feature in tree.feature)


def test_weights_that_were_written_are_read_again() -> None:
    assert parse(msgspec.json.encode(weigher(STUMP, DEEP))) == weigher(STUMP, DEEP)


def test_weights_of_another_form_are_refused() -> None:
    with pytest.raises(msgspec.ValidationError, match="missing required field"):
        parse(b'{"numbers": []}')
