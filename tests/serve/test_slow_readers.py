"""Clients that do not read their answers: what they hold, and for how long. The system's own buffers come first."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from gateway.serve.upstream import Patience
from tests.serve.loopback import until
from tests.serve.proxying import Proxied, allowing, connecting, origin, proxied, server_tls, serving

BRIEF = Patience(5, 5, 0.2)
MOST = 1 << 19
"""Bytes that one client may hold beside the system's buffers: 64 KiB, and a piece of an answer."""

PIECE = bytes(1 << 16)


async def pour(request: web.BaseRequest) -> web.StreamResponse:
    """An answer without an end."""
    answer = web.StreamResponse(headers={"Content-Type": "application/octet-stream"})
    await answer.prepare(request)
    while True:
        await answer.write(PIECE)


@asynccontextmanager
async def unread(proxy: Proxied, *raw: bytes) -> AsyncIterator[None]:
    """A client that sends these, awaits an answer to each but the last, and reads nothing of that."""
    own = socket.socket()
    own.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    own.setblocking(False)
    loop = asyncio.get_running_loop()
    with own:
        await loop.sock_connect(own, (proxy.address.host, proxy.address.port))
        *before, last = raw
        for one in before:
            await loop.sock_sendall(own, one)
            await loop.sock_recv(own, 4096)
        await loop.sock_sendall(own, last)
        yield


def held(proxy: Proxied) -> list[int]:
    """Bytes that wait in each connection's buffers."""
    transports = (carrier.connection.transport for carrier in proxy.door.entrance.live)
    return [transport.get_write_buffer_size() for transport in transports if transport is not None]


@pytest.mark.parametrize("is_tunnelled", [False, True], ids=["in the clear", "in a tunnel"])
async def test_an_answer_that_is_not_read_is_held_back_and_let_go(is_tunnelled: bool) -> None:
    async with (
        origin(pour) as port,
        proxied(serving({"egress": {"up": allowing(port)}}, patience=BRIEF)) as proxy,
    ):
        place = f"up.test:{port}"
        if is_tunnelled:
            raw = [connecting(place), f"GET / HTTP/1.1\r\nHost: {place}\r\n\r\n".encode()]
        else:
            raw = [f"GET http://{place}/ HTTP/1.1\r\nHost: {place}\r\n\r\n".encode()]
        most = 0
        async with unread(proxy, *raw):
            await until(lambda: bool(held(proxy)) and held(proxy)[0] > 0)
            while not proxy.records:
                most = max((most, *held(proxy)))
                await asyncio.sleep(0.01)
        record = proxy.records[0]
    assert most < MOST
    assert (record.outcome, record.status) == ("client_gone", 200)


async def test_a_connection_whose_last_answer_is_never_read_does_not_stay() -> None:

    async def much(request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(body=bytes(1 << 24), content_type="application/octet-stream")

    async with (
        origin(much, server_tls()) as port,
        proxied(serving({"egress": {"up": allowing(port)}}, patience=BRIEF)) as proxy,
    ):
        place = f"up.test:{port}"
        raw = f"GET https://{place}/ HTTP/1.1\r\nHost: {place}\r\nConnection: close\r\n\r\n".encode()
        async with unread(proxy, raw):
            record = await proxy.recorded()
            server = next(iter(proxy.door._listener._servers))
            await until(lambda: not server.connections)
    assert record.status == 200
