"""Asking an upstream for a WebSocket: what it says instead of 101, says wrong, or never says."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from aiohttp import ClientSession, WSServerHandshakeError, web
from websockets.exceptions import InvalidStatus

from gateway.dialect.families import FAMILIES
from gateway.errors import Code
from gateway.exchange.gate import BodyLimits
from gateway.serve.dial import Way
from gateway.serve.upstream import Patience, Upstream
from tests.serve.loopback import ask, dialled, gateway, peer, posture, upstream_of
from tests.serve.sockets import (
    UPGRADE,
    Side,
    client,
    request,
    serving,
    switching,
    url,
)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 426, 429, 500, 503])
async def test_an_upstreams_refusal_is_the_clients_answer(status: int) -> None:
    async def refuse(_: web.BaseRequest) -> web.StreamResponse:
        return web.json_response({"error": "no"}, status=status, headers={"X-Up": "1", "Retry-After": "3"})

    async with upstream_of(refuse) as base, gateway(serving(base)) as running:
        with pytest.raises(InvalidStatus) as refused:
            async with client(running):
                pass
        response = refused.value.response
        assert (response.status_code, response.body) == (status, b'{"error": "no"}')
        assert (response.headers["X-Up"], response.headers["Retry-After"]) == ("1", "3")
        line = await running.recorded()
    assert (line.outcome, line.status, line.method) == ("forwarded", status, "GET")


async def test_an_upstream_that_ignores_the_upgrade_is_heard_as_it_is() -> None:
    async def plain(_: web.BaseRequest) -> web.StreamResponse:
        return web.Response(text="fine")

    async with upstream_of(plain) as base, gateway(serving(base)) as running:
        got = await ask(running.address, request(*UPGRADE))
    assert (got.status, got.body) == (200, b"fine")


async def test_credentials_are_not_taken_elsewhere() -> None:
    elsewhere = Side()

    async def redirect(_: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status=307, headers={"Location": elsewhere_url})

    async with (
        upstream_of(elsewhere) as elsewhere_url,
        upstream_of(redirect) as base,
        gateway(serving(base)) as running,
    ):
        got = await ask(running.address, request(*UPGRADE, "X-Api-Key: mine"))
    assert (got.status, got.all("location")) == (307, [elsewhere_url])
    assert elsewhere.requests == []


async def test_an_upstream_that_is_down_is_a_bad_gateway() -> None:
    async with gateway(serving("http://127.0.0.1:9")) as running:
        got = await ask(running.address, request(*UPGRADE))
        line = await running.recorded()
    assert (got.status, json.loads(got.body)["error"]["code"]) == (502, "upstream_error")
    assert (line.outcome, str(line.fault).split(":")[0]) == ("failed", "upstream.unreachable")


@pytest.mark.parametrize("body", [b"", b"HTTP/1.1 401 No\r\nContent-Length: 9\r\n\r\nhalf"])
async def test_an_upstream_that_does_not_finish_its_answer_is_late(body: bytes) -> None:
    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(body)
        await reader.read()

    async with peer(hang) as base, gateway(serving(base, patience=Patience(0.1, 5, 0.1))) as running:
        got = await ask(running.address, request(*UPGRADE))
        line = await running.recorded()
    assert (got.status, line.code) == (504, Code.TIMEOUT)


@pytest.mark.parametrize(
    "answered",
    [
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: other\r\nConnection: Upgrade\r\n\r\n",
        b"garbage\r\n\r\n",
    ],
)
async def test_a_wrong_handshake_of_the_upstream_is_a_bad_gateway(answered: bytes) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answered)
        await reader.read()

    async with peer(talk) as base, gateway(serving(base)) as running:
        assert (await ask(running.address, request(*UPGRADE))).status == 502


REFUSED = b"HTTP/1.1 401 No\r\nContent-Type: text/plain\r\nContent-Length: 9\r\n\r\n"


async def dripping(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(REFUSED)
    for _ in range(9):
        await asyncio.sleep(0.1)
        writer.write(b"x")
        await writer.drain()


async def test_a_refusal_may_come_slower_than_a_connection() -> None:
    async with peer(dripping) as base, gateway(serving(base, patience=Patience(0.6, 5, 0.6))) as running:
        got = await ask(running.address, request(*UPGRADE))
    assert (got.status, got.body) == (401, b"x" * 9)


async def test_a_refusal_that_drips_does_not_go_on_for_ever() -> None:
    async with peer(dripping) as base, gateway(serving(base, patience=Patience(5, 0.3, 5))) as running:
        got = await ask(running.address, request(*UPGRADE))
        line = await running.recorded()
    assert (got.status, line.code, line.fault) == (504, Code.TIMEOUT, "upstream.timeout: TimeoutError: ")


async def test_an_address_that_may_not_be_dialled_is_a_refusal() -> None:
    side = Side()
    async with upstream_of(side) as base:
        way = Way(
            "up.test", "http", "127.0.0.1", int(base.rpartition(":")[2]), lambda address: f"{address} is not public"
        )
        async with gateway(posture({"up": Upstream("up", FAMILIES["http"], base, way=way)})) as running:
            got = await ask(running.address, request(*UPGRADE))
            line = await running.recorded()
    assert (got.status, line.code, line.told, side.requests) == (403, Code.EGRESS, "127.0.0.1 is not public", [])


async def test_a_handshake_is_no_silence() -> None:
    """The idle clock begins with the session, or a slow upstream would be our own fault."""
    side = Side()

    async def slow(asked: web.BaseRequest) -> web.StreamResponse:
        await asyncio.sleep(1)
        return await side(asked)

    async with upstream_of(slow) as base, gateway(serving(base, patience=Patience(5, 5, 0.7))) as running:
        async with client(running) as socket:
            await socket.send("x")
            assert await socket.recv() == "x"
        assert (await running.recorded()).outcome == "forwarded"


async def test_a_refusal_without_end_is_not_read_to_its_end() -> None:
    async def flood(_: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status=400, body=b"x" * 100_000)

    async with upstream_of(flood) as base:
        found = serving(base)
        limits = BodyLimits(answer=1000)
        async with gateway(replace(found, default_gate=replace(found.default_gate, limits=limits))) as running:
            got = await ask(running.address, request(*UPGRADE))
            line = await running.recorded()
    assert (got.status, line.fault) == (502, "upstream.broken: a refusal of more than 1000 bytes")


async def test_aiohttp_clients_get_the_upstreams_refusal() -> None:
    async def refuse(_: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status=418)

    async with upstream_of(refuse) as base, gateway(serving(base)) as running, ClientSession() as session:
        with pytest.raises(WSServerHandshakeError) as refused:
            await session.ws_connect(url(running))
    assert refused.value.status == 418


@asynccontextmanager
async def choosing(*fields: str, accept: str | None = None) -> AsyncIterator[str]:
    """An upstream whose 101 has these fields too; `accept` stands in for the right answer to the key."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(switching(await reader.readuntil(b"\r\n\r\n"), *fields, accept=accept))
        await reader.read()

    async with peer(talk) as base:
        yield base


