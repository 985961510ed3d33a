"""What a body is, by its label and its first bytes: which reader it gets.

A label is believed as clients believe it. Where there is none, or one under which clients hand on whatever came, the
first bytes tell, by the rules of the MIME Sniffing standard (7.1, 7.2), and what may be text is taken for text.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Final

from gateway.wire.media import MediaType


class Content(StrEnum):
    JSON = "json"
    LINES = "lines"
    PAGE = "page"
    XML = "xml"
    FORM = "form"
    PARTS = "parts"
    TEXT = "text"
    BINARY = "binary"


HEAD: Final = 1445
"""Bytes of a body that are looked at (MIME Sniffing, 5.2)."""

_BINARY: Final = re.compile(rb"[\x00-\x08\x0b\x0e-\x1a\x1c-\x1f]")
_MARKS: Final = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")
_SIGNATURES: Final = (
    b"%PDF-",
    b"%!PS-Adobe-",
    b"GIF87a",
    b"GIF89a",
    b"\xff\xd8\xff",
    b"PK\x03\x04",
    b"Rar!",
    b"\x1f\x8b",
)
"""Beginnings of files that may hold no control character for a while."""
_PAGE: Final = re.compile(
    rb"(?:\xef\xbb\xbf)?[\t\n\f\r ]*(?:<!--|<(?:!doctype html|html|head|script|iframe|h1|div|font|table|a|style|title"
    rb"|b|body|br|p)[\t\n\f\r >])",
    re.IGNORECASE,
)
_XML: Final = re.compile(rb"(?:\xef\xbb\xbf)?[\t\n\f\r ]*<\?xml[\t\n\r ]", re.IGNORECASE)
_JSON: Final = re.compile(rb"[\t\n\r ]*[{\[]")
_UNLABELLED: Final = frozenset({"/", "application/octet-stream", "application/unknown", "unknown/unknown", "*/*"})
_XHTML: Final = "application/xhtml+xml"


def looks_binary(head: bytes) -> bool:
    """Whether no client would take a body that begins so for text."""
    if head.startswith(_MARKS):
        return False
    return head.startswith(_SIGNATURES) or _BINARY.search(head[:HEAD]) is not None


def content_of(body: bytes, media: MediaType) -> Content:
    """The reader for a body. Plain text that begins as a page does is a page to many clients."""
    if media.is_json:
        return Content.JSON
    if media.is_lines:
        return Content.LINES
    if media.is_multipart:
        return Content.PARTS
    if media.subtype == "x-www-form-urlencoded":
        return Content.FORM
    if media.subtype == "html":
        return Content.PAGE
    if media.subtype == "xml" or media.subtype.endswith("+xml"):
        return Content.XML
    if media.is_text:
        plain = media.essence in ("text/plain", "text/markdown")
        return _marked_up(body) or Content.TEXT if plain else Content.TEXT
    if looks_binary(body):
        return Content.BINARY
    if _JSON.match(body):
        return Content.JSON
    return _marked_up(body) or Content.TEXT


def _marked_up(body: bytes) -> Content | None:
    if _XML.match(body):
        return Content.XML
    return Content.PAGE if _PAGE.match(body) else None
