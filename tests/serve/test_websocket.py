"""Sessions over a WebSocket on real sockets: the handshake end to end, both directions, and every way it can end."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from aiohttp import ClientSession, WSMsgType, WSServerHandshakeError, web
from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as dial
from websockets.exceptions import ConnectionClosed, InvalidStatus

from gateway.dialect.families import FAMILIES
from gateway.errors import Code
from gateway.exchange.gate import BodyLimits
from gateway.exchange.session import Session
from gateway.exchange.session_events import Accept
from gateway.serve import websocket
from gateway.serve.identity import Site
from gateway.serve.posture import Posture
from gateway.serve.upstream import Patience, Pool, Upstream
from gateway.settings import Config
from gateway.state.memory import MemoryCounters
from tests.serve.loopback import Running, answer, ask, dialled, gateway, peer, posture, until, upstream_of

type Talk = Callable[[web.WebSocketResponse], Awaitable[None]]

KEY = base64.b64encode(b"0123456789abcdef").decode()
KEY_IN_PROTOCOL = "openai-insecure-api-key.sk-1"
UPGRADE = ("Connection: Upgrade", "Upgrade: websocket", f"Sec-WebSocket-Key: {KEY}", "Sec-WebSocket-Version: 13")


@dataclass
class Side:
    """An upstream that takes every upgrade and talks: it keeps the requests, the messages, and how it was closed."""

    talk: Talk | None = None
    protocols: tuple[str, ...] = ()
    compress: bool = True
    headers: tuple[tuple[str, str], ...] = ()
    requests: list[web.BaseRequest] = field(default_factory=list)
    messages: list[Any] = field(default_factory=list)
    pings: int = 0
    closed: asyncio.Future[tuple[int, str]] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        self.requests.append(request)
        socket = web.WebSocketResponse(
            protocols=self.protocols, compress=self.compress, autoping=False, max_msg_size=0, autoclose=False
        )
        socket.headers.extend(self.headers)
        await socket.prepare(request)
        if self.talk is not None:
            await self.talk(socket)
        await self.listen(socket)
        return socket

    async def listen(self, socket: web.WebSocketResponse) -> None:
        """Echo, until the other side goes."""
        while True:
            frame = await socket.receive()
            if frame.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                self.messages.append(frame.data)
                send = socket.send_str if frame.type is WSMsgType.TEXT else socket.send_bytes
                with suppress(ConnectionError):
                    await send(frame.data)
            elif frame.type is WSMsgType.PING:
                self.pings += 1
                await socket.pong(frame.data)
            elif frame.type is WSMsgType.CLOSE:
                self.closed.set_result((frame.data, str(frame.extra)))
                await socket.close(code=frame.data or 1000)
                return
            elif frame.type is not WSMsgType.PONG:
                if not self.closed.done():
                    self.closed.set_result((1006, ""))
                return


def serving(base: str, *, event: int = 1 << 20, patience: Patience | None = None, family: str = "http") -> Posture:
    """A posture whose upstream `up` is at `base`, with messages of up to `event` bytes."""
    found = posture({"up": Upstream("up", FAMILIES[family], base)}, patience=patience or Patience(5, 5, 5))
    return replace(found, default_gate=replace(found.default_gate, limits=BodyLimits(event=event)))


@asynccontextmanager
async def between(side: Side, **options: Any) -> AsyncIterator[Running]:
    async with upstream_of(side) as base, gateway(serving(base, **options)) as running:
        yield running


def url(running: Running, target: str = "/up/ws") -> str:
    return f"ws://{running.address}{target}"


@asynccontextmanager
async def client(running: Running, target: str = "/up/ws", **options: Any) -> AsyncIterator[ClientConnection]:
    async with dial(url(running, target), proxy=None, max_size=None, **options) as found:
        yield found


def request(*fields: str, line: str = "GET /up/ws HTTP/1.1", host: str = "localhost") -> bytes:
    return "\r\n".join([line, f"Host: {host}", *fields, "", ""]).encode()


async def closing(socket: ClientConnection) -> tuple[int, str]:
    """How the gateway closes: code and reason."""
    async with asyncio.timeout(5):
        try:
            while True:
                await socket.recv()
        except ConnectionClosed as closed:
            return (closed.rcvd.code, closed.rcvd.reason) if closed.rcvd is not None else (1006, "")


# --- what goes through


@pytest.mark.parametrize("compression", ["deflate", None])
@pytest.mark.parametrize("upstream_compresses", [True, False])
async def test_messages_of_both_kinds_go_both_ways(compression: Any, upstream_compresses: bool) -> None:
    side = Side(compress=upstream_compresses)
    sent: list[str | bytes] = ["hello", "", "grüße " * 20_000, b"", bytes(range(256)) * 400, '{"a":  1}']
    async with between(side) as running, client(running, compression=compression) as socket:
        for message in sent:
            await socket.send(message)
        assert [await socket.recv() for _ in sent] == sent
        await socket.close(4001, "enough")
        assert await side.closed == (4001, "enough")
        line = await running.recorded()
    assert side.messages == sent
    assert (line.outcome, line.status, line.request.events, line.answer.events) == ("forwarded", 101, 6, 6)
    offers = side.requests[0].headers.get("Sec-WebSocket-Extensions")
    assert (offers is not None) == (compression is not None)


async def test_fragments_are_joined() -> None:
    side = Side()
    async with between(side) as running, client(running) as socket:
        await socket.send(["one ", "two ", "three"])
        assert await socket.recv() == "one two three"
    assert side.messages == ["one two three"]


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


async def test_a_client_that_floods_with_pings_and_reads_no_answers_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket, "SLOW", 0.3)
    async with between(Side(), patience=Patience(5, 5, None)) as running, dialled(running.address) as (reader, writer):
        writer.write(request(*UPGRADE))
        await reader.readuntil(b"\r\n\r\n")
        reader._transport.pause_reading()  # type: ignore[attr-defined]
        writer.write((bytes([0x89, 0x80 | 100]) + bytes(4) + b"x" * 100) * 200_000)
        assert (await running.recorded()).outcome == "client_gone"
        await until(lambda: not running.base_url.live)


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


# --- the handshake


async def test_fields_go_through_both_ways_and_nothing_is_added() -> None:
    side = Side(headers=(("X-Up", "1"), ("Content-Length", "0"), ("Set-Cookie", "a=b"), ("X-Lockgate-Id", "forged")))
    sent = ("X-One: 1", "x-TWO: 2", "X-One: 3", "Authorization: Bearer mine", "Cookie: c=d")
    hop = ("X-Lockgate-Id: forged", "Proxy-Authorization: Basic Zm9v", "Content-Length: 0")
    async with between(side) as running, dialled(running.address) as (reader, writer):
        writer.write(request(*UPGRADE, *sent, *hop, line="GET /up/v1/x?y=%20 HTTP/1.1"))
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
    seen = side.requests[0]
    assert seen.raw_path == "/v1/x?y=%20"
    got = [f"{name.decode()}: {value.decode()}" for name, value in seen.raw_headers]
    assert [field for field in got if not field.startswith(("Host", "Upgrade", "Connection", "Sec-WebSocket"))] == [
        *sent,
        "Accept-Encoding: identity",
    ]
    status, *fields = head.split("\r\n")[:-2]
    assert status == "HTTP/1.1 101 Switching Protocols"
    names = [field.partition(":")[0] for field in fields]
    upstreams = ["X-Up", "Set-Cookie", "Date", "Server"]  # whose server library adds the last two
    ours = ["x-lockgate-id", "x-lockgate-effect", "Upgrade", "Connection", "Sec-WebSocket-Accept"]
    assert sorted(names) == sorted(upstreams + ours)
    assert "x-lockgate-id: forged" not in head


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

    async with peer(hang) as base, gateway(serving(base, patience=Patience(0.1, 5, 5))) as running:
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


@pytest.mark.parametrize(
    "shown",
    [
        ("Authorization: Bearer gateway-key",),
        ("X-Api-Key: gateway-key",),
        ("Sec-WebSocket-Protocol: realtime, openai-insecure-api-key.gateway-key",),
        ("Sec-WebSocket-Protocol: openai-insecure-api-key.gateway-key", "Sec-WebSocket-Protocol: realtime"),
    ],
)
async def test_the_real_key_takes_the_place_of_the_gateway_key(shown: tuple[str, ...]) -> None:
    side = Side(protocols=("realtime",))
    async with upstream_of(side) as base:
        upstream = Upstream("up", FAMILIES["openai"], base, key="real-key")
        found = posture({"up": upstream}, owner=lambda key: "research" if key == "gateway-key" else None)
        async with gateway(found) as running:
            async with dialled(running.address) as (reader, writer):
                writer.write(request(*UPGRADE, *shown))
                head = await reader.readuntil(b"\r\n\r\n")
            line = await running.recorded()
            refused = await ask(running.address, request(*UPGRADE, "Authorization: Bearer other"))
    assert head.startswith(b"HTTP/1.1 101")
    assert (line.principal, refused.status) == ("research", 401)
    seen = side.requests[0].headers
    assert seen["Authorization"] == "Bearer real-key"
    assert "gateway-key" not in str(seen)
    assert len(side.requests) == 1


@pytest.mark.parametrize(
    ("fields", "host", "status"),
    [
        (("Origin: https://evil.example",), "localhost", 403),
        (("Origin: https://console.example",), "localhost", 101),
        (("Sec-Fetch-Site: cross-site",), "localhost", 403),
        ((), "evil.example", 403),
    ],
)
async def test_a_web_page_cannot_open_a_session(fields: tuple[str, ...], host: str, status: int) -> None:
    side = Side()
    async with upstream_of(side) as base:
        found = posture(
            {"up": Upstream("up", FAMILIES["http"], base)}, site=Site(origins=frozenset({"https://console.example"}))
        )
        async with gateway(found) as running, dialled(running.address) as (reader, writer):
            writer.write(request(*UPGRADE, *fields, host=host))
            head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status)
    assert len(side.requests) == (status == 101)


@pytest.mark.parametrize(
    "raw",
    [
        request(*UPGRADE[:3], "Sec-WebSocket-Version: 8"),
        request(*UPGRADE[:3]),
        request(*UPGRADE[:2], "Sec-WebSocket-Key: c2hvcnQ=", UPGRADE[3]),
        request(*UPGRADE[:2], "Sec-WebSocket-Key: %%%", UPGRADE[3]),
        request(*UPGRADE[:2], UPGRADE[3]),
        request(*UPGRADE, "Upgrade: h2c"),
        request(UPGRADE[0], "Upgrade: h2c, websocket", *UPGRADE[2:]),
        request(*UPGRADE, line="POST /up/ws HTTP/1.1"),
        request(*UPGRADE, line="GET /up/ws HTTP/1.0"),
    ],
)
async def test_a_wrong_handshake_of_the_client_is_refused(raw: bytes) -> None:
    side = Side()
    async with between(side) as running:
        got = await ask(running.address, raw)
        line = await running.recorded()
    assert (got.status, line.code, side.requests) == (400, Code.UNREADABLE, [])


@pytest.mark.parametrize(
    "fields", [("Connection: keep-alive, Upgrade",), ("Connection: keep-alive", "Connection: upgrade")]
)
async def test_an_upgrade_may_be_one_of_several_options(fields: tuple[str, ...]) -> None:
    async with between(Side()) as running, dialled(running.address) as (reader, writer):
        writer.write(request(*fields, "Upgrade: WebSocket", *UPGRADE[2:]))
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101")
        writer.write(frame(0x81, b"x"))
        assert await asyncio.wait_for(reader.readexactly(3), 5) == b"\x81\x01x"


async def test_what_follows_the_handshake_at_once_is_the_first_message() -> None:
    async with between(Side()) as running, dialled(running.address) as (reader, writer):
        writer.write(request(*UPGRADE) + frame(0x81, b"x"))
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101")
        assert await asyncio.wait_for(reader.readexactly(3), 5) == b"\x81\x01x"


async def test_an_upgrade_that_connection_does_not_name_is_no_upgrade() -> None:
    async def plain(got: web.BaseRequest) -> web.StreamResponse:
        return web.Response(text=str("Upgrade" in got.headers))

    async with upstream_of(plain) as base, gateway(serving(base)) as running:
        got = await ask(running.address, request("Upgrade: websocket"))
    assert (got.status, got.body) == (200, b"False")


@pytest.mark.parametrize("target", ["/nowhere/ws", "/up/ws"])
async def test_the_connection_of_a_refused_upgrade_is_closed(target: str) -> None:
    """What follows on it would be no HTTP any more."""

    async def refuse(_: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status=404)

    async with (
        upstream_of(refuse) as base,
        gateway(serving(base)) as running,
        dialled(running.address) as (reader, writer),
    ):
        writer.write(request(*UPGRADE, line=f"GET {target} HTTP/1.1"))
        got = await answer(reader)
        assert (got.status, got.all("connection")) == (404, ["close"])
        assert await asyncio.wait_for(reader.read(), 5) == b""


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


# --- how it ends


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


def frame(first: int, payload: bytes, *, length: int | None = None) -> bytes:
    """A client's frame (RFC 6455, 5.2), masked with zeros, which change nothing; `length` may lie."""
    return bytes([first, 0x80 | 127]) + (len(payload) if length is None else length).to_bytes(8) + bytes(4) + payload


