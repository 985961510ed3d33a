"""The handshake of a WebSocket: which request is an upgrade, who may ask for one, and which fields go through."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import web

from gateway.dialect.families import FAMILIES
from gateway.errors import Code
from gateway.serve.identity import Site
from gateway.serve.upstream import Upstream
from tests.serve.loopback import answer, ask, dialled, gateway, posture, upstream_of
from tests.serve.sockets import (
    UPGRADE,
    Side,
    between,
    frame,
    request,
    serving,
)


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


OFFERS = [
    (("permessage-deflate",), True),
    (("permessage-deflate; client_max_window_bits",), True),
    (("x-webkit-deflate-frame, permessage-deflate; server_no_context_takeover",), True),
    (("foo", "permessage-deflate"), True),
    (("Permessage-Deflate",), False),
    (("permessage-deflate-2",), False),
    (("x-permessage-deflate; client_max_window_bits=15",), False),
    (("foo; bar=permessage-deflate",), False),
    (('foo; bar="a, permessage-deflate; b"',), False),
    (('foo; bar="a\\", permessage-deflate"',), False),
    ((), False),
]


@pytest.mark.parametrize(("offers", "is_offered"), OFFERS)
async def test_compression_is_used_with_both_sides_if_its_very_name_is_offered(
    offers: tuple[str, ...], is_offered: bool
) -> None:
    side = Side()
    fields = (f"Sec-WebSocket-Extensions: {offer}" for offer in offers)
    async with between(side) as running, dialled(running.address) as (reader, writer):
        writer.write(request(*UPGRADE, *fields))
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        writer.write(frame(0x81, b"x" * 100))
        first = await asyncio.wait_for(reader.readexactly(1), 5)
    assert head.startswith("HTTP/1.1 101 ")
    assert ("Sec-WebSocket-Extensions: permessage-deflate" in head) == is_offered
    assert (first == b"\xc1") == is_offered
    assert ("Sec-WebSocket-Extensions" in side.requests[0].headers) == is_offered
