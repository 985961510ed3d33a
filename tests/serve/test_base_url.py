"""The way in, on real sockets: what goes through unchanged, and what does not go through."""

from __future__ import annotations

import asyncio
import gzip
import re
import resource
from collections.abc import AsyncIterator, Callable

import pytest
from aiohttp import ClientSession, web

from gateway.errors import Code
from gateway.serve.identity import Site
from gateway.serve.upstream import Upstream
from gateway.settings import Config
from tests.serve.loopback import FAMILY, Got, Running, ask, dialled, gateway, posture, through, upstream_of


def request(line: str, *fields: str, body: bytes = b"", host: str = "localhost") -> bytes:
    """A request as bytes; `Content-Length` is added where there is a body."""
    length = [f"Content-Length: {len(body)}"] if body and not any("chunked" in one for one in fields) else []
    return "\r\n".join([f"{line} HTTP/1.1", f"Host: {host}", *fields, *length, "", ""]).encode() + body


class Echo:
    """An upstream that remembers what it saw, and answers what it is told."""

    def __init__(self, response: web.Response | None = None) -> None:
        self.response = response
        self.seen: list[tuple[str, str, tuple[tuple[str, str], ...], bytes]] = []

    async def __call__(self, got: web.BaseRequest) -> web.StreamResponse:
        fields = tuple((name.decode(), value.decode()) for name, value in got.raw_headers)
        self.seen.append((got.method, got.raw_path, fields, await got.read()))
        return self.response or web.Response(text="fine")

    @property
    def fields(self) -> dict[str, str]:
        return {name.lower(): value for name, value in self.seen[-1][2]}


# --- what goes through


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD", "PROPFIND", "PURGE"])
async def test_every_method_passes(method: str) -> None:
    echo = Echo()
    async with through(echo) as running:
        got = await ask(running.address, request(f"{method} /up/v1/x"), method=method)
    assert (got.status, echo.seen[0][0]) == (200, method)
    assert got.body == (b"" if method == "HEAD" else b"fine")


@pytest.mark.parametrize(
    "target",
    [
        "/v1/models",
        "/",
        "",
        "//double",
        "/a%2Fb/c%20d?e=%2F&e=1+2",
        "/v1beta/models/gemini-pro:generateContent?alt=sse",
        "/%E4%BD%A0?q=%E5%A5%BD",
        "/a;b=c/$,@!'()*~",
        "/trailing/?",
        "/..hidden/...",
        "/a?x=/../y",
    ],
)
async def test_the_target_arrives_as_it_was_written(target: str) -> None:
    echo = Echo()
    async with through(echo) as running:
        assert (await ask(running.address, request(f"GET /up{target}"))).status == 200
    # A bare `?` is the one thing that the client library drops: an empty query is no query.
    assert echo.seen[0][1] == (target.removesuffix("?") or "/")


async def test_the_rest_of_the_path_is_appended_to_the_base_url() -> None:
    echo = Echo()
    async with upstream_of(echo) as base, gateway(posture({"up": Upstream("up", FAMILY, f"{base}/base")})) as running:
        await ask(running.address, request("GET /up/v1/x?y=1"))
    assert echo.seen[0][1] == "/base/v1/x?y=1"


async def test_request_fields_are_the_clients_and_nothing_is_added() -> None:
    echo = Echo()
    sent = (
        "X-One: 1",
        "x-TWO: 2",
        "X-One: 3",
        "Accept-Encoding: gzip, br",
        "Cookie: a=b",
        "Authorization: Bearer mine",
    )
    hop = ("Connection: X-Hop", "X-Hop: 1", "X-Lockgate-Id: forged", "TE: trailers", "Proxy-Authorization: Basic Zm9v")
    async with through(echo) as running:
        await ask(running.address, request("GET /up/x", *sent, *hop))
        name = echo.fields.pop("host")
    fields = [f"{name}: {value}" for name, value in echo.seen[0][2] if name != "Host"]
    assert fields == list(sent)
    assert name.startswith("127.0.0.1:")


@pytest.mark.parametrize("encoding", [(), ("Transfer-Encoding: chunked",)])
async def test_request_bodies_arrive_as_they_were_sent(encoding: tuple[str, ...]) -> None:
    echo = Echo()
    body = bytes(range(256)) * 40
    sent = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body) if encoding else body
    fields = ("Content-Type: application/octet-stream", "Content-Encoding: gzip", *encoding)
    async with through(echo) as running:
        await ask(running.address, request("POST /up/x", *fields, body=sent))
    assert echo.seen[0][3] == body
    assert echo.fields.get("content-length") == (None if encoding else str(len(body)))
    assert echo.fields["content-encoding"] == "gzip"


