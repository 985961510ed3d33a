"""The way in behind mitmproxy: where a ticket leads, whose it is, and that nothing else opens a way."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from aiohttp import web

from gateway.config import parse
from gateway.exchange.recorded import ExchangeRecord
from gateway.policy.egress.entry import Scheme
from gateway.serve import doorway
from gateway.serve.admin import Admin
from gateway.serve.hop import destination
from gateway.serve.identity import Site
from gateway.serve.listener import Listener
from gateway.serve.metrics import Metrics
from gateway.serve.ticket import FORGED, Ticket
from gateway.serve.upstream import Pool
from gateway.state.memory import memory_store
from gateway.trust import authority
from gateway.units import Address
from tests.serve.loopback import ANY_PORT, Got, Noting, Paper, ask, posture, until, upstream_of
from tests.serve.test_admin import view
from tests.serve.tickets import KEY, said, ticket

CONFIG = """
[egress.here]
action = "inspect"
hosts = ["localhost", "127.0.0.1"]
ports = [{port}]
addresses = ["127.0.0.1"]
[agents.research]
key_sha256 = "0000000000000000000000000000000000000000000000000000000000000000"
[agents.office]
addresses = ["192.0.2.7"]
{more}
"""


@dataclass
class Gateway:
    """The hop and the other listeners, with an upstream on loopback."""

    hop: Address
    base_url: Address
    proxy: Address
    admin: Address
    port: int
    records: list[ExchangeRecord]

    async def ask(self, method: str = "GET", field: str | None = None, **fields: Any) -> Got:
        """A request with a ticket for the upstream, changed by `fields`. `field` is its Host."""
        wanted = said(**{"host": "localhost", "port": self.port, **fields})
        return await self.raw(ticket(wanted, method), method, field or f"localhost:{self.port}")

    async def raw(self, *tickets_and_more: str) -> Got:
        *tickets, method, host = tickets_and_more
        shown = "".join(f"x-lockgate-hop: {text}\r\n" for text in tickets)
        return await ask(self.hop, f"{method} / HTTP/1.1\r\nHost: {host}\r\n{shown}\r\n".encode())

    async def recorded(self) -> ExchangeRecord:
        await until(lambda: bool(self.records))
        return self.records[-1]


async def _echo(request: web.BaseRequest) -> web.StreamResponse:
    return web.Response(text=f"{request.headers['Host']} {request.headers.get('x-lockgate-hop')}")


def _owner(key: str) -> str | None:
    return "research" if key == "key" else None


@asynccontextmanager
async def running(more: str = "") -> AsyncIterator[Gateway]:
    async with upstream_of(_echo) as url:
        port = int(url.rpartition(":")[2])
        serving = posture({}, owner=_owner, config=parse(CONFIG.format(port=port, more=more), "test.toml"))
        records: list[ExchangeRecord] = []
        metrics = Metrics(lambda: 0)
        ledger, pool, store = Noting(Paper().write, metrics, records), Pool(), memory_store()
        made = authority.made((), datetime.now(UTC))
        ways = (
            doorway.hop(serving, pool, store, ledger, KEY),
            doorway.base_url(serving, pool, store, ledger),
            doorway.proxy(serving, pool, store, ledger, made, 3600.0),
        )
        side = Listener(Admin(view(), Site(), None))
        try:
            hop, base_url, proxy = [await way.start(ANY_PORT) for way in ways]
            yield Gateway(hop, base_url, proxy, await side.start(ANY_PORT), port, records)
        finally:
            for way in ways:
                await way.close()
            await side.close()
            await pool.close()


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    async with running() as one:
        yield one


async def test_a_request_goes_where_its_ticket_says_and_the_ticket_stays_behind(gateway: Gateway) -> None:
    got = await gateway.ask()
    assert (got.status, got.body) == (200, f"localhost:{gateway.port} None".encode())
    record = await gateway.recorded()
    assert (record.principal, record.host, record.upstream) == ("office", "localhost", "egress.here")


async def test_egress_is_as_on_the_proxy(gateway: Gateway) -> None:
    got = await gateway.ask(host="elsewhere.example.com", field=f"elsewhere.example.com:{gateway.port}")
    assert got.status == 403
    assert b'"egress_denied"' in got.body
    assert b"elsewhere.example.com" in got.body


@pytest.mark.parametrize(
    ("fields", "principal"),
    [
        ({"client": "192.0.2.7"}, "office"),
        ({"client": "192.0.2.8"}, "default"),
        ({"client": None}, "default"),
        ({"client": "192.0.2.8", "credentials": "Basic cmVzZWFyY2g6a2V5"}, "research"),  # research:key
        ({"client": "192.0.2.7", "credentials": "Basic cmVzZWFyY2g6a2V5"}, "research"),
        ({"client": "192.0.2.8", "credentials": "Bearer key"}, "research"),
    ],
)
async def test_the_agent_is_known_by_what_the_client_showed_to_mitmproxy(
    gateway: Gateway, fields: dict[str, Any], principal: str
) -> None:
    assert (await gateway.ask(**fields)).status == 200
    assert (await gateway.recorded()).principal == principal


async def test_credentials_that_are_nobodys_are_refused(gateway: Gateway) -> None:
    got = await gateway.ask(credentials="Basic bm9ib2R5Ondyb25n")
    assert got.status == 407
    assert b'"identity_required"' in got.body


async def test_who_is_nobody_is_refused_where_the_proxy_refuses_it() -> None:
    async with running('[proxy]\nanonymous = "refuse"') as gateway:
        assert (await gateway.ask(client="192.0.2.8")).status == 407
        assert (await gateway.ask(nonce="2")).status == 200


DISAGREEING: list[tuple[dict[str, Any], Callable[[int], str], str]] = [
    ({}, lambda port: f"other.example.com:{port}", "the Host field names `other.example.com`"),
    ({}, lambda port: "localhost", "the Host field names port 80"),
    ({"scheme": "https", "sni": "other.example.com"}, lambda port: f"localhost:{port}", "the server name of TLS is"),
    ({"scheme": "https", "sni": "\x00"}, lambda port: f"localhost:{port}", "the server name of TLS cannot be read"),
    # Only in a mode in which a client does not name its destination is an address not what it asked for.
    (
        {"scheme": "https", "host": "127.0.0.1", "sni": "localhost"},
        lambda port: f"localhost:{port}",
        "the server name of TLS is `localhost`, and the target is `127.0.0.1`",
    ),
]


@pytest.mark.parametrize(("fields", "field", "why"), DISAGREEING)
async def test_names_that_do_not_agree_are_refused(
    gateway: Gateway, fields: dict[str, Any], field: Callable[[int], str], why: str
) -> None:
    got = await gateway.ask(field=field(gateway.port), **fields)
    assert got.status == 403
    assert why in got.body.decode()


@pytest.mark.parametrize(
    ("mode", "scheme", "host", "sni", "field", "found"),
    [
        ("transparent", "https", "192.0.2.1", "api.example.com", "other.example.com", "api.example.com"),
        ("transparent", "https", "192.0.2.1", None, "api.example.com", "192.0.2.1"),
        ("transparent", "http", "192.0.2.1", None, "api.example.com", "api.example.com"),
        ("transparent", "http", "192.0.2.1", None, "api.example.com:8080", "api.example.com"),
        ("transparent", "http", "192.0.2.1", None, "192.0.2.9", "192.0.2.1"),
        ("transparent", "http", "192.0.2.1", None, "[2001:db8::9]:80", "192.0.2.1"),
        ("transparent", "http", "2001:db8::1", None, "", "2001:db8::1"),
        ("transparent", "http", "192.0.2.1", None, None, "192.0.2.1"),
        ("wireguard", "https", "198.18.0.1", "api.example.com", None, "api.example.com"),
        ("local", "https", "192.0.2.1", "api.example.com", None, "api.example.com"),
        ("socks5", "https", "192.0.2.1", "api.example.com", None, "api.example.com"),
        ("socks5", "https", "one.example.com", "two.example.com", None, "one.example.com"),
        ("regular", "https", "192.0.2.1", "api.example.com", None, "192.0.2.1"),
        ("reverse", "http", "192.0.2.1", None, "api.example.com", "192.0.2.1"),
        ("a mode to come", "https", "192.0.2.1", "api.example.com", None, "192.0.2.1"),
    ],
)
def test_the_destination_is_what_the_client_named(
    mode: str, scheme: str, host: str, sni: str | None, field: str | None, found: str
) -> None:
    fields = said(mode=mode, scheme=Scheme(scheme), host=host, sni=sni)
    assert destination(Ticket(**fields), field) == found


@pytest.mark.parametrize("tickets", [[], ["forged"], ["", ""]])
async def test_no_ticket_or_a_forged_one_opens_nothing(gateway: Gateway, tickets: list[str]) -> None:
    got = await gateway.raw(*tickets, "GET", f"localhost:{gateway.port}")
    assert got.status == 403
    assert b"only mitmproxy may hand requests over here" in got.body
    assert (await gateway.recorded()).code == "identity_required"


async def test_a_good_ticket_beside_a_forged_one_opens_nothing(gateway: Gateway) -> None:
    good = ticket(said(host="localhost", port=gateway.port))
    assert (await gateway.raw(good, "forged", "GET", f"localhost:{gateway.port}")).status == 403


async def test_the_hop_is_no_proxy_for_who_has_no_ticket(gateway: Gateway) -> None:
    place = f"localhost:{gateway.port}"
    for line in (f"GET http://{place}/ HTTP/1.1", f"CONNECT {place} HTTP/1.1", "GET /openai/v1/models HTTP/1.1"):
        got = await ask(gateway.hop, f"{line}\r\nHost: {place}\r\n\r\n".encode())
        assert got.status == 403


async def test_a_target_in_absolute_form_is_refused_even_with_a_ticket(gateway: Gateway) -> None:
    place = f"localhost:{gateway.port}"
    shown = ticket(said(host="localhost", port=gateway.port), "GET", f"http://{place}/")
    got = await ask(
        gateway.hop, f"GET http://{place}/ HTTP/1.1\r\nHost: {place}\r\nx-lockgate-hop: {shown}\r\n\r\n".encode()
    )
    assert got.status == 400


async def test_a_ticket_means_nothing_on_any_other_listener_and_is_refused_there(gateway: Gateway) -> None:
    """Not even a good one."""
    place = f"localhost:{gateway.port}"
    lines = {
        gateway.base_url: ("GET /up/ HTTP/1.1", "GET"),
        gateway.proxy: (f"GET http://{place}/ HTTP/1.1", "GET"),
        gateway.admin: ("GET /status HTTP/1.1", "GET"),
    }
    for at, (line, method) in lines.items():
        for text in ("forged", ticket(said(host="localhost", port=gateway.port), method)):
            got = await ask(at, f"{line}\r\nHost: {place}\r\nX-Lockgate-Hop: {text}\r\n\r\n".encode())
            assert got.status == 403
            assert FORGED in got.body.decode()
    connect = f"CONNECT {place} HTTP/1.1\r\nHost: {place}\r\nx-lockgate-hop: forged\r\n\r\n"
    got = await ask(gateway.proxy, connect.encode())
    assert got.status == 403
    assert FORGED in got.body.decode()
