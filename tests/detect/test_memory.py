"""What was found is remembered by text, scope and rules, and forgotten when it was not asked for."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.detect.matcher import Matcher, Overtime
from gateway.detect.memory import MOST_FINDINGS, VerdictMemory
from gateway.detect.overlap import is_failure
from gateway.detect.pack import parse_pack
from gateway.detect.ruleset import RuleSet, build
from tests.detect.samples import ANSWER, KEY, RULE, TOOL, USER

CATS = parse_pack(RULE, "a.toml")[0]
RULES = build([CATS], key=KEY)


def test_findings_come_back_for_the_same_text_scope_and_rules() -> None:
    memory = VerdictMemory(4)
    findings = RULES.scan("a cat", USER)
    memory.remember("a cat", USER, RULES, findings)
    assert memory.recall("a cat", USER, RULES) == findings
    assert memory.recall("a cat", USER, RULES.accelerated()) == findings
    assert memory.recall("a cat ", USER, RULES) is None
    assert memory.recall("a cat", TOOL, RULES) is None
    assert memory.recall("a cat", ANSWER, RULES) is None
    assert memory.recall("a cat", USER, build([replace(CATS, score=9)], key=KEY)) is None


def test_a_clean_text_is_remembered_too() -> None:
    memory = VerdictMemory(1)
    memory.remember("\ud800", USER, RULES, ())
    assert memory.recall("\ud800", USER, RULES) == ()


def test_what_was_not_asked_for_is_forgotten_first() -> None:
    memory = VerdictMemory(2)
    memory.remember("a", USER, RULES, ())
    memory.remember("b", USER, RULES, ())
    memory.recall("a", USER, RULES)
    memory.remember("c", USER, RULES, ())
    assert memory.recall("b", USER, RULES) is None
    assert memory.recall("a", USER, RULES) == ()
    assert len(memory) == 2


def test_what_could_not_be_looked_at_is_looked_at_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def overtime(*_: object) -> None:
        raise Overtime

    memory = VerdictMemory(4)
    with monkeypatch.context() as patched:
        patched.setattr(Matcher, "hits", overtime)
        failed = RULES.scan("a dog", USER)
    assert [is_failure(finding) for finding in failed] == [True]
    memory.remember("a dog", USER, RULES, failed)
    assert memory.recall("a dog", USER, RULES) is None


def test_a_text_with_too_many_findings_is_not_kept() -> None:
    memory = VerdictMemory(4)
    some = RULES.scan("cat " * MOST_FINDINGS, USER)
    memory.remember("a", USER, RULES, some)
    memory.remember("b", USER, RULES, (*some, some[0]))
    assert memory.recall("a", USER, RULES) == some
    assert memory.recall("b", USER, RULES) is None


def test_a_text_is_named_once_where_it_is_asked_for_and_then_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    memory = VerdictMemory(4)
    memory.recall("a", USER, RULES)
    with monkeypatch.context() as patched:
        patched.delattr(RuleSet, "name")
        memory.remember("a", USER, RULES, ())
    assert memory.recall("a", USER, RULES) == ()


def test_what_was_asked_for_last_is_not_taken_for_another_text() -> None:
    memory = VerdictMemory(4)
    memory.recall("a", USER, RULES)
    memory.remember("b", USER, RULES, ())
    memory.recall("c", USER, RULES)
    memory.remember("c", TOOL, RULES, ())
    asked = [("a", USER), ("b", USER), ("c", USER), ("c", TOOL)]
    assert [memory.recall(text, scope, RULES) is not None for text, scope in asked] == [False, True, False, True]


def test_a_memory_without_room_is_refused() -> None:
    with pytest.raises(ValueError, match="room for at least one text, not 0"):
        VerdictMemory(0)


def test_names_are_keyed() -> None:
    assert RULES.name("a", USER) != build([CATS], key=b"other").name("a", USER)