async def test_a_delete_with_a_body_and_a_post_without_one() -> None:
    echo = Echo()
    async with through(echo) as running:
        await ask(running.address, request("DELETE /up/x", body=b"{}"))
        await ask(running.address, request("POST /up/x"))
    assert [seen[3] for seen in echo.seen] == [b"{}", b""]


async def test_a_client_that_waits_for_100_continue_gets_it() -> None:
    echo = Echo()
    async with through(echo) as running, dialled(running.address) as (reader, writer):
        head = request("POST /up/x", "Expect: 100-continue", body=b"body").removesuffix(b"body")
        writer.write(head)
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(b"body")
        assert (await reader.readuntil(b"\r\n")).split()[1] == b"200"
    assert echo.seen[0][3] == b"body"
    assert "expect" not in echo.fields


@pytest.mark.parametrize(
    "status", [200, 201, 202, 204, 206, 301, 302, 304, 307, 400, 401, 403, 404, 409, 418, 429, 500, 503, 529]
)
@pytest.mark.parametrize("prefix", ["/up/x", "/up/read/x"])
async def test_status_and_reason_are_the_upstreams(status: int, prefix: str) -> None:
    response = web.Response(status=status, reason="As It Said", headers={"Location": "http://elsewhere/", "X-A": "b"})
    async with through(Echo(response)) as running:
        got = await ask(running.address, request(f"GET {prefix}"))
    assert (got.status, got.reason, got.all("location"), got.all("x-a")) == (
        status,
        "As It Said",
        ["http://elsewhere/"],
        ["b"],
    )
    assert got.body == b""


RAW_ANSWER = (
    b"HTTP/1.1 200 OK\r\nX-One: 1\r\nx-two: 2\r\nX-One: 3\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2; Path=/\r\n"
    b"X-Name: na\xc3\xafve\r\nConnection: x-hop\r\nX-Hop: 1\r\nX-Lockgate-Effect: forged\r\nKeep-Alive: timeout=5\r\n"
)


async def _raw(head: bytes, body: bytes, path: str = "/up/x", method: str = "GET") -> tuple[Got, Running]:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(head + body)
        await writer.drain()

    async with through(talk=talk) as running:
        return await ask(running.address, request(f"{method} {path}"), method=method), running


@pytest.mark.parametrize("path", ["/up/x", "/up/read/x"])
async def test_answer_fields_are_the_upstreams_and_the_gateways_are_added(path: str) -> None:
    got, running = await _raw(RAW_ANSWER + b"Content-Length: 2\r\n\r\n", b"{}", path)
    own = [field for field in got.fields if field[0].startswith("x-lockgate-") or field[0] == "server-timing"]
    rest = [field for field in got.fields if field not in own and field[0] != "Content-Length"]
    assert rest == [
        ("X-One", "1"),
        ("x-two", "2"),
        ("X-One", "3"),
        ("Set-Cookie", "a=1"),
        ("Set-Cookie", "b=2; Path=/"),
        ("X-Name", "naïve"),
    ]
    assert dict(own)["x-lockgate-id"] == running.records[0].id
    assert dict(own)["x-lockgate-effect"] == "allow"
    assert re.fullmatch(r"lockgate;dur=\d+\.\d\d", dict(own)["server-timing"])
    assert (got.all("content-length"), got.body) == (["2"], b"{}")


@pytest.mark.parametrize("path", ["/up/x", "/up/read/x"])
@pytest.mark.parametrize("spelling", [str.lower, str.upper, str.title])
async def test_an_upstream_cannot_speak_for_the_gateway(path: str, spelling: Callable[[str], str]) -> None:
    """Its own `x-lockgate-effect: block` beside ours would make one answer say two things."""
    theirs = spelling("x-lockgate-effect: block\r\nx-lockgate-id: theirs\r\nx-lockgate-findings: theirs=1\r\n").encode()
    got, running = await _raw(b"HTTP/1.1 200 OK\r\n" + theirs + b"Content-Length: 2\r\n\r\n", b"{}", path)
    own = [field for field in got.fields if field[0].lower().startswith("x-lockgate-")]
    assert own == [("x-lockgate-id", running.records[0].id), ("x-lockgate-effect", "allow")]


