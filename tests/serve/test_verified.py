"""What the certificates of hosts are verified by that are reached by proxy: roots of a configuration, on real TLS."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from aiohttp import web

from gateway.config import Secrets, parse
from gateway.detect.memory import VerdictMemory
from gateway.detect.ruleset import build
from gateway.serve.posture import Posture
from gateway.serve.posture import posture as configured
from gateway.trust.authority import made, pem
from tests.serve.loopback import Got
from tests.serve.proxying import OURS, THEIRS, Proxied, client_tls, origin, proxied, server_tls, tunnelled
from tests.serve.test_base_url import Echo

OTHERS = made((), datetime.now(UTC))
"""An authority that nobody trusts."""

EGRESS = """
[egress.up]
action = "inspect"
hosts = ["up.test"]
ports = [{port}]
addresses = ["127.0.0.1"]
"""
UPSTREAM = """
[upstreams.up]
dialect = "http"
base_url = "https://up.test:{port}"
"""


def by(text: str) -> Posture:
    """The posture of a configuration file."""
    return configured(
        parse(text, "test.toml"), Secrets({}, {}, None), build((), key=b"k"), b"k", VerdictMemory(16), b"l"
    )


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    """A file for each authority."""
    made_by = {"theirs": THEIRS, "others": OTHERS}
    for name, authority in made_by.items():
        (tmp_path / name).write_text(pem(authority.certificate), encoding="ascii")
    return {name: tmp_path / name for name in made_by}


@asynccontextmanager
async def reached(tables: str, host: str = "up.test") -> AsyncIterator[tuple[Got, Echo, Proxied]]:
    """What a client is answered that asks by proxy for a host whose certificate `THEIRS` has signed, for `host`."""
    echo = Echo(web.Response(text="hello"))
    async with origin(echo, server_tls(host)) as port, proxied(by(tables.replace("{port}", str(port)))) as proxy:
        place = f"up.test:{port}"
        async with tunnelled(proxy, place, tls=client_tls(OURS)) as wire:
            yield await wire.ask(f"GET /x HTTP/1.1\r\nHost: {place}\r\n\r\n".encode()), echo, proxy


def table(name: str, *lines: str) -> str:
    return "\n".join((f"[{name}]", *lines, ""))


@pytest.mark.parametrize(
    ("general", "own"),
    [
        ('ca_file = "{theirs}"', ""),
        ('ca_file = "{theirs}"', UPSTREAM),
        ("", UPSTREAM + 'ca_file = "{theirs}"'),
        ('ca_file = "{others}"', UPSTREAM + 'ca_file = "{theirs}"'),
        ("", UPSTREAM + "verify = false"),
    ],
    ids=["all, any host", "all, an upstream", "its own", "its own before all", "not verified"],
)
async def test_a_host_is_reached_whose_certificate_holds(general: str, own: str, files: dict[str, Path]) -> None:
    text = table("gateway", general) + EGRESS + own
    async with reached(written(text, files)) as (got, echo, proxy):
        record = await proxy.recorded()
    assert (got.status, got.body) == (200, b"hello")
    assert record.outcome == "forwarded"
    assert len(echo.seen) == 1


@pytest.mark.parametrize(
    ("general", "own"),
    [
        ("", ""),
        ("", UPSTREAM),
        ('ca_file = "{others}"', ""),
        ('ca_file = "{theirs}"', UPSTREAM + 'ca_file = "{others}"'),
    ],
    ids=["no root", "an upstream without", "another root", "its own root alone"],
)
async def test_a_host_is_not_reached_whose_certificate_does_not(general: str, own: str, files: dict[str, Path]) -> None:
    text = table("gateway", general) + EGRESS + own
    async with reached(written(text, files)) as (got, echo, proxy):
        record = await proxy.recorded()
    assert (got.status, record.status, record.outcome) == (502, 502, "failed")
    assert (record.fault or "").startswith("upstream.untrusted")
    assert b"certificate" in got.body
    assert echo.seen == []


async def test_a_certificate_for_another_name_does_not_hold(files: dict[str, Path]) -> None:
    text = table("gateway", 'ca_file = "{theirs}"') + EGRESS
    async with reached(written(text, files), host="other.test") as (got, echo, proxy):
        record = await proxy.recorded()
    assert (got.status, echo.seen) == (502, [])
    assert (record.fault or "").startswith("upstream.untrusted")


async def test_a_host_beside_an_upstream_that_is_not_verified_is(files: dict[str, Path]) -> None:
    """`verify = false` is for one upstream: another port of the same host is another server."""
    echo = Echo(web.Response(text="hello"))
    async with origin(echo, server_tls()) as port, origin(Echo(), server_tls()) as other:
        text = EGRESS.replace("[{port}]", f"[{port}, {other}]") + UPSTREAM.replace("{port}", str(other))
        async with proxied(by(text + "verify = false\n")) as proxy:
            place = f"up.test:{port}"
            async with tunnelled(proxy, place, tls=client_tls(OURS)) as wire:
                got = await wire.ask(f"GET /x HTTP/1.1\r\nHost: {place}\r\n\r\n".encode())
    assert (got.status, echo.seen) == (502, [])


def written(text: str, files: dict[str, Path]) -> str:
    for name, path in files.items():
        text = text.replace(f"{{{name}}}", str(path))
    return text
