"""Frames on real sockets: messages both ways, what breaks the protocol or a limit, and peers that take nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from aiohttp import web
from websockets.exceptions import ConnectionClosed

from gateway.errors import Code
from gateway.serve import client_socket, socket_frames
from tests.serve.loopback import Peer, dialled, gateway, peer, until
from tests.serve.sockets import (
    UPGRADE,
    Side,
    between,
    client,
    closing,
    control,
    deflated,
    flood,
    frame,
    request,
    serving,
    switching,
)


@pytest.mark.parametrize("compression", ["deflate", None])
@pytest.mark.parametrize("upstream_compresses", [True, False])
async def test_messages_of_both_kinds_go_both_ways(compression: Any, upstream_compresses: bool) -> None:
    side = Side(compress=upstream_compresses)
    sent: list[str | bytes] = ["hello", "", "grüße " * 20_000, b"", bytes(range(256)) * 400, '{"a":  1}']
    async with between(side) as running, client(running, compression=compression) as socket:
        for message in sent:
            await socket.send(message)
        assert [await socket.recv() for _ in sent] == sent
        await socket.close(4001, "enough")
        assert await side.closed == (4001, "enough")
        line = await running.recorded()
    assert side.messages == sent
    assert (line.outcome, line.status, line.request.events, line.answer.events) == ("forwarded", 101, 6, 6)
    offers = side.requests[0].headers.get("Sec-WebSocket-Extensions")
    assert (offers is not None) == (compression is not None)


async def test_fragments_are_joined() -> None:
    side = Side()
    async with between(side) as running, client(running) as socket:
        await socket.send(["one ", "two ", "three"])
        assert await socket.recv() == "one two three"
    assert side.messages == ["one two three"]


BOMB = deflated(b"x" * 10_000_000)

FAULTS = [
    ("garbage", b"\xff\xff\xff\xff", 1002),
    ("unmasked-reserved", frame(0x83, b"x"), 1002),
    ("lone-continuation", frame(0x80, b"x"), 1002),
    ("giant", frame(0x81, b"x" * 5000), 1009),
    ("giant-by-name", frame(0x81, b"", length=1 << 40), 1009),
    ("giant-in-fragments", frame(0x01, b"x" * 3000) + frame(0x80, b"x" * 3000), 1009),
    ("bomb", frame(0xC1, BOMB), 1009),
    ("bad-close", control(0x88, b"\x00\x01"), 1002),
    ("half-a-close-code", control(0x88, b"\x03"), 1002),
    ("close-reason-not-utf8", control(0x88, b"\x03\xe8\xff"), 1007),
    ("close-in-pieces", control(0x08, b"\x03\xe8"), 1002),
    ("ping-in-pieces", control(0x09, b"x"), 1002),
    ("long-ping", frame(0x89, b"x" * 126), 1002),
    ("reserved-bit", frame(0xA1, b"x"), 1002),
    ("message-inside-a-message", frame(0x01, b"x") + frame(0x81, b"y"), 1002),
    ("beginning-inside-a-message", frame(0x01, b"x") + frame(0x01, b"y"), 1002),
    ("giant-of-many-pieces", frame(0x01, b"x") + frame(0x00, b"x" * 100) * 50, 1009),
    ("bomb-in-pieces", frame(0x41, BOMB[:5000]) + frame(0x80, BOMB[5000:]), 1009),
    ("no-deflate", frame(0xC1, b"\xff\xff\xff"), 1002),
    ("not-utf8", frame(0x81, b"\xff\xfe words"), 1008),
]


@pytest.mark.parametrize(("raw", "code"), [fault[1:] for fault in FAULTS], ids=[fault[0] for fault in FAULTS])
async def test_a_client_that_breaks_the_protocol_is_closed_with_the_code_for_it(raw: bytes, code: int) -> None:
    side = Side()
    async with between(side, event=4096) as running, dialled(running.address) as (reader, writer):
        writer.write(request(*UPGRADE, "Sec-WebSocket-Extensions: permessage-deflate"))
        await reader.readuntil(b"\r\n\r\n")
        writer.write(raw)
        head = await asyncio.wait_for(reader.readexactly(4), 5)
        assert (head[0] & 0x0F, int.from_bytes(head[2:4])) == (8, code)
        assert (await asyncio.wait_for(side.closed, 5))[0] == 1001
        line = await running.recorded()
    assert (line.outcome, line.code, side.messages) == ("refused", Code.UNREADABLE, [])


@pytest.mark.parametrize("size", [4097, 10_000_000])
async def test_a_message_of_the_upstream_over_the_limit_ends_the_session(size: int) -> None:
    async def shout(socket: web.WebSocketResponse) -> None:
        await socket.send_str("x" * size)

    async with between(Side(shout), event=4096) as running, client(running) as socket:
        assert (await closing(socket))[0] == 1011
        assert (await running.recorded()).code is Code.UPSTREAM


async def test_a_message_may_be_as_long_as_the_limit() -> None:
    async with between(Side(), event=4096) as running, client(running) as socket:
        await socket.send("x" * 4096)
        assert await socket.recv() == "x" * 4096


async def test_a_message_for_a_client_that_is_gone_waits_for_whoever_reads_from_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def lost(*_: Any) -> None:
        raise ConnectionResetError

    side = Side()
    async with between(side) as running, client(running) as socket:
        monkeypatch.setattr(client_socket.ClientSocket, "send_frame", lost)
        await socket.send("x")
        await until(lambda: side.messages == ["x"])
        await socket.close(4000)
        assert await side.closed == (4000, "")
        assert (await running.recorded()).outcome == "forwarded"


async def test_a_slow_client_is_not_read_ahead_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a hundred megabytes that nobody takes, no more is read than the buffers between here and there hold."""
    monkeypatch.setattr(socket_frames, "SLOW", 0.5)
    async with between(Side(flood)) as running, dialled(running.address) as (reader, writer):
        reader._transport.pause_reading()  # type: ignore[attr-defined]
        writer.write(request(*UPGRADE))
        line = await running.recorded()
        assert line.outcome == "client_gone"
        assert line.answer.bytes < 20_000_000
        await until(lambda: not running.base_url.live)