async def test_the_upstreams_own_server_timing_stays() -> None:
    got, _ = await _raw(b"HTTP/1.1 200 OK\r\nServer-Timing: db;dur=5\r\nContent-Length: 0\r\n\r\n", b"")
    (timing,) = got.all("server-timing")
    assert timing.startswith("db;dur=5, lockgate;dur=")


@pytest.mark.parametrize(
    ("fields", "sent"),
    [
        (b"Content-Length: 5\r\n", b"bytes"),
        (b"Transfer-Encoding: chunked\r\n", b"2\r\nby\r\n3\r\ntes\r\n0\r\n\r\n"),
        (b"Transfer-Encoding: chunked\r\n", b"5;ext=1\r\nbytes\r\n0\r\nX-Trailer: 1\r\n\r\n"),
        (b"Connection: close\r\n", b"bytes"),
    ],
    ids=["length", "chunked", "chunk-extensions-and-trailers", "until-close"],
)
async def test_bodies_arrive_whole_in_any_framing(fields: bytes, sent: bytes) -> None:
    got, _ = await _raw(b"HTTP/1.1 200 OK\r\n" + fields + b"\r\n", sent)
    assert (got.body, got.complete) == (b"bytes", True)


async def test_coded_bodies_are_left_alone() -> None:
    packed = gzip.compress(b"text " * 100)
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed)
    got, _ = await _raw(head, packed)
    assert (got.body, got.all("content-encoding")) == (packed, ["gzip"])


async def test_a_head_answer_keeps_its_length_and_has_no_body() -> None:
    got, _ = await _raw(b"HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n", b"", method="HEAD")
    assert (got.status, got.all("content-length"), got.all("transfer-encoding")) == (200, ["1234"], [])


async def test_an_http_1_0_client_gets_a_body_that_ends_with_the_connection() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n")

    async with through(talk=talk) as running:
        got = await ask(running.address, b"GET /up/x HTTP/1.0\r\nHost: localhost\r\n\r\n")
        kept = await ask(
            running.address, b"GET /up/read/x HTTP/1.0\r\nHost: localhost\r\nConnection: keep-alive\r\n\r\n"
        )
    assert (got.body, got.all("transfer-encoding")) == (b"{}", [])
    assert (kept.body, kept.all("connection")) == (b"{}", ["keep-alive"])


async def test_one_connection_carries_many_exchanges() -> None:
    echo = Echo()
    async with through(echo) as running, dialled(running.address) as (reader, writer):
        for number in range(3):
            writer.write(request(f"POST /up/{number}", body=b"x" * number))
            head = await reader.readuntil(b"\r\n\r\n")
            assert b"chunked" not in head
            assert await reader.readexactly(4) == b"fine"
    assert [seen[1] for seen in echo.seen] == ["/0", "/1", "/2"]


