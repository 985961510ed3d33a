"""Real sockets for the tests of the shell: upstreams that do as they are told, a gateway, and a raw client."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from aiohttp import web

from gateway.detect.memory import VerdictMemory
from gateway.detect.ruleset import build
from gateway.dialect.base import Coverage
from gateway.dialect.plain import PLAIN
from gateway.dialect.route import Endpoint, Family, Form, family, route
from gateway.exchange.gate import Gate
from gateway.exchange.recorded import ExchangeRecord
from gateway.policy.hierarchy import Hierarchy, Mode
from gateway.policy.profile import PROFILES
from gateway.serve.base_url import BaseUrl
from gateway.serve.course import Course
from gateway.serve.entrance import MakeExchange, make_exchange
from gateway.serve.identity import Site
from gateway.serve.ledger import Ledger, Write
from gateway.serve.listener import Handle, Listener
from gateway.serve.metrics import Metrics
from gateway.serve.places import Places
from gateway.serve.posture import Posture
from gateway.serve.upstream import Patience, Pool, Upstream
from gateway.settings import Config
from gateway.state.memory import memory_store
from gateway.units import Address

type Peer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

PATIENT = Patience(5, 5, 5)
ANYWHERE = Site()
ANY_PORT = Address("127.0.0.1", 0)

FAMILY: Family = family(
    "test",
    (route("*", r"/read/.*", Endpoint(PLAIN, Coverage.TEXT)),),
    Endpoint(PLAIN, Coverage.PASS, request_form=Form.BYTES, answer_form=Form.BYTES),
    "authorization",
    "Bearer ",
)
"""Everything passes in pieces, but what stands under /read/, which is collected and inspected."""


PATIENCE = 30.0
"""Seconds until what has to come must have come, on a machine that is busy with other things."""


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what other tasks bring about."""
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110 -- no event tells of it
            await asyncio.sleep(0.005)


@dataclass(slots=True)
class Paper:
    """An audit in memory, which may be full."""

    lines: list[Mapping[str, Any]] = field(default_factory=list)
    full: bool = False

    def write(self, line: Mapping[str, Any]) -> None:
        if self.full:
            raise OSError("disk full")
        self.lines.append(line)


@dataclass(slots=True)
class Running:
    """A gateway that runs, what it recorded, and its parts."""

    address: Address
    base_url: BaseUrl
    ledger: Ledger
    listener: Listener
    metrics: Metrics
    paper: Paper
    records: list[ExchangeRecord] = field(default_factory=list)

    async def recorded(self, count: int = 1) -> ExchangeRecord:
        """The last record, once there are that many."""
        await until(lambda: len(self.records) >= count)
        return self.records[-1]

    async def busy(self) -> None:
        """Wait for an exchange to be under way."""
        await until(lambda: bool(self.base_url.live))


def posture(
    upstreams: dict[str, Upstream],
    *,
    owner: Callable[[str], str | None] = lambda _: None,
    patience: Patience = PATIENT,
    site: Site = ANYWHERE,
    config: Config | None = None,
) -> Posture:
    gate = Gate(build((), key=b"k"), PROFILES["balanced"], Hierarchy(Mode.OFF, b"k"), VerdictMemory(16))
    config = config or Config()
    places = Places((upstream, upstream.base_url) for upstream in upstreams.values())
    policy = config.egress_policy()
    return Posture(config, site, MappingProxyType(upstreams), owner, gate, {}, patience, places, policy)


class Noting(Ledger):
    """A ledger that keeps the records themselves too, and logs nothing."""

    def __init__(self, audit: Write, metrics: Metrics, records: list[ExchangeRecord]) -> None:
        super().__init__(audit, metrics, lambda line: None)
        self._records = records

    def finish(self, record: ExchangeRecord, course: Course) -> None:
        super().finish(record, course)
        self._records.append(record)


