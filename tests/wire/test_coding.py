"""Content codings: what decodes, what is refused, and what a bomb costs."""

from __future__ import annotations

import gzip
import sys
import tracemalloc
import zlib
from collections.abc import Callable
from functools import partial

import brotli
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import Malformed, OverLimit
from gateway.wire.coding import MAX_CODINGS, MAX_MEMBERS, Decoder, decode

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd


def bare_deflate(data: bytes) -> bytes:
    encoder = zlib.compressobj(wbits=-15)
    return encoder.compress(data) + encoder.flush()


def compress_brotli(data: bytes) -> bytes:
    return bytes(brotli.compress(data, quality=4))


def compress_zstd(data: bytes) -> bytes:
    return zstd.compress(data)


ENCODERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "deflate": zlib.compress,
    "Deflate": bare_deflate,
    "br": compress_brotli,
    "zstd": compress_zstd,
}
CODED = pytest.mark.parametrize("coding", ENCODERS)
TEXT = b"some text that is worth a little compression, compression, compression\n" * 40
SKIPPABLE = b"\x50\x2a\x4d\x18\x03\x00\x00\x00abc"  # RFC 8878, 3.1.2


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.sampled_from(sorted(ENCODERS)), max_size=MAX_CODINGS),
    st.binary(max_size=300) | st.just(TEXT),
    st.integers(1, 40),
)
def test_decode_undoes_every_stack_in_any_pieces(stack: list[str], body: bytes, size: int) -> None:
    data = body
    for name in stack:
        data = ENCODERS[name](data)
    header = " ,".join(stack)
    assert decode(data, header, 10_000) == body
    decoder = Decoder(header, 10_000)
    pieces = [decoder.feed(data[at : at + size]) for at in range(0, len(data), size)]
    assert b"".join(pieces) + decoder.finish() == body


@pytest.mark.parametrize("codings", ["", " ", "identity", "Identity, identity", ","])
def test_no_coding_leaves_the_bytes_and_keeps_the_limit(codings: str) -> None:
    assert decode(b"abc", codings, 3) == b"abc"
    decoder = Decoder(codings, 3)
    assert decoder.feed(b"ab") == b"ab"
    with pytest.raises(OverLimit, match="more than 3 bytes"):
        decoder.feed(b"cd")


@CODED
def test_the_limit_is_exact(coding: str) -> None:
    body = TEXT * 2_000
    data = ENCODERS[coding](body)
    assert decode(data, coding, len(body)) == body
    with pytest.raises(OverLimit, match=f"more than {len(body) - 1} bytes"):
        decode(data, coding, len(body) - 1)


@CODED
def test_a_bomb_costs_about_the_limit(coding: str) -> None:
    data = ENCODERS[coding](bytes(50_000_000))
    tracemalloc.start()
    try:
        with pytest.raises(OverLimit):
            decode(data, coding, 100_000)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1_000_000


def test_a_bomb_inside_a_bomb_is_found_in_the_outer_one() -> None:
    inner = gzip.compress(bytes(50_000_000))
    with pytest.raises(OverLimit):
        decode(gzip.compress(inner), "gzip, gzip", 10_000)


@CODED
def test_what_is_cut_off_is_refused(coding: str) -> None:
    data = ENCODERS[coding](TEXT)
    for end in (1, len(data) // 2, len(data) - 1):
        with pytest.raises(Malformed, match="ends too early"):
            decode(data[:end], coding, 10_000)


@CODED
def test_what_follows_the_end_is_refused(coding: str) -> None:
    data = ENCODERS[coding](TEXT)
    with pytest.raises(Malformed, match=r"data is broken|bytes follow the end"):
        decode(data + b"garbage", coding, 10_000)
    decoder = Decoder(coding, 10_000)
    assert decoder.feed(data) == TEXT
    with pytest.raises(Malformed, match=r"data is broken|bytes follow the end"):
        decoder.feed(b"garbage")


@CODED
def test_garbage_is_refused(coding: str) -> None:
    with pytest.raises(Malformed, match=f"`{coding.lower()}` data is broken"):
        decode(b"\xff\xff\xff garbage", coding, 10_000)


@CODED
def test_a_body_without_bytes_is_empty(coding: str) -> None:
    assert decode(b"", coding, 0) == b""


@CODED
def test_each_piece_gives_all_that_it_holds(coding: str) -> None:
    """As a stream needs it: what the sender flushed is there at once."""
    flushed: dict[str, tuple[Callable[[bytes], bytes], Callable[[], bytes]]] = {}
    for name, wbits in (("gzip", 31), ("x-gzip", 31), ("deflate", 15), ("Deflate", -15)):
        deflater = zlib.compressobj(wbits=wbits)
        flushed[name] = (deflater.compress, partial(deflater.flush, zlib.Z_SYNC_FLUSH))
    compressor = brotli.Compressor()
    flushed["br"] = (compressor.process, compressor.flush)
    zstandard = zstd.ZstdCompressor()
    flushed["zstd"] = (zstandard.compress, partial(zstandard.flush, zstandard.FLUSH_BLOCK))
    write, flush = flushed[coding]
    decoder = Decoder(coding, 10_000)
    for event in (b"data: one\n\n", b"data: two\n\n"):
        assert decoder.feed(write(event) + flush()) == event


@pytest.mark.parametrize(
    ("data", "coding"),
    [
        (gzip.compress(b"a") + gzip.compress(b"b"), "gzip"),
        (zstd.compress(b"a") + zstd.compress(b"b"), "zstd"),
        (SKIPPABLE + zstd.compress(b"a") + SKIPPABLE + zstd.compress(b"b"), "zstd"),
    ],
    ids=["gzip", "zstd", "skippable"],  # the data would not do as names: gzip writes the time into it
)
def test_members_follow_each_other(data: bytes, coding: str) -> None:
    assert decode(data, coding, 2) == b"ab"
    with pytest.raises(OverLimit):
        decode(data, coding, 1)


def test_the_number_of_members_has_a_limit() -> None:
    member = gzip.compress(b"")
    assert decode(member * MAX_MEMBERS, "gzip", 0) == b""
    with pytest.raises(OverLimit, match=f"more than {MAX_MEMBERS} members"):
        decode(member * (MAX_MEMBERS + 1), "gzip", 0)


def test_a_zstd_window_beyond_the_web_limit_is_refused() -> None:
    parameter = zstd.CompressionParameter
    encoder = zstd.ZstdCompressor(options={parameter.window_log: 24})
    with pytest.raises(Malformed, match="`zstd` data is broken"):
        decode(encoder.compress(b"x") + encoder.flush(), "zstd", 10)


def test_a_preset_dictionary_is_refused() -> None:
    encoder = zlib.compressobj(zdict=b"words")
    with pytest.raises(Malformed, match="`deflate` data is broken"):
        decode(encoder.compress(b"words") + encoder.flush(), "deflate", 10)


def test_an_unknown_coding_is_named() -> None:
    with pytest.raises(Malformed, match="`compress` is not known"):
        Decoder("gzip, Compress", 10)
    with pytest.raises(Malformed, match=f"`{'x' * 40}` is not known"):
        Decoder("x" * 1000, 10)


def test_too_many_codings_are_refused() -> None:
    with pytest.raises(Malformed, match=f"more than {MAX_CODINGS}"):
        Decoder("gzip," * (MAX_CODINGS + 1), 10)
