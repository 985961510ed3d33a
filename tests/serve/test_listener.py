from __future__ import annotations

import asyncio
import socket

import pytest
from aiohttp import web

from gateway.errors import ConfigError
from gateway.serve.listener import Listener, bound
from gateway.units import Address
from tests.serve.loopback import ANY_PORT, ask, dialled
from tests.serve.test_base_url import request


async def fine(_: web.BaseRequest) -> web.StreamResponse:
    return web.Response(text="fine")


async def test_an_address_in_use_is_an_error_that_says_what_to_do() -> None:
    first, second = Listener(fine), Listener(fine)
    address = await first.start(ANY_PORT)
    try:
        with pytest.raises(ConfigError) as raised:
            await second.start(address)
    finally:
        await first.close()
        await second.close()
    said = f"cannot listen on {address}: address already in use; free the address, or choose another"
    assert raised.value.problems == (said,)


async def test_draining_takes_no_new_connections_and_closes_idle_ones() -> None:
    listener = Listener(fine)
    address = await listener.start(ANY_PORT)
    async with dialled(address) as (reader, writer):
        writer.write(request("GET /x"))
        await reader.readuntil(b"fine")
        await listener.drain(lambda: (), 5)
        assert await reader.read() == b""
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(address.host, address.port)
    await listener.close()


async def test_draining_waits_for_busy_connections_but_not_for_ever() -> None:
    listener = Listener(fine)
    address = await listener.start(ANY_PORT)
    async with dialled(address):
        await asyncio.sleep(0.01)
        busy = [object()]
        asyncio.get_running_loop().call_later(0.05, busy.clear)
        async with asyncio.timeout(5):
            await listener.drain(lambda: tuple(busy), 60)
        assert not busy
        await listener.drain(lambda: (object(),), 0.05)
    await listener.close()


async def test_a_listener_that_was_not_started_can_be_closed() -> None:
    listener = Listener(fine)
    await listener.drain(lambda: (), 1)
    await listener.close()


async def test_it_serves_at_sockets_that_were_opened_before(monkeypatch: pytest.MonkeyPatch) -> None:
    sockets = bound(ANY_PORT)
    listener = Listener(fine)
    address = await listener.start(sockets)
    assert address == Address("127.0.0.1", sockets[0].getsockname()[1])
    assert (await ask(address, request("GET /x"))).body == b"fine"
    await listener.close()


async def test_a_name_of_two_addresses_is_served_at_both(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, 0)) for host in ("127.0.0.1", "127.0.0.2", "127.0.0.1")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    sockets = bound(Address("both", 0))
    monkeypatch.undo()
    assert [one.getsockname()[0] for one in sockets] == ["127.0.0.1", "127.0.0.2"]
    places = [Address(*one.getsockname()) for one in sockets]
    listener = Listener(fine)
    assert await listener.start(sockets) == places[0]
    for place in places:
        assert (await ask(place, request("GET /x"))).body == b"fine"
    await listener.close()


def test_an_address_in_a_family_that_is_off_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    off = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.1", 0))  # RFC 5737: nobody's, as ::1 is with IPv6 off
    on = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 0))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [off, on])
    (only,) = bound(Address("localhost", 0))
    assert only.getsockname()[0] == "127.0.0.1"
    only.close()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [off])
    with pytest.raises(ConfigError, match=r"cannot listen on localhost:0: cannot assign requested address; free"):
        bound(Address("localhost", 0))


def test_a_host_that_is_none_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(ConfigError, match=r"cannot listen on none\.invalid:1: name or service not known; free"):
        bound(Address("none.invalid", 1))
