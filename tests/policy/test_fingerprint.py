"""Which calls are the same call."""

from __future__ import annotations

import json
import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.policy.call import Call
from gateway.policy.fingerprint import fingerprint, server_of

KEY = b"key"


@pytest.mark.parametrize(
    ("call", "server"),
    [
        (Call("send", {}), ""),
        (Call("mcp__mail__send", {}), "mail"),
        (Call("mcp__Mail__send__now", {}), "mail"),
        (Call("mcp__mail__", {}), ""),
        (Call("send", {}, server="My Mail"), "my_mail"),
        (Call("mcp__other__send", {}, server="mail"), "mail"),
        (Call("mcp__\uff4dail__send", {}), "mail"),
        (Call("send", {}, server=""), ""),
    ],
)
def test_the_server_of_a_call(call: Call, server: str) -> None:
    assert server_of(call) == server


def name(arguments: Any, tool: str = "send", **more: Any) -> str:
    return fingerprint(Call(tool, arguments, **more), KEY)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        ({"a": 1}, {"a": 1.0}),
        ({"a": 1000}, {"a": 1e3}),
        ({"a": [1, {"b": None}]}, {"a": [1.0, {"b": None}]}),
        ({"a": (1, 2)}, {"a": [1, 2]}),
        ("free", "free"),
        ({"a": -0.0}, {"a": 0}),
    ],
)
def test_spelling_makes_no_difference(one: Any, other: Any) -> None:
    assert name(one) == name(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"a": 1}, {"a": "1"}),
        ({"a": 1}, {"a": True}),
        ({"a": 0}, {"a": None}),
        ({"a": 1}, {"a": 1.5}),
        ({"a": [1, 2]}, {"a": [2, 1]}),
        ({"a": "x"}, {"a": "X"}),
        ({"a": "é"}, {"a": "e\u0301"}),
        ({"a": "x"}, {"a": "x "}),
        ({}, []),
        ({}, None),
        ({"a": 1}, {"a": 1, "b": None}),
        ({"text": "x"}, "x"),
        (10**30, 10**30 + 1),
    ],
)
def test_every_other_value_does(one: Any, other: Any) -> None:
    assert name(one) != name(other)


def test_so_do_the_tool_and_the_key_but_not_where_the_call_is_seen() -> None:
    assert name({}) != name({}, "read")
    assert fingerprint(Call("send", {}), KEY) != fingerprint(Call("send", {}), b"other")
    assert name({}) == name({}, id="call_1", server="mail")


def test_text_that_is_no_json_is_no_json_text() -> None:
    assert name("x", is_readable=False) != name("x")
    assert name("x", is_readable=False) != name({"text": "x"})


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(string.printable, max_size=3), inner),
    max_leaves=8,
)


@given(values)
def test_what_is_written_and_read_again_is_the_same_call(value: Any) -> None:
    assert name(json.loads(json.dumps(value, indent=1))) == name(value)
