"""Building a rule set, scanning with it, and the law that the pre-filter changes nothing."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.detect import ruleset
from gateway.detect.matcher import Matcher, Overtime
from gateway.detect.pack import parse_pack
from gateway.detect.rule import Reach, Rule, Sample, Scope
from gateway.detect.ruleset import RuleSet, build
from gateway.errors import RuleError
from gateway.segment import Role, Span
from gateway.verdict import Effect, Severity
from tests.detect.samples import ANSWER, HARD, KEY, RULE, SCOPES, TOOL, USER, hard, hard_rules, texts

CATS = parse_pack(RULE, "a.toml")[0]
FOLDED = replace(
    CATS,
    id="folded",
    view="folded",
    pattern="big cat",
    hits=(Sample("BIG cat", "BIG cat"), Sample("a big  cat")),
    misses=(Sample("small cat"), Sample("big")),
)


def problems(*rules: Rule, **adjustments: object) -> tuple[str, ...]:
    with pytest.raises(RuleError) as refused:
        build(rules, key=KEY, **adjustments)  # type: ignore[arg-type]  # each test names the table it means
    return refused.value.problems


def test_a_finding_tells_all_but_the_text() -> None:
    (found,) = build([CATS], key=KEY).scan("two cats", USER)
    assert (found.rule, found.category, found.severity, found.score) == ("cats", "pii.cat", Severity.WARNING, 3)
    assert (found.span, found.replacement, found.effect, found.shadow) == (Span(4, 8), "[CAT]", None, False)
    assert re.fullmatch("[0-9a-f]{16}", found.fingerprint)


def test_fingerprints_depend_on_the_text_and_the_key() -> None:
    rules = build([CATS], key=KEY)
    one, two, other = rules.scan("cat cat cats", USER)
    assert one.fingerprint == two.fingerprint != other.fingerprint
    assert build([CATS], key=b"other").scan("cat", USER)[0].fingerprint != one.fingerprint


def test_spans_lead_back_through_the_view() -> None:
    text = 'x{"a": "B\\u0049G\\u200b \\n  ｃａｔ"}'
    (found,) = build([FOLDED], key=KEY).scan(text, USER)
    assert text[found.span.start : found.span.end] == "B\\u0049G\\u200b \\n  ｃａｔ"


def test_findings_of_all_views_come_in_the_order_of_the_text() -> None:
    spans = [(found.span, found.rule) for found in build([FOLDED, CATS], key=KEY).scan("cat, big cat", USER)]
    assert spans == [(Span(0, 3), "cats"), (Span(5, 12), "folded"), (Span(9, 12), "cats")]


def test_a_rule_stays_within_its_reach() -> None:
    rules = build([replace(CATS, reach=Reach(roles=frozenset({Role.TOOL})))], key=KEY)
    assert rules.scan("cat", TOOL)
    assert not rules.scan("cat", USER)
    assert not rules.accelerated().scan("cat", USER)


def test_surrogates_do_not_disturb() -> None:
    rules = build([CATS], key=KEY)
    assert [found.span for found in rules.scan("\udfff cat \ud800", USER)] == [Span(2, 5)]
    assert rules.accelerated().scan("\udfff cat \ud800", USER) == rules.scan("\udfff cat \ud800", USER)


def test_adjustments_change_rules_by_id() -> None:
    rules = build([CATS, FOLDED], key=KEY, shadow=["cats"], disabled=["folded"], effects={"cats": Effect.ASK})
    assert set(rules.rules) == {"cats"}
    assert (rules.rules["cats"].shadow, rules.rules["cats"].effect) == (True, Effect.ASK)


def test_the_digest_depends_on_content_and_on_nothing_else() -> None:
    one = build([CATS, FOLDED], key=KEY)
    assert one.digest == build([FOLDED, replace(CATS, source="b.toml:9")], key=b"other").digest
    assert one.digest == one.accelerated().digest
    others = [
        build([CATS], key=KEY),
        build([CATS, FOLDED], key=KEY, shadow=["cats"]),
        build([CATS, FOLDED], key=KEY, effects={"cats": Effect.BLOCK}),
        build([replace(CATS, why="x"), FOLDED], key=KEY),
        build([replace(CATS, reach=Reach(roles=frozenset({Role.USER}))), FOLDED], key=KEY),
    ]
    assert len({one.digest, *(other.digest for other in others)}) == 6


def test_the_widest_match_is_known() -> None:
    assert build([CATS, FOLDED], key=KEY).max_width == 7
    assert build([], key=KEY).max_width == 0
    assert build([], key=KEY).scan("cat", USER) == ()


def test_all_problems_are_told_at_once() -> None:
    broken = replace(CATS, id="broken", pattern="a+", source="b.toml:3")
    told = problems(CATS, replace(CATS, source="b.toml:1"), broken, shadow=["x"], disabled=["y"], effects={"z": 1})
    assert told[0] == "b.toml:1: rule `cats`: the id is taken by the rule at a.toml:2"
    assert told[1] == "`shadow`: no rule has the id `x`; `lockgate rules list` shows them"
    assert (told[2][:10], told[3][:9]) == ("`disabled`", "`effects`")
    assert told[4].startswith("b.toml:3: rule `broken`: `+` has no upper bound")
    assert len(told) == 5


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"hits": (Sample("a cat"), Sample("dog"))}, "number 2 of `hits` is not hit"),
        ({"misses": (Sample("a cat"), Sample("dog"))}, "number 1 of `misses` is hit"),
        ({"hits": (Sample("a cat", "a cat"), Sample("cat"))}, "number 1 of `hits` is hit, but `span` is not what is"),
    ],
)
def test_a_rule_whose_proof_fails_does_not_load(changes: dict[str, object], says: str) -> None:
    (problem,) = problems(replace(CATS, **changes))  # type: ignore[arg-type]  # the types are in the table above
    assert problem.startswith(f"a.toml:2: rule `cats`: {says}")


def _overtime(*_: object) -> None:
    raise Overtime


def test_a_rule_that_takes_too_long_blocks_the_whole_text(monkeypatch: pytest.MonkeyPatch) -> None:
    rules = build([replace(CATS, shadow=True, effect=Effect.REPORT)], key=KEY)
    monkeypatch.setattr(Matcher, "hits", _overtime)
    (found,) = rules.scan("a cat", USER)
    assert (found.rule, found.span, found.effect, found.shadow) == ("cats", Span(0, 5), Effect.BLOCK, False)


def test_a_proof_that_takes_too_long_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Matcher, "hits", _overtime)
    assert "number 1 of `hits` is not hit" in problems(CATS)[0]


def test_without_the_engine_the_plain_path_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    rules = build([CATS], key=KEY)
    monkeypatch.setattr(ruleset, "AVAILABLE", False)
    assert rules.accelerated() is rules


HARD_ACCELERATED = build(parse_pack(HARD, "hard.toml"), key=KEY).accelerated()


@settings(max_examples=300, deadline=None)
@given(text=texts(hard_rules()), scope=SCOPES)
def test_the_pre_filter_changes_no_finding(text: str, scope: Scope) -> None:
    assert HARD_ACCELERATED.scan(text, scope) == hard().scan(text, scope)


@settings(deadline=None)
@given(several=st.lists(texts(hard_rules()), max_size=40), scope=SCOPES)
def test_a_text_that_is_silent_among_others_holds_nothing(several: list[str], scope: Scope) -> None:
    for text in HARD_ACCELERATED.silent(several, scope):
        assert HARD_ACCELERATED.scan(text, scope) == ()


def test_of_many_texts_those_without_a_hit_are_silent_but_for_neighbours_of_one() -> None:
    several = [f"dog {chr(0x4E00 + number)}" for number in range(300)]
    several[130] = "password is hunter22"
    silent = list(HARD_ACCELERATED.silent(several, USER))
    assert len(silent) == len(set(silent)) > 280
    assert several[130] not in silent
    assert set(silent) < set(several)


@pytest.mark.parametrize("rules", [hard(), build(parse_pack(HARD, "hard.toml"), key=KEY).sieved({})])
def test_without_a_prefilter_no_text_is_known_to_be_silent(rules: RuleSet) -> None:
    assert list(rules.silent(["a", "b"], USER)) == []


def test_what_escapes_stand_for_is_looked_at_too() -> None:
    rules = build([CATS], key=KEY).accelerated()
    assert list(rules.silent(["a\\ndog"], USER)) == ["a\\ndog"]
    assert list(rules.silent(["a\\u0063at"], USER)) == []


def test_where_no_rule_looks_all_texts_are_silent() -> None:
    rules = build([replace(CATS, reach=Reach(roles=frozenset({Role.TOOL})))], key=KEY)
    assert list(rules.silent(["cat", "cats"], USER)) == ["cat", "cats"]


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=40))
def test_any_text_can_be_scanned(text: str) -> None:
    assert HARD_ACCELERATED.scan(text, ANSWER) == hard().scan(text, ANSWER)
