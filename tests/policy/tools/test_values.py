"""What the values of arguments are held to."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.detect.expression import Expression
from gateway.policy.tools.globs import fits
from gateway.policy.tools.values import ValuePolicy, number_of, recipients


@pytest.mark.parametrize(
    ("policy", "value", "fault"),
    [
        (ValuePolicy(most=100), 100, None),
        (ValuePolicy(most=100), 100.01, "is more than 100"),
        (ValuePolicy(most=100), "100.01", "is more than 100"),
        (ValuePolicy(most=100), "1e3", "is more than 100"),
        (ValuePolicy(most=100), " 7 ", None),
        (ValuePolicy(most=100), 10**400, "is more than 100"),
        (ValuePolicy(most=100), "9" * 41, "is no number"),
        (ValuePolicy(most=100), "100 EUR", "is no number"),
        (ValuePolicy(most=100), "１０１", "is no number"),
        (ValuePolicy(most=100), True, "is no number"),
        (ValuePolicy(most=100), None, "is no number"),
        (ValuePolicy(most=100), float("nan"), "is no number"),
        (ValuePolicy(most=100), float("inf"), "is no number"),
        (ValuePolicy(least=0), -1, "is less than 0"),
        (ValuePolicy(least=0.1), 0.1, None),
        (ValuePolicy(max_length=3), "abcd", "is longer than 3 characters"),
        (ValuePolicy(max_length=3), "äöü", None),
        (ValuePolicy(max_size=3), "äöü", "is larger than 3 bytes"),
        (ValuePolicy(max_size=3), "\ud800", None),
        (ValuePolicy(one_of=("a", 1, True)), "a", None),
        (ValuePolicy(one_of=("a", 1, True)), 1.0, None),
        (ValuePolicy(one_of=("a", 1, True)), "A", "is not `a`, `1` or `true`"),
        (ValuePolicy(one_of=(1,)), True, "is not `1`"),
        (ValuePolicy(one_of=(True,)), 1, "is not `true`"),
        (ValuePolicy(allow=("a*", "b")), "abc", None),
        (ValuePolicy(allow=("a*", "b")), "B", "is not `a*` or `b`"),
        (ValuePolicy(deny=("*admin*",)), "the ＡＤＭＩＮ", "is denied by `*admin*`"),
        (ValuePolicy(deny=("*admin*",)), "a user", None),
        (ValuePolicy(pattern=Expression(r"[a-z]+-\d+")), "ab-1", None),
        (ValuePolicy(pattern=Expression(r"[a-z]+-\d+")), "ab-1\n", r"does not fit `[a-z]+-\d+`"),
        (ValuePolicy(pattern=Expression("(a|aa)+b")), "a" * 5000 + "c", "does not fit `(a|aa)+b`"),
        (ValuePolicy(), "anything", None),
    ],
)
def test_values_are_held_to_their_limits(policy: ValuePolicy, value: Any, fault: str | None) -> None:
    assert policy.fault(value) == fault


def test_a_number_of_thousands_of_digits_is_not_compared() -> None:
    assert ValuePolicy(most=100).fault(1 << 20000) == "is a number that is too long to be compared"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("a@example.com", None),
        ("A@EXAMPLE.com", None),
        ("Bob Smith <a@example.com>", None),
        ("a@example.com, b@example.com; c@example.com", None),
        ("<mailto:a@example.com>", None),
        ("evil@evil.test, a@example.com", "is not `*@example.com`"),
        ("evil@evil.test;a@example.com", "is not `*@example.com`"),
        ("evil@evil.test\na@example.com", "is not `*@example.com`"),
        ("evil@evil.test a@example.com", "holds several addresses that cannot be told apart"),
        ("evil@evil.test <a@example.com>", "holds several addresses that cannot be told apart"),
        ("a@example.com <evil@evil.test>", "holds several addresses that cannot be told apart"),
        ("Bob <evil@evil.test>", "is not `*@example.com`"),
        ("a@example.com.evil.test", "is not `*@example.com`"),
        ("boss@example.com", "is denied by `boss@*`"),
        ("BOSS@example.com", "is denied by `boss@*`"),
        ("", "is not `*@example.com`"),
    ],
)
def test_each_recipient_is_held_to_the_list(text: str, fault: str | None) -> None:
    assert ValuePolicy(("*@example.com",), ("boss@*",), of_recipients=True).fault(text) == fault


def test_recipients_are_told_apart() -> None:
    assert recipients("a, B <b@x>;c\nd") == ("a", "b@x", "c", "d")


@pytest.mark.parametrize(("value", "number"), [("1.50", Decimal("1.50")), (-2, Decimal(-2)), ([], None), ("", None)])
def test_numbers_are_read_exactly(value: Any, number: Decimal | None) -> None:
    assert number_of(value) == number


@given(st.text("ab*?", max_size=6), st.text("ab", max_size=8))
def test_wildcards_mean_what_they_do_as_an_expression(pattern: str, text: str) -> None:
    source = pattern.replace("*", ".*").replace("?", ".")
    assert fits(pattern, text) is Expression(source).fits(text)


@given(
    st.one_of(st.integers(-5, 5), st.text("ab1@", max_size=4), st.booleans(), st.none()),
    st.fixed_dictionaries(
        {},
        optional={
            "most": st.integers(-2, 2),
            "max_length": st.integers(0, 2),
            "one_of": st.just(("a", 1)),
            "allow": st.just(("a*",)),
            "deny": st.just(("*b",)),
        },
    ),
    st.sampled_from([{"least": 0}, {"max_size": 1}, {"pattern": Expression("a?1?")}]),
)
def test_more_constraints_never_allow_more(value: Any, given_: dict[str, Any], more: dict[str, Any]) -> None:
    assert ValuePolicy(**given_).fault(value) is None or ValuePolicy(**given_, **more).fault(value) is not None
