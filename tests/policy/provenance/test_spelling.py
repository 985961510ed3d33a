"""The spellings of a value, found in a text by `Side.find` as a whole."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.policy.provenance.spelling import decoded, forms, host_of, identifiers, normal, scalar, weak
from gateway.policy.provenance.structure import Leaf
from gateway.policy.provenance.texts import Side
from gateway.segment import Trust


def side(text: str) -> Side:
    return Side([(Leaf(text), 0, Trust.UNTRUSTED, "a text", None)])


FOUND = [
    ("bob@x.org", "write to Bob@X.org."),
    ("bob@x.org", "写给bob@x.org吧"),
    ("bob@x.org", "bob at x dot org"),
    ("bob@x.org", "mail bob [at] x [dot] org now"),
    ("bob@x.org", "Ym9iQHgub3Jn"),
    ("bob@x.org", "626f6240782e6f7267"),
    ("bob@x.org", "bob%40x.org"),
    ("bob@x.org", "&#98;&#111;&#98;&#64;&#120;&#46;&#111;&#114;&#103;"),
    ("bob@x.org", "ｂｏｂ＠x.org"),
    ("bob@x.org", "bo\u200bb@x.org"),
    ("bob@x.org", "gro.x@bob"),
    ("DE89370400440532013000", "IBAN: DE89 3704 0044 0532 0130 00"),
    ("DE89 3704 0044 0532 0130 00", "to DE89370400440532013000"),
    ("GB29 NWBK 6016 1331 9268 19", "gb29-nwbk-6016-1331-9268-19"),
    ("+447700900123", "call (07700) 900 123"),
    ("1180", "a total of 1,180.00"),
    ("1180.5", "1.180,50 EUR"),
    ("98.7", "Total: 98.70"),
    ("2026-05-04", "on 4 May"),
    ("2026-05-04", "04.05.2026"),
    ("2026-05-04", "5月4日"),
    ("https://x.org/a/", "see x.org/a"),
    ("#general", "post in general"),
    ("Ann  Lee", "to ann lee"),
    ("a%20b.txt", "the file a b.txt"),
]
MISSED = [
    ("bob@x.org", "evil.bob@x.org"),
    ("bob@x.org", "bob@x.org.evil.com"),
    ("7", "17 of 70"),
    ("7", "at 7 pm"),
    ("7", "7%"),
    ("7", "$7"),
    ("7", "2024-07-7"),
    ("7", "7.5"),
    ("3", "12:3"),
    ("main", "domain"),
    ("2026-13-40", "the 40th"),
]


@pytest.mark.parametrize(("value", "text"), FOUND)
def test_a_value_is_found_however_it_is_spelt(value: str, text: str) -> None:
    assert next(side(text).find(value), None) is not None


@pytest.mark.parametrize(("value", "text"), MISSED)
def test_a_part_of_something_else_is_not_the_value(value: str, text: str) -> None:
    assert next(side(text).find(value), None) is None


def test_a_field_that_is_an_address_with_a_name_is_that_address() -> None:
    (hit,) = side("Ann Lee <ann@x.org>").find("ann@x.org")
    assert hit.is_whole
    assert next(side("a@x.org; b@y.org").find("b@y.org")).is_whole
    assert not next(side("write to a@x.org").find("a@x.org")).is_whole
    assert not next(side("Ann Lee is here").find("Ann Lee")).is_whole


@given(st.emails())
def test_an_address_is_found_in_its_encodings(address: str) -> None:
    coded = base64.b64encode(address.encode()).decode()
    assert next(side(f"send it to {coded}").find(address), None) is not None


@given(st.text(max_size=40))
def test_every_value_has_a_spelling_or_none(value: str) -> None:
    assert all(form.text for form in forms(value))
    assert normal(normal(value)) == normal(value) or not value.isascii()


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        ("q=a%20b", "q=a b"),
        ("?d=Y29kZSA4ODI5MTE", "code 882911"),
        ("636f6465313233", "code123"),
        ("&lt;x&gt;", "<x>"),
    ],
)
def test_what_is_encoded_is_read(value: str, plain: str) -> None:
    assert plain in set(decoded(value))


def test_what_is_no_text_is_not_read() -> None:
    assert list(decoded("AAAAAAAAAAAAAAAA")) == []


def test_scalars_are_written_as_in_a_text() -> None:
    assert [scalar(value) for value in (7, 7.0, 7.5, "  a ", "", None, True)] == [
        "7",
        "7",
        "7.5",
        "a",
        None,
        None,
        None,
    ]


def test_hosts_are_compared_without_www() -> None:
    assert [host_of(url) for url in ("https://www.X.org/a", "x.org", "http://[", "/a")] == ["x.org", "x.org", "", ""]


def test_addresses_are_known_by_their_form() -> None:
    found = identifiers("A@x.org, see https://x.org/a. IBAN DE89 3704 0044 0532 0130 00 at 203.0.113.6")
    assert found.emails == ("a@x.org",)
    assert found.urls == ("https://x.org/a",)
    assert found.ibans == ("DE89370400440532013000",)
    assert found.ips == ("203.0.113.6",)
    assert weak("42")
    assert not weak("cu_1")