def deflated(data: bytes) -> bytes:
    """A payload of permessage-deflate (RFC 7692, 7.2.1)."""
    press = zlib.compressobj(wbits=-15)
    return (press.compress(data) + press.flush(zlib.Z_SYNC_FLUSH)).removesuffix(b"\x00\x00\xff\xff")


FAULTS = [
    ("garbage", b"\xff\xff\xff\xff", 1002),
    ("unmasked-reserved", frame(0x83, b"x"), 1002),
    ("lone-continuation", frame(0x80, b"x"), 1002),
    ("giant", frame(0x81, b"x" * 5000), 1009),
    ("giant-by-name", frame(0x81, b"", length=1 << 40), 1009),
    ("giant-in-fragments", frame(0x01, b"x" * 3000) + frame(0x80, b"x" * 3000), 1009),
    ("bomb", frame(0xC1, deflated(b"x" * 10_000_000)), 1009),
    ("bad-close", frame(0x88, b"\x00\x01"), 1002),
    ("not-utf8", frame(0x81, b"\xff\xfe words"), 1008),
]


@pytest.mark.parametrize(("raw", "code"), [fault[1:] for fault in FAULTS], ids=[fault[0] for fault in FAULTS])
async def test_a_client_that_breaks_the_protocol_is_closed_with_the_code_for_it(raw: bytes, code: int) -> None:
    side = Side()
    async with between(side, event=4096) as running, dialled(running.address) as (reader, writer):
        writer.write(request(*UPGRADE, "Sec-WebSocket-Extensions: permessage-deflate"))
        await reader.readuntil(b"\r\n\r\n")
        writer.write(raw)
        head = await asyncio.wait_for(reader.readexactly(4), 5)
        assert (head[0] & 0x0F, int.from_bytes(head[2:4])) == (8, code)
        assert (await asyncio.wait_for(side.closed, 5))[0] == 1001
        line = await running.recorded()
    assert (line.outcome, line.code, side.messages) == ("refused", Code.UNREADABLE, [])


