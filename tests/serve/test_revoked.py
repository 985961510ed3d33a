"""What was allowed once and is not any more: tunnels that are open when the list of hosts or the keys change."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from aiohttp import web

from gateway.dialect.families import FAMILIES
from gateway.errors import Code
from gateway.exchange.recorded import ExchangeRecord
from gateway.serve import doorway
from gateway.serve.doorway import Doorway
from gateway.serve.metrics import Metrics
from gateway.serve.places import Places
from gateway.serve.posture import Posture
from gateway.serve.tunnel_unread import UnreadTunnels
from gateway.serve.upstream import Pool, Upstream
from gateway.settings import Config
from gateway.state.memory import memory_store
from gateway.stops.decision import Decision, Scope, Stops
from gateway.trust.authority import made
from gateway.units import Address
from gateway.verdict import Effect
from tests.serve.loopback import ANY_PORT, Noting, Paper, answer, dialled, peer, posture, until, upstream_of

KEY = "the-key-of-bot"


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(100):
        writer.write(data)


def by(port: int, action: str = "tunnel", key: str = KEY, **more: Any) -> Posture:
    """A posture that lets everybody, or some, reach a port of this machine."""
    entry: dict[str, Any] = {"hosts": ["127.0.0.1"], "ports": [port], "action": action, **more}
    tables: Mapping[str, Any] = {"egress": {"up": entry}, "agents": {"bot": {"key_sha256": "0" * 64}}}
    return posture({}, config=Config.model_validate(tables), owner={key: "bot"}.get)


@asynccontextmanager
async def proxy(serving: Posture) -> AsyncIterator[tuple[Doorway, Address, list[ExchangeRecord]]]:
    pool, records = Pool(), list[ExchangeRecord]()
    ledger = Noting(Paper().write, Metrics(lambda: 0), records)
    door = doorway.proxy(serving, pool, memory_store(), ledger, made((), datetime.now(UTC)), 3600)
    try:
        yield door, await door.start(ANY_PORT), records
    finally:
        await door.close()
        await pool.close()


def connect(port: int) -> bytes:
    shown = base64.b64encode(f"bot:{KEY}".encode()).decode()
    place = f"127.0.0.1:{port}"
    return f"CONNECT {place} HTTP/1.1\r\nHost: {place}\r\nProxy-Authorization: Basic {shown}\r\n\r\n".encode()


async def opened(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int) -> None:
    writer.write(connect(port))
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(
    ("change", "code", "why"),
    [
        ({"action": "deny"}, Code.EGRESS, "denies"),
        ({"action": "inspect"}, Code.EGRESS, "inspected now"),
        ({"agents": ["default"]}, Code.EGRESS, "no entry"),
        ({"key": "another"}, Code.IDENTITY, "no agent's gateway key"),
    ],
)
async def test_an_unread_tunnel_ends_when_it_would_not_be_opened_any_more(
    change: dict[str, Any], code: Code, why: str
) -> None:
    async with peer(echo) as url:
        port = int(url.rpartition(":")[2])
        async with proxy(by(port)) as (door, address, records), dialled(address) as (reader, writer):
            await opened(reader, writer, port)
            writer.write(b"before")
            assert await reader.readexactly(6) == b"before"
            door.take(by(port, **change))
            assert await reader.read() == b""
            await until(lambda: bool(records))
    [record] = records
    assert (record.outcome, record.effect, record.code) == ("cut", Effect.BLOCK, code)
    assert why in (record.fault or "")
    assert (record.request.bytes, record.answer.bytes) == (6, 6)


@pytest.mark.parametrize("scope", ["all", "agent/bot", "upstream/egress.up", "upstream/here"])
async def test_a_stop_ends_an_unread_tunnel_and_opens_no_other(scope: str) -> None:
    stops = Stops().merged([Decision(Scope.read(scope), True, "it leaks", "ops", 1)])
    async with peer(echo) as url:
        port = int(url.rpartition(":")[2])
        here = Upstream("here", FAMILIES["http"], f"https://127.0.0.1:{port}/v1")
        serving = replace(by(port), places=Places([(here, here.base_url)]))
        async with proxy(serving) as (door, address, records), dialled(address) as (reader, writer):
            await opened(reader, writer, port)
            door.take(replace(serving, stops=stops))
            assert await reader.read() == b""
            async with dialled(address) as (reader, writer):
                writer.write(connect(port))
                assert (await answer(reader)).status == 503
            await until(lambda: len(records) == 2)
    assert [(record.outcome, record.code) for record in records] == [("cut", Code.STOPPED), ("refused", Code.STOPPED)]


@pytest.mark.parametrize("scope", ["agent/other", "upstream/egress.other", "upstream/there"])
async def test_a_stop_of_something_else_leaves_an_unread_tunnel_alone(scope: str) -> None:
    stops = Stops().merged([Decision(Scope.read(scope), True, "it leaks", "ops", 1)])
    async with peer(echo) as url:
        port = int(url.rpartition(":")[2])
        there = Upstream("there", FAMILIES["http"], f"https://127.0.0.2:{port}")
        serving = replace(by(port), places=Places([(there, there.base_url)]))
        async with proxy(serving) as (door, address, _), dialled(address) as (reader, writer):
            await opened(reader, writer, port)
            door.take(replace(serving, stops=stops))
            writer.write(b"after")
            assert await reader.readexactly(5) == b"after"


async def test_an_unread_tunnel_goes_on_where_it_is_still_allowed() -> None:
    async with peer(echo) as url:
        port = int(url.rpartition(":")[2])
        async with proxy(by(port)) as (door, address, records), dialled(address) as (reader, writer):
            await opened(reader, writer, port)
            door.take(by(port, agents=["bot"]))
            writer.write(b"after")
            assert await reader.readexactly(5) == b"after"
            writer.write_eof()
            assert await reader.read() == b""
            await until(lambda: bool(records))
    assert [(record.outcome, record.code) for record in records] == [("forwarded", None)]


async def test_an_address_that_may_not_be_dialled_any_more_ends_a_tunnel_too() -> None:
    async with peer(echo) as url:
        port = int(url.rpartition(":")[2])
        named: dict[str, Any] = {"hosts": ["localhost"], "addresses": ["127.0.0.0/8", "::1"]}
        raw = connect(port).replace(b"127.0.0.1", b"localhost")
        async with proxy(by(port, **named)) as (door, address, records), dialled(address) as (reader, writer):
            writer.write(raw)
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
            door.take(by(port, **(named | {"addresses": []})))
            assert await reader.read() == b""
            await until(lambda: bool(records))
    assert (records[0].outcome, records[0].code) == ("cut", Code.EGRESS)


async def test_a_list_that_changes_while_a_host_is_dialled_holds_for_its_tunnel(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    dial = UnreadTunnels._dialled
    async with peer(echo) as url:
        port = int(url.rpartition(":")[2])
        async with proxy(by(port)) as (door, address, records), dialled(address) as (reader, writer):

            async def slow(*args: Any) -> Any:
                found = await dial(*args)
                door.take(by(port, "deny"))
                return found

            monkeypatch.setattr(UnreadTunnels, "_dialled", slow)
            writer.write(connect(port))
            assert (await answer(reader)).status == 403
            await until(lambda: bool(records))
    assert (records[0].outcome, records[0].code) == ("refused", Code.EGRESS)


async def test_a_key_that_is_withdrawn_opens_nothing_more_in_an_open_tunnel() -> None:
    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(text="hello")

    async with upstream_of(handle) as url:
        port = int(url.rpartition(":")[2])
        ask = f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode()
        async with proxy(by(port, "inspect")) as (door, address, records), dialled(address) as (reader, writer):
            await opened(reader, writer, port)
            writer.write(ask)
            assert (await answer(reader)).status == 200
            door.take(by(port, "inspect", "another"))
            writer.write(ask)
            assert (await answer(reader)).status == 407
    assert [record.principal for record in records] == ["bot", "default"]