@asynccontextmanager
async def gateway(serving: Posture, exchange: MakeExchange = make_exchange) -> AsyncIterator[Running]:
    """A gateway on loopback."""
    pool = Pool()
    metrics = Metrics(lambda: len(base_url.live))
    records: list[ExchangeRecord] = []
    paper = Paper()
    ledger = Noting(paper.write, metrics, records)
    base_url = BaseUrl(serving, pool, memory_store(), ledger, exchange)
    listener = Listener(base_url, unread=base_url.unread)
    address = await listener.start(ANY_PORT)
    try:
        yield Running(address, base_url, ledger, listener, metrics, paper, records)
    finally:
        await listener.close()
        await pool.close()


@asynccontextmanager
async def upstream_of(handle: Handle) -> AsyncIterator[str]:
    """An HTTP server on loopback; gives its base URL."""
    listener = Listener(handle)
    address = await listener.start(ANY_PORT)
    try:
        yield f"http://{address}"
    finally:
        await listener.close()


@asynccontextmanager
async def peer(talk: Peer) -> AsyncIterator[str]:
    """A TCP server on loopback that speaks bytes; gives its base URL."""

    async def talk_and_close(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await talk(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    server = await asyncio.start_server(talk_and_close, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    try:
        yield f"http://{host}:{port}"
    finally:
        server.close()


@asynccontextmanager
async def through(
    handle: Handle | None = None, talk: Peer | None = None, *, patience: Patience = PATIENT
) -> AsyncIterator[Running]:
    """A gateway with one upstream, `up`, that is an HTTP handler or speaks bytes."""
    other = peer(talk) if talk is not None else upstream_of(handle or _empty)
    async with (
        other as base_url,
        gateway(posture({"up": Upstream("up", FAMILY, base_url)}, patience=patience)) as running,
    ):
        yield running


async def _empty(_: web.BaseRequest) -> web.StreamResponse:
    return web.Response()


@dataclass(frozen=True, slots=True)
class Got:
    """An answer as it came: field names and values in order, and the body with its framing undone."""

    status: int
    reason: str
    fields: tuple[tuple[str, str], ...]
    body: bytes
    complete: bool

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.fields if key.lower() == name]


@asynccontextmanager
async def dialled(address: Address) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection to the gateway, closed for good at the end."""
    reader, writer = await asyncio.open_connection(address.host, address.port)
    try:
        yield reader, writer
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def ask(address: Address, raw: bytes, *, method: str = "") -> Got:
    """Send a request as bytes, read the answer to its end, and close. `method` is told where it changes the framing."""
    async with dialled(address) as (reader, writer):
        writer.write(raw)
        return await answer(reader, bodiless=method == "HEAD")


async def answer(reader: asyncio.StreamReader, *, bodiless: bool = False) -> Got:
    """Read one answer."""
    async with asyncio.timeout(10):
        head = (await reader.readuntil(b"\r\n\r\n")).decode().removesuffix("\r\n\r\n")
        first, *lines = head.split("\r\n")
        fields = tuple((name, value.strip()) for name, _, value in (line.partition(":") for line in lines))
        _, status, reason = first.split(" ", 2)
        named = {name.lower(): value for name, value in fields}
        if bodiless or int(status) in (204, 304):
            return Got(int(status), reason, fields, b"", complete=True)
        body, complete = await _body(reader, named)
    return Got(int(status), reason, fields, body, complete)


async def _body(reader: asyncio.StreamReader, named: dict[str, str]) -> tuple[bytes, bool]:
    try:
        if "content-length" in named:
            return await reader.readexactly(int(named["content-length"])), True
        if named.get("transfer-encoding") != "chunked":
            return await reader.read(), True
    except asyncio.IncompleteReadError as short:
        return short.partial, False
    pieces: list[bytes] = []
    while True:
        try:
            size = int(await reader.readuntil(b"\r\n"), 16)
            pieces.append((await reader.readexactly(size + 2))[:-2])
        except (asyncio.IncompleteReadError, ConnectionError):
            return b"".join(pieces), False
        if size == 0:
            return b"".join(pieces), True
