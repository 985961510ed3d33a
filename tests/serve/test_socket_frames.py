"""Frames on real sockets: messages both ways, what breaks the protocol or a limit, and peers that take nothing."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import pytest
from aiohttp import web
from websockets.exceptions import ConnectionClosed

from gateway.errors import Code
from gateway.serve import client_socket, socket_frames
from tests.serve.loopback import dialled, until
from tests.serve.sockets import (
    UPGRADE,
    Side,
    between,
    client,
    closing,
    deflated,
    flood,
    frame,
    request,
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


FAULTS = [
    ("garbage", b"\xff\xff\xff\xff", 1002),
    ("unmasked-reserved", frame(0x83, b"x"), 1002),
    ("lone-continuation", frame(0x80, b"x"), 1002),
    ("giant", frame(0x81, b"x" * 5000), 1009),
    ("giant-by-name", frame(0x81, b"", length=1 << 40), 1009),
    ("giant-in-fragments", frame(0x01, b"x" * 3000) + frame(0x80, b"x" * 3000), 1009),
    ("bomb", frame(0xC1, deflated(b"x" * 10_000_000)), 1009),
    ("bad-close", frame(0x88, b"\x00\x01"), 1002),
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
