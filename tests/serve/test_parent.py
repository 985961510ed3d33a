"""A proxy before the gateway: what is reached through it, and what it must never be asked for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web

from tests.serve.proxying import (
    THEIRS,
    Proxied,
    allowing,
    client_tls,
    connecting,
    origin,
    proxied,
    server_tls,
    serving,
    talking,
    tunnelled,
    wired,
)


@dataclass(slots=True)
class Parent:
    """A proxy that notes what it is asked for, and tunnels all of it to one port of this machine."""

    port: int
    answer: bytes = b"HTTP/1.1 200 OK\r\n\r\n"
    heads: list[bytes] = field(default_factory=list)

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(self.answer)
        if not self.answer.startswith(b"HTTP/1.1 200"):
            return
        server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self.port)

        async def back() -> None:
            while data := await server_reader.read(1 << 16):
                writer.write(data)

        task = asyncio.create_task(back())
        while data := await reader.read(1 << 16):
            server_writer.write(data)
        server_writer.write_eof()
        await task
        server_writer.close()


@asynccontextmanager
async def behind(
    parent: Parent, addresses: Sequence[str] = (), *, credentials: str = "", **entry: Any
) -> AsyncIterator[Proxied]:
    tables = {"egress": {"up": allowing(parent.port, addresses=list(addresses), **entry)}}
    async with (
        talking(parent) as port,
        proxied(serving(tables), parent=f"http://{credentials}127.0.0.1:{port}") as proxy,
    ):
        yield proxy


async def greet(request: web.BaseRequest) -> web.StreamResponse:
    return web.Response(text="hello")


GET = b"GET / HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n"


async def test_an_unread_tunnel_leads_through_the_parent_by_name() -> None:
    async with origin(greet, server_tls()) as port:
        parent = Parent(port)
        place = f"up.test:{port}"
        async with behind(parent, credentials="us%65r:p%40ss@", action="tunnel") as proxy:
            async with tunnelled(proxy, place, tls=client_tls(THEIRS)) as wire:
                assert (await wire.ask(GET % place.encode())).body == b"hello"
            assert (await proxy.recorded()).outcome == "forwarded"
            assert proxy.resolver.asked == []
    [head] = parent.heads
    assert head.startswith(f"CONNECT {place} HTTP/1.1\r\nHost: {place}\r\n".encode())
    assert b"\r\nProxy-Authorization: Basic dXNlcjpwQHNz\r\n" in head


@pytest.mark.parametrize("action", ["tunnel", "inspect"])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "here.localhost"])
async def test_this_machine_is_never_asked_of_the_parent(host: str, action: str) -> None:
    async with origin(greet) as port:
        parent = Parent(port)
        place = f"{host}:{port}"
        async with behind(parent, ["127.0.0.1"], hosts=[host], action=action) as proxy:
            async with tunnelled(proxy, place) as wire:
                assert (await wire.ask(GET % place.encode())).body == b"hello"
            assert (await proxy.recorded()).outcome == "forwarded"
    assert parent.heads == []


@pytest.mark.parametrize("action", ["tunnel", "inspect"])
@pytest.mark.parametrize("listed", ["127.0.0.1", "127.0.0.0/8"])
async def test_a_name_with_addresses_that_are_not_public_is_dialled_from_here(listed: str, action: str) -> None:
    async with origin(greet) as port:
        parent = Parent(port)
        place = f"up.test:{port}"
        async with behind(parent, [listed], action=action) as proxy:
            async with tunnelled(proxy, place) as wire:
                assert (await wire.ask(GET % place.encode())).body == b"hello"
            assert (await proxy.recorded()).outcome == "forwarded"
            assert proxy.resolver.asked == ["up.test"]
    assert parent.heads == []


async def test_a_name_with_a_public_address_listed_is_asked_of_the_parent_all_the_same() -> None:
    async with origin(greet) as port:
        parent = Parent(port)
        async with behind(parent, ["1.1.1.1"], action="tunnel") as proxy:
            async with tunnelled(proxy, f"up.test:{port}") as wire:
                assert (await wire.ask(GET % b"up.test")).body == b"hello"
            assert (await proxy.recorded()).outcome == "forwarded"
            assert proxy.resolver.asked == []
    assert len(parent.heads) == 1


@pytest.mark.parametrize("answer", [b"HTTP/1.1 403 Forbidden\r\n\r\n", b"", b"SSH-2.0-x\r\n", bytes(1 << 15)])
async def test_a_parent_that_opens_no_tunnel_is_an_upstream_error(answer: bytes) -> None:
    parent = Parent(443, answer)
    async with behind(parent, action="tunnel") as proxy, wired(proxy) as wire:
        assert (await wire.ask(connecting("up.test:443"))).status == 502
        record = await proxy.recorded()
    assert (record.outcome, record.status) == ("failed", 502)
    assert "the parent proxy" in (record.fault or "")
