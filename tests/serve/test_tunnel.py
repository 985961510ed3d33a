"""Tunnels that are inspected: what of their beginning is refused, what the record says of it, and what nobody sees."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from aiohttp import web

from gateway.errors import Code
from gateway.verdict import Effect
from tests.serve.proxying import (
    Proxied,
    allowing,
    client_tls,
    origin,
    proxied,
    server_tls,
    serving,
    tunnelled,
)
from tests.serve.test_base_url import Echo


@dataclass(slots=True)
class Site:
    """A proxy, and an origin with TLS that it may reach, which notes what comes."""

    proxy: Proxied
    echo: Echo
    port: int

    @property
    def place(self) -> str:
        return f"up.test:{self.port}"


@asynccontextmanager
async def site(**entry: Any) -> AsyncIterator[Site]:
    echo = Echo(web.Response(text="hello"))
    async with (
        origin(echo, server_tls()) as port,
        proxied(serving({"egress": {"up": allowing(port, **entry)}})) as proxy,
    ):
        yield Site(proxy, echo, port)


class TestServerName:
    async def test_another_host_than_that_of_the_connect_is_refused_and_both_are_named(self) -> None:
        async with site() as up:
            with pytest.raises(ConnectionError):
                async with tunnelled(up.proxy, up.place, tls=client_tls(), sni="other.test"):
                    pass
            record = await up.proxy.recorded()
        assert (record.outcome, record.effect, record.code) == ("refused", Effect.BLOCK, Code.EGRESS)
        assert record.told == "the server name of TLS is `other.test`, and the target is `up.test`"
        assert record.fault is None
        assert up.echo.seen == []

    async def test_of_many_at_once_each_record_has_its_own_names(self) -> None:
        async with site(hosts=["*.up.test"]) as up:

            async def ask(host: str, sni: str) -> None:
                with pytest.raises(ConnectionError):
                    async with tunnelled(up.proxy, f"{host}:{up.port}", tls=client_tls(), sni=sni):
                        pass

            pairs = [(f"h{number % 4}.up.test", f"s{number}.test") for number in range(24)]
            await asyncio.gather(*(ask(*pair) for pair in pairs))
            await up.proxy.recorded(len(pairs))
        assert {(record.path.partition(":")[0], record.told) for record in up.proxy.records} == {
            (host, f"the server name of TLS is `{sni}`, and the target is `{host}`") for host, sni in pairs
        }
        assert up.echo.seen == []
