"""Sessions over a WebSocket on real sockets: their course, and every way they can end."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from typing import Any

import pytest
from aiohttp import WSMsgType, web
from websockets.exceptions import InvalidStatus

from gateway.dialect.families import FAMILIES
from gateway.errors import Code
from gateway.exchange.session import Session
from gateway.exchange.session_events import Accept
from gateway.serve import websocket
from gateway.serve.upstream import Patience, Pool, Upstream
from gateway.settings import Config
from gateway.state.memory import MemoryCounters
from tests.serve.loopback import answer, ask, dialled, gateway, peer, posture, until, upstream_of
from tests.serve.sockets import (
    UPGRADE,
    Side,
    between,
    breaking,
    breaking_now,
    client,
    closing,
    frame,
    request,
    serving,
)


async def test_pings_are_answered_here_and_go_no_further() -> None:
    side = Side()

    async def ping(socket: web.WebSocketResponse) -> None:
        await socket.ping(b"are you there")
        frame = await socket.receive()
        side.messages.append((frame.type, bytes(frame.data)))

    side.talk = ping
    async with between(side) as running, client(running) as socket:
        await asyncio.wait_for(await socket.ping(b"hello"), 5)
        await socket.send("x")
        assert await socket.recv() == "x"
    assert side.messages == [(WSMsgType.PONG, b"are you there"), "x"]
    assert side.pings == 0


async def test_several_sessions_do_not_mix() -> None:
    async with between(Side()) as running:

        async def one(number: int) -> bool:
            async with client(running) as socket:
                for turn in range(20):
                    await socket.send(f"{number}.{turn}")
                return [await socket.recv() for _ in range(20)] == [f"{number}.{turn}" for turn in range(20)]

        assert all(await asyncio.gather(*(one(number) for number in range(20))))
        await running.recorded(20)
        await until(lambda: not running.base_url.live)


async def test_limits_are_asked_for_the_session_and_for_each_request_in_it() -> None:
    side = Side()
    limits = {"few": {"requests": 2, "per": "1h"}}
    config = Config.model_validate({"limits": limits})
    async with upstream_of(side) as base:
        found = posture({"up": Upstream("up", FAMILIES["openai"], base)}, config=config)
        async with gateway(found) as running:
            async with client(running, "/up/v1/responses") as socket:
                create = json.dumps({"type": "response.create", "input": "hi"})
                await socket.send(create)
                assert json.loads(await socket.recv())["type"] == "response.create"
                await socket.send(create)
                told = json.loads(await socket.recv())
                assert (told["type"], told["status"], told["error"]["code"]) == ("error", 429, "rate_limited")
            with pytest.raises(InvalidStatus) as refused:
                async with client(running, "/up/v1/responses"):
                    pass
    assert refused.value.response.status_code == 429
    assert len(side.messages) == 1


@pytest.mark.parametrize(("code", "reason"), [(1000, ""), (1001, "away"), (3333, "x" * 123), (4000, "grüße")])
async def test_a_close_of_the_upstream_reaches_the_client(code: int, reason: str) -> None:
    async def close(socket: web.WebSocketResponse) -> None:
        await socket.send_str("last words")
        await socket.close(code=code, message=reason.encode())

    async with between(Side(close)) as running, client(running) as socket:
        assert await socket.recv() == "last words"
        assert await closing(socket) == (code, reason)
        assert (await running.recorded()).outcome == "forwarded"


async def test_an_upstream_that_vanishes_is_told_to_the_client() -> None:
    async def vanish(socket: web.WebSocketResponse) -> None:
        await socket.send_str("half an ans")
        socket._req.transport.abort()  # type: ignore[union-attr]

    async with between(Side(vanish)) as running, client(running) as socket:
        assert await socket.recv() == "half an ans"
        assert (await closing(socket))[0] == 1011
        line = await running.recorded()
    assert (line.outcome, line.code, line.fault) == (
        "failed",
        Code.UPSTREAM,
        "upstream.broken: closed without a close frame",
    )


async def test_a_client_that_vanishes_is_told_to_the_upstream() -> None:
    side = Side()
    async with between(side) as running:
        async with client(running) as socket:
            await socket.send("x")
            await socket.recv()
            socket.transport.abort()
        assert (await asyncio.wait_for(side.closed, 5))[0] == 1001
        assert (await running.recorded()).outcome == "client_gone"
        await until(lambda: not running.base_url.live)


async def test_a_client_that_vanishes_during_the_handshake_ends_it() -> None:
    asked = asyncio.Event()
    gone = asyncio.Event()

    async def hang(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        asked.set()
        await reader.read()
        gone.set()

    async with peer(hang) as base, gateway(serving(base)) as running:
        async with dialled(running.address) as (_, writer):
            writer.write(request(*UPGRADE))
            await asyncio.wait_for(asked.wait(), 5)
        await asyncio.wait_for(gone.wait(), 5)
        assert (await running.recorded()).outcome == "client_gone"


async def test_silence_ends_a_session() -> None:
    side = Side()
    async with between(side, patience=Patience(5, 5, 0.2)) as running, client(running, ping_interval=None) as socket:
        assert await closing(socket) == (1001, "nothing was said for too long")
        assert (await asyncio.wait_for(side.closed, 5))[0] == 1001
        assert (await running.recorded()).outcome == "forwarded"


async def test_an_upstream_with_a_patience_of_its_own_is_held_to_that() -> None:
    async with upstream_of(Side()) as base:
        upstream = Upstream("up", FAMILIES["http"], base, patience=Patience(5, 5, 0.2))
        async with gateway(posture({"up": upstream})) as running, client(running, ping_interval=None) as socket:
            assert await closing(socket) == (1001, "nothing was said for too long")


async def test_a_session_may_be_silent_for_ever_where_that_is_configured() -> None:
    async with between(Side(), patience=Patience(5, 5, None)) as running, client(running) as socket:
        await socket.send("x")
        assert await socket.recv() == "x"


async def test_a_drained_gateway_closes_sessions_that_have_no_answer_under_way() -> None:
    side = Side()
    async with between(side) as running, client(running) as socket:
        await running.busy()
        (carrier,) = running.base_url.live
        carrier.close_after()
        assert await closing(socket) == (1001, "the gateway shuts down")
        assert (await asyncio.wait_for(side.closed, 5))[0] == 1001
        await until(lambda: not running.base_url.live)


async def test_a_session_that_begins_while_the_gateway_drains_ends_at_once() -> None:
    async with between(Side()) as running:
        running.base_url.draining = True
        async with client(running) as socket:
            assert (await closing(socket))[0] == 1001


async def test_a_session_is_cut_at_the_end_of_the_drain() -> None:
    created = {"type": "response.created", "response": {"id": "r"}}

    async def begin(socket: web.WebSocketResponse) -> None:
        await socket.send_json(created)

    async with between(Side(begin), family="openai") as running, client(running, "/up/v1/realtime") as socket:
        assert json.loads(await socket.recv()) == created
        (carrier,) = running.base_url.live
        carrier.close_after()
        await asyncio.sleep(0.1)
        assert running.base_url.live
        await running.listener.drain(lambda: {carrier.connection for carrier in running.base_url.live}, 0)
        carrier.cut()
        assert await closing(socket) == (1001, "the gateway shuts down")
        assert (await running.recorded()).outcome == "forwarded"


async def test_a_session_that_is_cut_in_its_handshake_is_refused() -> None:
    async def hang(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()

    async with peer(hang) as base, gateway(serving(base)) as running, dialled(running.address) as (reader, writer):
        writer.write(request(*UPGRADE))
        await running.busy()
        (carrier,) = running.base_url.live
        carrier.cut()
        assert (await answer(reader)).status == 500


async def test_an_audit_that_cannot_be_written_ends_a_session_with_its_next_request() -> None:
    async with between(Side(), family="openai") as running, client(running, "/up/v1/responses") as socket:
        await running.busy()
        running.ledger.fault = "disk full"
        await socket.send(json.dumps({"type": "response.create", "input": "hi"}))
        assert (await closing(socket))[0] == 1011
        assert "cannot write its audit" in str((await running.recorded()).fault)


async def test_an_audit_that_cannot_be_written_stops_new_sessions() -> None:
    async with between(Side()) as running:
        running.ledger.fault = "disk full"
        assert (await ask(running.address, request(*UPGRADE))).status == 503


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (Pool, "upgrade"),
        (MemoryCounters, "take"),
        (None, "_accept"),
        (websocket, "answered"),
    ],
)
async def test_an_exception_before_the_session_is_open_ends_in_a_refusal(
    owner: Any, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = Config.model_validate({"limits": {"few": {"requests": 2, "per": "1h"}}})
    async with upstream_of(Side()) as base:
        found = posture({"up": Upstream("up", FAMILIES["http"], base)}, config=config)
        async with gateway(found) as running:
            if name == "_accept":
                monkeypatch.setitem(websocket._CARRY, Accept, breaking)
            else:
                monkeypatch.setattr(owner, name, breaking if name in ("upgrade", "take") else breaking_now)
            got = await ask(running.address, request(*UPGRADE))
            assert got.status == 500
            assert "ZeroDivisionError" in str((await running.recorded()).fault)
            await until(lambda: not running.base_url.live)


@pytest.mark.parametrize("is_open", [False, True])
async def test_a_machine_that_cannot_be_asked_is_a_reset(is_open: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sessions never raise; should one do so, nothing goes on."""
    side = Side()
    async with between(side) as running, dialled(running.address) as (reader, writer):
        if is_open:
            writer.write(request(*UPGRADE))
            await reader.readuntil(b"\r\n\r\n")
        monkeypatch.setattr(Session, "receive", breaking_now)
        writer.write(frame(0x81, b"x") if is_open else request(*UPGRADE))
        with suppress(ConnectionError):
            assert await asyncio.wait_for(reader.read(), 5) == b""
        await until(lambda: not running.base_url.live)
    assert side.messages == []


async def test_a_machine_that_asks_for_nothing_is_a_reset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Session, "receive", lambda *_: [])
    async with between(Side()) as running, dialled(running.address) as (reader, writer):
        writer.write(request(*UPGRADE))
        with suppress(ConnectionError):
            assert await asyncio.wait_for(reader.read(), 5) == b""
        await until(lambda: not running.base_url.live)


@pytest.mark.parametrize("name", ["send_message", "of_client", "of_server"])
async def test_an_exception_in_an_open_session_ends_in_a_close_and_a_record(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    side = Side()
    async with between(side) as running, client(running) as socket:
        monkeypatch.setattr(websocket, name, breaking if name == "send_message" else breaking_now)
        await socket.send("x")
        assert (await closing(socket))[0] == 1011
        line = await running.recorded()
        assert (line.outcome, line.fault) == ("failed", "serve: ZeroDivisionError: broken")
        await until(lambda: not running.base_url.live)
