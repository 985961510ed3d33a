"""Methods, as entries name them. What the remedies do is tested with the decisions that give them."""

from __future__ import annotations

import pytest

from gateway.policy.egress.remedy import is_method, method


@pytest.mark.parametrize("text", ["GET", "M-SEARCH", "VERSION-CONTROL"])
def test_a_method_is_upper_case(text: str) -> None:
    assert method(text) == text
    assert is_method(text)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("get", 'is not in normal form; write "GET"'),
        ("m-Search", 'is not in normal form; write "M-SEARCH"'),
        ("*", 'is no method; accepted: upper-case letters, such as "GET"'),
        ("GET ", 'is no method; accepted: upper-case letters, such as "GET"'),
        ("-GET", 'is no method; accepted: upper-case letters, such as "GET"'),
    ],
)
def test_a_sloppy_method_is_refused_with_the_right_spelling(text: str, fault: str) -> None:
    assert not is_method(text)
    with pytest.raises(ValueError) as caught:
        method(text)
    assert str(caught.value) == fault
