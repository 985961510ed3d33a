"""Checks against the examples of their standards, and against one wrong digit."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.detect.checks import CHECKS, bits_per_character, luhn

RIGHT = [
    ("card", "4111 1111 1111 1111"),
    ("card", "3782-822463-10005"),
    ("card", "6011111111111117"),
    ("cn_id", "11010519491231002X"),  # the example of GB 11643-1999
    ("cn_id", "11010519491231002x"),
    ("iban", "GB82 WEST 1234 5698 7654 32"),  # the example of ISO 13616
    ("iban", "NO93-8601-1117-947"),
    ("ssn", "536-22-8726"),
    ("phone_cn", "138 1731 8264"),
    ("phone_cn", "+86 13817318264"),
    ("phone_cn", "008613817318264"),
    ("phone_us", "+1 (415) 555-2671"),
    ("phone_us", "415.555.2671"),
    ("phone_e164", "+442079460958"),
    ("phone_e164", "+49 30 901820"),
    ("password", "Tr0ub4dor&3"),
    ("password_like", "deadbeef"),
    ("token", "q7Zx2Rk9Tm4Lb6Vn8Ws3"),
    ("token", "1234567890abcdef1234567890abcdef"),
]
WRONG = [
    ("luhn", "79927398710"),
    ("luhn", "0000000000000"),
    ("luhn", "4111"),
    ("card", "4111111111111112"),
    ("card", "9111111111111111"),
    ("card", "411111111111111"),
    ("cn_id", "110105194912310021"),
    ("cn_id", "99010519491231002X"),
    ("cn_id", "11010519491331002X"),
    ("cn_id", "11010519490230002X"),
    ("cn_id", "1101051949123100"),
    ("iban", "GB82WEST12345698765433"),
    ("iban", "GB82WEST1234569876543"),
    ("iban", "ZZ82WEST12345698765432"),
    ("iban", "GB82WEST1234569876543é"),
    ("ssn", "000-22-8726"),
    ("ssn", "666-22-8726"),
    ("ssn", "936-22-8726"),
    ("ssn", "536-00-8726"),
    ("ssn", "536-22-0000"),
    ("ssn", "078-05-1120"),
    ("ssn", "536-22"),
    ("phone_cn", "12817318264"),
    ("phone_cn", "13800000000"),
    ("phone_us", "115 555 2671"),
    ("phone_us", "415 911 2671"),
    ("phone_e164", "+999 123 4567"),
    ("phone_e164", "+44 0000000000"),
    ("jwt", "not base64!.x.y"),
    ("password", "password123"),
    ("password", "aaaaaa"),
    ("password", "lowercase"),
    ("password", "abcdefgh1"),
    ("password_like", "test"),
    ("token", "onlyLettersHere!"),
    ("token", "<your-token-1>"),
]


@pytest.mark.parametrize(("name", "value"), RIGHT)
def test_right_values_pass(name: str, value: str) -> None:
    assert CHECKS[name](value)


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_wrong_values_fail(name: str, value: str) -> None:
    assert not CHECKS[name](value)


@settings(max_examples=50, deadline=None)
@given(st.text("0123456789", min_size=11, max_size=18).filter(lambda text: len(set(text)) > 1), st.integers(1, 9))
def test_luhn_knows_any_single_wrong_digit(digits: str, by: int) -> None:
    right = next(digits + last for last in "0123456789" if luhn(digits + last))
    wrong = f"{(int(right[0]) + by) % 10}{right[1:]}"
    assert not luhn(wrong)


@pytest.mark.parametrize(
    ("header", "right"),
    [({"alg": "HS256"}, True), ({"alg": None}, False), ({"typ": "JWT"}, False), (["alg"], False)],
)
def test_a_token_is_a_jwt_by_its_header(header: object, right: bool) -> None:
    head = base64.urlsafe_b64encode(json.dumps(header).encode()).decode().rstrip("=")
    assert CHECKS["jwt"](f"{head}.payload.signature") == right


def test_entropy_in_bits() -> None:
    assert bits_per_character("aaaa") == 0
    assert bits_per_character("abcd") == 2
