"""Media types: how the header is read, what is refused, and text with its way back."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import Malformed
from gateway.wire.media import MediaType, codec_of, content_type, parse, text_of

KINDS = ("json", "lines", "event_stream", "text", "multipart")


def kinds_of(media: MediaType) -> set[str]:
    return {kind for kind in KINDS if getattr(media, f"is_{kind}")}


@pytest.mark.parametrize(
    ("value", "media"),
    [
        ("application/json", MediaType("application", "json")),
        ("Application/JSON; Charset=UTF-8", MediaType("application", "json", "utf-8")),
        (' text/html ;charset="Latin1" ; x=y;', MediaType("text", "html", "latin1")),
        ("text/html;charset=utf-8;charset=utf-8", MediaType("text", "html", "utf-8")),
        ("multipart/form-data; boundary=aBc", MediaType("multipart", "form-data", None, "aBc")),
        ('multipart/mixed; boundary="a b; c=d"', MediaType("multipart", "mixed", None, "a b; c=d")),
        ('text/plain; charset=""', MediaType("text", "plain")),
    ],
)
def test_a_value_is_read(value: str, media: MediaType) -> None:
    read = content_type([("content-type", value)])
    assert read == media
    assert read.raw == value.strip()


@pytest.mark.parametrize(
    "value",
    [
        "",
        "json",
        "json; charset=utf-8",
        "text/",
        "text/plain, text/html",
        "text/plain; charset",
        "text/plain; charset =utf-8",
        "text/plain; x y; charset=utf-8",
        "text/plain; charset=utf-8 x",
        'text/plain; charset="utf-8',
        'multipart/form-data; boundary="a\\"b"',
        "text/plain; charset=utf-8; charset=latin1",
        "multipart/form-data; boundary=a; boundary=b",
        "multipart/form-data; boundary=a; boundary=a",
        "multipart/form-data; boundary*0=a; boundary*1=b",
        "text/plain; charset*=utf-8''utf-8",
    ],
)
def test_what_may_be_read_in_two_ways_is_refused(value: str) -> None:
    with pytest.raises(Malformed):
        parse(value)


def test_no_header_is_no_type() -> None:
    media = content_type([("accept", "text/html")])
    assert media == MediaType()
    assert kinds_of(media) == set()


def test_two_headers_that_agree_are_one() -> None:
    assert content_type([("Content-Type", "text/html"), ("CONTENT-TYPE", " text/html")]).essence == "text/html"


def test_two_headers_that_differ_are_refused() -> None:
    with pytest.raises(Malformed, match="two different"):
        content_type([("content-type", "text/html"), ("content-type", "application/json")])


@pytest.mark.parametrize(
    ("value", "kinds"),
    [
        ("application/json", "json"),
        ("application/problem+json", "json"),
        ("text/json", "json text"),
        ("application/x-ndjson", "lines"),
        ("application/jsonl", "lines"),
        ("application/stream+json", "lines"),
        ("text/event-stream", "event_stream text"),
        ("text/html", "text"),
        ("image/svg+xml", "text"),
        ("application/xml", "text"),
        ("application/openapi+yaml", "text"),
        ("application/x-www-form-urlencoded", "text"),
        ("application/javascript", "text"),
        ("multipart/mixed", "multipart"),
        ("application/octet-stream", ""),
        ("image/png", ""),
        ("application/jsonish", ""),
    ],
)
def test_kinds(value: str, kinds: str) -> None:
    media = parse(value)
    assert kinds_of(media) == set(kinds.split())


@pytest.mark.parametrize(
    ("charset", "body", "text"),
    [
        (None, "é".encode(), "é"),
        ("utf8", "é".encode(), "é"),
        ("utf-8-sig", b"\xef\xbb\xbfx", "\ufeffx"),
        ("us-ascii", b"x", "x"),
        ("iso-8859-1", b"\xe9\x80", "é\x80"),
        ("utf-16", b"\xff\xfex\x00", "\ufeffx"),
        ("utf-16", b"\xfe\xff\x00x", "\ufeffx"),
    ],
)
def test_text_is_decoded_and_led_back(charset: str | None, body: bytes, text: str) -> None:
    media = MediaType("text", "plain", charset)
    assert text_of(body, media) == text
    assert text.encode(codec_of(body, media)) == body


@pytest.mark.parametrize(
    ("charset", "body"),
    [
        (None, b"\xff"),
        ("utf-8", b"\xed\xa0\x80"),
        ("ascii", b"\x80"),
        ("utf-16", b"\xff\xfex"),
        ("utf-16", b"\xff\xfe\0\xd8"),
    ],
)
def test_bytes_that_are_not_in_the_charset_are_refused(charset: str | None, body: bytes) -> None:
    with pytest.raises(Malformed, match="the body is not `"):
        text_of(body, MediaType("text", "plain", charset))


@pytest.mark.parametrize(("charset", "body"), [("utf-7", b"x"), ("idna", b"x"), ("rot13", b"x"), ("utf-16", b"x\0")])
def test_charsets_that_are_not_read_are_refused(charset: str, body: bytes) -> None:
    with pytest.raises(Malformed, match=f"the charset `{charset}` is not read"):
        text_of(body, MediaType("text", "plain", charset))


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=20), st.sampled_from([None, "ascii", "latin1", "utf-8", "utf-8-sig", "utf-16"]))
def test_what_decodes_encodes_to_the_same_bytes(body: bytes, charset: str | None) -> None:
    media = MediaType("text", "plain", charset)
    try:
        text = text_of(body, media)
    except Malformed:
        return
    assert text.encode(codec_of(body, media)) == body
