"""What was found is remembered by text, scope and rules, and forgotten when it was not asked for."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.detect.memory import VerdictMemory
from gateway.detect.pack import parse_pack
from gateway.detect.ruleset import build
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


def test_a_memory_without_room_is_refused() -> None:
    with pytest.raises(ValueError, match="room for at least one text, not 0"):
        VerdictMemory(0)


def test_names_are_keyed() -> None:
    assert RULES.name("a", USER) != build([CATS], key=b"other").name("a", USER)
