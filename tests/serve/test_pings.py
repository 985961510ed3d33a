"""Pings and pongs: enough for whoever keeps a connection open, and no more."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import Code
from gateway.serve import pings, socket_frames, websocket
from gateway.serve.pings import BURST, RATE, Allowance
from gateway.serve.upstream import Patience
from tests.serve.loopback import dialled, until
from tests.serve.sockets import UPGRADE, Side, between, client, closing, control, frame, request

FLOODED = "more pings than anybody needs"


def test_a_burst_is_allowed_and_then_as_many_as_the_rate_lets() -> None:
    allowance = Allowance()
    assert [allowance.take(100.0) for _ in range(BURST + 1)] == [True] * BURST + [False]
    later = Allowance()
    assert all(later.take(number / RATE) for number in range(10 * BURST))


@given(st.lists(st.floats(0, 100), min_size=1, max_size=2000).map(sorted))
def test_no_more_than_the_rate_is_allowed_over_any_time(times: list[float]) -> None:
    allowance = Allowance()
    taken = [time for time in times if allowance.take(time)]
    assert len(taken) <= BURST + RATE * (times[-1] - times[0]) + 1


@pytest.mark.parametrize("first", [0x89, 0x8A], ids=["pings", "pongs"])
async def test_a_client_that_floods_is_closed_and_recorded(first: int) -> None:
    side = Side()
    async with between(side) as running, dialled(running.address) as (reader, writer):
        writer.write(request(*UPGRADE))
        await reader.readuntil(b"\r\n\r\n")
        writer.write(control(first) * (3 * BURST))
        told = await asyncio.wait_for(reader.read(), 5)
        assert told.endswith(b"\x88" + bytes([2 + len(FLOODED)]) + (1008).to_bytes(2) + FLOODED.encode())
        assert (await asyncio.wait_for(side.closed, 5))[0] == 1001
        line = await running.recorded()
        await until(lambda: not running.base_url.live)
    assert (line.outcome, line.code, line.fault) == ("refused", Code.UNREADABLE, f"client: {FLOODED}")
    assert told.count(b"\x8a\x00") == (BURST if first == 0x89 else 0)


async def test_an_upstream_that_floods_ends_the_session() -> None:
    async def flood(socket: web.WebSocketResponse) -> None:
        with suppress(ConnectionError):
            for _ in range(3 * BURST):
                await socket.ping()

    side = Side(flood)
    async with between(side) as running, client(running) as socket:
        assert (await closing(socket))[0] == 1011
        assert await asyncio.wait_for(side.closed, 5) == (1008, FLOODED)
        line = await running.recorded()
    assert (line.outcome, line.code, line.fault) == ("failed", Code.UPSTREAM, f"upstream.broken: {FLOODED}")


async def test_pings_keep_a_session_open() -> None:
    async with between(Side(), patience=Patience(5, 5, 0.4)) as running, client(running, ping_interval=0.1) as socket:
        await asyncio.sleep(1)
        await socket.send("still here")
        assert await socket.recv() == "still here"


async def test_pings_keep_a_session_open_for_so_long_and_no_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket, "KEPT_OPEN", 0.5)
    async with between(Side(), patience=Patience(5, 5, 0.3)) as running, client(running, ping_interval=0.1) as socket:
        assert await closing(socket) == (1001, "nothing was said for too long")
        assert (await running.recorded()).outcome == "forwarded"


async def test_pongs_that_nobody_asked_for_keep_nothing_open() -> None:
    async with between(Side(), patience=Patience(5, 5, 0.3)) as running, client(running, ping_interval=None) as socket:

        async def pong() -> None:
            with suppress(Exception):
                while True:
                    await socket.pong()
                    await asyncio.sleep(0.1)

        sending = asyncio.create_task(pong())
        assert (await closing(socket))[0] == 1001
        await sending


async def test_pieces_of_a_message_that_never_ends_keep_nothing_open() -> None:
    async with (
        between(Side(), patience=Patience(5, 5, 0.3)) as running,
        dialled(running.address) as (reader, writer),
    ):
        writer.write(request(*UPGRADE) + frame(0x01, b""))
        await reader.readuntil(b"\r\n\r\n")

        async def go_on() -> None:
            while not writer.is_closing():
                writer.write(frame(0x00, b""))
                await asyncio.sleep(0.05)

        sending = asyncio.create_task(go_on())
        assert (await asyncio.wait_for(reader.readexactly(4), 5))[2:] == (1001).to_bytes(2)
        sending.cancel()
        assert (await running.recorded()).outcome == "forwarded"


async def test_a_client_that_reads_no_answers_to_its_pings_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket_frames, "SLOW", 0.3)
    monkeypatch.setattr(pings, "BURST", 1 << 30)
    async with between(Side(), patience=Patience(5, 5, None)) as running, dialled(running.address) as (reader, writer):
        writer.write(request(*UPGRADE))
        await reader.readuntil(b"\r\n\r\n")
        reader._transport.pause_reading()  # type: ignore[attr-defined]
        writer.write(control(0x89, b"x" * 100) * 200_000)
        assert (await running.recorded()).outcome == "client_gone"
        await until(lambda: not running.base_url.live)
