"""Names of models and tools, and beginnings of names."""

from __future__ import annotations

import pytest

from gateway.limits.pattern import matching, pattern


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("gpt-5", "gpt-5"),
        ("gpt-5-mini", "gpt-5*"),
        ("gpt-4", "gpt*"),
        ("GPT-5", "gpt-5"),
        ("Gpt-5-mini", "gpt-5*"),
        ("claude", "*"),
        ("", "*"),
        ("gpt-5*", "gpt-5*"),
    ],
)
@pytest.mark.parametrize("turned", [False, True])
def test_the_name_itself_holds_then_the_longest_beginning(name: str, found: str, turned: bool) -> None:
    patterns = ["*", "gpt*", "gpt-5", "gpt-5*", "x"]
    assert matching(reversed(patterns) if turned else patterns, name) == found


def test_a_name_under_none() -> None:
    assert matching(["gpt-5", "a*"], "gpt-5-mini") is None


@pytest.mark.parametrize("text", ["", "a*b", "**", " a", "a\n", "a\0"])
def test_what_is_no_pattern(text: str) -> None:
    with pytest.raises(ValueError, match="is no name; accepted"):
        pattern(text)


def test_a_pattern() -> None:
    assert pattern("meta/llama-4*") == "meta/llama-4*"
