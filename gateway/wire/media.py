"""Media types: what a body is said to be, and its text where it is text.

A header that two parsers might read differently is refused here, as the body would be read differently in turn.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from gateway.errors import Malformed

_LINES: Final = frozenset(
    {
        "application/json-lines",
        "application/jsonl",
        "application/jsonlines",
        "application/ndjson",
        "application/stream+json",
        "application/x-json-lines",
        "application/x-json-stream",
        "application/x-jsonl",
        "application/x-jsonlines",
        "application/x-ldjson",
        "application/x-ndjson",
        "text/jsonl",
        "text/x-ndjson",
    }
)
"""No registry has a name for JSON Lines; these are in use (ndjson.org, jsonlines.org)."""

_TEXT: Final = frozenset(
    {
        "application/ecmascript",
        "application/graphql",
        "application/javascript",
        "application/x-javascript",
        "application/x-www-form-urlencoded",
        "application/x-yaml",
        "application/xml",
        "application/yaml",
    }
)

_CODECS: Final = {
    "ascii": "ascii",
    "iso-8859-1": "latin-1",
    "latin1": "latin-1",
    "us-ascii": "ascii",
    "utf-8": "utf-8",
    "utf-8-sig": "utf-8",
    "utf8": "utf-8",
}
"""Python's codecs for the charsets that are read. UTF-16 is found by its mark."""

_UTF16_MARKS: Final = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}

_TOKEN: Final = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"  # RFC 9110, 5.6.2
_VALUE: Final = re.compile(rf"({_TOKEN})(?:/({_TOKEN}))?(?=[ \t]*(?:;|\Z))")
# RFC 9110, 5.6.6: a parameter may be empty. A backslash in quotes is an escape to some and a character to others (file
# names from old browsers), so neither is read.
_PARAMETER: Final = re.compile(rf'[ \t]*;[ \t]*(?:({_TOKEN})=(?:({_TOKEN})|"([^"\\\x00-\x08\x0a-\x1f\x7f]*)"))?')
EXTENDED: Final = "filename*"
"""The one parameter of RFC 5987 that is let through, unread."""


@dataclass(frozen=True, slots=True)
class MediaType:
    """The value of Content-Type; `type` and `subtype` in lower case, empty where there is none. `raw` is as it came."""

    type: str = ""
    subtype: str = ""
    charset: str | None = None  # in lower case
    boundary: str | None = None
    raw: str = field(default="", compare=False)

    @property
    def essence(self) -> str:
        """Type and subtype without the parameters, as WHATWG calls them."""
        return f"{self.type}/{self.subtype}"

    @property
    def is_json(self) -> bool:
        """One JSON text."""
        known = self.essence in ("application/json", "text/json") or self.subtype.endswith("+json")
        return known and not self.is_lines

    @property
    def is_lines(self) -> bool:
        """A JSON text on each line."""
        return self.essence in _LINES

    @property
    def is_event_stream(self) -> bool:
        return self.essence == "text/event-stream"

    @property
    def is_amazon_stream(self) -> bool:
        """Binary messages of Amazon's event stream."""
        return self.essence == "application/vnd.amazon.eventstream"

    @property
    def is_text(self) -> bool:
        """Characters, of whatever syntax; JSON is only where its type says `text`."""
        return self.type == "text" or self.essence in _TEXT or self.subtype.endswith(("+xml", "+yaml"))

    @property
    def is_multipart(self) -> bool:
        return self.type == "multipart"


def content_type(headers: Iterable[tuple[str, str]]) -> MediaType:
    """The media type that the header fields give, all empty where they give none.

    Raises Malformed for two different values and for one that is against the grammar of RFC 9110, 8.3.1.
    """
    values = {value.strip(" \t") for name, value in headers if name.lower() == "content-type"}
    if len(values) > 1:
        raise Malformed("there are two different Content-Type fields")
    return parse(values.pop()) if values else MediaType()


@lru_cache(maxsize=64)  # clients send a handful; whoever sends long ones in turn gets four megabytes at most
def parse(value: str) -> MediaType:
    """One value of Content-Type. Raises Malformed."""
    (type_, subtype), found = parameters(value)
    if subtype is None:
        raise Malformed("the Content-Type has no subtype")
    charset = found.get("charset", "").lower() or None
    return MediaType(type_.lower(), subtype.lower(), charset, found.get("boundary"), value)


def parameters(value: str) -> tuple[tuple[str, str | None], dict[str, str]]:
    """A header value of the form `a/b; name=value` or `a; name="value"`: (a, b or None), and values by lower-case name.

    Raises Malformed for what is against the grammar, for a parameter given twice (a charset may be repeated as it was:
    web pages do), and for the segments of RFC 2231, 3, which few readers put together.
    """
    head = _VALUE.match(value)
    if head is None:
        raise Malformed("a Content-Type or Content-Disposition cannot be read")
    found: dict[str, str] = {}
    position = head.end()
    for parameter in _PARAMETER.finditer(value, position):
        if parameter.start() != position:
            break
        position = parameter.end()
        if parameter[1]:
            _add(found, parameter[1].lower(), parameter[2] or parameter[3] or "")
    if value[position:].strip(" \t"):
        raise Malformed("a Content-Type or Content-Disposition cannot be read")
    return (head[1], head[2]), found


def _add(found: dict[str, str], name: str, value: str) -> None:
    repeated = name == "charset" and found.get(name) == value
    if name in found and not repeated:
        raise Malformed(f"the parameter `{name[:40]}` is given twice")
    if "*" in name and name != EXTENDED:
        raise Malformed(f"the parameter `{name[:40]}` is not read")
    found[name] = value


def codec_of(body: bytes, media: MediaType) -> str:
    """The Python codec that decodes `body`, and encodes its text to the same bytes again. Raises Malformed.

    Marks of byte order stay in the text, as U+FEFF, or they would be lost on the way back.
    """
    charset = media.charset or "utf-8"
    codec = _UTF16_MARKS.get(body[:2]) if charset == "utf-16" else _CODECS.get(charset)
    if codec is None:
        raise Malformed(f"the charset `{charset[:40]}` is not read")
    return codec


def text_of(body: bytes, media: MediaType) -> str:
    """The body as text, in UTF-8 unless the media type says otherwise; `codec_of` leads back.

    Raises Malformed for a charset that is not known, for UTF-16 without a mark, and for bytes that are not in it.
    """
    codec = codec_of(body, media)
    try:
        return body.decode(codec)
    except UnicodeDecodeError:
        raise Malformed(f"the body is not `{codec}`") from None
