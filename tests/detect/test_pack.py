"""Reading packs: what a rule may say, its defaults, and every fault at once."""

from __future__ import annotations

import pytest

from gateway.detect.pack import parse_pack
from gateway.detect.rule import Near, Reach, Rule, Sample
from gateway.errors import RuleError
from gateway.segment import Direction, Role, Trust
from gateway.verdict import Effect, Severity
from tests.detect.samples import RULE, TOOL, USER


def one(text: str) -> Rule:
    (rule,) = parse_pack(text, "a.toml")
    return rule


def problems(text: str) -> tuple[str, ...]:
    with pytest.raises(RuleError) as refused:
        parse_pack(text, "a.toml")
    return refused.value.problems


def test_defaults_come_from_severity_and_category() -> None:
    rule = one(RULE)
    assert (rule.score, rule.replacement, rule.effect, rule.shadow) == (Severity.WARNING, "[CAT]", None, False)
    assert rule.reach == Reach()
    assert rule.source == "a.toml:2"


@pytest.mark.parametrize(("category", "mark"), [("secret.key", "[SECRET]"), ("injection.role", "[REMOVED]")])
def test_what_a_redaction_leaves(category: str, mark: str) -> None:
    assert one(RULE.replace("pii.cat", category)).replacement == mark


def test_injection_looks_at_what_may_steer_the_model() -> None:
    reach = one(RULE.replace("pii.cat", "injection.role")).reach
    assert reach.trusts == {Trust.UNTRUSTED, Trust.PRINCIPAL}
    assert reach.directions == set(Direction)


def test_everything_that_a_rule_may_say() -> None:
    rule = one(
        """
[[rule]]
id = "a.b-c_1"
why = "w"
category = "secret.password"
severity = "critical"
score = 7
effect = "block"
scope = { directions = ["answer"], roles = ["tool"], trust = ["untrusted", "model"] }
view = "folded"
pattern = 'x(?P<v>y)'
words = ["open sesame"]
group = "v"
near = { words = ["pw"], within = 9 }
check = "token"
entropy = 2.5
replacement = "[X]"
tags = ["LLM02:2025"]
shadow = true
hits = ["a", ["b", "c"], { text = ["d", "e"], span = "d" }]
misses = ["f", "g"]
"""
    )
    assert rule.effect is Effect.BLOCK
    assert rule.reach == Reach(frozenset({Direction.ANSWER}), frozenset({Role.TOOL}), frozenset({Trust(0), Trust(1)}))
    assert rule.near == Near(("pw",), 9)
    assert rule.hits == (Sample("a"), Sample("bc"), Sample("de", "d"))
    assert (rule.score, rule.entropy, rule.group, rule.shadow, rule.replacement) == (7, 2.5, "v", True, "[X]")


def test_a_reach_covers_what_is_in_each_of_its_sets() -> None:
    reach = Reach(roles=frozenset({Role.TOOL}))
    assert reach.covers(TOOL)
    assert not reach.covers(USER)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (
            'view = "text"',
            'view = "text"\ncolour = 1',
            "a.toml:8: rule `cats`: unknown key `colour`; accepted are category",
        ),
        ('why = "cats are private"\n', "", "a.toml:2: rule `cats`: `why` is missing"),
        ('"warning"', '"bad"', "a.toml:6: rule `cats`: `severity`: input should be 'notice', 'warning', 'error'"),
        ('"pii.cat"', '"cat"', "write one of `injection.`, `pii.`, `secret.` and a kind"),
        ('"cats"\nwhy', '"Cats!"\nwhy', "lower-case letters and digits joined by"),
        ('"text"', '"base64"', "a.toml:7: rule `cats`: `view`: input should be 'text' or 'folded'"),
        ("pattern = 'cats?'", 'check = "none"', "a.toml:8: rule `cats`: `check`: input should be 'luhn'"),
        ("pattern = 'cats?'", "", "rule `cats`: nothing to match; give `pattern`, `words`, or both"),
        ("pattern = 'cats?'", 'words = ["cat"]', "`words` are matched in the folded view"),
        ('["a cat", "cats"]', '["a cat"]', "`hits`: list should have at least 2 items"),
        ('["dog", "CAT"]', '["dog", 3]', "a.toml:10: rule `cats`: `misses.1.text`: input should be a valid string"),
        ('["dog", "CAT"]', '["dog", {text = "x", spam = "x"}]', "unknown key `misses.1.spam`; accepted are span, text"),
        ('"warning"', '"warning"\nscope = { role = ["user"] }', "unknown key `scope.role`; accepted are directions"),
        ('"warning"', '"warning"\nscore = "5"', "`score`: input should be a valid integer"),
        ('"warning"', '"warning"\nnear = { words = ["a"], within = 999 }', "with N up to 240"),
        ('"warning"', '"warning"\neffect = "drop"', "`effect`: input should be 'allow'"),
    ],
)
def test_a_fault_names_line_rule_and_accepted_form(old: str, new: str, says: str) -> None:
    (problem,) = problems(RULE.replace(old, new))
    assert says in problem


def test_all_faults_of_all_rules_are_told_at_once() -> None:
    text = RULE.replace('"warning"', '"bad"') + RULE.replace('"text"', '"bad"') + "\n[other]\nx = 1\n"
    places = [problem.partition(" ")[0] for problem in problems(text)]
    assert places == ["a.toml:22:", "a.toml:6:", "a.toml:17:"]


def test_a_pack_without_a_single_rule_is_refused() -> None:
    assert problems("") == ("a.toml:1: no rules; write each as a `[[rule]]` table",)
    assert "no rules" in problems("rule = 3")[0]


def test_broken_toml_names_the_line() -> None:
    assert problems("\n\n[[rule]\n")[0].startswith("a.toml:3: not TOML: ")
    assert problems('"""')[0].startswith("a.toml:1: not TOML: ")
    assert problems('[[rule]]\nid = "x"\nbroken = [\n')[0].startswith("a.toml:3: not TOML: ")


def test_rules_as_inline_tables_are_read_without_their_lines() -> None:
    text = 'rule = [{ id = "a", colour = 1, why = "w", category = "pii.x", severity = "notice", view = "text", '
    text += "pattern = 'a', hits = ['a', 'aa'], misses = ['b', 'c'] }]"
    assert problems(text)[0].startswith("a.toml:1: rule `a`: unknown key `colour`")
