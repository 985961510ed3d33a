"""The server name of a ClientHello, however it is cut; and nothing that could be read in two ways."""

from __future__ import annotations

import ssl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import LockgateError, Malformed, OverLimit
from gateway.wire.client_hello import MOST, ClientHello, Other, read


def vector(data: bytes, length_of: int = 2) -> bytes:
    return len(data).to_bytes(length_of) + data


def extension(kind: int, data: bytes) -> bytes:
    return kind.to_bytes(2) + vector(data)


def names(*found: bytes, kind: int = 0) -> bytes:
    return extension(0, vector(b"".join(bytes([kind]) + vector(name) for name in found)))


def body(*extensions: bytes) -> bytes:
    return (
        b"\x03\x03" + bytes(32) + vector(b"", 1) + vector(b"\x13\x01") + vector(b"\0", 1) + vector(b"".join(extensions))
    )


def message(content: bytes, kind: int = 1) -> bytes:
    return bytes([kind]) + vector(content, 3)


def records(content: bytes, size: int = 1 << 14) -> bytes:
    """The content as handshake records of that many bytes."""
    pieces = (content[at : at + size] for at in range(0, len(content), size))
    return b"".join(b"\x16\x03\x01" + vector(piece) for piece in pieces)


def said(*extensions: bytes) -> bytes:
    return records(message(body(*extensions)))


def real(name: str | None) -> bytes:
    """What OpenSSL sends."""
    came, sent = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = ssl.create_default_context()
    context.check_hostname = False
    client = context.wrap_bio(came, sent, server_hostname=name)
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    return sent.read()


NAMED = names(b"up.test")
GREASE = extension(0x1A1A, b"")
ENCRYPTED = extension(0xFE0D, bytes(200))
BARE = b"\x03\x00" + bytes(32) + vector(b"", 1) + vector(b"\0\x05") + vector(b"\0", 1)


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (real("up.test"), "up.test"),
        (real(None), None),
        (said(NAMED), "up.test"),
        (said(GREASE, NAMED), "up.test"),
        (said(NAMED, ENCRYPTED), "up.test"),
        (said(names(b"UP.test")), "UP.test"),
        (said(GREASE), None),
        (said(), None),
        (records(message(BARE)), None),
        (records(message(body(NAMED)) + b"\x0b\0"), "up.test"),
    ],
)
def test_the_name_is_read(data: bytes, name: str | None) -> None:
    assert read(data) == ClientHello(name)


@pytest.mark.parametrize(
    "data", [b"GET / HTTP/1.1\r\n", b"SSH-2.0-x\r\n", b"\0\0\0\x08\x04\xd2\x16\x2f", b"\x80\x2e\x01"]
)
def test_other_bytes_are_no_tls(data: bytes) -> None:
    assert read(data) is Other.NOT_TLS


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"\x15\x03\x01\0\x02\x01\0" + said(NAMED), "does not begin with a handshake record"),
        (b"\x14\x03\x01\0\x01\x01" + said(NAMED), "does not begin with a handshake record"),
        (b"\x16\x02\0", "no version of TLS"),
        (b"\x16\x03\x01\0\0" + said(NAMED), "empty or too long"),
        (b"\x16\x03\x01\x40\x01", "empty or too long"),
        (records(message(body(NAMED), 2)), "no ClientHello"),
        (records(message(body(NAMED)), 40)[:45] + b"\x17\x03\x03", "does not begin with a handshake record"),
        (said(NAMED, NAMED), "an extension twice"),
        (said(names(b"up.test", b"other.test")), "belong to none of its fields"),
        (said(names(b"")), "no host name"),
        (said(names(b"up.test", kind=1)), "no host name"),
        (said(names("ü.test".encode())), "no host name"),
        (said(names()), "ends within one of its fields"),
        (said(extension(0, b"")), "ends within one of its fields"),
        (said(extension(0, vector(b"\0" + vector(b"up.test")) + b"x")), "belong to none of its fields"),
        (records(message(body(NAMED) + b"x")), "belong to none of its fields"),
        (records(message(body(NAMED)[:-1])), "ends within one of its fields"),
        (records(message(b"\x03\x03")), "ends within one of its fields"),
    ],
)
def test_what_could_be_read_in_two_ways_is_refused(data: bytes, why: str) -> None:
    with pytest.raises(Malformed, match=why):
        read(data)


def test_one_that_does_not_end_is_refused_at_the_bound() -> None:
    long = said(extension(21, bytes(MOST)))
    assert read(long[: MOST - 1]) is Other.MORE
    for end in (MOST, MOST + 1, len(long)):
        with pytest.raises(OverLimit, match="16384 bytes"):
            read(long[:end])


def outcome(data: bytes) -> object:
    try:
        return read(data)
    except LockgateError as error:
        return str(error)


@given(st.binary(max_size=80) | st.builds(said, st.just(NAMED), st.binary(max_size=8)), st.data())
def test_an_answer_holds_whatever_comes_after(data: bytes, draw: st.DataObject) -> None:
    first = outcome(data[: draw.draw(st.integers(0, len(data)))])
    assert first is Other.MORE or first == outcome(data)


@given(st.integers(1, 200))
def test_records_may_cut_it_anywhere(size: int) -> None:
    data = records(message(body(GREASE, NAMED)), size)
    assert read(data) == ClientHello("up.test")
    assert {read(data[:end]) for end in range(len(data) - 1)} == {Other.MORE}


@given(st.binary(max_size=60))
def test_nothing_is_read_past_the_bound(after: bytes) -> None:
    long = said(extension(21, bytes(MOST)))[:MOST]
    assert outcome(long + after) == outcome(long)
