"""What a piece of a target may stand for: codes undone, on top of one another, wherever they begin."""

from __future__ import annotations

import base64
from collections.abc import Callable
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.policy.egress.decoding import MIN_RUN, hidden_texts, readings

SECRET = "hunter2 is the password"


def standard(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def url_safe(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def base32(text: str) -> str:
    return base64.b32encode(text.encode()).decode().rstrip("=")


def base32_lower(text: str) -> str:
    return base32(text).lower()


def hexadecimal(text: str) -> str:
    return text.encode().hex()


def escaped(text: str) -> str:
    return "".join(f"%{byte:02X}" for byte in text.encode())


CODES = [standard, url_safe, base32, base32_lower, hexadecimal, escaped]


@pytest.mark.parametrize("code", CODES)
def test_a_code_is_undone(code: Callable[[str], str]) -> None:
    assert SECRET in readings(code(SECRET))


@pytest.mark.parametrize("inner", CODES)
@pytest.mark.parametrize("outer", CODES)
def test_a_code_within_a_code_is_undone(inner: Callable[[str], str], outer: Callable[[str], str]) -> None:
    assert any(SECRET in reading for reading in readings(outer(inner(SECRET))))


@pytest.mark.parametrize("code", CODES[:-1])
@pytest.mark.parametrize("before", range(9))
def test_it_does_not_matter_where_a_code_begins(code: Callable[[str], str], before: int) -> None:
    assert any(SECRET in reading for reading in readings("a" * before + code(SECRET)))


@given(st.text(st.characters(exclude_categories=["C"]), min_size=12), st.sampled_from(CODES))
def test_any_text_comes_out_of_any_code(text: str, code: Callable[[str], str]) -> None:
    assert any(text in reading for reading in readings(code(text)))


def test_the_text_itself_comes_first_and_nothing_twice() -> None:
    raw = escaped(escaped("a b+c"))
    assert readings(raw) == (raw, escaped("a b+c"), "a b+c", "a b c")


def test_a_plus_may_be_a_blank_and_may_be_itself() -> None:
    assert readings("4111+1111") == ("4111+1111", "4111 1111")
    assert SECRET.replace(" ", "+") in readings(quote(SECRET.replace(" ", "+")))


def test_codes_are_undone_to_a_depth() -> None:
    deep = "%" + "25" * 4 + "41"
    assert "A" not in readings(deep)
    assert "A" in readings("%" + "25" * 3 + "41")


@pytest.mark.parametrize(
    "plain",
    [
        "/v1/chat/completions",
        "/wiki/Internationalization_and_localization",
        "3f786850e387550fdab836ed7e6dc881de23001b",
        "550e8400-e29b-41d4-a716-446655440000",
        "bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi",
        "llanfairpwllgwyngyllgogerychwyrndrobwllllantysiliogogogoch",
        "x" * (MIN_RUN - 1),
    ],
)
def test_words_and_identifiers_hide_no_text(plain: str) -> None:
    assert list(hidden_texts(plain)) == []
