from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from gateway.serve.admin import Admin, View
from gateway.serve.identity import Site
from gateway.serve.listener import Listener
from gateway.serve.metrics import Metrics
from gateway.units import Address
from tests.serve.loopback import ANY_PORT, ask
from tests.serve.test_base_url import request


@asynccontextmanager
async def admin(token: str | None = None, unready: tuple[str, ...] = ()) -> AsyncIterator[Address]:
    view = View(Metrics(lambda: 3), lambda: unready, lambda: {"version": "1"})
    listener = Listener(Admin(view, Site(), token))
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
    async with admin(unready=("draining",)) as address:
        got = await ask(address, request("GET /readyz"))
    assert (got.status, got.body) == (503, b"draining\n")


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
