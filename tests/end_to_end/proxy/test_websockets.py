"""WebSockets by proxy: wss and ws in a tunnel, ws in absolute form, and the SDK's own sessions."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
import websockets
from websockets.exceptions import InvalidProxyStatus

from tests.end_to_end.proxy.proxied import HOST, Proxied
from tests.end_to_end.running import CARD, SECRET
from tests.fakes.web_site import WebSite


@pytest.fixture
def url(way: str, secure: WebSite, plain: WebSite) -> str:
    port = secure.port if way == "wss" else plain.port
    return f"{way}://{HOST}:{port}/socket"


@pytest.fixture(params=["wss", "ws"])
def way(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(autouse=True)
def environment(through: Proxied, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in through.environ.items():
        monkeypatch.setenv(name, value)


@asynccontextmanager
async def by_aiohttp(url: str, through: Proxied) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    """It looks for no proxy in the environment for WebSockets, so it is told."""
    context = ssl.create_default_context(cafile=through.bundle)
    async with (
        aiohttp.ClientSession(proxy=through.gate.proxy) as session,
        session.ws_connect(url, protocols=("echo",), ssl=context, max_msg_size=0) as socket,
        asyncio.timeout(10),
    ):
        yield socket


async def test_websockets(url: str, through: Proxied) -> None:
    async with asyncio.timeout(10), websockets.connect(url, subprotocols=[websockets.Subprotocol("echo")]) as socket:
        assert socket.subprotocol == "echo"
        await socket.send("grüezi")
        assert await socket.recv() == "grüezi"
        await socket.send(json.dumps({"note": f"pay {CARD}"}))
        assert json.loads(await socket.recv()) == {"note": "pay [CARD]"}
        await socket.ping()
    record = await through.gate.recorded()
    assert (record["host"], record["path"], record["status"]) == (HOST, "/socket", 101)


async def test_aiohttp(url: str, through: Proxied) -> None:
    async with by_aiohttp(url, through) as socket:
        assert socket.protocol == "echo"
        await socket.send_str("grüezi")
        assert (await socket.receive()).data == "grüezi"
        long = "word " * 100_000
        await socket.send_str(long)
        assert (await socket.receive()).data == long
    record = await through.gate.recorded()
    assert (record["host"], record["status"], record["client"]) == (HOST, 101, "127.0.0.1")


async def test_a_secret_does_not_leave(url: str, through: Proxied) -> None:
    async with by_aiohttp(url, through) as socket:
        await socket.send_str(f"the key is {SECRET}")
        answer = await socket.receive()
        assert SECRET not in str(answer.data)
        assert "the key is" not in str(answer.data)
    assert (await through.gate.recorded())["code"] == "secret_blocked"


async def test_a_host_that_is_not_on_the_list_is_not_reached(way: str, through: Proxied) -> None:
    with pytest.raises(InvalidProxyStatus, match="403"):
        await websockets.connect(f"{way}://elsewhere.example/socket")
    assert (await through.gate.recorded())["code"] == "egress_denied"
