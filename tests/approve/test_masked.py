"""What a person sees of arguments, and what becomes of it when it is edited."""

from __future__ import annotations

import json
import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.approve.masked import checked, masked, restored
from tests.approve.setting import SECRET, mask


def shown(value: Any) -> Any:
    return json.loads(masked(value, mask).text)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"a": 1, "b": [True, None, "x"]}, {"a": 1, "b": [True, None, "x"]}),
        ({"a": f"x{SECRET}y"}, {"a": "x[SECRET]y"}),
        ({"a": [{"b": SECRET}]}, {"a": [{"b": "[SECRET]"}]}),
        (f"free text with {SECRET}", "free text with [SECRET]"),
        ({SECRET: 1}, {"[SECRET]": 1}),
        ({SECRET: 1, f"{SECRET}": 2, "[SECRET]": 3}, {"[SECRET]+": 2, "[SECRET]": 3}),
    ],
)
def test_secrets_are_masked_wherever_they_are(value: Any, text: Any) -> None:
    assert shown(value) == text


def test_a_number_can_be_a_secret_too() -> None:
    hidden = masked({"card": 4111111111111111}, lambda text: text.replace("4111111111111111", "[CARD]"))
    assert json.loads(hidden.text) == {"card": "[CARD]"}
    assert restored({"card": "[CARD]"}, hidden.hidden, {"card": 4111111111111111}) == {"card": 4111111111111111}


def test_what_is_shown_is_ascii_on_one_line() -> None:
    text = masked({"a": "\x1b[31m\n\u202e\ud83d\ude00"}, str).text
    assert text.isascii()
    assert text.isprintable()


@pytest.mark.parametrize(
    ("original", "edited", "problem"),
    [
        ({"a": f"x {SECRET}"}, {"a": "x [SECRET]"}, None),
        ({"a": f"x {SECRET}"}, {"a": "something else"}, None),
        ({"a": f"x {SECRET}"}, {}, None),
        ({"a": f"x {SECRET}"}, {"a": "y [SECRET]"}, "`a` holds a masked text that was changed or moved"),
        ({"a": f"x {SECRET}"}, {"b": "x [SECRET]"}, "`b` holds a masked text that was changed or moved"),
        ({"a": f"x {SECRET}"}, {"[SECRET]": 1}, "`[SECRET]` holds a masked text that was changed or moved"),
        ({"a": [SECRET, 1]}, {"a": [1, "[SECRET]"]}, "`a[1]` holds a masked text that was changed or moved"),
        ({"a": 1}, [1], "the arguments of this call are an object, and have to stay one"),
        ("free", {"a": 1}, "the arguments of this call are an object, and have to stay one"),
        (f"free {SECRET}", "[SECRET] free", "`the arguments` holds a masked text"),
        ({SECRET: 1}, {"[SECRET]": 2}, "names of its arguments are masked, so that they cannot be edited"),
    ],
)
def test_a_masked_text_is_left_alone_or_replaced(original: Any, edited: Any, problem: str | None) -> None:
    hidden = masked(original, mask)
    if problem is None:
        checked(edited, json.loads(hidden.text), hidden.hidden)
        return
    with pytest.raises(ValueError) as raised:
        checked(edited, json.loads(hidden.text), hidden.hidden)
    assert problem in str(raised.value)


def test_a_mask_that_only_takes_away_leaves_nothing_to_find() -> None:
    hidden = masked({"a": f"x{SECRET}"}, lambda text: text.replace(SECRET, ""))
    checked({"b": "anything"}, {"a": "x"}, hidden.hidden)


def test_the_original_is_put_back_only_in_its_place() -> None:
    original = {"a": f"x {SECRET}", "b": ["[SECRET]", SECRET], "c": 1}
    hidden = masked(original, mask)
    edited = {"a": "x [SECRET]", "b": ["[SECRET]", "new"], "c": 2}
    assert restored(edited, hidden.hidden, original) == {"a": f"x {SECRET}", "b": ["[SECRET]", "new"], "c": 2}


@pytest.mark.parametrize("original", [{}, {"a": "text"}, {"a": []}, None])
def test_what_is_gone_is_not_made_up(original: Any) -> None:
    hidden = masked({"a": [SECRET]}, mask)
    with pytest.raises(ValueError) as raised:
        restored({"a": ["[SECRET]"]}, hidden.hidden, original)
    assert str(raised.value) == "what was masked at `a[0]` is gone"


texts = st.text(string.ascii_letters + "[]+ ", max_size=6).map(lambda text: text.replace("x", SECRET))
values = st.recursive(
    st.none() | st.booleans() | st.integers() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(string.ascii_lowercase, max_size=3), inner),
    max_leaves=8,
)


@given(values)
def test_no_secret_is_shown_and_what_is_left_alone_comes_back(value: Any) -> None:
    hidden = masked(value, mask)
    assert SECRET not in hidden.text
    assert hidden.hidden is not None
    edited = json.loads(hidden.text)
    checked(edited, edited, hidden.hidden)
    assert restored(edited, hidden.hidden, value) == value
