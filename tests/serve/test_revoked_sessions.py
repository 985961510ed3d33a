"""What was allowed once and is not any more: sessions that are open when hosts, upstreams, agents or keys change."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from aiohttp import web
from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as dial

from gateway.dialect.families import FAMILIES
from gateway.errors import Code
from gateway.exchange.recorded import ExchangeRecord
from gateway.serve import doorway, websocket
from gateway.serve.doorway import Doorway
from gateway.serve.metrics import Metrics
from gateway.serve.posture import Posture
from gateway.serve.upstream import Pool, Upstream
from gateway.settings import Config
from gateway.state.memory import memory_store
from gateway.trust.authority import made
from gateway.units import Address
from gateway.verdict import Effect
from tests.serve.loopback import ANY_PORT, Noting, Paper, answer, dialled, posture, until, upstream_of
from tests.serve.sockets import UPGRADE, Side, Talk, closing, flood, request
from tests.serve.tickets import KEY as TICKETS
from tests.serve.tickets import said, ticket

KEY = "the-key-of-bot"
AGENTS = {"bot": {"key_sha256": "0" * 64}}


@asynccontextmanager
async def serving(
    kind: str, first: Posture, parent: str | None = None
) -> AsyncIterator[tuple[Doorway, Address, list[ExchangeRecord]]]:
    """A way in, by name; gives it with its address and what it recorded."""
    pool, records = Pool(parent=parent), list[ExchangeRecord]()
    ledger = Noting(Paper().write, Metrics(lambda: 0), records)
    if kind == "proxy":
        door = doorway.proxy(first, pool, memory_store(), ledger, made((), datetime.now(UTC)), 3600)
    elif kind == "hop":
        door = doorway.hop(first, pool, memory_store(), ledger, TICKETS)
    else:
        door = doorway.base_url(first, pool, memory_store(), ledger)
    try:
        yield door, await door.start(ANY_PORT), records
    finally:
        await door.close()
        await pool.close()


def port_of(base: str) -> int:
    return int(base.rpartition(":")[2])


# --- by base URL


def by_name(
    base: str, *, key: str = KEY, agents: Any = AGENTS, name: str = "up", family: str = "http", real: str | None = None
) -> Posture:
    """A posture with one upstream, at `base`, whose own key is `real`, and the agent `bot` with `key`."""
    config = Config.model_validate({"agents": agents})
    return posture({name: Upstream(name, FAMILIES[family], base, real)}, config=config, owner={key: "bot"}.get)


@asynccontextmanager
async def speaking(address: Address, **options: Any) -> AsyncIterator[ClientConnection]:
    """A session of `bot` by base URL, in which a message went and came."""
    headers = {"Authorization": f"Bearer {KEY}"}
    async with dial(f"ws://{address}/up/ws", proxy=None, additional_headers=headers, **options) as socket:
        await socket.send("before")
        assert await socket.recv() == "before"
        yield socket


BY_NAME: list[tuple[str, dict[str, Any], Code, str]] = [
    ("no-upstream", {"name": "other"}, Code.NOT_FOUND, "no such upstream"),
    ("dialect", {"family": "openai"}, Code.EGRESS, "`up` leads elsewhere now"),
    ("key", {"key": "another"}, Code.IDENTITY, "not that of the agent `bot` any more"),
    ("key-for-a-real-one", {"key": "another", "real": "real"}, Code.IDENTITY, "not that of the agent `bot` any more"),
    ("no-agent", {"key": "another", "agents": {}}, Code.IDENTITY, "there is no agent `bot` any more"),
]


@pytest.mark.parametrize(("change", "code", "why"), [one[1:] for one in BY_NAME], ids=[one[0] for one in BY_NAME])
async def test_a_session_ends_when_it_would_not_be_let_in_any_more(
    change: dict[str, Any], code: Code, why: str
) -> None:
    side = Side()
    async with (
        upstream_of(side) as base,
        serving("base_url", by_name(base, real=change.get("real"))) as (door, address, records),
        speaking(address) as socket,
    ):
        door.take(by_name(base, **change))
        closed = await closing(socket)
        assert (await asyncio.wait_for(side.closed, 5))[0] == 1001
        await until(lambda: bool(records))
    [record] = records
    assert (record.outcome, record.effect, record.code, record.principal) == ("cut", Effect.BLOCK, code, "bot")
    assert closed[0] == 1008
    assert closed[1].startswith(f"{code}, {record.id}: ")
    assert len(closed[1].encode()) <= 123
    assert why in str(record.told)
    assert why[:40] in closed[1]


async def test_a_session_ends_when_its_upstream_leads_elsewhere() -> None:
    async with (
        upstream_of(Side()) as base,
        upstream_of(Side()) as elsewhere,
        serving("base_url", by_name(base)) as (door, address, _),
        speaking(address) as socket,
    ):
        door.take(by_name(elsewhere))
        assert "`up` leads elsewhere now" in (await closing(socket))[1]


async def test_a_session_of_nobody_ends_when_it_is_an_agents() -> None:
    async with (
        upstream_of(Side()) as base,
        serving("base_url", by_name(base, key="another")) as (door, address, _),
        speaking(address) as socket,
    ):
        door.take(by_name(base))
        assert "the session is an agent's now" in (await closing(socket))[1]


async def test_a_session_goes_on_where_it_is_still_allowed() -> None:
    async with (
        upstream_of(Side()) as base,
        serving("base_url", by_name(base)) as (door, address, records),
    ):
        async with speaking(address) as socket:
            for _ in range(3):
                door.take(by_name(base))
                await socket.send("after")
                assert await socket.recv() == "after"
        await until(lambda: bool(records))
    assert (records[0].outcome, records[0].code) == ("forwarded", None)


async def test_a_session_that_cannot_be_asked_about_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> None:
        raise ZeroDivisionError("broken")

    async with (
        upstream_of(Side()) as base,
        serving("base_url", by_name(base)) as (door, address, records),
        speaking(address) as socket,
    ):
        monkeypatch.setattr(door.entrance, "admit", broken)
        door.take(by_name(base))
        assert (await closing(socket))[0] == 1008
        await until(lambda: bool(records))
    assert records[0].code is Code.INTERNAL


async def test_a_session_that_ends_already_ends_once() -> None:
    """A second change, and a shutdown, come while the first is told."""
    async with (
        upstream_of(Side()) as base,
        serving("base_url", by_name(base)) as (door, address, records),
        speaking(address) as socket,
    ):
        (carrier,) = door.entrance.live
        door.take(by_name(base, name="other"))
        door.take(by_name(base, key="another"))
        carrier.cut()
        await asyncio.sleep(0)
        carrier.stop("enough")
        assert (await closing(socket))[1].startswith("unknown_upstream, ")
        carrier.stop("enough")
        await until(lambda: not door.entrance.live)
    assert [record.code for record in records] == [Code.NOT_FOUND]


async def chatter(socket: web.WebSocketResponse) -> None:
    with suppress(ConnectionError):
        for _ in range(1000):
            await socket.send_json({"type": "noise", "text": "x" * 50_000})


@pytest.mark.parametrize(("talk", "family"), [(flood, "http"), (chatter, "openai")])
async def test_a_client_that_reads_nothing_is_cut_off_when_its_session_ends(talk: Talk, family: str) -> None:
    """It takes neither the event that says why, which only a dialect has, nor the close frame."""
    raw = request(*UPGRADE, f"Authorization: Bearer {KEY}", line="GET /up/v1/realtime HTTP/1.1")
    async with (
        upstream_of(Side(talk)) as base,
        serving("base_url", by_name(base, family=family)) as (door, address, records),
        dialled(address) as (reader, writer),
    ):
        reader._transport.pause_reading()  # type: ignore[attr-defined]
        writer.write(raw)
        await until(lambda: bool(door.entrance.live))
        await asyncio.sleep(0.5)  # nothing tells that all buffers are full
        door.take(by_name(base, family=family, key="another"))
        await until(lambda: bool(records) and not door.entrance.live)
    assert (records[0].outcome, records[0].code) == ("cut", Code.IDENTITY)


async def test_a_client_that_takes_no_last_words_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    async def never(*_: Any) -> bool:
        await asyncio.Event().wait()
        return True

    async with (
        upstream_of(Side()) as base,
        serving("base_url", by_name(base, family="openai")) as (door, address, records),
        dial(f"ws://{address}/up/v1/realtime", proxy=None) as socket,
    ):
        monkeypatch.setattr(websocket, "LAST_WORDS", 0.1)
        monkeypatch.setattr(websocket, "send_message", never)
        door.take(by_name(base, name="other"))
        assert await closing(socket) == (1006, "")
        await until(lambda: not door.entrance.live)
    assert [record.code for record in records] == [Code.NOT_FOUND]


# --- by the proxy


def by_proxy(port: int, key: str = KEY, **entry: Any) -> Posture:
    """A posture that lets everybody, or some, reach a port of this machine."""
    up: dict[str, Any] = {"hosts": ["127.0.0.1"], "ports": [port], "action": "inspect"} | entry
    config = Config.model_validate({"egress": {"up": up}, "agents": AGENTS})
    return posture({}, config=config, owner={key: "bot"}.get)


@asynccontextmanager
async def tunnelling(address: Address, port: int, host: str = "127.0.0.1") -> AsyncIterator[ClientConnection]:
    """A session of `bot` through the proxy, in which a message went and came."""
    async with dial(f"ws://{host}:{port}/ws", proxy=f"http://bot:{KEY}@{address}") as socket:
        await socket.send("before")
        assert await socket.recv() == "before"
        yield socket


@pytest.mark.parametrize(
    ("change", "code", "why"),
    [
        ({"action": "deny"}, Code.EGRESS, "denies"),
        ({"agents": ["default"]}, Code.EGRESS, "no entry"),
        ({"paths": ["/other"]}, Code.EGRESS, "/ws"),
        ({"key": "another"}, Code.IDENTITY, "not that of the agent `bot` any more"),
    ],
)
async def test_a_session_by_the_proxy_ends_when_it_would_not_be_let_in_any_more(
    change: dict[str, Any], code: Code, why: str
) -> None:
    async with upstream_of(Side()) as base:
        port = port_of(base)
        async with serving("proxy", by_proxy(port)) as (door, address, records), tunnelling(address, port) as socket:
            door.take(by_proxy(port, **change))
            closed = await closing(socket)
            await until(lambda: bool(records))
    [record] = records
    assert (record.outcome, record.code, record.upstream) == ("cut", code, "egress.up")
    assert (closed[0], closed[1].partition(":")[0]) == (1008, f"{code}, {record.id}")
    assert why in str(record.told)


async def test_an_address_that_may_not_be_dialled_any_more_ends_a_session() -> None:
    async with upstream_of(Side()) as base:
        port = port_of(base)
        named: dict[str, Any] = {"hosts": ["localhost"], "addresses": ["127.0.0.0/8", "::1"]}
        async with (
            serving("proxy", by_proxy(port, **named)) as (door, address, records),
            tunnelling(address, port, "localhost") as socket,
        ):
            door.take(by_proxy(port, **(named | {"addresses": []})))
            assert (await closing(socket))[0] == 1008
            await until(lambda: bool(records))
    assert (records[0].outcome, records[0].code) == ("cut", Code.EGRESS)
    assert "127.0.0.1" in str(records[0].told)


async def test_the_address_of_a_parent_proxy_is_not_held_against_a_session() -> None:
    """What a name leads to is for the parent to see; which names, is held here all the same."""
    named: dict[str, Any] = {"hosts": ["up.test"]}
    async with (
        upstream_of(Side()) as parent,
        serving("proxy", by_proxy(8080, **named), parent) as (door, address, records),
        tunnelling(address, 8080, "up.test") as socket,
    ):
        door.take(by_proxy(8080, **named))
        await socket.send("after")
        assert await socket.recv() == "after"
        door.take(by_proxy(8080, **named, action="deny"))
        assert (await closing(socket))[0] == 1008
        await until(lambda: bool(records))
    assert (records[0].outcome, records[0].code) == ("cut", Code.EGRESS)


async def test_a_list_that_changes_while_a_session_is_dialled_holds_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    upgrade = Pool.upgrade
    side = Side()
    async with upstream_of(side) as base:
        port = port_of(base)
        named: dict[str, Any] = {"hosts": ["localhost"], "addresses": ["127.0.0.0/8", "::1"]}
        raw = request(*UPGRADE, line=f"GET http://localhost:{port}/ws HTTP/1.1", host=f"localhost:{port}")
        async with (
            serving("proxy", by_proxy(port, **named)) as (door, address, records),
            dialled(address) as (reader, writer),
        ):

            async def slow(*args: Any, **options: Any) -> Any:
                found = await upgrade(*args, **options)
                door.take(by_proxy(port, **(named | {"addresses": []})))
                return found

            monkeypatch.setattr(Pool, "upgrade", slow)
            writer.write(raw)
            got = await answer(reader)
            assert (await asyncio.wait_for(side.closed, 5))[0] == 1001
    assert (got.status, [record.code for record in records]) == (403, [Code.EGRESS])


async def test_a_session_behind_mitmproxy_is_asked_again_without_its_ticket() -> None:
    """A ticket is good for one request."""
    async with upstream_of(Side()) as base:
        port = port_of(base)
        shown = {"x-lockgate-hop": ticket(said(host="127.0.0.1", port=port), target="/ws")}
        async with (
            serving("hop", by_proxy(port)) as (door, address, records),
            dial(f"ws://127.0.0.1:{port}/ws", proxy=None, additional_headers=shown, **at(address)) as socket,
        ):
            door.take(by_proxy(port))
            await socket.send("after")
            assert await socket.recv() == "after"
            door.take(by_proxy(port, action="deny"))
            assert (await closing(socket))[0] == 1008
            await until(lambda: bool(records))
    assert (records[0].outcome, records[0].code) == ("cut", Code.EGRESS)


def at(address: Address) -> dict[str, Any]:
    """Where a client connects, whatever its URL says."""
    return {"host": address.host, "port": address.port}
