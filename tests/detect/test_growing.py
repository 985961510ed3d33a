"""A text that arrives in pieces: any cut gives the findings of the whole, and what is let go is never needed again."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.detect.matcher import Matcher, Overtime
from gateway.detect.overlap import is_failure
from gateway.detect.pack import parse_pack
from gateway.detect.rule import Reach, Sample, Scope
from gateway.detect.ruleset import RuleSet, build
from gateway.segment import Role, Span
from gateway.verdict import Effect, Finding
from tests.detect.samples import ANSWER, KEY, RULE, SCOPES, TOOL, hard, hard_rules, texts

CATS = parse_pack(RULE, "a.toml")[0]


def grown(rules: RuleSet, text: str, scope: Scope, sizes: list[int]) -> tuple[Finding, ...]:
    """All findings of a text cut into pieces of those sizes, in order; what must hold on the way is asserted."""
    growing = rules.growing(scope)
    found: list[Finding] = []
    at, turn, decided = 0, 0, 0
    while at < len(text):
        size = sizes[turn % len(sizes)]
        new = growing.feed(text[at : at + size])
        at, turn = min(len(text), at + size), turn + 1
        assert all(finding.span.start >= decided for finding in new)
        assert decided <= growing.decided <= at
        decided = growing.decided
        found.extend(new)
    new = growing.finish()
    assert all(finding.span.start >= decided for finding in new)
    assert growing.decided == len(text)
    return tuple(sorted([*found, *new], key=lambda finding: (finding.span, finding.rule)))


SIZES = st.lists(st.integers(1, 9), min_size=1, max_size=6)


@settings(max_examples=300, deadline=None)
@given(text=texts(hard_rules()), scope=SCOPES, sizes=SIZES)
def test_any_cut_gives_the_findings_of_the_whole(text: str, scope: Scope, sizes: list[int]) -> None:
    assert grown(hard(), text, scope, sizes) == hard().scan(text, scope)


@settings(max_examples=20, deadline=None)
@given(text=texts(hard_rules()), sizes=st.lists(st.integers(50, 900), min_size=1, max_size=4))
def test_long_texts_drop_what_is_behind_them(text: str, sizes: list[int]) -> None:
    long = (text + " password " + "lorem ipsum cat " * 40) * 8
    assert grown(hard(), long, TOOL, sizes) == hard().scan(long, TOOL)


def cats(pattern: str, hit: str) -> RuleSet:
    samples = (Sample(hit), Sample(f"{hit} "))
    return build([replace(CATS, pattern=pattern, hits=samples, misses=(Sample("x"), Sample("y")))], key=KEY)


@pytest.mark.parametrize(
    ("pattern", "fed", "decided"),
    [
        ("abc", "xxab", 2),
        ("abc", "xxabx", 5),
        ("ab{1,3}", "abb", 0),
        ("ab{1,3}", "abbb", 4),
        (r"\babc\b", "xabc", 4),
        (r"\babc\b", " abc", 1),
        ("ab(?!cd)", "abc", 0),
    ],
)
def test_no_more_is_held_than_may_become_a_match(pattern: str, fed: str, decided: int) -> None:
    growing = cats(pattern, "abbbc" if "{" in pattern else "abc" if "(" not in pattern else "ab").growing(ANSWER)
    growing.feed(fed)
    assert growing.decided == decided


def test_a_finding_comes_as_soon_as_nothing_can_change_it() -> None:
    growing = cats("ab{1,2}", "ab").growing(ANSWER)
    assert growing.feed("xab") == ()
    (found,) = growing.feed("b")
    assert found.span == Span(1, 4)
    assert growing.finish() == ()


def test_what_no_rule_looks_at_is_not_held() -> None:
    rules = build([replace(CATS, reach=Reach(roles=frozenset({Role.USER})))], key=KEY)
    growing = rules.growing(ANSWER)
    assert growing.feed("ca") == ()
    assert growing.decided == 2


def test_streams_of_one_scope_share_their_machine() -> None:
    rules = build([CATS], key=KEY)
    rules.growing(ANSWER).feed("c")
    other = rules.growing(ANSWER)
    assert other.feed("ats") == ()
    assert other.decided == 3


def test_a_rule_that_takes_too_long_blocks_once(monkeypatch: pytest.MonkeyPatch) -> None:
    rules = build([CATS], key=KEY)

    def overtime(*_: object) -> None:
        raise Overtime

    monkeypatch.setattr(Matcher, "at", overtime)
    growing = rules.growing(ANSWER)
    (found,) = growing.feed("a cat, a cat, ")
    assert (found.span, found.effect) == (Span(0, 14), Effect.BLOCK)


def test_a_rule_that_takes_too_long_in_both_readings_blocks_once(monkeypatch: pytest.MonkeyPatch) -> None:
    rules = build([CATS], key=KEY)

    def overtime(*_: object) -> None:
        raise Overtime

    monkeypatch.setattr(Matcher, "at", overtime)
    growing = rules.growing(ANSWER)
    (found,) = (*growing.feed("\\n a cat, "), *growing.feed("a cat, "), *growing.finish())
    assert (found.effect, is_failure(found)) == (Effect.BLOCK, True)


def test_both_readings_tell_one_thing_once() -> None:
    rules = cats(r"=[a-z\\]{2,9}", "=ab")
    text = "x =ab\\ncd y"
    (found,) = rules.scan(text, ANSWER)
    assert text[found.span.start : found.span.end] == "=ab\\ncd"
    assert all(grown(rules, text, ANSWER, [size]) == (found,) for size in range(1, 12))


def test_what_one_reading_found_waits_for_the_other() -> None:
    growing = cats("ab(?:.c{9}){0,1}", "ab").growing(ANSWER)
    assert growing.feed("\\n ab") == ()
    assert growing.feed("-\\u0063") == ()
    assert growing.decided == 3
    (found,) = growing.finish()
    assert found.span == Span(3, 5)


def test_text_made_to_keep_the_machine_at_work_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.detect.growing._STEPS_MORE", 0)
    rules = cats("a(?:b|a){50,300}c", f"{'ab' * 30}c")
    growing = rules.growing(ANSWER)
    assert growing.feed("ab" * 150) == ()
    (found,) = growing.feed("ab" * 300 + "x")
    assert (found.rule, found.effect, found.span, is_failure(found)) == ("cats", Effect.BLOCK, Span(0, 901), True)
    assert growing.feed("ab") == growing.finish() == ()
    assert growing.decided == 903


def test_text_is_given_up_at_its_end_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.detect.growing._STEPS_MORE", 0)
    growing = cats("a(?:b|a){50,300}c", f"{'ab' * 30}c").growing(ANSWER)
    assert growing.feed(" " + "ab" * 100) == ()
    assert [is_failure(finding) for finding in growing.finish()] == [True]
