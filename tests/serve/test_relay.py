"""Bytes of an unread tunnel, passed on: each end by itself, in pieces that a slow reader sets the pace of."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from gateway.serve.upstream import Patience
from gateway.verdict import Effect
from tests.serve.loopback import PATIENT, until
from tests.serve.proxying import Proxied, Talk, Wire, allowing, proxied, serving, talking, tunnelled


@asynccontextmanager
async def unread(talk: Talk, patience: Patience = PATIENT) -> AsyncIterator[tuple[Proxied, Wire]]:
    async with (
        talking(talk) as port,
        proxied(serving({"egress": {"up": allowing(port, action="tunnel")}}, patience=patience)) as proxy,
        tunnelled(proxy, f"up.test:{port}") as wire,
    ):
        yield proxy, wire


async def test_a_client_that_has_ended_still_hears_the_server() -> None:
    async def answer_at_the_end(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"after " + await reader.read())

    async with unread(answer_at_the_end) as (proxy, wire):
        wire.writer.write(b"all")
        wire.writer.write_eof()
        assert await wire.rest() == b"after all"
        record = await proxy.recorded()
    assert (record.outcome, record.request.bytes, record.answer.bytes) == ("forwarded", 3, 9)


async def test_a_server_that_has_ended_still_hears_the_client() -> None:
    heard = bytearray()

    async def end_and_listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write_eof()
        heard.extend(await reader.read())

    async with unread(end_and_listen) as (proxy, wire):
        assert await wire.rest() == b""
        wire.writer.write(b"still here")
        wire.writer.write_eof()
        record = await proxy.recorded()
        await until(lambda: bool(heard))
    assert heard == b"still here"
    assert (record.outcome, record.request.bytes) == ("forwarded", 10)


async def test_a_server_that_breaks_off_ends_the_tunnel() -> None:
    async def break_off(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(1)
        at_once = struct.pack("ii", 1, 0)  # what closes the connection is then a reset
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, at_once)
        writer.transport.abort()

    async with unread(break_off) as (proxy, wire):
        wire.writer.write(b"x")
        assert await wire.rest() == b""
        record = await proxy.recorded()
    assert (record.outcome, record.effect, record.request.bytes) == ("forwarded", Effect.ALLOW, 1)


async def test_closing_the_proxy_ends_its_tunnels_and_records_them() -> None:
    async def stay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with unread(stay) as (proxy, wire):
        wire.writer.write(b"x")
        await until(lambda: len(proxy.keeper._unread.open) == 1)
        await proxy.door.close()
        assert await wire.rest() == b""
        record = await proxy.recorded()
    assert record.dialect == "tunnel"


IDLE = 0.2
BRIEF = Patience(5, 5, IDLE)
"""Half-closed tunnels and readers that do not read end at once."""


async def test_a_client_that_stays_silent_after_the_server_has_ended_is_not_waited_for() -> None:
    async def end_and_listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"bye")
        writer.write_eof()
        await reader.read()

    async with unread(end_and_listen, BRIEF) as (proxy, wire):
        assert await wire.rest() == b"bye"
        record = await proxy.recorded()
    assert (record.outcome, record.effect, record.answer.bytes) == ("cut", Effect.ALLOW, 3)
    assert record.fault == "tunnel: one side has ended, and the other is silent"


async def test_a_server_that_goes_on_after_the_client_has_ended_is_heard_to_its_end() -> None:
    async def go_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        for _ in range(6):
            await asyncio.sleep(IDLE / 2)
            writer.write(b"x")

    async with unread(go_on, BRIEF) as (proxy, wire):
        wire.writer.write_eof()
        assert await wire.rest() == b"xxxxxx"
        record = await proxy.recorded()
    assert (record.outcome, record.fault) == ("forwarded", None)


async def test_a_tunnel_that_is_open_both_ways_may_be_silent() -> None:
    async def wait(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.read(1))

    async with unread(wait, BRIEF) as (proxy, wire):
        await asyncio.sleep(IDLE * 2)
        wire.writer.write(b"x")
        assert await wire.rest() == b"x"
        wire.writer.close()
        record = await proxy.recorded()
    assert record.outcome == "forwarded"


async def test_a_client_that_does_not_read_is_let_go() -> None:
    async def pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(bytes(1 << 16))
            await writer.drain()

    async with unread(pour, BRIEF) as (proxy, _):
        record = await proxy.recorded()
    assert (record.outcome, record.effect) == ("cut", Effect.ALLOW)
    assert record.fault == "tunnel: what was sent is not taken"
