from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import pytest

from gateway.serve.admin import Admin, Readiness, View
from gateway.serve.identity import Site
from gateway.serve.listener import Listener
from gateway.serve.metrics import Metrics
from gateway.units import Address
from tests.serve.loopback import ANY_PORT, ask
from tests.serve.test_base_url import request


def view(unready: tuple[str, ...] = (), amiss: tuple[str, ...] = ()) -> View:
    """What a gateway with three exchanges under way shows."""

    async def metrics() -> bytes:
        return Metrics(lambda: 3).text()

    async def readiness() -> Readiness:
        return Readiness(unready, amiss)

    async def status() -> Mapping[str, object]:
        return {"version": "1"}

    return View(metrics, readiness, status)


@asynccontextmanager
async def admin(token: str | None = None, shown: View | None = None) -> AsyncIterator[Address]:
    listener = Listener(Admin(shown or view(), Site(), token))
    address = await listener.start(ANY_PORT)
    try:
        yield address
    finally:
        await listener.close()


async def test_health_and_readiness_are_open() -> None:
    async with admin(token="t") as address:
        assert (await ask(address, request("GET /healthz"))).body == b"alive\n"
        assert (await ask(address, request("GET /readyz"))).body == b"ready\n"


async def test_readiness_tells_why_not() -> None:
    async with admin(shown=view(unready=("draining",))) as address:
        got = await ask(address, request("GET /readyz"))
    assert (got.status, got.body) == (503, b"draining\n")


async def test_what_is_amiss_is_told_to_who_asks_whether_it_is_ready() -> None:
    async with admin(shown=view(amiss=("worker 2: starting",))) as address:
        got = await ask(address, request("GET /readyz"))
    assert (got.status, got.body) == (200, b"ready\nworker 2: starting\n")


async def test_metrics_and_status() -> None:
    async with admin() as address:
        metrics = await ask(address, request("GET /metrics"))
        status = await ask(address, request("GET /status"))
    assert b"lockgate_in_flight 3.0" in metrics.body
    assert json.loads(status.body) == {"version": "1"}


@pytest.mark.parametrize("page", ["/metrics", "/status"])
@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ((), 401),
        (("Authorization: Bearer wrong",), 401),
        (("Authorization: Basic secret",), 401),
        (("Authorization: Bearer secret",), 200),
    ],
)
async def test_the_token_is_asked_for(page: str, fields: tuple[str, ...], status: int) -> None:
    async with admin(token="secret") as address:
        assert (await ask(address, request(f"GET {page}", *fields))).status == status


@pytest.mark.parametrize(
    ("line", "host", "fields", "status"),
    [
        ("GET /healthz", "evil.example", (), 403),
        ("GET /healthz", "localhost", ("Origin: https://evil.example",), 403),
        ("GET /", "localhost", (), 404),
        ("POST /healthz", "localhost", (), 405),
    ],
)
async def test_what_is_not_served(line: str, host: str, fields: tuple[str, ...], status: int) -> None:
    async with admin() as address:
        assert (await ask(address, request(line, *fields, host=host))).status == status