@pytest.mark.parametrize("size", [4097, 10_000_000])
async def test_a_message_of_the_upstream_over_the_limit_ends_the_session(size: int) -> None:
    async def shout(socket: web.WebSocketResponse) -> None:
        await socket.send_str("x" * size)

    async with between(Side(shout), event=4096) as running, client(running) as socket:
        assert (await closing(socket))[0] == 1011
        assert (await running.recorded()).code is Code.UPSTREAM


async def test_a_message_may_be_as_long_as_the_limit() -> None:
    async with between(Side(), event=4096) as running, client(running) as socket:
        await socket.send("x" * 4096)
        assert await socket.recv() == "x" * 4096


async def test_silence_ends_a_session() -> None:
    side = Side()
    async with between(side, patience=Patience(5, 5, 0.2)) as running, client(running, ping_interval=None) as socket:
        assert await closing(socket) == (1001, "nothing was said for too long")
        assert (await asyncio.wait_for(side.closed, 5))[0] == 1001
        assert (await running.recorded()).outcome == "forwarded"


async def test_a_session_may_be_silent_for_ever_where_that_is_configured() -> None:
    async with between(Side(), patience=Patience(5, 5, None)) as running, client(running) as socket:
        await socket.send("x")
        assert await socket.recv() == "x"


