"""Unread tunnels whose client asks TLS for another host than the CONNECT did: nothing of it reaches the server."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from gateway.errors import Code
from gateway.serve import opening
from gateway.verdict import Effect
from tests.serve.loopback import until
from tests.serve.proxying import (
    THEIRS,
    Proxied,
    allowing,
    client_tls,
    proxied,
    server_tls,
    serving,
    talking,
    tunnelled,
)
from tests.wire.test_client_hello import NAMED, names, real, said

DECODE_ERROR = b"\x15\x03\x03\0\x02\x02\x32"
UNRECOGNIZED_NAME = b"\x15\x03\x03\0\x02\x02\x70"


@dataclass(slots=True)
class Server:
    """A server that speaks bytes: greets, notes what comes, and gives it back."""

    greeting: bytes = b""
    came: bytearray = field(default_factory=bytearray)
    ended: bool = False

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(self.greeting)
        while data := await reader.read(1 << 16):
            self.came += data
            writer.write(data)
        self.ended = True


@asynccontextmanager
async def unread(server: Server, tls: ssl.SSLContext | None = None) -> AsyncIterator[tuple[Proxied, str]]:
    async with (
        talking(server, tls) as port,
        proxied(serving({"egress": {"up": allowing(port, action="tunnel")}})) as proxy,
    ):
        yield proxy, f"up.test:{port}"


@pytest.mark.parametrize("sni", ["up.test", "UP.test"])
async def test_tls_for_the_host_of_the_connect_passes(sni: str) -> None:
    server = Server()
    async with unread(server, server_tls()) as (proxy, place):
        async with tunnelled(proxy, place, tls=client_tls(THEIRS), sni=sni) as wire:
            wire.writer.write(b"hello")
            assert await wire.reader.readexactly(5) == b"hello"
        record = await proxy.recorded()
    assert (record.outcome, record.effect, record.fault) == ("forwarded", Effect.ALLOW, None)


@pytest.mark.parametrize(
    "data",
    [real(None), said(NAMED), b"SSH-2.0-client\r\n", b"\0\0\0\x08\x04\xd2\x16\x2f"],
    ids=["no name", "its name", "no TLS", "STARTTLS"],
)
async def test_what_names_no_other_host_passes_as_it_came(data: bytes) -> None:
    server = Server()
    async with unread(server) as (proxy, place), tunnelled(proxy, place) as wire:
        for byte in data:
            wire.writer.write(bytes([byte]))
            await wire.writer.drain()
            await asyncio.sleep(0)
        assert await wire.reader.readexactly(len(data)) == data
        wire.writer.write_eof()
        assert await wire.rest() == b""
        record = await proxy.recorded()
    assert bytes(server.came) == data
    assert (record.outcome, record.request.bytes, record.answer.bytes) == ("forwarded", len(data), len(data))


@pytest.mark.parametrize(
    ("data", "alert", "why"),
    [
        (
            real("other.test"),
            UNRECOGNIZED_NAME,
            "tls: the server name of TLS is `other.test`, and the target is `up.test`",
        ),
        (said(names(b"a b")), UNRECOGNIZED_NAME, "tls: the server name of TLS cannot be read"),
        (said(NAMED, NAMED), DECODE_ERROR, "tls: the ClientHello has an extension twice"),
        (b"\x15\x03\x01\0\x02\x01\0" + said(NAMED), DECODE_ERROR, "tls: TLS does not begin with a handshake record"),
        (
            said(b"\0\x15" + (1 << 14).to_bytes(2) + bytes(1 << 14)),
            DECODE_ERROR,
            "tls: the ClientHello does not end within",
        ),
    ],
    ids=["another", "unreadable", "twice", "an alert first", "endless"],
)
async def test_any_other_beginning_of_tls_is_cut_before_the_server_has_a_byte(
    data: bytes, alert: bytes, why: str
) -> None:
    server = Server()
    async with unread(server) as (proxy, place), tunnelled(proxy, place) as wire:
        wire.writer.write(data)
        assert await wire.rest() in (alert, b"")  # lost where bytes were left unread, by the rules of TCP
        record = await proxy.recorded()
        await until(lambda: server.ended)
    assert server.came == b""
    assert (record.outcome, record.status, record.effect, record.code) == ("cut", 200, Effect.BLOCK, Code.EGRESS)
    assert (record.fault or "").startswith(why)
    assert record.request.bytes == 0


async def test_a_client_reads_why_as_an_alert() -> None:
    server = Server()
    async with unread(server, server_tls()) as (proxy, place):
        with pytest.raises(ssl.SSLError, match=r"(?i)unrecognized.name"):
            async with tunnelled(proxy, place, tls=client_tls(THEIRS), sni="other.test"):
                pass


async def test_a_name_within_a_tunnel_to_an_address_is_another_host() -> None:
    server = Server()
    async with (
        talking(server) as port,
        proxied(serving({"egress": {"up": allowing(port, hosts=["127.0.0.1"], action="tunnel")}})) as proxy,
        tunnelled(proxy, f"127.0.0.1:{port}") as wire,
    ):
        wire.writer.write(real("up.test"))
        assert await wire.rest() == UNRECOGNIZED_NAME
        assert (await proxy.recorded()).code is Code.EGRESS
    assert server.came == b""


async def test_a_client_that_leaves_within_its_hello_is_told_apart() -> None:
    server = Server()
    async with unread(server) as (proxy, place), tunnelled(proxy, place) as wire:
        wire.writer.write(said(NAMED)[:-1])
        wire.writer.write_eof()
        assert await wire.rest() == DECODE_ERROR
        record = await proxy.recorded()
    assert (bytes(server.came), record.fault) == (b"", "tls: the connection ends within the ClientHello")


async def test_a_client_that_stalls_within_its_hello_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "HANDSHAKE", 0.01)
    server = Server()
    async with unread(server) as (proxy, place), tunnelled(proxy, place) as wire:
        wire.writer.write(said(NAMED)[:9])
        assert await wire.rest() == DECODE_ERROR
        record = await proxy.recorded()
    assert (bytes(server.came), record.fault) == (b"", "tls: the ClientHello does not come to its end")


async def test_a_server_may_speak_first() -> None:
    server = Server(b"220 ready\r\n")
    async with unread(server) as (proxy, place), tunnelled(proxy, place) as wire:
        assert await wire.reader.readline() == b"220 ready\r\n"
        wire.writer.write_eof()
        assert await wire.rest() == b""
        assert (await proxy.recorded()).outcome == "forwarded"