async def test_a_slow_upstream_is_not_read_ahead_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket_frames, "SLOW", 0.5)

    async def deaf(_: web.WebSocketResponse) -> None:
        await asyncio.sleep(5)

    async with between(Side(deaf)) as running, client(running, compression=None) as socket:
        with suppress(ConnectionClosed):
            for _ in range(2000):
                await socket.send(b"x" * 50_000)
        line = await running.recorded()
        await until(lambda: not running.base_url.live)
    assert (line.outcome, line.code) == ("failed", Code.TIMEOUT)
    assert line.request.bytes < 20_000_000


@pytest.mark.parametrize("is_client_deaf", [True, False])
async def test_a_peer_that_does_not_take_its_close_frame_is_cut_off(
    is_client_deaf: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_socket, "CLOSING", 0.1)
    monkeypatch.setattr(socket_frames, "CLOSING", 0.1)

    async def deaf(_: web.WebSocketResponse) -> None:
        await asyncio.sleep(2)

    async with (
        between(Side(flood if is_client_deaf else deaf)) as running,
        dialled(running.address) as (reader, writer),
    ):
        writer.write(request(*UPGRADE))
        await reader.readuntil(b"\r\n\r\n")
        if is_client_deaf:
            reader._transport.pause_reading()  # type: ignore[attr-defined]
        else:
            writer.write(frame(0x82, b"x" * 50_000) * 400)
        await asyncio.sleep(0.5)
        (carrier,) = running.base_url.live
        carrier.cut()
        assert (await running.recorded()).outcome == "forwarded"
        await until(lambda: not running.base_url.live)


async def test_a_ping_inside_a_message_is_answered_and_the_message_is_whole() -> None:
    side = Side()
    async with between(side) as running, dialled(running.address) as (reader, writer):
        writer.write(request(*UPGRADE))
        await reader.readuntil(b"\r\n\r\n")
        pieces = frame(0x01, b"one ") + control(0x89, b"ping") + control(0x8A) + frame(0x00, b"") + frame(0x80, b"two")
        writer.write(pieces)
        assert await asyncio.wait_for(reader.readexactly(6), 5) == b"\x8a\x04ping"
        assert await asyncio.wait_for(reader.readexactly(9), 5) == b"\x81\x07one two"
    assert side.messages == ["one two"]


async def test_a_message_whose_letter_is_in_two_pieces_is_whole() -> None:
    letter = "\u20ac".encode()
    async with between(Side()) as running, dialled(running.address) as (reader, writer):
        writer.write(request(*UPGRADE) + frame(0x01, letter[:1]) + frame(0x80, letter[1:]))
        await reader.readuntil(b"\r\n\r\n")
        assert await asyncio.wait_for(reader.readexactly(5), 5) == b"\x81\x03" + letter


async def test_a_close_inside_a_message_ends_the_session_without_the_message() -> None:
    side = Side()
    async with between(side) as running, dialled(running.address) as (reader, writer):
        writer.write(request(*UPGRADE) + frame(0x01, b"half ") + control(0x88, b"\x0f\xa0bye") + frame(0x80, b"more"))
        await reader.readuntil(b"\r\n\r\n")
        assert await asyncio.wait_for(side.closed, 5) == (4000, "bye")
        assert (await running.recorded()).outcome == "forwarded"
    assert side.messages == []


async def test_nothing_that_a_client_says_after_its_close_goes_on() -> None:
    side = Side()
    after = frame(0x81, b"after") * 9
    async with between(side) as running, dialled(running.address) as (_, writer):
        writer.write(request(*UPGRADE) + frame(0x81, b"before") + control(0x88, b"\x0f\xa0") + after)
        assert await asyncio.wait_for(side.closed, 5) == (4000, "")
        await until(lambda: not running.base_url.live)
    assert side.messages == ["before"]
    assert running.records[0].request.events == 1


