"""The packs themselves: that each rule's proof ran, and that every engine and any cut finds the same with them."""

from __future__ import annotations

import json
from functools import cache

import pytest
from hypothesis import given, settings

from gateway.detect.matcher import Matcher
from gateway.detect.pattern import parse
from gateway.detect.rule import Scope
from gateway.detect.ruleset import RuleSet
from gateway.detect.tree import width
from gateway.detect.view import readings
from tests.detect.samples import ANSWER, SCOPES, TOOL, USER, pack_rules, packs, texts
from tests.detect.test_growing import SIZES, grown


@cache
def accelerated() -> RuleSet:
    return packs().accelerated()


def test_every_rule_has_a_proof_and_it_ran() -> None:
    ran = 0
    for rule in pack_rules():
        matcher = Matcher(rule)
        assert len(rule.hits) >= 2, rule.id
        assert len(rule.misses) >= 2, rule.id
        for sample in rule.hits:
            assert any(list(matcher.hits(seen)) for _, seen in readings(rule.view, sample.text)), (rule.id, sample)
            ran += 1
        for sample in rule.misses:
            assert not any(list(matcher.hits(seen)) for _, seen in readings(rule.view, sample.text)), (rule.id, sample)
            ran += 1
    assert ran >= 4 * len(packs().rules) > 0


def test_the_pre_filter_lets_every_proof_through() -> None:
    for rule in pack_rules():
        for sample in rule.hits:
            assert rule.id in {found.rule for found in accelerated().scan(sample.text, _scope(rule.id))}


def _scope(rule: str) -> Scope:
    """A scope that the rule looks at."""
    reach = packs().rules[rule].reach
    return next(scope for scope in (USER, TOOL, ANSWER) if reach.covers(scope))


def test_matches_are_bounded_as_stated() -> None:
    assert packs().max_width <= 4_200
    assert all(width(parse(Matcher(rule).source))[1] <= packs().max_width for rule in pack_rules())


def test_rules_say_where_they_belong() -> None:
    for rule in pack_rules():
        assert rule.id.split(".")[0] == rule.category.split(".")[0], rule.id
        assert any(tag.startswith("LLM") for tag in rule.tags), rule.id


@settings(max_examples=80, deadline=None)
@given(text=texts(pack_rules()), scope=SCOPES)
def test_the_pre_filter_changes_no_finding_of_the_packs(text: str, scope: Scope) -> None:
    assert accelerated().scan(text, scope) == packs().scan(text, scope)


@settings(max_examples=80, deadline=None)
@given(text=texts(pack_rules()), scope=SCOPES, sizes=SIZES)
def test_any_cut_gives_the_findings_of_the_packs(text: str, scope: Scope, sizes: list[int]) -> None:
    assert grown(packs(), text, scope, sizes) == packs().scan(text, scope)


@pytest.mark.parametrize("before", ["keys:\n", "a\t", "é", '"', "\b", "/", "x\\"])
@pytest.mark.parametrize("levels", [1, 2, 3])
def test_what_an_escape_stands_before_is_found(before: str, levels: int) -> None:
    for rule, value in (
        ("secret.github-token", "ghp" + "_wWPw5k0xAdcB0bIM0UpmLfTVULp2HX6cFUUm"),
        ("pii.card", "4111 1111" + " 1111 1111"),
    ):
        text = f"{before}{value}\nend"
        for _ in range(levels):
            text = json.dumps({"stdout": text})
        (found,) = accelerated().scan(text, TOOL)
        assert found.rule == rule
        assert text[found.span.start : found.span.end] == value
        assert grown(packs(), text, TOOL, [7]) == (found,)


@pytest.mark.parametrize("text", ["C:\\new\\ghp", "password: C:\\new\\t4bles-x"])
def test_backslashes_in_plain_text_hide_nothing(text: str) -> None:
    text = text.replace("ghp", "ghp" + "_wWPw5k0xAdcB0bIM0UpmLfTVULp2HX6cFUUm")
    (found,) = accelerated().scan(text, TOOL)
    assert text.endswith(text[found.span.start : found.span.end])
    assert found.span.end == len(text)
