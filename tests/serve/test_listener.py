from __future__ import annotations

import asyncio

import pytest
from aiohttp import web

from gateway.errors import ConfigError
from gateway.serve.listener import Listener
from tests.serve.loopback import ANY_PORT, dialled
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