@asynccontextmanager
async def upgraded(talk: Peer, *fields: str) -> AsyncIterator[str]:
    """An upstream that takes the upgrade by the book and then speaks bytes."""

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(switching(await reader.readuntil(b"\r\n\r\n"), *fields))
        await talk(reader, writer)

    async with peer(take) as base:
        yield base


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"\x81\xff" + (1 << 40).to_bytes(8), "exceeds limit"),
        (b"\x83\x00", "Unexpected opcode"),
        (b"\xc1\x01x", "non-zero reserved bits"),
        (b"\x80\x01x", "non started message"),
        (b"\x88\x02\x00\x01", "Invalid close code"),
        (b"\x89\x7e\x00\x7e" + b"x" * 126, "larger than 125"),
        (b"\x01\x01x\x88\x03\x03\xe8\xff", "Invalid UTF-8"),
    ],
)
async def test_an_upstream_that_breaks_the_protocol_ends_the_session_with_1011(raw: bytes, why: str) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(raw)
        await reader.read()

    async with upgraded(talk) as base, gateway(serving(base, event=4096)) as running:
        async with client(running, compression=None) as socket:
            assert (await closing(socket))[0] == 1011
        line = await running.recorded()
    assert (line.outcome, line.code) == ("failed", Code.UPSTREAM)
    assert why in str(line.fault)


async def test_what_an_upstream_sends_that_cannot_be_decompressed_is_told_as_that() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"\xc1\x03\xff\xff\xff")
        await reader.read()

    async with (
        upgraded(talk, "Sec-WebSocket-Extensions: permessage-deflate") as base,
        gateway(serving(base)) as running,
    ):
        async with client(running) as socket:
            assert (await closing(socket))[0] == 1011
        line = await running.recorded()
    assert (line.outcome, line.code) == ("failed", Code.UPSTREAM)
    assert "decompressing" in str(line.fault)


async def test_text_of_an_upstream_that_is_no_utf8_does_not_pass() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"\x81\x03a\xffb")
        await reader.read()

    async with upgraded(talk) as base, gateway(serving(base)) as running:
        async with client(running) as socket:
            assert (await closing(socket))[0] == 1011
        line = await running.recorded()
    assert (line.outcome, line.code, line.answer.events) == ("refused", Code.UPSTREAM, 1)


async def test_an_upstream_that_is_there_no_more_and_never_says_so_is_found_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A half-open connection: it takes everything and answers nothing, pings included."""
    monkeypatch.setattr("gateway.serve.upstream.HEARTBEAT", 0.2)

    async def silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        while await reader.read(1000):
            pass

    async with upgraded(silent) as base, gateway(serving(base)) as running:
        async with client(running) as socket:
            assert (await closing(socket))[0] == 1011
        line = await running.recorded()
        await until(lambda: not running.base_url.live)
    assert (line.outcome, line.fault) == ("failed", "upstream.broken: closed without a close frame")


async def test_an_upstream_that_talks_on_after_its_close_is_cut_off() -> None:
    gone = asyncio.Event()

    async def talk(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                writer.write(b"\x81\x01x")
                await writer.drain()
                await asyncio.sleep(0.01)
        finally:
            gone.set()

    async with upgraded(talk) as base, gateway(serving(base)) as running:
        async with client(running) as socket:
            assert await socket.recv() == "x"
        await asyncio.wait_for(gone.wait(), 5)
        await until(lambda: not running.base_url.live)
    assert running.records[0].outcome == "forwarded"


async def test_two_closes_that_cross_are_one_ending() -> None:
    """Both ends close at once, each before it has heard of the other."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(1)
        writer.write(b"\x88\x02" + (4001).to_bytes(2))
        await reader.read()

    async with (
        upgraded(talk) as base,
        gateway(serving(base)) as running,
        dialled(running.address) as (reader, writer),
    ):
        writer.write(request(*UPGRADE))
        await reader.readuntil(b"\r\n\r\n")
        writer.write(frame(0x81, b"x") + control(0x88, (4002).to_bytes(2)))
        told = await asyncio.wait_for(reader.read(), 5)
        await until(lambda: not running.base_url.live)
    assert told[:2] == b"\x88\x02"
    assert int.from_bytes(told[2:4]) in (4001, 4002)
    assert [record.outcome for record in running.records] == ["forwarded"]


async def test_no_more_is_taken_of_a_client_that_is_not_answered_yet_than_a_buffer_holds() -> None:
    async def hang(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()

    async with peer(hang) as base, gateway(serving(base)) as running, dialled(running.address) as (_, writer):
        writer.write(request(*UPGRADE))
        await running.busy()
        writer.write(frame(0x82, b"x" * 50_000) * 1000)
        await asyncio.sleep(0.5)  # nothing tells that all buffers are full
        assert writer.transport.get_write_buffer_size() > 25_000_000
        writer.transport.abort()