async def test_pieces_of_an_answer_leave_when_they_come() -> None:
    gate = asyncio.Event()

    async def stream(got: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/octet-stream"})
        await response.prepare(got)
        await response.write(b"first")
        await gate.wait()
        await response.write(b"second")
        return response

    async with through(stream) as running, dialled(running.address) as (reader, writer):
        writer.write(request("GET /up/x"))
        async with asyncio.timeout(5):
            await reader.readuntil(b"5\r\nfirst\r\n")
            gate.set()
            await reader.readuntil(b"6\r\nsecond\r\n0\r\n\r\n")


# --- what does not go through


@pytest.mark.parametrize(
    ("line", "status", "code", "word"),
    [
        ("GET /", 404, Code.NOT_FOUND, "one of: up"),
        ("GET /other/v1", 404, Code.NOT_FOUND, "one of: up"),
        ("GET /UP/v1", 404, Code.NOT_FOUND, "one of: up"),
        ("GET http://elsewhere/up/v1", 400, Code.NOT_FOUND, "the proxy listens elsewhere"),
        ("CONNECT api.example:443", 400, Code.NOT_FOUND, "the proxy listens elsewhere"),
        ("OPTIONS *", 400, Code.NOT_FOUND, "the proxy listens elsewhere"),
        ("GET /up/../admin", 400, Code.NOT_FOUND, "segment"),
        ("GET /up/a/..", 400, Code.NOT_FOUND, "segment"),
        ("GET /up/%2e%2E/admin", 400, Code.NOT_FOUND, "segment"),
        ("GET /up/.%2e/admin", 400, Code.NOT_FOUND, "segment"),
        ("GET /up/%252e%252e/admin", 400, Code.NOT_FOUND, "segment"),
        ("GET /up/a%2f..%2fadmin", 400, Code.NOT_FOUND, "segment"),
        ("GET /up/..\\admin", 400, Code.NOT_FOUND, "segment"),
        ("GET /up/..;x/admin", 400, Code.NOT_FOUND, "segment"),
        ("GET /up/./chat", 400, Code.NOT_FOUND, "segment"),
    ],
)
async def test_targets_that_lead_nowhere_or_elsewhere_are_refused(
    line: str, status: int, code: Code, word: str
) -> None:
    echo = Echo()
    async with through(echo) as running:
        got = await ask(running.address, request(line))
        record = await running.recorded()
    assert (got.status, record.code, record.outcome, record.status) == (status, code, "refused", status)
    assert f'"code":"{code}"' in got.body.decode()
    assert word in got.body.decode()
    assert got.all("x-lockgate-id") == [record.id]
    assert got.all("x-should-retry") == ["false"]
    assert echo.seen == []


@pytest.mark.parametrize(
    ("host", "fields", "word"),
    [
        ("evil.example", (), "Host"),
        ("localhost.evil.example:8080", (), "Host"),
        ("localhost", ("Origin: https://evil.example",), "origin"),
        ("localhost", ("Origin: null",), "origin"),
        ("localhost", ("Sec-Fetch-Site: cross-site",), "origin"),
    ],
)
async def test_other_hosts_and_origins_are_refused(host: str, fields: tuple[str, ...], word: str) -> None:
    echo = Echo()
    async with through(echo) as running:
        got = await ask(running.address, request("GET /up/x", *fields, host=host))
        assert (await running.recorded()).code is Code.IDENTITY
    assert (got.status, echo.seen) == (403, [])
    assert word in got.body.decode()


async def test_configured_hosts_and_origins_are_accepted() -> None:
    site = Site(frozenset({"gateway"}), frozenset({"https://console.example"}))
    async with (
        upstream_of(Echo()) as base,
        gateway(posture({"up": Upstream("up", FAMILY, base)}, site=site)) as running,
    ):
        raw = request("GET /up/x", "Origin: https://console.example", host="gateway:8080")
        assert (await ask(running.address, raw)).status == 200


async def test_a_request_without_host_is_refused() -> None:
    async with through(Echo()) as running:
        assert (await ask(running.address, b"GET /up/x HTTP/1.0\r\n\r\n")).status == 403


async def test_bytes_that_are_no_http_get_400() -> None:
    async with through(Echo()) as running, dialled(running.address) as (reader, writer):
        writer.write(b"\x16\x03\x01 not http\r\n\r\n")
        assert b" 400 " in await reader.readuntil(b"\r\n")


# --- credentials


def _keyed(base: str) -> dict[str, Upstream]:
    return {"up": Upstream("up", FAMILY, base, key="real"), "open": Upstream("open", FAMILY, base)}


async def test_the_real_key_replaces_the_gateway_key() -> None:
    echo = Echo()
    async with upstream_of(echo) as base, gateway(posture(_keyed(base), owner={"mine": "bot"}.get)) as running:
        await ask(running.address, request("GET /up/x?key=mine&a=1", "x-api-key: stray"))
        record = await running.recorded()
    assert (echo.fields["authorization"], echo.seen[0][1], record.principal) == ("Bearer real", "/x?a=1", "bot")
    assert "x-api-key" not in echo.fields


@pytest.mark.parametrize("fields", [(), ("Authorization: Bearer other",)])
async def test_an_injected_key_is_not_for_strangers(fields: tuple[str, ...]) -> None:
    echo = Echo()
    async with upstream_of(echo) as base, gateway(posture(_keyed(base), owner={"mine": "bot"}.get)) as running:
        got = await ask(running.address, request("GET /up/x", *fields))
    assert (got.status, echo.seen) == (401, [])
    assert "gateway key" in got.body.decode()


async def test_other_credentials_pass_where_none_is_injected() -> None:
    echo = Echo()
    async with upstream_of(echo) as base, gateway(posture(_keyed(base), owner={"mine": "bot"}.get)) as running:
        await ask(running.address, request("GET /open/x", "Authorization: Bearer theirs", "x-api-key: mine"))
        record = await running.recorded()
    assert (echo.fields["authorization"], record.principal) == ("Bearer theirs", "bot")
    assert "x-api-key" not in echo.fields


# --- limits, audit, reload


async def test_a_limit_gives_429_with_its_fields() -> None:
    config = Config.model_validate({"limits": {"few": {"requests": 1, "per": "60s"}}})
    async with (
        upstream_of(Echo()) as base,
        gateway(posture({"up": Upstream("up", FAMILY, base)}, config=config)) as running,
    ):
        first = await ask(running.address, request("GET /up/x"))
        second = await ask(running.address, request("GET /up/x"))
        record = await running.recorded(2)
    assert (first.status, first.all("ratelimit-remaining")) == (200, ["0"])
    assert (second.status, second.all("retry-after"), record.code) == (429, ["60"], Code.RATE)
    assert second.all("ratelimit-limit") == ["1"]


async def test_an_audit_that_cannot_be_written_stops_new_work_until_it_can() -> None:
    echo = Echo()
    async with through(echo) as running:
        running.paper.full = True
        assert (await ask(running.address, request("GET /up/1"))).status == 200
        stopped = await ask(running.address, request("GET /up/2"))
        assert running.ledger.fault == "OSError: disk full"
        running.paper.full = False
        # Its own record is the proof that writing works again.
        assert (await ask(running.address, request("GET /up/3"))).status == 503
        assert (await ask(running.address, request("GET /up/4"))).status == 200
        await running.recorded(4)
    assert [line["path"] for line in running.paper.lines] == ["/up/3", "/4"]
    assert (stopped.status, b"audit" in stopped.body) == (503, True)
    assert [seen[1] for seen in echo.seen] == ["/1", "/4"]


async def test_a_new_posture_serves_new_requests_and_leaves_old_ones_alone() -> None:
    gate = asyncio.Event()

    async def slow(got: web.BaseRequest) -> web.StreamResponse:
        await gate.wait()
        return web.Response(text="old")

    async with (
        upstream_of(slow) as old,
        upstream_of(Echo()) as new,
        gateway(posture({"up": Upstream("up", FAMILY, old)})) as running,
    ):
        waiting = asyncio.create_task(ask(running.address, request("GET /up/x")))
        await running.busy()
        running.base_url.posture = posture({"up": Upstream("up", FAMILY, new)})
        assert (await ask(running.address, request("GET /up/x"))).body == b"fine"
        gate.set()
        assert (await waiting).body == b"old"


async def test_large_bodies_pass_in_pieces_in_flat_memory() -> None:
    piece, count = b"x" * 2**20, 96

    async def mirror(got: web.BaseRequest) -> web.StreamResponse:
        size = 0
        while data := await got.content.readany():
            size += len(data)
        response = web.StreamResponse(headers={"Content-Type": "application/octet-stream"})
        await response.prepare(got)
        for _ in range(size // len(piece)):
            await response.write(piece)
        return response

    async def body() -> AsyncIterator[bytes]:
        for _ in range(count):
            yield piece

    received = 0
    async with through(mirror) as running, ClientSession() as session:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        async with session.post(f"http://{running.address}/up/x", data=body()) as response:
            while data := await response.content.readany():
                received += len(data)
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    assert received == len(piece) * count
    assert grown < received / 3


async def test_a_failure_at_the_door_is_a_refusal_and_a_record() -> None:
    def owner(_: str) -> str | None:
        raise ValueError("broken")

    async with upstream_of(Echo()) as base, gateway(posture(_keyed(base), owner=owner)) as running:
        got = await ask(running.address, request("GET /open/x", "Authorization: Bearer mine"))
        record = await running.recorded()
    assert (got.status, record.outcome, record.code) == (500, "failed", Code.INTERNAL)
    assert record.fault == "door: ValueError: broken"
    assert b"broken" not in got.body


async def test_while_draining_connections_end_with_their_answer() -> None:
    async with through(Echo()) as running:
        running.base_url.draining = True
        assert (await ask(running.address, request("GET /up/x"))).all("connection") == ["close"]
        assert (await ask(running.address, request("GET /other"))).all("connection") == ["close"]
