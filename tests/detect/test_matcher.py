"""One rule at work: groups, context, checks, time, and patterns that cannot be used."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.detect import matcher
from gateway.detect.matcher import Matcher, Overtime, context
from gateway.detect.pack import parse_pack
from gateway.detect.pattern import PatternError
from gateway.detect.rule import Near, Rule
from tests.detect.samples import RULE

BASE = parse_pack(RULE, "a.toml")[0]


def found(rule: Rule, text: str) -> list[str]:
    return [text[slice(*hit.found)] for hit in Matcher(rule).hits(text)]


def test_hits_do_not_overlap() -> None:
    assert found(replace(BASE, pattern="aa"), "aaaaa") == ["aa", "aa"]


def test_a_group_is_the_finding_and_the_whole_match_where_it_took_no_part() -> None:
    rule = replace(BASE, pattern="pw=(?P<v>[a-z]{2})|pin", group="v")
    assert found(rule, "pw=ab pin") == ["ab", "pin"]


def test_a_failed_check_does_not_hide_a_hit_that_starts_inside() -> None:
    rule = replace(BASE, pattern=r"\d(?: ?\d){11,18}", check="luhn")
    assert found(rule, "12 4111 1111 1111 1111") == ["4111 1111 1111 1111"]


def test_entropy_is_a_least_number_of_bits() -> None:
    rule = replace(BASE, pattern="[a-z]{4}", entropy=2.0)
    assert found(rule, "aabb abcd") == ["abcd"]


def test_context_must_stand_near_and_before() -> None:
    rule = replace(BASE, pattern=r"\d{4}", near=Near(("pin",), 6))
    assert found(rule, "PIN 1234") == ["1234"]
    assert found(rule, "pin is now 1234") == []
    assert found(rule, "1234 pin") == []
    assert found(rule, "spin 1234") == []


def test_words_are_matched_whole_in_the_folded_view() -> None:
    rule = replace(BASE, view="folded", pattern=None, words=("Für  alle", "c++", "忽略"))
    assert found(rule, "fur alle c++ x忽略y") == ["fur alle", "c++", "忽略"]
    assert found(rule, "fur aller") == []


def test_pattern_and_words_are_joined_by_or() -> None:
    rule = replace(BASE, view="folded", pattern="(?x)a b # comment", words=("cd",))
    assert found(rule, "ab cd") == ["ab", "cd"]


def test_a_rule_can_be_tried_at_a_place() -> None:
    ready = Matcher(replace(BASE, pattern="ab"))
    assert ready.at("xab", 1) == matcher.Hit(1, 3, (1, 3))
    assert ready.at("xab", 0) is None


def test_hits_are_looked_for_where_the_trigger_hit() -> None:
    ready = Matcher(replace(BASE, pattern=r"a\d{1,4}(?!x)"))
    text = f"a1 {'-' * 200} a2345x {'-' * 200} a67"
    both = [2, text.index("a2") + 2, len(text) - 1]
    assert [hit.start for hit in ready.hits(text, both)] == [hit.start for hit in ready.hits(text)]
    assert [hit.start for hit in ready.hits(text, both[2:])] == [len(text) - 3]
    assert [hit.start for hit in ready.hits(text, both[:1])] == [0]


@pytest.mark.parametrize("stretch", [1, 2, 3, 7])
@pytest.mark.parametrize("pattern", ["aa", r"\ba{2,5}b?", r"(?<=b)a(?!a)", r"a[^c]{0,6}c"])
def test_where_a_search_stops_for_others_does_not_matter(
    pattern: str, stretch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rule, text = replace(BASE, pattern=pattern), "aaaab ba aab caaaa bbaab c aac"
    expected = found(rule, text)
    monkeypatch.setattr(matcher, "STRETCH", stretch)
    assert found(rule, text) == expected
    assert expected


def test_context_is_followed_by_the_hit() -> None:
    ready = Matcher(replace(BASE, pattern=r"\d{4}", near=Near(("pin",), 6)))
    text = "pin 1234, 5678, pin: 9876"
    assert [hit.start for hit in ready.hits(text, [3, 19])] == [4, 21]
    assert [hit.start for hit in ready.hits(text, [19])] == [21]


def test_how_much_before_a_match_matters() -> None:
    assert context(BASE) == 65
    assert context(replace(BASE, near=Near(("a",), 200))) == 201


def test_the_trigger_of_a_rule_with_context_is_the_context() -> None:
    assert Matcher(replace(BASE, pattern=r"\d{4}", near=Near(("p.n", "q"), 6))).trigger == ("(?:[Pp]\\x{2e}[Nn]|[Qq])")
    assert Matcher(BASE).trigger == "cat"


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"group": "v"}, "no group `v` in the pattern; write `(?P<v>...)`"),
        ({"pattern": "a+"}, "no upper bound"),
        ({"pattern": "(?P<a>x)(?P<a>y)(?P<1>z)"}, "unknown group"),
        ({"pattern": "É", "view": "folded"}, "`É` does not occur in the folded view; write `e`"),
        ({"pattern": "A", "view": "folded"}, "`A` does not occur in the folded view; write `a`"),
    ],
)
def test_a_pattern_that_cannot_be_used_is_refused(changes: dict[str, str], says: str) -> None:
    with pytest.raises(PatternError) as refused:
        Matcher(replace(BASE, **changes))  # type: ignore[arg-type]  # the names and types are in the table above
    assert says in str(refused.value)


def test_what_only_the_engine_refuses_is_a_pattern_error_too(monkeypatch: pytest.MonkeyPatch) -> None:
    node = Matcher(BASE).node
    monkeypatch.setattr("gateway.detect.pattern.parse", lambda _: node)
    with pytest.raises(PatternError, match="missing"):
        Matcher(replace(BASE, pattern="("))


class _Slow:
    groupindex: dict[str, int] = {}  # noqa: RUF012 - stands for an attribute of the engine's type

    def search(self, *_: object, **__: object) -> None:
        raise TimeoutError

    match = search


def test_a_search_that_takes_too_long_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matcher, "_compiled", lambda _: _Slow())
    slow = Matcher(BASE)
    with pytest.raises(Overtime):
        list(slow.hits("x"))
    with pytest.raises(Overtime):
        slow.at("x", 0)
