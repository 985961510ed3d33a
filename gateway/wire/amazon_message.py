"""Messages of Amazon's event stream: what one of them says, and how it is written.

    length of all (4) | length of the headers (4) | CRC-32 of these eight bytes (4) | headers | payload | CRC-32 (4)

The last CRC-32 is of all that stands before it; numbers are big-endian. A header is its name (after its length, 1), its
type (1), and a value whose length the type gives, or, for strings and bytes, the two bytes before it.

Source: "Amazon Event Stream Specification" of Smithy 2.0; `botocore/eventstream.py` reads alike.
"""

from __future__ import annotations

from binascii import crc32
from collections.abc import Iterator, Mapping
from struct import Struct as Layout
from typing import Final

from msgspec import Struct

from gateway.errors import Malformed

PRELUDE: Final = 12
"""Bytes before the headers."""

_CRC: Final = 4
_LEAST: Final = PRELUDE + _CRC

_MOST_HEADERS: Final = 128 * 1024
_MOST_PAYLOAD: Final = 24 * 1024 * 1024
"""Bytes, by the specification: clients refuse more."""

_LENGTHS: Final = Layout("!II")
_NUMBER: Final = Layout("!I")
_SHORT: Final = Layout("!H")

_SIZES: Final[Mapping[int, int]] = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}
"""Bytes of a value by its type: true, false, byte, short, integer, long, timestamp, UUID."""
_BYTES: Final = 6
_STRING: Final = 7
_COUNTED: Final = (_BYTES, _STRING)


class Header(Struct, frozen=True):
    """The value of a header: its type, and where its bytes stand in the message."""

    type: int
    at: tuple[int, int]


def length_of(prelude: bytes) -> int:
    """The length of the message that begins with these twelve bytes. Raises Malformed for a wrong CRC or length."""
    length, headers = _LENGTHS.unpack_from(prelude)
    if _NUMBER.unpack_from(prelude, _LENGTHS.size) != (crc32(prelude[: _LENGTHS.size]),):
        raise Malformed("the checksum of a message's lengths is wrong")
    payload = length - _LEAST - headers
    if headers > _MOST_HEADERS or not 0 <= payload <= _MOST_PAYLOAD:
        raise Malformed("the lengths of a message are impossible")
    return int(length)


def headers_of(raw: bytes) -> dict[str, Header]:
    """The headers of a whole message. Raises Malformed for a wrong CRC, and for headers that clients read apart."""
    if _NUMBER.unpack_from(raw, len(raw) - _CRC) != (crc32(raw[:-_CRC]),):
        raise Malformed("the checksum of a message is wrong")
    found: dict[str, Header] = {}
    for name, header in _headers(raw, PRELUDE, payload_of(raw)[0]):
        if name in found:
            raise Malformed("a message has a header twice")
        found[name] = header
    return found


def payload_of(raw: bytes) -> tuple[int, int]:
    """Where the payload of a whole message stands."""
    return PRELUDE + int(_LENGTHS.unpack_from(raw)[1]), len(raw) - _CRC


def text_of(raw: bytes, header: Header) -> str:
    """The value of a header that is to be a string. Raises Malformed where it is none."""
    if header.type != _STRING:
        raise Malformed("a header that says what a message is, is no string")
    return _utf8(raw[slice(*header.at)])


def message(headers: bytes, payload: bytes) -> bytes:
    """A message with these headers, as they are written, and that payload. Raises ValueError for more than it takes."""
    if len(headers) > _MOST_HEADERS or len(payload) > _MOST_PAYLOAD:
        raise ValueError("a message of the event stream cannot be as long")
    lengths = _LENGTHS.pack(_LEAST + len(headers) + len(payload), len(headers))
    start = lengths + _NUMBER.pack(crc32(lengths)) + headers + payload
    return start + _NUMBER.pack(crc32(start))


def event(name: str, payload: bytes) -> bytes:
    """A message that is an event of that type, with a JSON payload."""
    fields = ((":event-type", name), (":content-type", "application/json"), (":message-type", "event"))
    return message(b"".join(_string(key, value) for key, value in fields), payload)


def _string(name: str, value: str) -> bytes:
    key, text = name.encode(), value.encode()
    return bytes((len(key),)) + key + bytes((_STRING,)) + _SHORT.pack(len(text)) + text


def _headers(raw: bytes, at: int, end: int) -> Iterator[tuple[str, Header]]:
    while at < end:
        name_end = at + 1 + raw[at]
        value_at = name_end + 1
        if name_end == at + 1 or value_at > end:
            raise Malformed("a header of a message has no name, or no value")
        kind = raw[name_end]
        if kind in _COUNTED:
            value_at += _SHORT.size
            size = int(_SHORT.unpack_from(raw, value_at - _SHORT.size)[0])
        elif kind in _SIZES:
            size = _SIZES[kind]
        else:
            raise Malformed("a header of a message is of a type that does not exist")
        # What is read beyond the headers for a length is at least part of the message: its CRC follows.
        if value_at + size > end:
            raise Malformed("a header of a message is longer than its headers")
        yield _utf8(raw[at + 1 : name_end]), Header(kind, (value_at, value_at + size))
        at = value_at + size


def _utf8(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise Malformed("a header of a message is not UTF-8") from None