OFFERS = ("Sec-WebSocket-Protocol: one, two", "Sec-WebSocket-Extensions: permessage-deflate")

CHOICES = [
    ((), None),
    (("Sec-WebSocket-Protocol: two",), None),
    (("Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover",), None),
    (("Sec-WebSocket-Protocol: three",), "it chose a subprotocol that was not offered"),
    (("Sec-WebSocket-Protocol: Two",), "it chose a subprotocol that was not offered"),
    (("Sec-WebSocket-Protocol: one, two",), "it chose a subprotocol that was not offered"),
    (("Sec-WebSocket-Protocol: one", "Sec-WebSocket-Protocol: two"), "it chose a subprotocol that was not offered"),
    (("Sec-WebSocket-Protocol: ",), "it chose a subprotocol that was not offered"),
    (("Sec-WebSocket-Extensions: x-permessage-deflate",), "it chose an extension that was not offered"),
    (("Sec-WebSocket-Extensions: permessage-deflate, other",), "it chose an extension that was not offered"),
    (("Sec-WebSocket-Extensions: permessage-deflate, permessage-deflate",), "it chose an extension twice"),
]


@pytest.mark.parametrize(("fields", "fault"), CHOICES)
async def test_an_upstream_may_choose_among_what_was_offered(fields: tuple[str, ...], fault: str | None) -> None:
    async with (
        choosing(*fields) as base,
        gateway(serving(base)) as running,
        dialled(running.address) as (reader, writer),
    ):
        writer.write(request(*UPGRADE, *OFFERS))
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        if fault is None:
            assert head.startswith("HTTP/1.1 101 ")
            assert ("Sec-WebSocket-Protocol: two\r\n" in head) == ("Sec-WebSocket-Protocol: two" in fields)
            return
        assert head.startswith("HTTP/1.1 502 ")
        line = await running.recorded()
    assert (line.outcome, line.code, line.fault) == ("failed", Code.UPSTREAM, f"upstream.broken: {fault}")


@pytest.mark.parametrize("field", ["Sec-WebSocket-Protocol: one", "Sec-WebSocket-Extensions: permessage-deflate"])
async def test_an_upstream_that_was_offered_nothing_has_nothing_to_choose(field: str) -> None:
    async with choosing(field) as base, gateway(serving(base)) as running:
        got = await ask(running.address, request(*UPGRADE))
        line = await running.recorded()
    assert (got.status, "that was not offered" in str(line.fault)) == (502, True)


@pytest.mark.parametrize("accept", ["c2hvcnQ=", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", " "])
async def test_a_wrong_answer_to_the_key_is_a_bad_gateway(accept: str) -> None:
    async with choosing(accept=accept) as base, gateway(serving(base)) as running:
        got = await ask(running.address, request(*UPGRADE))
        line = await running.recorded()
    assert (got.status, line.fault) == (502, "upstream.broken: WSServerHandshakeError: Invalid challenge response")
