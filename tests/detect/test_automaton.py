"""The machine that says which rules are still open and which may have matched."""

from __future__ import annotations

import pytest
import regex  # type: ignore[import-untyped]  # ships no types
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.detect import automaton
from gateway.detect.automaton import Automaton, check_size
from gateway.detect.pattern import PatternError, parse


def walk(machine: Automaton, text: str, start: int = 0) -> tuple[set[int], bool]:
    """The rules named from a start, and whether the machine still lives at the end."""
    kinds = [machine.kinds[character] for character in text]
    state = machine.start(kinds[start - 1] if start else None)
    named: set[int] = set()
    for kind in kinds[start:]:
        state = machine.step(state, kind)
        named.update(state.accepted)
    return named, bool(state.items)


@pytest.mark.parametrize(
    ("pattern", "text", "named", "alive"),
    [
        ("abc", "ab", False, True),
        ("abc", "abc", True, False),
        ("abc", "abd", False, False),
        ("ab{2,3}", "abb", True, True),
        ("ab{2,3}", "abbb", True, False),
        ("ab?", "a", True, True),
        (r"cat\b", "cat", True, True),
        (r"cat\b", "cats", True, False),
        (r"cat\B", "cat", True, True),
        (r"\bcat", "cat", True, False),
        (r"\Bcat", "c", False, False),
        (r"a\b\Bb", "ab", False, False),
        (r"x(?=yz)", "x", True, True),
        (r"x(?=yz)", "xyzz", True, False),
        (r"(?<!a)b", "b", True, False),
        (r"(?<=a)b", "b", False, False),
        (r"(?<=ab)c", "c", True, False),
        ("(?:ab|ac){2}", "abac", True, False),
        ("(?:a?b?){1,3}c", "abab", False, True),
    ],
)
def test_named_and_alive(pattern: str, text: str, named: bool, alive: bool) -> None:
    machine = Automaton([parse(pattern)])
    assert walk(machine, text) == ({0} if named else set(), alive)


def test_what_stands_before_the_start_counts() -> None:
    machine = Automaton([parse(r"\bb"), parse("(?<=a)b"), parse("(?<![ac])b")])
    assert walk(machine, "ab", 1)[0] == {1}
    assert walk(machine, "-b", 1)[0] == {0, 2}
    assert walk(machine, "cb", 1)[0] == set()


PATTERNS = (
    r"a{1,2}b",
    r"(?:ab|a){1,3}c?",
    r"\bab\b",
    r"(?<!b)a.{0,2}c",
    r"[ab]{2,4}-",
    r"a(?!b)",
    r"(?:a|-)(?:b?c?){1,2}\B",
)


@settings(max_examples=200, deadline=None)
@given(st.text("abc- ", max_size=9), st.integers(0, 8))
def test_every_match_is_named_and_dead_means_that_more_text_changes_nothing(text: str, start: int) -> None:
    machine = Automaton([parse(pattern) for pattern in PATTERNS])
    start = min(start, len(text))
    named, alive = walk(machine, text, start)
    compiled = [regex.compile(pattern, regex.ASCII) for pattern in PATTERNS]
    for index, pattern in enumerate(compiled):
        now = pattern.match(text, start)
        assert now is None or index in named
        if not alive and start < len(text):
            for more in ("a", "b", "c", "-", "bc", "ab-"):
                later = pattern.match(text + more, start)
                assert (now and now.span()) == (later and later.span())


def test_states_are_dropped_when_there_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(automaton, "_MAX_STATES", 3)
    machine = Automaton([parse("a[ab]{1,9}c")])
    for text in ("aababac", "abbbbbc", "aac"):
        assert walk(machine, text) == ({0}, False)


def test_classes_are_forgotten_when_there_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(automaton, "_MAX_CHARACTERS", 1)
    machine = Automaton([parse("ab")])
    assert walk(machine, "ab") == ({0}, False)
    assert machine.kinds["x"] == machine.kinds["y"]


def test_a_nest_of_repeats_is_refused() -> None:
    check_size(parse("(?:ab|c{1,9}){1,99}"))
    with pytest.raises(PatternError) as refused:
        check_size(parse(r"(?:(?:\b\b\b\ba?){1,60}){1,60}b"))
    assert "nested repeats unfold" in str(refused.value)
