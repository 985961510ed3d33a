from __future__ import annotations

import pytest

from gateway.approve.ticket import ID_LENGTH, decode, digest, encode, name, one_line, read_id
from tests.approve.setting import SECRET, question
from tests.approve.test_decision import ticket


def test_a_ticket_is_read_as_it_was_written() -> None:
    for one in (ticket(), ticket(question({"to": SECRET})), ticket(question({SECRET: 1}, server="mail"))):
        assert decode(encode(one)) == one


@pytest.mark.parametrize("value", [b"", b"{}", b"[]", b"\xff", encode(ticket()).replace(b'"user"', b'"king"')])
def test_what_is_no_ticket_is_none(value: bytes) -> None:
    assert decode(value) is None


def test_names_are_short_and_differ() -> None:
    names = {name(b"key", f"call {at}", number) for at in range(50) for number in range(4)}
    assert len(names) == 200
    assert {len(one) for one in names} == {ID_LENGTH}
    assert all(read_id(one) == one for one in names)
    assert name(b"key", "a", 0) != name(b"another", "a", 0)


@pytest.mark.parametrize(("typed", "meant"), [("ABC-12O", "abc120"), (" k7f 3qd\n", "k7f3qd"), ("iLi", "111")])
def test_what_is_typed_is_read_as_it_was_meant(typed: str, meant: str) -> None:
    assert read_id(typed) == meant


def test_a_digest_tells_divisions_apart() -> None:
    assert len({digest(b"key", *parts) for parts in (("ab", "c"), ("a", "bc"), ("abc",), ("abc", ""))}) == 4


def test_a_reason_is_one_short_line() -> None:
    assert one_line(" a\r\nb\x1b]0;c\x07\u202ed ") == "a  b ]0;c  d"
    assert len(one_line("x" * 10_000)) == 500