async def test_pings_keep_a_session_open() -> None:
    async with between(Side(), patience=Patience(5, 5, 0.4)) as running, client(running, ping_interval=0.1) as socket:
        await asyncio.sleep(1)
        await socket.send("still here")
        assert await socket.recv() == "still here"


async def test_a_peer_that_answers_pings_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket, "HEARTBEAT", 0.1)
    async with between(Side()) as running, client(running, ping_interval=None) as socket:
        await asyncio.sleep(0.5)
        await socket.send("still here")
        assert await socket.recv() == "still here"


async def test_a_message_for_a_client_that_is_gone_waits_for_whoever_reads_from_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def lost(*_: Any) -> None:
        raise ConnectionResetError

    side = Side()
    async with between(side) as running, client(running) as socket:
        monkeypatch.setattr(websocket._Accepted, "send_frame", lost)
        await socket.send("x")
        await until(lambda: side.messages == ["x"])
        await socket.close(4000)
        assert await side.closed == (4000, "")
        assert (await running.recorded()).outcome == "forwarded"


async def test_a_peer_that_answers_no_pings_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket, "HEARTBEAT", 0.2)
    side = Side()
    async with between(side) as running, dialled(running.address) as (reader, writer):
        writer.write(request(*UPGRADE))
        await reader.readuntil(b"\r\n\r\n")
        assert (await running.recorded()).outcome == "client_gone"
        assert (await asyncio.wait_for(side.closed, 5))[0] == 1001


