"""A body that comes piece by piece, up to its limit."""

from __future__ import annotations

import pytest

from gateway.errors import OverLimit
from gateway.exchange.collected import Collected
from gateway.exchange.first_bytes import FirstBytes


def test_the_pieces_are_taken_once_and_the_limit_begins_anew() -> None:
    body = Collected("request", 5)
    for _ in range(2):
        body.add(b"ab")
        body.add(b"cde")
        assert body.take() == b"abcde"
    assert body.take() == b""


@pytest.mark.parametrize("what", ["request", "answer"])
def test_what_is_over_the_limit_names_the_setting(what: str) -> None:
    body = Collected(what, 3)
    body.add(b"abc")
    with pytest.raises(OverLimit, match=rf"the {what} body is over the limit of 3 bytes \(`max_{what}` under"):
        body.add(b"d")


def test_a_body_whose_label_is_no_text_is_asked_until_it_has_told() -> None:
    body = Collected("answer", 1000, FirstBytes(None, 1000))
    assert not body.are_binary(b"\x89PN", last=False)
    assert body.are_binary(b"G\r\n\x1a\n\0\0\0\rIHDR", last=False)
    assert not body.are_binary(b"\0\0", last=False), "it is asked no more"


def test_a_body_that_is_read_by_its_label_is_not_asked() -> None:
    assert not Collected("answer", 1000).are_binary(b"\x89PNG\r\n\x1a\n", last=True)
