"""Sizes, durations and addresses as an operator writes them."""

from __future__ import annotations

import pytest

from gateway.units import Address, address, seconds, seconds_or_none, shown, size


@pytest.mark.parametrize(
    ("value", "bytes_"),
    [(1, 1), ("7B", 7), ("10MB", 10**7), ("10MiB", 10 * 2**20), ("1.5 KiB", 1536), ("2kB", 2000), ("1GiB", 2**30)],
)
def test_a_size(value: object, bytes_: int) -> None:
    assert size(value) == bytes_


@pytest.mark.parametrize("value", [0, -1, True, 1.5, "0.3B", "10", "10 M", "MB", "-1MB", None, [], "1e3MB", "1MiB\n"])
def test_what_is_no_size(value: object) -> None:
    with pytest.raises(ValueError) as caught:
        size(value)
    assert "is no size; accepted: a whole number of bytes" in str(caught.value)


@pytest.mark.parametrize(
    ("value", "length"), [("500ms", 0.5), ("10s", 10), ("1.5m", 90), ("2h", 7200), ("90d", 90 * 86400)]
)
def test_a_duration(value: object, length: float) -> None:
    assert seconds(value) == seconds_or_none(value) == length


@pytest.mark.parametrize("value", [10, "10", "0s", "s", "1m30s", "-1s", None, True])
def test_what_is_no_duration(value: object) -> None:
    with pytest.raises(ValueError) as caught:
        seconds(value)
    assert "is no duration; accepted: a number with a unit" in str(caught.value)
    with pytest.raises(ValueError) as caught:
        seconds_or_none(value)
    assert str(caught.value).endswith('or "none"')


def test_none_stands_for_no_limit() -> None:
    assert seconds_or_none("none") is None


@pytest.mark.parametrize(
    ("value", "where"),
    [
        ("127.0.0.1:8080", Address("127.0.0.1", 8080)),
        ("localhost:0", Address("localhost", 0)),
        ("[::1]:65535", Address("::1", 65535)),
    ],
)
def test_an_address(value: str, where: Address) -> None:
    assert address(value) == where
    assert str(where) == value


@pytest.mark.parametrize("value", ["8080", ":8080", "a:", "a:65536", "::1:80", "http://a:80", "a b:80", 80, "a:80 "])
def test_what_is_no_address(value: object) -> None:
    with pytest.raises(ValueError) as caught:
        address(value)
    assert 'is no address; accepted: "host:port"' in str(caught.value)


def test_a_long_value_is_quoted_short() -> None:
    assert shown("x" * 100) == f"`{'x' * 57}...`"
    assert shown(True) == "`true`"
