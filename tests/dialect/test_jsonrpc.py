"""What JSON-RPC messages are, as clients read them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialect.jsonrpc import correlated


@pytest.mark.parametrize(
    ("given", "found"),
    [
        (7, 7),
        ("7", 7),
        ("+7", 7),
        (" 7\n", 7),
        ("\ufeff7", 7),
        (" \ufeff 0x7", 7),
        ("\ufeff", 0),
        ("007", 7),
        ("1_0", 10),
        ("٧", 7),
        ("-7", -7),
        ("0x7", 7),
        ("0b111", 7),
        ("0o7", 7),
        ("7.0", 7),
        ("7e0", 7),
        ("", 0),
        (" ", 0),
        (None, 0),
        ("7.5", "7.5"),
        ("nan", "nan"),
        ("Infinity", "Infinity"),
        ("a7", "a7"),
        ("9f0c7e2a-58f2-4a1c-9d57-3f0f3a0f6f10", "9f0c7e2a-58f2-4a1c-9d57-3f0f3a0f6f10"),
    ],
)
def test_an_id_is_found_by_whatever_clients_take_for_it(given: Any, found: Any) -> None:
    assert correlated(given) == found


@given(st.integers())
def test_each_number_is_found_by_its_digits(number: int) -> None:
    assert correlated(str(number)) == correlated(number) == number
