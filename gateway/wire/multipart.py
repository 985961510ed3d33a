"""Multipart bodies: where each part's content stands (RFC 2046, 5.1 and, for forms, RFC 7578).

Nothing is decoded or rewritten. Everything that a lenient reader might take for a delimiter or a header, and a strict
one not, is refused: between the two, a part could be hidden.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final

from gateway.errors import Malformed, OverLimit
from gateway.wire import media

MAX_PARTS: Final = 1_000
"""Parts in one body; uploads to the known APIs have under 20."""

_BOUNDARY: Final = re.compile(r"[0-9A-Za-z'()+_,\-./:=? ]{0,69}[0-9A-Za-z'()+_,\-./:=?]")  # RFC 2046, 5.1.1
_FIELD: Final = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*([^\x00-\x08\x0a-\x1f\x7f]*?)[ \t]*")
_PLAIN_ENCODINGS: Final = ("7bit", "8bit", "binary")


@dataclass(frozen=True, slots=True)
class Part:
    """One part: what its header says, and the byte range of its content in the body.

    `extended_filename` is whether there is a `filename*`, which RFC 7578 forbids in forms and which is not read.
    """

    name: str | None
    filename: str | None
    content_type: str | None
    start: int
    end: int
    extended_filename: bool = False


def parts(body: bytes, content_type: str) -> tuple[Part, ...]:
    """The parts of `body` in order, whose media type is `content_type`; preamble and epilogue are passed over.

    Raises Malformed for all that is not strictly of the form, OverLimit for more than MAX_PARTS.
    """
    kind = media.parse(content_type)
    if not kind.is_multipart or _BOUNDARY.fullmatch(kind.boundary or "") is None:
        raise Malformed("a multipart body has no proper boundary")
    ranges = list(islice(_ranges(body, f"--{kind.boundary}".encode()), MAX_PARTS + 1))
    if len(ranges) > MAX_PARTS:
        raise OverLimit(f"a multipart body has more than {MAX_PARTS} parts")
    found = tuple(_part(body, start, end) for start, end in ranges)
    if kind.subtype == "form-data" and any(part.name is None for part in found):
        raise Malformed("a part of a form has no name")
    return found


def _ranges(body: bytes, dashed: bytes) -> Iterator[tuple[int, int]]:
    """Byte ranges of the parts, headers included, without the line ends that belong to the delimiters."""
    delimiter = re.compile(re.escape(dashed) + rb"(--)?[ \t]*+(\r\n|\Z)")
    start: int | None = None
    closed = False
    at = body.find(dashed)
    while at >= 0:
        line = delimiter.match(body, at)
        if line is None or closed or not (at == 0 or body.startswith(b"\r\n", at - 2)):
            raise Malformed("a multipart boundary stands where none may be")
        closed = line[1] is not None
        if start is not None:
            yield start, at - 2
        elif closed:
            raise Malformed("a multipart body has no part")
        start = line.end()
        at = body.find(dashed, start)
    if not closed:
        raise Malformed("a multipart body has no final delimiter")


def _part(body: bytes, start: int, end: int) -> Part:
    bare = body.startswith(b"\r\n", start, end)
    blank = start if bare else body.find(b"\r\n\r\n", start, end)
    if blank < 0:
        raise Malformed("a part of a multipart body has no empty line behind its header")
    header = {} if bare else _header(body[start:blank])
    if header.get("content-transfer-encoding", "binary").lower() not in _PLAIN_ENCODINGS:
        raise Malformed("a part of a multipart body is encoded")
    kind = header.get("content-type")
    if kind is not None:
        media.parse(kind)
    _, found = media.parameters(header.get("content-disposition", "inline"))
    content = blank + (2 if bare else 4)
    return Part(found.get("name"), found.get("filename"), kind, content, end, media.EXTENDED in found)


def _header(raw: bytes) -> dict[str, str]:
    """Values by lower-case name. Folded lines, which RFC 2046 has and HTTP gave up, are refused."""
    header: dict[str, str] = {}
    for line in raw.split(b"\r\n"):
        field = _FIELD.fullmatch(line)
        if field is None:
            raise Malformed("a header line of a part cannot be read")
        name = field[1].decode().lower()
        if name in header:
            raise Malformed(f"a part has two `{name[:40]}` lines")
        try:
            header[name] = field[2].decode()
        except UnicodeDecodeError:
            raise Malformed("a header line of a part is not UTF-8") from None
    return header
