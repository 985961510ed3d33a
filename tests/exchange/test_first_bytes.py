"""Whether a body is text, told as its bytes come."""

from __future__ import annotations

import gzip

import pytest

from gateway.errors import OverLimit
from gateway.exchange.first_bytes import FirstBytes
from gateway.wire.sniff import HEAD


def told(*pieces: bytes, coding: str | None = None, limit: int = 10_000) -> list[bool | None]:
    look = FirstBytes(coding, limit)
    return [look.are_binary(piece, last=number == len(pieces)) for number, piece in enumerate(pieces, 1)]


@pytest.mark.parametrize(
    ("pieces", "answers"),
    [
        ((b"text", b" and more"), [None, False]),
        ((b"text", b"\x00", b""), [None, True, True]),
        ((b"\x89PNG\x1a\x00", b""), [True, True]),
        ((b"%P", b"DF-1", b""), [None, True, True]),
        ((b"x" * HEAD, b""), [False, False]),
        ((b"", b""), [None, True]),
    ],
)
def test_it_waits_until_it_can_tell(pieces: tuple[bytes, ...], answers: list[bool | None]) -> None:
    assert told(*pieces) == answers


def test_coded_bytes_are_decoded_first() -> None:
    coded = gzip.compress(b"text" * 500)
    assert told(coded, b"", coding="gzip") == [False, False]
    assert told(gzip.compress(b"\x00"), b"", coding="gzip")[0] is True


def test_a_header_that_decodes_to_nothing_does_not_hide_what_follows() -> None:
    named = b"\x1f\x8b\x08\x08\x00\x00\x00\x00\x00\xff" + b"n" * 70_000
    assert told(named, b"", coding="gzip")[0] is False


@pytest.mark.parametrize(("coding", "body"), [("compress", b"text"), ("gzip", b"text")])
def test_what_cannot_be_decoded_is_no_text(coding: str, body: bytes) -> None:
    assert told(body, b"", coding=coding)[0] is True


def test_more_than_the_limit_is_refused() -> None:
    with pytest.raises(OverLimit):
        told(gzip.compress(b"a" * 20_000), b"", coding="gzip")
