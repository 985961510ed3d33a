"""Content codings undone (RFC 9110, 8.4), whole or piece by piece, with a bound on what comes out.

Every step of a stack has the same limit, and none makes more than about that many bytes before it is found to be over
it, so a decompression bomb costs its limit and no more.
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable, Sequence
from typing import Final, Protocol

import brotli

from gateway.errors import Malformed, OverLimit

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

MAX_CODINGS: Final = 3
"""Codings on top of each other. One is usual, two are rare; each step more is another factor of a thousand."""

MAX_MEMBERS: Final = 10_000
"""Members or frames that one body may be made of. Each costs a fresh decoder (some 5 µs), and can be 20 bytes short."""

_PIECE: Final = 1 << 16
"""Bytes given to a decoder at once: what follows a member's end is copied once for each member in the piece."""

_ZSTD_WINDOW_LOG: Final = 23
"""RFC 9659: a frame for the web needs a window of 8 MiB at most. It is reserved before the first byte comes out."""

_GZIP_WBITS: Final = 16 + zlib.MAX_WBITS
_ZLIB_METHOD: Final = 8  # RFC 1950: the low half of the first byte
_BROTLI_BLOCK: Final = 1 << 16


def decode(data: bytes, codings: str, limit: int) -> bytes:
    """A whole body decoded. `codings` is the value of Content-Encoding, `limit` the most bytes that may come out.

    Raises OverLimit, and Malformed for an unknown coding and for data that is broken, cut off or goes on too long.
    """
    decoder = Decoder(codings, limit)
    return decoder.feed(data) + decoder.finish()


class Decoder:
    """Undoes codings piece by piece; each piece gives all that can be known from it. Errors are those of `decode`.

    The limit is on the sum of all pieces. After an error it must not be used on.
    """

    __slots__ = ("_steps",)

    def __init__(self, codings: str, limit: int) -> None:
        names = [name for part in codings.split(",") if (name := part.strip(" \t").lower()) not in ("", "identity")]
        if len(names) > MAX_CODINGS:
            raise Malformed(f"the body has more than {MAX_CODINGS} content codings")
        for name in names:
            if name not in _MEMBERS:
                raise Malformed(f"the content coding `{name[:40]}` is not known")
        # The header names them in the order in which they were applied.
        coded = [_Coded(name, limit) for name in reversed(names)]
        self._steps: Sequence[_Coded | _Bounded] = coded or [_Bounded(limit)]

    def feed(self, data: bytes) -> bytes:
        """What these bytes decode to."""
        for step in self._steps:
            data = step.feed(data)
        return data

    def finish(self) -> bytes:
        """The end of the body; as nothing is held back, no bytes. Raises Malformed where it comes too early."""
        for step in self._steps:
            step.finish()
        return b""


class _Member(Protocol):
    """One compressed member or frame."""

    @property
    def eof(self) -> bool:
        """Whether its end was read."""
        ...

    @property
    def unused_data(self) -> bytes:
        """What was given to it from beyond its end."""
        ...

    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        """All that comes out of `data`, or the first `max_length` bytes or a little more."""
        ...


class _Bounded:
    """What has come out, counted; on its own, the step for a body without coding."""

    __slots__ = ("_limit", "left")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.left = limit

    def feed(self, data: bytes) -> bytes:
        self.left -= len(data)
        if self.left < 0:
            raise OverLimit(f"the body decodes to more than {self._limit} bytes")
        return data

    def finish(self) -> None:
        """Nothing can be missing."""


class _Coded:
    """One coding: a chain of members, where the format allows more than one."""

    __slots__ = ("_begun", "_member", "_name", "_out")

    def __init__(self, name: str, limit: int) -> None:
        self._name = name
        self._out = _Bounded(limit)
        self._member: _Member | None = None
        self._begun = 0

    def feed(self, data: bytes) -> bytes:
        return b"".join([self._piece(data[at : at + _PIECE]) for at in range(0, len(data), _PIECE)])

    def finish(self) -> None:
        """An empty body is taken as the coding of nothing: servers name a coding for answers without a body."""
        if self._member is not None:
            raise Malformed(f"the `{self._name}` data ends too early")

    def _piece(self, data: bytes) -> bytes:
        pieces: list[bytes] = []
        while data:
            if self._member is None:
                self._member = self._next_member(data)
            pieces.append(self._decompress(self._member, data))
            data = b""
            if self._member.eof:
                data = self._member.unused_data
                self._member = None
        return b"".join(pieces)

    def _decompress(self, member: _Member, data: bytes) -> bytes:
        try:
            out = member.decompress(data, self._out.left + 1)
        except (zlib.error, zstd.ZstdError, brotli.error):
            raise Malformed(f"the `{self._name}` data is broken") from None
        return self._out.feed(out)

    def _next_member(self, data: bytes) -> _Member:
        if self._begun and self._name not in _CHAINED:
            raise Malformed(f"bytes follow the end of the `{self._name}` data")
        if self._begun == MAX_MEMBERS:
            raise OverLimit(f"the `{self._name}` data has more than {MAX_MEMBERS} members")
        self._begun += 1
        return _MEMBERS[self._name](data)


class _Brotli:
    """Brotli's decoder in the shape of the others."""

    __slots__ = ("_decoder",)

    unused_data = b""  # the decoder itself refuses what follows the end

    def __init__(self) -> None:
        self._decoder = brotli.Decompressor()

    @property
    def eof(self) -> bool:
        return bool(self._decoder.is_finished())

    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        # Output may wait in the decoder when all input is taken; it has run dry when it gives nothing.
        pieces: list[bytes] = []
        made = 0
        while made < max_length and (piece := self._decoder.process(data, output_buffer_limit=_BROTLI_BLOCK)):
            pieces.append(piece)
            made += len(piece)
            data = b""
        return b"".join(pieces)


def _gzip(_: bytes) -> _Member:
    return zlib.decompressobj(_GZIP_WBITS)


def _deflate(data: bytes) -> _Member:
    """RFC 9110 means zlib's format; some servers send bare deflate data, whose first byte no encoder makes look alike.

    (It would be a stored block with a bit set in the padding, which RFC 1951 leaves to be ignored.)
    """
    wrapped = data[0] & 0x0F == _ZLIB_METHOD
    return zlib.decompressobj(zlib.MAX_WBITS if wrapped else -zlib.MAX_WBITS)


def _brotli(_: bytes) -> _Member:
    return _Brotli()


def _zstd(_: bytes) -> _Member:
    return zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: _ZSTD_WINDOW_LOG})


_MEMBERS: Final[dict[str, Callable[[bytes], _Member]]] = {
    "gzip": _gzip,
    "x-gzip": _gzip,  # RFC 9110, 8.4.1.3
    "deflate": _deflate,
    "br": _brotli,
    "zstd": _zstd,
}

_CHAINED: Final = frozenset({"gzip", "x-gzip", "zstd"})
"""RFC 1952, 2.2 and RFC 8878, 3: members and frames may follow each other."""
