"""The client's side of a WebSocket: the subprotocol that it gets, and whether it is there."""

from __future__ import annotations

import asyncio
import json
import logging

import pytest
from aiohttp import ClientSession

from gateway.serve import client_socket
from tests.serve.loopback import dialled
from tests.serve.sockets import (
    KEY_IN_PROTOCOL,
    UPGRADE,
    Side,
    between,
    client,
    request,
    url,
)


@pytest.mark.parametrize(
    ("takes", "chosen"), [(("realtime",), "realtime"), ((), None), ((KEY_IN_PROTOCOL,), KEY_IN_PROTOCOL)]
)
async def test_subprotocols_are_settled_between_the_ends(
    takes: tuple[str, ...], chosen: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    offered = [KEY_IN_PROTOCOL, "realtime", "openai-beta.realtime-v1"]
    side = Side(protocols=takes)
    with caplog.at_level(logging.DEBUG):
        async with between(side) as running, ClientSession() as session:
            logging.getLogger("aiohttp.websocket").handlers.clear()
            async with session.ws_connect(url(running), protocols=offered) as socket:
                assert socket.protocol == chosen
            await running.recorded()
    assert side.requests[0].headers["Sec-WebSocket-Protocol"].split(",") == offered
    logged = [one for one in caplog.records if "websocket.py" in one.pathname or "web_ws" in one.pathname]
    # The one warning there is comes from the fake upstream, which uses the same library.
    assert len(logged) == (0 if chosen else 1)
    assert "sk-1" not in json.dumps(running.paper.lines)


async def test_a_peer_that_answers_pings_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_socket, "HEARTBEAT", 0.1)
    async with between(Side()) as running, client(running, ping_interval=None) as socket:
        await asyncio.sleep(0.5)
        await socket.send("still here")
        assert await socket.recv() == "still here"


async def test_a_peer_that_answers_no_pings_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_socket, "HEARTBEAT", 0.2)
    side = Side()
    async with between(side) as running, dialled(running.address) as (reader, writer):
        writer.write(request(*UPGRADE))
        await reader.readuntil(b"\r\n\r\n")
        assert (await running.recorded()).outcome == "client_gone"
        assert (await asyncio.wait_for(side.closed, 5))[0] == 1001
