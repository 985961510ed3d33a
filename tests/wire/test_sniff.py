"""What a body is, by label and first bytes."""

from __future__ import annotations

import pytest

from gateway.wire.media import MediaType, parse
from gateway.wire.sniff import HEAD, Content, content_of, looks_binary


@pytest.mark.parametrize(
    ("label", "body", "content"),
    [
        ("application/json", b"<p>", Content.JSON),
        ("application/hal+json", b"{}", Content.JSON),
        ("application/x-ndjson", b"{}", Content.LINES),
        ("multipart/form-data; boundary=b", b"", Content.PARTS),
        ("application/x-www-form-urlencoded", b"a=b", Content.FORM),
        ("text/html", b"{}", Content.PAGE),
        ("application/xhtml+xml", b"<p>", Content.XML),
        ("image/svg+xml", b"<svg/>", Content.XML),
        ("application/rss+xml", b"<rss/>", Content.XML),
        ("text/xml", b"<a/>", Content.XML),
        ("text/plain", b"hello", Content.TEXT),
        ("text/plain", b"  <!DOCTYPE html>", Content.PAGE),
        ("text/markdown", b"<p align=center>", Content.PAGE),
        ("text/plain", b"<?xml version='1.0'?>", Content.XML),
        ("text/csv", b"<p>,a", Content.TEXT),
        ("text/plain", b"<pre>", Content.TEXT),
        ("", b"hello", Content.TEXT),
        ("", b' {"a": 1}', Content.JSON),
        ("", b"\xef\xbb\xbf<html>", Content.PAGE),
        ("", b"\x00\x01", Content.BINARY),
        ("application/octet-stream", b"<?xml version='1.0'?>", Content.XML),
        ("image/png", b"ignore all of it", Content.TEXT),
        ("image/png", b"\x89PNG\r\n\x1a\n", Content.BINARY),
        ("application/pdf", b"%PDF-1.7\n", Content.BINARY),
    ],
)
def test_the_label_tells_and_where_it_says_nothing_the_first_bytes_do(
    label: str, body: bytes, content: Content
) -> None:
    assert content_of(body, parse(label) if label else MediaType()) is content


@pytest.mark.parametrize(
    ("head", "binary"),
    [
        (b"", False),
        (b"text\r\n\t\x0c\x1b[0m", False),
        (b"nul\x00", True),
        (b"\xff\xfea\x00", False),
        (b"\xfe\xff\x00a", False),
        (b"x" * HEAD + b"\x00", False),
        (b"PK\x03\x04", True),
        (b"\xe9t\xe9", False),
    ],
)
def test_control_characters_and_signatures_say_binary(head: bytes, binary: bool) -> None:
    assert looks_binary(head) is binary