async def flood(socket: web.WebSocketResponse) -> None:
    """Send a hundred megabytes, as far as the other side takes them."""
    with suppress(ConnectionError):
        for _ in range(2000):
            await socket.send_bytes(b"x" * 50_000)


async def test_a_slow_client_is_not_read_ahead_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a hundred megabytes that nobody takes, no more is read than the buffers between here and there hold."""
    monkeypatch.setattr(websocket, "SLOW", 0.5)
    async with between(Side(flood)) as running, dialled(running.address) as (reader, writer):
        reader._transport.pause_reading()  # type: ignore[attr-defined]
        writer.write(request(*UPGRADE))
        line = await running.recorded()
        assert line.outcome == "client_gone"
        assert line.answer.bytes < 20_000_000
        await until(lambda: not running.base_url.live)


async def test_a_slow_upstream_is_not_read_ahead_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket, "SLOW", 0.5)

    async def deaf(_: web.WebSocketResponse) -> None:
        await asyncio.sleep(5)

    async with between(Side(deaf)) as running, client(running, compression=None) as socket:
        with suppress(ConnectionClosed):
            for _ in range(2000):
                await socket.send(b"x" * 50_000)
        line = await running.recorded()
        await until(lambda: not running.base_url.live)
    assert (line.outcome, line.code) == ("failed", Code.TIMEOUT)
    assert line.request.bytes < 20_000_000


@pytest.mark.parametrize("is_client_deaf", [True, False])
async def test_a_peer_that_does_not_take_its_close_frame_is_cut_off(
    is_client_deaf: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(websocket, "CLOSING", 0.1)

    async def deaf(_: web.WebSocketResponse) -> None:
        await asyncio.sleep(2)

    async with (
        between(Side(flood if is_client_deaf else deaf)) as running,
        dialled(running.address) as (reader, writer),
    ):
        writer.write(request(*UPGRADE))
        await reader.readuntil(b"\r\n\r\n")
        if is_client_deaf:
            reader._transport.pause_reading()  # type: ignore[attr-defined]
        else:
            writer.write(frame(0x82, b"x" * 50_000) * 400)
        await asyncio.sleep(0.5)
        (carrier,) = running.base_url.live
        carrier.cut()
        assert (await running.recorded()).outcome == "forwarded"
        await until(lambda: not running.base_url.live)


# --- the gateway's own end


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


# --- what breaks


async def breaking(*_: Any, **__: Any) -> Any:
    raise ZeroDivisionError("broken")


def breaking_now(*_: Any, **__: Any) -> Any:
    raise ZeroDivisionError("broken")


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (Pool, "upgrade"),
        (MemoryCounters, "take"),
        (None, "_accept"),
        (websocket, "_fields"),
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


@pytest.mark.parametrize("name", ["_send", "_of_client", "_of_server"])
async def test_an_exception_in_an_open_session_ends_in_a_close_and_a_record(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    side = Side()
    async with between(side) as running, client(running) as socket:
        monkeypatch.setattr(websocket, name, breaking if name == "_send" else breaking_now)
        await socket.send("x")
        assert (await closing(socket))[0] == 1011
        line = await running.recorded()
        assert (line.outcome, line.fault) == ("failed", "serve: ZeroDivisionError: broken")
        await until(lambda: not running.base_url.live)


async def test_aiohttp_clients_get_the_upstreams_refusal() -> None:
    async def refuse(_: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status=418)

    async with upstream_of(refuse) as base, gateway(serving(base)) as running, ClientSession() as session:
        with pytest.raises(WSServerHandshakeError) as refused:
            await session.ws_connect(url(running))
    assert refused.value.status == 418
