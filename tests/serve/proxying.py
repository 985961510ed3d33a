"""A proxy on real sockets, names that resolve as a test says, origins with TLS, and clients that speak bytes."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from aiohttp import web

from gateway.exchange.recorded import ExchangeRecord
from gateway.policy.profile import PROFILES
from gateway.serve import doorway
from gateway.serve.dial import Names
from gateway.serve.doorway import Doorway
from gateway.serve.listener import Handle
from gateway.serve.metrics import Metrics
from gateway.serve.posture import Posture
from gateway.serve.tunnel import Gatekeeper
from gateway.serve.upstream import Pool, Upstream
from gateway.settings import Config
from gateway.state.limit import Claim, Taken
from gateway.state.memory import MemoryCounters, MemoryRegisters
from gateway.state.store import Store
from gateway.trust.authority import Authority, made, pem
from gateway.trust.leaf import Leaves
from gateway.trust.name import Subtree
from gateway.units import Address
from tests.exchange.gates import gate
from tests.serve.loopback import ANY_PORT, Got, Noting, Paper, answer, dialled, posture, until

OURS: Final = made((), datetime.now(UTC))
"""The gateway's authority."""
THEIRS: Final = made((), datetime.now(UTC))
"""The authority of the origins, which the gateway trusts."""

LIFETIME: Final = 3600.0
TOKEN: Final = "tok_" + "abcd1234"
"""What the rules of `tests.exchange.gates` take for a credential."""


class Resolver:
    """Names with their answers, one after the other; the last stays. Notes what is asked."""

    def __init__(self, **names: Sequence[str]) -> None:
        self.answers: dict[str, list[tuple[str, ...]]] = {}
        self.asked: list[str] = []

    def says(self, name: str, *answers: Sequence[str]) -> None:
        self.answers[name] = [tuple(one) for one in answers]

    async def __call__(self, host: str, port: int) -> tuple[str, ...]:
        self.asked.append(host)
        known = self.answers.get(host, [("127.0.0.1",)])
        return known.pop(0) if len(known) > 1 else known[0]


class Counting(MemoryCounters):
    """Counters that count how often they are asked."""

    def __init__(self) -> None:
        super().__init__()
        self.taken = 0

    async def take(self, claims: Sequence[Claim], holder: str) -> Taken:
        self.taken += 1
        return await super().take(claims, holder)


@dataclass(slots=True)
class Proxied:
    """A proxy that runs, what it recorded, and its parts."""

    address: Address
    door: Doorway
    keeper: Gatekeeper
    resolver: Resolver
    counters: Counting
    paper: Paper
    pool: Pool
    records: list[ExchangeRecord] = field(default_factory=list)

    async def recorded(self, count: int = 1) -> ExchangeRecord:
        """The last record, once there are that many."""
        await until(lambda: len(self.records) >= count)
        return self.records[-1]


def allowing(*ports: int, hosts: Sequence[str] = ("up.test", "*.up.test"), **more: Any) -> dict[str, Any]:
    """A table of the list of hosts, which opens loopback for them."""
    return {"hosts": list(hosts), "ports": list(ports), "action": "inspect", "addresses": ["127.0.0.1"], **more}


def serving(
    tables: Mapping[str, Any],
    upstreams: dict[str, Upstream] | None = None,
    *,
    profile: str = "balanced",
    owner: Callable[[str], str | None] = lambda _: None,
    **options: Any,
) -> Posture:
    """A posture by these tables of a configuration, with the rules of `tests.exchange.gates`."""
    assert profile in PROFILES
    config = Config.model_validate(tables)
    found = posture(upstreams or {}, owner=owner, config=config, **options)
    return replace(found, default_gate=gate(profile), tls=client_tls(THEIRS))


@asynccontextmanager
async def proxied(
    by: Posture,
    *,
    resolver: Resolver | None = None,
    parent: str | None = None,
    authority: Authority | None = None,
    constraints: tuple[Subtree, ...] = (),
) -> AsyncIterator[Proxied]:
    """A proxy on loopback."""
    resolver = resolver or Resolver()
    pool = Pool(Names(resolver), parent)
    records: list[ExchangeRecord] = []
    paper = Paper()
    counters = Counting()
    ledger = Noting(paper.write, Metrics(lambda: 0), records)
    signing = authority or (made(constraints, datetime.now(UTC)) if constraints else OURS)
    door = doorway.proxy(by, pool, Store("memory", counters, MemoryRegisters()), ledger, signing, LIFETIME)
    address = await door.start(ANY_PORT)
    keeper = door._keeper
    assert keeper is not None
    try:
        yield Proxied(address, door, keeper, resolver, counters, paper, pool, records)
    finally:
        await door.close()
        await pool.close()


def server_tls(host: str = "up.test", authority: Authority = THEIRS) -> ssl.SSLContext:
    """What an origin serves with."""
    return Leaves(authority, timedelta(seconds=LIFETIME)).context(host)


def client_tls(authority: Authority = OURS) -> ssl.SSLContext:
    """A client that trusts one authority alone."""
    context = ssl.create_default_context(cadata=pem(authority.certificate))
    context.set_alpn_protocols(["http/1.1"])
    return context


@asynccontextmanager
async def origin(handle: Handle, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """An HTTP server on loopback, with TLS or without; gives its port."""
    server = web.Server(handle, access_log=None, auto_decompress=False)
    listening = await asyncio.get_running_loop().create_server(server, "127.0.0.1", 0, ssl=tls)
    try:
        yield listening.sockets[0].getsockname()[1]
    finally:
        listening.close()
        await server.shutdown(1)


type Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Any]


@asynccontextmanager
async def talking(talk: Talk, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """A server on loopback that speaks bytes; gives its port."""

    async def talk_and_close(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            await talk(reader, writer)
        writer.close()

    server = await asyncio.start_server(talk_and_close, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


@dataclass(slots=True)
class Wire:
    """A client's connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def ask(self, raw: bytes, method: str = "") -> Got:
        self.writer.write(raw)
        return await answer(self.reader, bodiless=method == "HEAD")

    async def rest(self) -> bytes:
        """What still comes, until the connection ends."""
        async with asyncio.timeout(10):
            with suppress(ConnectionError, ssl.SSLError):
                return await self.reader.read()
        return b""


@asynccontextmanager
async def wired(proxy: Proxied) -> AsyncIterator[Wire]:
    async with dialled(proxy.address) as (reader, writer):
        yield Wire(reader, writer)


def connecting(place: str, *fields: str) -> bytes:
    """A CONNECT as bytes; the Host field is added where there is none."""
    host = [] if any(one.lower().startswith("host:") for one in fields) else [f"Host: {place}"]
    return "\r\n".join([f"CONNECT {place} HTTP/1.1", *host, *fields, "", ""]).encode("latin-1")


@asynccontextmanager
async def tunnelled(
    proxy: Proxied,
    place: str,
    *fields: str,
    tls: ssl.SSLContext | None = None,
    sni: str | None = None,
) -> AsyncIterator[Wire]:
    """A tunnel that was let in; with TLS inside where a context is given, for the host or for `sni`."""
    async with AsyncExitStack() as stack:
        wire = await stack.enter_async_context(wired(proxy))
        wire.writer.write(connecting(place, *fields))
        async with asyncio.timeout(10):
            head = await wire.reader.readuntil(b"\r\n\r\n")
        assert head == b"HTTP/1.1 200 Connection established\r\n\r\n", head
        if tls is not None:
            host = sni if sni is not None else place.rpartition(":")[0].strip("[]")
            await wire.writer.start_tls(tls, server_hostname=host)
        yield wire
