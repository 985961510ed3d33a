"""The server name of a ClientHello: which host a client asks TLS for, read from the first bytes that it sends.

Only the frame is read that leads there (RFC 8446, sections 4.1.2 and 5.1; RFC 6066, section 3), over as many records as
the message is cut into. What begins as TLS and cannot be read to the end of its extensions is an error: another reader
might find a name in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

from gateway.errors import Malformed, OverLimit

MOST: Final = 1 << 14
"""Bytes until a ClientHello must have ended: as many as one record may hold. Those of browsers, with a key share that
withstands quantum computers, have about 2,000."""

_HANDSHAKE: Final = 0x16
_RECORD_TYPES: Final = range(0x14, 0x19)
"""RFC 8446, appendix B.1, and heartbeats (RFC 6520). Some servers skip an alert that comes before the ClientHello, so
that what begins with one is TLS too."""
_RECORD_HEAD: Final = 5
_MESSAGE_HEAD: Final = 4
_MOST_IN_RECORD: Final = 1 << 14
_CLIENT_HELLO: Final = 1
_SERVER_NAME: Final = 0
_HOST_NAME: Final = 0
_VERSION_AND_RANDOM: Final = 2 + 32


class Other(Enum):
    """What the bytes are so far, where they are no ClientHello that has ended."""

    MORE = "more"  # the beginning of one; what follows is needed
    NOT_TLS = "not TLS"


@dataclass(frozen=True, slots=True)
class ClientHello:
    """A ClientHello; `server_name` is as it was written, None where there is none."""

    server_name: str | None


def read(data: bytes) -> ClientHello | Other:
    """What a connection begins with. An answer but `MORE` holds whatever comes after.

    Raises Malformed for what begins as TLS and is no ClientHello, or one that could be read in two ways; OverLimit for
    one that has not ended within `MOST` bytes.
    """
    if not data:
        return Other.MORE
    if data[0] not in _RECORD_TYPES:
        return Other.NOT_TLS
    message = _message(data[:MOST])
    if message is not None:
        return ClientHello(_server_name(_Reader(message)))
    if len(data) >= MOST:
        raise OverLimit(f"the ClientHello does not end within {MOST} bytes")
    return Other.MORE


def _message(data: bytes) -> bytes | None:
    """The body of the ClientHello, put together from its records; None where its end has not come."""
    fragments = bytearray()
    at = 0
    while True:
        _check_record(data[at : at + _RECORD_HEAD])
        if len(data) < at + _RECORD_HEAD:
            return None
        size = int.from_bytes(data[at + 3 : at + _RECORD_HEAD])
        at += _RECORD_HEAD
        fragments += data[at : at + size]
        at += size
        if fragments and fragments[0] != _CLIENT_HELLO:
            raise Malformed("the first message of TLS is no ClientHello")
        end = _MESSAGE_HEAD + int.from_bytes(fragments[1:_MESSAGE_HEAD])
        if len(fragments) >= _MESSAGE_HEAD and len(fragments) >= end:
            return bytes(fragments[_MESSAGE_HEAD:end])


def _check_record(head: bytes) -> None:
    """Raise Malformed for the head of a record, or the part of it that is there, that no ClientHello comes in."""
    if head[:1] not in (b"", bytes([_HANDSHAKE])):
        raise Malformed("TLS does not begin with a handshake record")
    if head[1:2] not in (b"", b"\x03"):
        raise Malformed("the record has no version of TLS")
    if len(head) == _RECORD_HEAD and not 0 < int.from_bytes(head[3:]) <= _MOST_IN_RECORD:
        raise Malformed("the record of TLS is empty or too long")


def _server_name(hello: _Reader) -> str | None:
    hello.take(_VERSION_AND_RANDOM)
    for length_of in (1, 2, 1):  # session, cipher suites, compression methods
        hello.vector(length_of)
    if hello.is_empty:
        return None  # before TLS 1.2, extensions may be missing as a whole
    extensions = _Reader(hello.vector(2))
    hello.end()
    found: dict[int, bytes] = {}
    while not extensions.is_empty:
        kind = extensions.number(2)
        if kind in found:
            raise Malformed("the ClientHello has an extension twice")
        found[kind] = extensions.vector(2)
    return _host_name(found[_SERVER_NAME]) if _SERVER_NAME in found else None


def _host_name(extension: bytes) -> str:
    """The one name that the list may hold: others than hosts have never been defined."""
    whole = _Reader(extension)
    names = _Reader(whole.vector(2))
    whole.end()
    kind, name = names.number(1), names.vector(2)
    names.end()
    if kind != _HOST_NAME or not name or not name.isascii():
        raise Malformed("the server name of the ClientHello is no host name")
    return name.decode("ascii")


class _Reader:
    """Reads numbers and vectors (RFC 8446, section 3.4) in turn. Raises Malformed where bytes are missing."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def is_empty(self) -> bool:
        return self._at == len(self._data)

    def take(self, size: int) -> bytes:
        taken = self._data[self._at : self._at + size]
        if len(taken) < size:
            raise Malformed("the ClientHello ends within one of its fields")
        self._at += size
        return taken

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size))

    def vector(self, length_of: int) -> bytes:
        """Bytes that their length stands before, in so many bytes."""
        return self.take(self.number(length_of))

    def end(self) -> None:
        if not self.is_empty:
            raise Malformed("the ClientHello has bytes that belong to none of its fields")
