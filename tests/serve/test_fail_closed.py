"""Whatever goes wrong in the proxy: the client is refused, the record says so, and the host saw nothing of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import ModuleType
from typing import Any

import pytest
from aiohttp import web

from gateway.errors import Code, InternalError
from gateway.exchange.recorded import ExchangeRecord
from gateway.serve import proxy as proxy_module
from gateway.serve import relay, threshold, tunnel, tunnel_unread
from gateway.verdict import Effect
from tests.serve.loopback import until
from tests.serve.proxying import (
    THEIRS,
    TOKEN,
    Proxied,
    allowing,
    client_tls,
    connecting,
    origin,
    proxied,
    server_tls,
    serving,
    talking,
    tunnelled,
    wired,
)
from tests.serve.test_tunnel import Site, site
from tests.wire.test_client_hello import NAMED, real, said

ESTABLISHED = b"HTTP/1.1 200 Connection established\r\n\r\n"


class Broken(Exception):
    """What no stage expects."""


def broken(*_: Any, **__: Any) -> Any:
    raise Broken("out of order")


def unseen(up: Site) -> bool:
    return up.echo.seen == [] and up.proxy.resolver.asked == []


class TestConnect:
    @pytest.mark.parametrize(
        ("target", "fields", "more", "status", "why"),
        [
            ("up.test", (), b"", 400, "a CONNECT needs a port"),
            ("up.test:", (), b"", 403, "accepted: host:port"),
            ("up.test:0", (), b"", 403, "port"),
            ("up.test:65536", (), b"", 400, "the CONNECT cannot be read"),
            ("up.test:https", (), b"", 400, "the CONNECT cannot be read"),
            ("up.test:443:443", (), b"", 400, "the CONNECT cannot be read"),
            ("[::1:443", (), b"", 403, ""),
            ("agent:key@up.test:443", ("Host: up.test",), b"", 403, ""),
            ("http://up.test:443/", ("Host: up.test",), b"", 400, "the CONNECT cannot be read"),
            ("", ("Host: up.test",), b"", 403, ""),
            ("{place}", ("Host: other.test",), b"", 403, "the Host field of the CONNECT names another host"),
            ("{place}", ("Host: up.test", "Host: other.test"), b"", 400, ""),
            ("{place}", ("Content-Length: 5",), b"", 400, "a CONNECT has no body"),
            ("{place}", ("Content-Length: 5",), b"hello", 400, "a CONNECT has no body"),
            ("{place}", ("Transfer-Encoding: chunked",), b"0\r\n\r\n", 400, "a CONNECT has no body"),
            ("{place}", (), b"GET / HTTP/1.1\r\nHost: up.test\r\n\r\n", 400, "bytes came before the tunnel was open"),
            ("{place}", (), said(NAMED), 400, "bytes came before the tunnel was open"),
            ("{place}", ("X: " + "x" * (1 << 17),), b"", 400, "the CONNECT cannot be read"),
            ("{place}", ("No colon",), b"", 400, "the CONNECT cannot be read"),
        ],
        ids=str,
    )
    @pytest.mark.parametrize("action", ["inspect", "tunnel"])
    async def test_one_that_cannot_be_taken_as_it_stands_is_refused(
        self, target: str, fields: tuple[str, ...], more: bytes, status: int, why: str, action: str
    ) -> None:
        async with site(action=action) as up, wired(up.proxy) as wire:
            got = await wire.ask(connecting(target.replace("{place}", up.place), *fields) + more)
            record = await up.proxy.recorded()
        assert got.status == record.status == status
        assert (record.outcome, record.effect, record.dialect) == ("refused", Effect.BLOCK, "tunnel")
        assert record.code is (Code.UNREADABLE if status == 400 else Code.EGRESS)
        assert why in (record.told or "")
        assert len(up.proxy.records) == 1
        assert unseen(up)

    async def test_one_whose_head_does_not_end_is_refused(self) -> None:
        async with site() as up, wired(up.proxy) as wire:
            fields = (f"X-{number}: {'x' * 1000}" for number in range(70))
            got = await wire.ask(connecting(up.place, *fields).removesuffix(b"\r\n"))
            record = await up.proxy.recorded()
        assert (got.status, record.outcome, record.code) == (400, "refused", Code.UNREADABLE)
        assert record.told == "the head of the CONNECT is longer than 65536 bytes"
        assert unseen(up)

    async def test_one_that_comes_byte_by_byte_is_the_same(self) -> None:
        async with site() as up, wired(up.proxy) as wire:
            for byte in connecting("elsewhere.test:443"):
                wire.writer.write(bytes([byte]))
                await wire.writer.drain()
                await asyncio.sleep(0)
            async with asyncio.timeout(5):
                assert (await wire.reader.readline()).startswith(b"HTTP/1.1 403 egress_denied")
        assert unseen(up)

    async def test_one_that_a_shutdown_overtakes_is_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        asked = asyncio.Event()

        async def never(*_: object) -> None:
            asked.set()
            await asyncio.Event().wait()

        monkeypatch.setattr(relay, "dialled", never)
        async with unread() as (proxy, place, came), wired(proxy) as wire:
            wire.writer.write(connecting(place))
            await asked.wait()
            await proxy.door.close()
            assert (await wire.rest()).startswith(b"HTTP/1.1 503 ")
            record = await proxy.recorded()
        assert (record.outcome, record.code, record.told) == ("refused", Code.STOPPED, "the gateway shuts down")
        assert came == b""

    async def test_a_secret_in_the_host_of_an_unread_tunnel_leaves_with_no_query(self) -> None:
        async with unread(hosts=["*.up.test"]) as (proxy, place, came), wired(proxy) as wire:
            got = await wire.ask(connecting(f"{TOKEN}.{place}"))
            record = await proxy.recorded()
        assert (got.status, record.outcome, record.code) == (400, "refused", Code.SECRET)
        assert TOKEN not in str(record)
        assert came == b""
        assert proxy.resolver.asked == []

    async def test_an_unread_tunnel_to_an_address_that_is_not_listed_is_refused(self) -> None:
        async with unread(addresses=["10.0.0.0/8"]) as (proxy, place, came), wired(proxy) as wire:
            got = await wire.ask(connecting(place))
            record = await proxy.recorded()
        assert (got.status, record.outcome, record.code) == (403, "refused", Code.EGRESS)
        assert "does not list it in `addresses`" in (record.told or "")
        assert came == b""

    async def test_a_second_one_inside_of_a_tunnel_is_refused(self) -> None:
        async with site() as up, tunnelled(up.proxy, up.place, tls=client_tls()) as wire:
            got = await wire.ask(connecting(up.place))
            record = await up.proxy.recorded()
        assert (got.status, record.outcome, record.code) == (400, "refused", Code.UNREADABLE)
        assert unseen(up)


def as_version(minor: int) -> bytes:
    """A ClientHello that offers no more than that version: TLS 1.0 is 3.1, SSL 3.0 is 3.0."""
    hello = bytearray(said(NAMED))
    hello[2] = hello[10] = minor
    return bytes(hello)


class TestTls:
    @pytest.mark.parametrize(
        ("data", "outcome", "why"),
        [
            (b"", "client_gone", "nothing came through it"),
            (b"\x16garbage that is no record of TLS at all", "failed", "tls: SSLError"),
            (b"\x16\x03\x01\0\x05\x01\0\0\x01\0", "failed", "tls: SSLError"),
            (as_version(0), "failed", "tls: SSLError"),
            (as_version(1), "failed", "tls: SSLError"),
            (as_version(2), "failed", "tls: SSLError"),
            (real("up.test")[:40], "failed", "tls: ConnectionResetError"),
            (real("up.test"), "failed", "tls: ConnectionResetError"),
        ],
        ids=["nothing", "garbage", "no ClientHello", "SSL 3.0", "TLS 1.0", "TLS 1.1", "half a hello", "a hello alone"],
    )
    async def test_a_client_that_does_not_go_through_with_it_reaches_nobody(
        self, data: bytes, outcome: str, why: str
    ) -> None:
        async with site() as up:
            async with tunnelled(up.proxy, up.place) as wire:
                wire.writer.write(data)
                wire.writer.write_eof()
                assert b"HTTP" not in await wire.rest()
            record = await up.proxy.recorded()
        assert (record.outcome, record.status, record.dialect) == (outcome, 200, "tunnel")
        assert why in (record.fault or "")
        assert len(up.proxy.records) == 1
        assert unseen(up)

    @pytest.mark.parametrize("data", [b"", real("up.test")[:40]], ids=["before", "within"])
    async def test_a_client_that_stalls_is_not_waited_for(self, data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(threshold, "HANDSHAKE", 0.05)
        monkeypatch.setattr(tunnel, "HANDSHAKE", 0.05)
        async with site() as up, tunnelled(up.proxy, up.place) as wire:
            wire.writer.write(data)
            assert await wire.rest() == b""
            record = await up.proxy.recorded()
        assert record.outcome in ("client_gone", "failed")
        assert unseen(up)

    async def test_a_client_that_says_nothing_within_tls_is_not_waited_for(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async with site() as up, wired(up.proxy) as wire:
            monkeypatch.setattr(threshold, "IDLE", 0.05)
            wire.writer.write(connecting(up.place))
            assert await wire.reader.readuntil(b"\r\n\r\n") == ESTABLISHED
            await wire.writer.start_tls(client_tls(), server_hostname="up.test")
            assert await wire.rest() == b""
            record = await up.proxy.recorded()
        assert (record.outcome, len(up.proxy.records)) == ("failed", 1)
        assert unseen(up)

    async def test_a_client_that_distrusts_us_is_told_apart(self) -> None:
        async with site() as up:
            with pytest.raises(OSError, match="certificate verify failed"):
                async with tunnelled(up.proxy, up.place, tls=client_tls(THEIRS)):
                    pass
            record = await up.proxy.recorded()
        assert record.outcome == "failed"
        assert "a client that refuses the certificate needs `lockgate env`" in (record.fault or "")
        assert unseen(up)

    @pytest.mark.parametrize("failure", [InternalError("it expired"), Broken("no key")], ids=["ours", "unexpected"])
    async def test_no_tunnel_is_opened_without_a_certificate(
        self, failure: Exception, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(host: str) -> None:
            raise failure

        async with site() as up, wired(up.proxy) as wire:
            monkeypatch.setattr(up.proxy.keeper._leaves, "context", fail)
            got = await wire.ask(connecting(up.place))
            record = await up.proxy.recorded()
        assert (got.status, record.status, record.outcome, record.code) == (500, 500, "failed", Code.INTERNAL)
        assert unseen(up)


class TestStages:
    """An exception of no known kind, in each stage in turn."""

    @pytest.mark.parametrize(
        ("owner", "stage"),
        [
            (tunnel, "refuse_ticket"),
            (tunnel, "known_to_proxy"),
            (tunnel, "known_at"),
            (tunnel, "read_authority"),
            (tunnel, "Tunnel"),
            (tunnel, "check_stops"),
            (tunnel_unread, "judge_target"),
            (tunnel_unread, "Way"),
            (relay, "dialled"),
            (tunnel_unread, "_Unread"),
        ],
    )
    async def test_before_a_tunnel_is_open_its_connect_is_refused(
        self, owner: ModuleType, stage: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async with unread() as (proxy, place, came), wired(proxy) as wire:
            monkeypatch.setattr(owner, stage, broken)
            got = await wire.ask(connecting(place))
            record = await proxy.recorded()
            assert await wire.rest() == b""
        assert_failed(record, 500)
        assert got.status == 500
        assert "out of order" not in got.reason
        assert came == b""

    @pytest.mark.parametrize("stage", ["over", "opening", "bound_writes", "_Silence"])
    async def test_in_an_unread_tunnel_it_ends_both_sides(self, stage: str, monkeypatch: pytest.MonkeyPatch) -> None:
        async with unread() as (proxy, place, came), wired(proxy) as wire:
            monkeypatch.setattr(relay, stage, broken)
            wire.writer.write(connecting(place))
            assert await wire.reader.readuntil(b"\r\n\r\n") == ESTABLISHED
            wire.writer.write(b"hello")
            assert await wire.rest() == b""
            record = await proxy.recorded()
        assert_failed(record, 200)
        assert len(proxy.records) == 1
        assert came == b""

    @pytest.mark.parametrize("stage", ["first_byte", "Waiting", "hand_over"])
    async def test_in_an_inspected_tunnel_it_is_cut(self, stage: str, monkeypatch: pytest.MonkeyPatch) -> None:
        async with site() as up, wired(up.proxy) as wire:
            monkeypatch.setattr(tunnel, stage, broken)
            wire.writer.write(connecting(up.place))
            assert await wire.reader.readuntil(b"\r\n\r\n") == ESTABLISHED
            wire.writer.write(b"GET" if stage == "hand_over" else b"\x16")
            assert await wire.rest() == b""
            record = await up.proxy.recorded()
        assert_failed(record, 200)
        assert unseen(up)

    @pytest.mark.parametrize(
        "stage",
        [
            "refuse_ticket",
            "check_dots",
            "identify",
            "end_to_end",
            "known_to_proxy",
            "known_at",
            "overrides",
            "disagreement",
            "_inside",
            "Way",
            "admitted",
        ],
    )
    async def test_a_request_inside_is_refused(self, stage: str, monkeypatch: pytest.MonkeyPatch) -> None:
        async with site() as up, tunnelled(up.proxy, up.place, tls=client_tls()) as wire:
            monkeypatch.setattr(proxy_module, stage, broken)
            got = await wire.ask(f"GET / HTTP/1.1\r\nHost: {up.place}\r\n\r\n".encode())
            record = await up.proxy.recorded()
        assert (got.status, record.status, record.outcome, record.code) == (500, 500, "failed", Code.INTERNAL)
        assert record.fault == "door: Broken: out of order"
        assert unseen(up)


def assert_failed(record: ExchangeRecord, status: int) -> None:
    assert (record.outcome, record.status, record.effect) == ("failed", status, Effect.BLOCK)
    assert (record.code, record.fault) == (Code.INTERNAL, "tunnel: Broken: out of order")


@asynccontextmanager
async def unread(**entry: Any) -> AsyncIterator[tuple[Proxied, str, bytearray]]:
    """A proxy that leaves a host uninspected; its authority, and what the host hears."""
    came = bytearray()

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1 << 16):
            came.extend(data)
            writer.write(data)

    async with (
        talking(listen) as port,
        proxied(serving({"egress": {"up": allowing(port, action="tunnel", **entry)}})) as proxy,
    ):
        yield proxy, f"up.test:{port}", came


class TestWhileATunnelIsOpen:
    async def test_an_audit_that_fails_ends_the_next_request_and_opens_no_tunnel(self) -> None:
        async with site() as up, tunnelled(up.proxy, up.place, tls=client_tls()) as wire:
            up.proxy.paper.full = True
            get = f"GET / HTTP/1.1\r\nHost: {up.place}\r\n\r\n".encode()
            assert (await wire.ask(get)).status == 200
            await up.proxy.recorded()
            assert (await wire.ask(get)).status == 503
            async with wired(up.proxy) as other:
                assert (await other.ask(connecting(up.place))).status == 503
            await up.proxy.recorded(3)
        assert [record.code for record in up.proxy.records] == [None, Code.STOPPED, Code.STOPPED]
        assert len(up.echo.seen) == 1

    @pytest.mark.parametrize("data", [b"", real("up.test")[:40]], ids=["before TLS", "within TLS"])
    async def test_closing_cuts_what_has_not_begun_to_speak(self, data: bytes) -> None:
        async with site() as up, tunnelled(up.proxy, up.place) as wire:
            wire.writer.write(data)
            await asyncio.sleep(0.05)
            await up.proxy.door.close()
            assert await wire.rest() == b""
            record = await up.proxy.recorded()
        assert (record.outcome, record.code) == ("failed", Code.STOPPED)
        assert record.fault == "shutdown: cut before its first request"
        assert unseen(up)

    async def test_draining_ends_tunnels_that_are_idle_and_opens_none(self) -> None:
        async with site() as up, wired(up.proxy) as late, tunnelled(up.proxy, up.place, tls=client_tls()) as wire:
            assert (await wire.ask(f"GET / HTTP/1.1\r\nHost: {up.place}\r\n\r\n".encode())).status == 200
            await up.proxy.door.drain(5)
            assert await wire.rest() == b""
            assert (await late.ask(connecting(up.place))).status == 503
            record = await up.proxy.recorded(2)
        assert (record.outcome, record.code, record.told) == ("refused", Code.STOPPED, "the gateway shuts down")
        assert len(up.echo.seen) == 1

    async def test_draining_lets_an_answer_in_a_tunnel_come_to_its_end(self) -> None:
        gone = asyncio.Event()

        async def slow(_: web.BaseRequest) -> web.StreamResponse:
            await gone.wait()
            return web.Response(text="hello")

        async with (
            origin(slow, server_tls()) as port,
            proxied(serving({"egress": {"up": allowing(port)}})) as proxy,
            tunnelled(proxy, f"up.test:{port}", tls=client_tls()) as wire,
        ):
            asking = asyncio.create_task(wire.ask(f"GET / HTTP/1.1\r\nHost: up.test:{port}\r\n\r\n".encode()))
            await until(lambda: bool(proxy.door.entrance.live))
            draining = asyncio.create_task(proxy.door.drain(5))
            await asyncio.sleep(0)
            gone.set()
            assert (await asking).body == b"hello"
            await draining
            assert await wire.rest() == b""
            assert (await proxy.recorded()).outcome == "forwarded"

    async def test_a_host_that_breaks_off_within_its_answer_is_no_answer(self) -> None:
        async def break_off(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nContent-Length: 10\r\n\r\nhalf")
            await writer.drain()

        async with (
            talking(break_off, server_tls()) as port,
            proxied(serving({"egress": {"up": allowing(port)}})) as proxy,
            tunnelled(proxy, f"up.test:{port}", tls=client_tls()) as wire,
        ):
            got = await wire.ask(f"GET / HTTP/1.1\r\nHost: up.test:{port}\r\n\r\n".encode())
            record = await proxy.recorded()
        assert (got.status, record.status, record.outcome) == (502, 502, "failed")
        assert (record.fault or "").startswith("upstream.broken: ")
