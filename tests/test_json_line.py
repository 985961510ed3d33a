"""One line of ASCII, whatever the strings are."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.json_line import json_line

_TEXT = st.text(st.characters(codec=None))
_VALUES = st.recursive(st.none() | st.booleans() | st.integers() | _TEXT, lambda inner: st.dictionaries(_TEXT, inner))


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(_TEXT, _VALUES), st.booleans())
def test_any_value_comes_back_from_one_line_of_ascii(value: dict[str, Any], sort: bool) -> None:
    line = json_line(value, sort=sort)
    assert line.isascii()
    assert not any(byte < 0x20 for byte in line)
    assert json.loads(line) == value


@pytest.mark.parametrize("text", ["plain", "\x9b2J", "\ud800", "é"])
def test_keys_keep_their_order_or_are_sorted(text: str) -> None:
    value = {"b": text, "a": {"d": 1, "c": 2**70}}
    shown = json.dumps(text)
    assert json_line(value).decode() == f'{{"b":{shown},"a":{{"d":1,"c":{2**70}}}}}'
    assert json_line(value, sort=True).decode() == f'{{"a":{{"c":{2**70},"d":1}},"b":{shown}}}'


def test_what_json_has_no_form_for_is_an_error() -> None:
    with pytest.raises(TypeError):
        json_line({"a": object()})
