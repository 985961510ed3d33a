"""Answers that are owed on another stream."""

from __future__ import annotations

from gateway.dialect.mcp_answers import CAPACITY, Answers


def test_an_answer_is_given_once_and_to_its_request_alone() -> None:
    answers = Answers()
    answers.keep("/m?s=1", 1, b"a")
    answers.keep("/m?s=2", 1, b"b")
    answers.keep("/m?s=1", "1", b"c")
    assert answers.take("/m?s=1", 1) == b"a"
    assert answers.take("/m?s=1", 1) is None
    assert answers.take("/m?s=2", 1) == b"b"
    assert answers.take("/m?s=1", "1") == b"c"


def test_the_oldest_is_forgotten_first() -> None:
    answers = Answers()
    for number in range(CAPACITY + 1):
        answers.keep("/m", number, b"a")
    assert answers.take("/m", 0) is None
    assert answers.take("/m", 1) == b"a"
