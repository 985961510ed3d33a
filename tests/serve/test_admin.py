from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gateway.serve.admin import Admin, Readiness, View
from gateway.serve.identity import Site
from gateway.serve.listener import Listener
from gateway.serve.metrics import Metrics
from gateway.serve.pins import Pins
from gateway.stops.folder import FILE, Folder
from gateway.stops.switch import Switch
from gateway.units import Address
from tests.serve.loopback import ANY_PORT, Got, ask
from tests.serve.test_base_url import request


def view(
    unready: tuple[str, ...] = (), amiss: tuple[str, ...] = (), state: Path | None = None, pins: Pins | None = None
) -> View:
    """What a gateway with three exchanges under way shows. `state` is the folder of its stops."""

    async def metrics() -> bytes:
        return Metrics(lambda: 3).text()

    async def readiness() -> Readiness:
        return Readiness(unready, amiss)

    async def status() -> Mapping[str, object]:
        return {"version": "1"}

    switch = Switch(Folder(state or Path("/nonexistent")), None, lambda _: None)
    return View(metrics, readiness, status, switch, pins=pins)


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
    assert json.loads(status.body)["version"] == "1"


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


async def test_a_token_of_any_octets_is_a_wrong_one() -> None:
    async with admin(token="secret") as address:
        got = await ask(address, request("GET /status", "Authorization: Bearer ?").replace(b"?", b"\xff"))
    assert got.status == 401


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


class TestStops:
    def body(self, **fields: object) -> bytes:
        return json.dumps(fields).encode()

    async def post(self, address: Address, path: str, body: bytes, *fields: str) -> Got:
        shown = fields or ("Authorization: Bearer secret",)
        return await ask(address, request(f"POST {path}", *shown, body=body))

    async def test_a_stop_and_a_resume(self, tmp_path: Path) -> None:
        shown = view(state=tmp_path)
        async with admin("secret", shown) as address:
            got = await self.post(address, "/stop", self.body(scope="agent/research", why="it leaks", by="ops"))
            listed = await ask(address, request("GET /stops", "Authorization: Bearer secret"))
            status = await ask(address, request("GET /status", "Authorization: Bearer secret"))
            assert got.status == listed.status == 200
            [active] = json.loads(got.body)["active"]
            assert (active["scope"], active["why"], active["by"]) == ("agent/research", "it leaks", "ops")
            assert json.loads(listed.body) == json.loads(got.body) == json.loads(status.body)["stops"]
            assert Folder(tmp_path).load().against("research", "openai") is not None
            got = await self.post(address, "/resume", self.body(scope="agent/research"))
            assert json.loads(got.body)["active"] == []
        assert Folder(tmp_path).load().active == ()

    async def test_without_a_token_of_ours_nobody_may(self, tmp_path: Path) -> None:
        async with admin(None, view(state=tmp_path)) as address:
            got = await self.post(address, "/resume", self.body(scope="all"), "Authorization: Bearer secret")
        assert (got.status, b"`token_env` under [admin]" in got.body) == (403, True)
        assert not (tmp_path / FILE).exists()

    async def test_the_token_is_asked_for(self, tmp_path: Path) -> None:
        async with admin("secret", view(state=tmp_path)) as address:
            got = await self.post(address, "/resume", self.body(scope="all"), "Authorization: Bearer wrong")
        assert got.status == 401
        assert not (tmp_path / FILE).exists()

    @pytest.mark.parametrize(
        ("body", "why"),
        [
            (b"", "no decision; accepted"),
            (b"[]", "no decision; accepted"),
            (b'{"scope": "everyone"}', "is no scope; accepted: all"),
            (b'{"scope": "all", "why": 1}', "no decision; accepted"),
            (b'{"scope": "all", "until": "noon"}', "no decision; accepted"),
            (b"[" * 60_000, "no decision; accepted"),
            (b"x" * 70_000, "the body is over"),
        ],
    )
    async def test_a_body_that_is_no_decision_is_refused_with_the_form(
        self, tmp_path: Path, body: bytes, why: str
    ) -> None:
        async with admin("secret", view(state=tmp_path)) as address:
            got = await self.post(address, "/stop", body)
        assert (got.status, why in got.body.decode()) == (400, True)

    async def test_it_is_not_for_get(self) -> None:
        async with admin("secret") as address:
            got = await ask(address, request("GET /stop", "Authorization: Bearer secret"))
        assert (got.status, got.body) == (405, b"only POST is served here\n")

    async def test_a_stop_that_the_disk_does_not_take_says_where_it_holds(self, tmp_path: Path) -> None:
        (tmp_path / "state").write_text("a file where the folder should be")
        async with admin("secret", view(state=tmp_path / "state")) as address:
            stopped = await self.post(address, "/stop", self.body(scope="all"))
            resumed = await self.post(address, "/resume", self.body(scope="all"))
        assert (stopped.status, b"holds in this process alone" in stopped.body) == (500, True)
        assert (resumed.status, b"nothing was resumed" in resumed.body) == (500, True)
