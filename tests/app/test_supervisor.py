"""A gateway of several workers, with real processes and sockets."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from gateway import audit, keys, resources, verify
from gateway.app import AUDIT_KEY, child, sharing
from gateway.app import post as posts
from gateway.app import supervisor as supervision
from gateway.app.post import State
from gateway.app.supervisor import Supervisor
from gateway.errors import ConfigError, InternalError, LockgateError
from gateway.stops.decision import EVERYTHING
from gateway.units import address
from tests.app.supervised import (
    LIMIT,
    Admin,
    Running,
    Streaming,
    alive,
    eventually,
    running,
    with_workers,
)
from tests.app.test_alone import ENVIRON, RULE, SECRET, configured, saying
from tests.serve.loopback import ask, dialled, upstream_of
from tests.serve.test_base_url import request
from tests.serve.tickets import said as tickets_said
from tests.serve.tickets import ticket
from tests.services import redis


@pytest.fixture(autouse=True)
def _shared(monkeypatch: pytest.MonkeyPatch) -> None:
    """No limit is configured here, so there is nothing to be counted in one place; and nobody pauses for long."""
    monkeypatch.setattr(sharing, "shares_state", lambda config: True)
    monkeypatch.setattr(posts, "FIRST_PAUSE", 0.05)


@pytest.fixture
def upstream() -> Streaming:
    return Streaming()


async def fine(_: web.BaseRequest) -> web.StreamResponse:
    return web.json_response({})


def reports(folder: Path) -> dict[str, verify.Report]:
    """What is found about each chain, by the name of its folder."""
    key = keys.derive(SECRET.encode(), AUDIT_KEY)
    return {path.name: report for path, report in verify.verify_all(folder / "state" / "audit", key).items()}


def recorded(folder: Path) -> list[dict[str, Any]]:
    """All exchanges in the audit of all workers."""
    lines = verify.tail(folder / "state" / "audit", 10_000)
    return [record for line in lines if "event" not in (record := json.loads(line)["record"])]


async def test_workers_serve_as_one_gateway(tmp_path: Path) -> None:
    async with (
        upstream_of(fine) as base,
        running(with_workers(configured(tmp_path, base))) as gateway,
    ):
        refused = await ask(gateway.base_url, saying("alohomora"))
        assert (refused.status, refused.all("x-lockgate-findings")) == (400, ["first=1"])
        assert {(await ask(gateway.base_url, saying("hello"))).status for _ in range(7)} == {200}
        assert (await gateway.get("/healthz")).status == 200
        assert await gateway.counted("lockgate_exchanges_total") == 8
        assert await gateway.counted("lockgate_inspection_seconds_count") == 8
        assert await gateway.counted("lockgate_ruleset_info") == 1
        assert await gateway.counted("lockgate_worker_up") == 2
        status = await gateway.status()
        assert (status["ready"], status["in_flight"], status["amiss"]) == (True, 0, [])
        assert status["listeners"]["base_url"] == str(gateway.base_url)
        assert status["rules"]["count"] == 1
        states = [(one["worker"], one["state"], one["ready"], one["restarts"]) for one in status["workers"]]
        assert states == [(1, "serving", True, 0), (2, "serving", True, 0)]
        assert {one["digest"] for one in status["workers"]} == {status["rules"]["digest"]}
        await _name_who_does_not_answer(gateway)
    assert len(recorded(tmp_path)) == 8
    assert {name: report.is_intact for name, report in reports(tmp_path).items()} == {
        "worker-1": True,
        "worker-2": True,
    }


async def _name_who_does_not_answer(gateway: Running) -> None:
    """What a worker counted stays in the sum, too."""
    async with gateway.only(1):
        got = await gateway.get("/readyz")
        assert (got.status, got.body) == (200, b"ready\nworker 2: does not answer\n")
        assert await gateway.counted("lockgate_exchanges_total") == 8
        assert (await gateway.workers())[1]["digest"] is None
        async with gateway.only(2):  # which is stopped: nobody is left
            assert (await gateway.get("/readyz")).status == 503
    await eventually(gateway.is_whole)


async def test_a_killed_worker_takes_its_own_streams_with_it_and_nothing_else(
    tmp_path: Path, upstream: Streaming
) -> None:
    async with (
        upstream_of(upstream) as base,
        running(with_workers(configured(tmp_path, base))) as gateway,
        gateway.stream_of(1) as (lost, _),
        gateway.stream_of(2) as (kept, _),
    ):
        await eventually(lambda: _is(gateway, "lockgate_in_flight", 2))
        first, second = await gateway.pids()
        os.kill(first or 0, signal.SIGKILL)
        async with asyncio.timeout(LIMIT):
            assert await lost.read() == b""
            upstream.permits.set()
            assert await kept.readuntil(b"last\r\n")
        assert (await ask(gateway.base_url, request("GET /up/y"))).status == 200
        await eventually(gateway.is_whole)
        workers = await gateway.workers()
    assert [one["restarts"] for one in workers] == [1, 0]
    assert workers[0]["last_end"] == "it was killed by SIGKILL"
    assert workers[0]["pid"] != first
    assert workers[1]["pid"] == second
    assert not alive(first or 0)


async def _is(gateway: Running, name: str, value: float) -> bool:
    return await gateway.counted(name) == value


async def test_counters_never_fall_and_no_record_is_lost_when_a_worker_is_killed(tmp_path: Path) -> None:
    async with (
        upstream_of(fine) as base,
        running(with_workers(configured(tmp_path, base))) as gateway,
    ):
        for _ in range(20):
            assert (await ask(gateway.base_url, saying("hello"))).status == 200
        assert await gateway.counted("lockgate_exchanges_total") == 20  # asking is what makes it known
        os.kill(gateway.pid(1), signal.SIGKILL)
        while not await gateway.is_whole():
            assert await gateway.counted("lockgate_exchanges_total") >= 20
            assert await gateway.counted("lockgate_inspection_seconds_count") >= 20
        os.kill(gateway.pid(2), signal.SIGKILL)
        await eventually(lambda: _is(gateway, "lockgate_worker_restarts_total", 2))
        await eventually(gateway.is_whole)
        assert (await ask(gateway.base_url, saying("hello"))).status == 200
        assert await gateway.counted("lockgate_exchanges_total") == 21
    assert len(recorded(tmp_path)) == 21
    assert all(report.is_intact for report in reports(tmp_path).values())


async def test_a_worker_that_is_told_to_end_says_what_it_counted_last(tmp_path: Path, upstream: Streaming) -> None:
    async with (
        upstream_of(upstream) as base,
        running(with_workers(configured(tmp_path, base))) as gateway,
        gateway.stream_of(1) as (reader, _),
    ):
        os.kill(gateway.pid(1), signal.SIGTERM)
        upstream.permits.set()
        async with asyncio.timeout(LIMIT):
            await reader.readuntil(b"last\r\n")

        async def ended() -> bool:
            return bool((await gateway.workers())[0]["last_end"] == "it ended with 0")

        await eventually(ended)
        await eventually(gateway.is_whole)
        assert await gateway.counted("lockgate_exchanges_total") == 1


async def test_a_reload_leaves_streams_alone_and_reaches_all_workers(tmp_path: Path, upstream: Streaming) -> None:
    async with upstream_of(upstream) as base:
        path = with_workers(configured(tmp_path, base))
        path.write_text(path.read_text().replace("[rules]", "[rules]\nreload = false"))
        pack = tmp_path / "rules" / "own.toml"
        async with (
            running(path) as gateway,
            gateway.stream_of(1) as (first, _),
            gateway.stream_of(2) as (second, _),
        ):
            before = (await gateway.status())["rules"]["digest"]
            pack.write_text(RULE.format(id="second", word="sesame"))
            gateway.supervisor.reload()
            await eventually(lambda: _digests(gateway, 1, but=before))
            upstream.permits.set()
            async with asyncio.timeout(LIMIT):
                await first.readuntil(b"last\r\n")
                await second.readuntil(b"last\r\n")
            assert {(await ask(gateway.base_url, saying("sesame"))).status for _ in range(4)} == {400}
            pack.write_text("not toml")
            gateway.supervisor.reload()
            await eventually(lambda: _have_problems(gateway))
            assert {(await ask(gateway.base_url, saying("sesame"))).status for _ in range(4)} == {400}
            assert await gateway.is_whole()
            assert [one["restarts"] for one in await gateway.workers()] == [0, 0]


async def _digests(gateway: Running, count: int, but: str) -> bool:
    found = {one["digest"] for one in await gateway.workers()}
    return len(found) == count and but not in found


async def _have_problems(gateway: Running) -> bool:
    return all(one["reload"]["problems"] for one in await gateway.workers())


async def test_a_worker_that_starts_again_keeps_to_what_the_gateway_began_with(tmp_path: Path) -> None:
    path = with_workers(configured(tmp_path, "http://127.0.0.1:1"))
    path.write_text(path.read_text().replace("[rules]", "[rules]\nreload = false"))
    async with running(path) as gateway:
        path.write_text(path.read_text() + "[audit]\nenabled = false\n")
        (tmp_path / "rules" / "own.toml").write_text(RULE.format(id="second", word="sesame"))
        os.kill(gateway.pid(1), signal.SIGKILL)

        async def rules_differ() -> bool:
            return (await gateway.get("/readyz")).body == b"ready\nthe workers judge by different rules\n"

        await eventually(rules_differ)
        gateway.supervisor.reload()
        await eventually(gateway.is_whole)
        await ask(gateway.base_url, saying("hello"))
        waiting = [one["reload"]["needs_restart"] for one in await gateway.workers()]
    assert waiting == [["audit.enabled"], ["audit.enabled"]]
    assert len(recorded(tmp_path)) == 1


async def test_one_that_cannot_start_again_is_named_and_the_others_go_on(tmp_path: Path) -> None:
    path = with_workers(configured(tmp_path, "http://127.0.0.1:1"))
    async with running(path) as gateway:
        pack = tmp_path / "rules" / "own.toml"
        good = pack.read_text()
        pack.write_text("not toml")
        os.kill(gateway.pid(1), signal.SIGKILL)

        async def is_told() -> bool:
            got = await gateway.get("/readyz")
            return got.status == 200 and b"worker 1: to be started again; it ended with 2\n" in got.body

        await eventually(is_told)
        assert b"own.toml" in (await gateway.get("/readyz")).body
        assert (await ask(gateway.base_url, saying("alohomora"))).status == 400
        pack.write_text(good)
        await eventually(gateway.is_whole)


# --- what keeps it from starting


async def test_an_address_in_use_is_said_before_a_worker_starts(tmp_path: Path) -> None:
    path = with_workers(configured(tmp_path, "http://127.0.0.1:1"))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        at = f"127.0.0.1:{taken.getsockname()[1]}"
        path.write_text(path.read_text().replace('[proxy]\nlisten = "127.0.0.1:0"', f'[proxy]\nlisten = "{at}"'))
        supervisor = Supervisor(path, ENVIRON)
        with pytest.raises(ConfigError, match=rf"proxy\.listen: cannot listen on {at}: address already in use"):
            await supervisor.open()
    assert supervisor.posts == []


async def test_what_keeps_the_workers_from_starting_keeps_the_gateway(tmp_path: Path) -> None:
    path = with_workers(configured(tmp_path, "http://127.0.0.1:1"))
    (tmp_path / "rules" / "own.toml").write_text("not toml")
    supervisor = Supervisor(path, {**os.environ, **ENVIRON})
    with pytest.raises(ConfigError, match=r"own\.toml"):
        await supervisor.open()
    assert [post.pid for post in supervisor.posts] == [None, None]


async def test_a_gateway_without_a_worker_that_can_serve_does_not_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(child, "WORKER", ("-c", "import sys; sys.exit(5)"))
    supervisor = Supervisor(with_workers(configured(tmp_path, "http://127.0.0.1:1")), {**os.environ, **ENVIRON})
    with pytest.raises(InternalError, match="no worker can be started; the last that was tried: it ended with 5"):
        await supervisor.open()
    assert [post.state for post in supervisor.posts] == [State.ENDED, State.ENDED]


async def test_a_worker_that_never_serves_keeps_no_other_from_serving(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = with_workers(configured(tmp_path, "http://127.0.0.1:1"))
    second_ends = (
        "import sys; from gateway.app import orders, worker; real = orders.Received.of; "
        "orders.Received.of = lambda sent: real(sent) if sent['number'] == 1 else sys.exit(7); worker.main()"
    )
    monkeypatch.setattr(child, "WORKER", ("-c", second_ends))
    supervisor = Supervisor(path, {**os.environ, **ENVIRON})
    await supervisor.open()
    try:
        admin = Admin(address(supervisor.listeners["admin"]))

        async def is_ready() -> bool:
            # The other worker is not before its pre-filter is compiled, for which a busy machine takes a while.
            return (await admin.get("/readyz")).status == 200

        await eventually(is_ready)
        assert b"worker 2: " in (await admin.get("/readyz")).body
        assert await admin.counted("lockgate_worker_up") == 1
    finally:
        await supervisor.close()


async def test_a_worker_that_does_not_end_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with running(with_workers(configured(tmp_path, "http://127.0.0.1:1"))) as gateway:
        monkeypatch.setattr(supervision, "END", 0.2)
        pids = [gateway.pid(1), gateway.pid(2)]
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
    assert not any(alive(pid) for pid in pids)


async def test_two_gateways_cannot_have_one_audit(tmp_path: Path) -> None:
    path = with_workers(configured(tmp_path, "http://127.0.0.1:1"))
    claim = audit.claim(tmp_path / "state" / "audit")
    try:
        with pytest.raises(LockgateError, match="another gateway writes to the audit folder"):
            await Supervisor(path, ENVIRON).open()
    finally:
        os.close(claim)


def test_workers_that_share_nothing_are_refused_with_the_line_to_add(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    with pytest.raises(ConfigError) as raised:
        Supervisor(with_workers(configured(tmp_path, "http://127.0.0.1:1"), 3), ENVIRON)
    said = "gateway.workers: 3 workers need one store for what they count"
    assert raised.value.problems == (f'{said}; add `url = "redis://127.0.0.1:6379"` under [store], or take 1',)


def test_windows_has_one_worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(ConfigError, match=r"gateway\.workers: 2 are too many for Windows; accepted: 1"):
        Supervisor(with_workers(configured(tmp_path, "http://127.0.0.1:1")), ENVIRON)


# --- how it ends


async def test_draining_lets_the_streams_of_all_workers_end(tmp_path: Path, upstream: Streaming) -> None:
    async with (
        upstream_of(upstream) as base,
        running(with_workers(configured(tmp_path, base))) as gateway,
        gateway.stream_of(1) as (first, _),
        gateway.stream_of(2) as (second, _),
    ):
        pids = await gateway.pids()
        draining = asyncio.create_task(gateway.supervisor.drain())

        async def is_told() -> bool:
            got = await gateway.get("/readyz")
            return got.status == 503 and got.body == b"draining\n"

        await eventually(is_told)
        await eventually(lambda: _is_shut(gateway))
        upstream.permits.set()
        async with asyncio.timeout(LIMIT):
            await first.readuntil(b"last\r\n")
            await second.readuntil(b"last\r\n")
            await draining
    assert not any(alive(pid or 0) for pid in pids)
    assert len(recorded(tmp_path)) == 2
    assert all(report.is_intact for report in reports(tmp_path).values())


async def _is_shut(gateway: Running) -> bool:
    """Whether the system refuses connections."""
    try:
        async with dialled(gateway.base_url):
            return False
    except ConnectionRefusedError:
        return True


async def test_closing_cuts_streams_and_leaves_no_process(tmp_path: Path, upstream: Streaming) -> None:
    async with AsyncExitStack() as stack:
        base = await stack.enter_async_context(upstream_of(upstream))
        async with running(with_workers(configured(tmp_path, base, "600s"))) as gateway:
            reader, _ = await stack.enter_async_context(gateway.stream_of(1))
            pids = await gateway.pids()
        async with asyncio.timeout(LIMIT):
            assert await reader.read() == b""
    assert not any(alive(pid or 0) for pid in pids)


# --- what workers share


async def test_workers_share_limits_and_stops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    with redis.single(tmp_path / "redis") as server:
        async with upstream_of(fine) as base:
            path = with_workers(configured(tmp_path, base))
            store = f'[store]\nurl = "redis://127.0.0.1:{server.port}/0"\ntimeout = "5s"\n'
            path.write_text(f'{path.read_text()}{store}[limits.few]\nrequests = 3\nper = "1h"\n')
            async with running(path) as gateway:
                async with gateway.only(1):
                    assert [(await ask(gateway.base_url, saying("hi"))).status for _ in range(2)] == [200, 200]
                async with gateway.only(2):
                    assert [(await ask(gateway.base_url, saying("hi"))).status for _ in range(2)] == [200, 429]
                os.kill(gateway.pid(2), signal.SIGKILL)
                await eventually(lambda: _is(gateway, "lockgate_worker_restarts_total", 1))
                await eventually(gateway.is_whole)
                async with gateway.only(2):
                    assert (await ask(gateway.base_url, saying("hi"))).status == 429
                await gateway.supervisor.switch.decide(EVERYTHING, stopped=True, why="test", by="test")

                async def both_refuse() -> bool:
                    found = set()
                    for number in (1, 2):
                        async with gateway.only(number):
                            found.add((await ask(gateway.base_url, saying("hi"))).status)
                    return found == {503}

                await eventually(both_refuse)


# --- mitmproxy


async def test_there_is_one_mitmproxy_and_each_of_its_tickets_is_good_for_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in = tmp_path / "host.py"
    said = "[os.environ['LOCKGATE_HOP'], os.environ['LOCKGATE_HOP_KEY'], str('ADMIN_TOKEN' in os.environ)]"
    stand_in.write_text(f"import json, os, sys; print(json.dumps({said}), flush=True); sys.stdin.read()")
    monkeypatch.setattr(resources, "addon", lambda name: stand_in)
    async with upstream_of(fine) as base:
        path = with_workers(configured(tmp_path, base))
        port = int(base.rpartition(":")[2])
        async with running(path, modes=("regular",)) as gateway:
            status = await gateway.status()
            hop, key, knows_a_secret = status["mitmproxy"]["listening"]
            assert (hop, knows_a_secret) == (status["listeners"]["hop"], "False")
            shown = ticket(tickets_said(host="127.0.0.1", port=port), key=bytes.fromhex(key))
            raw = f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nx-lockgate-hop: {shown}\r\n\r\n"
            taken = [(await ask(address(hop), raw.encode())).status for _ in range(8)]
            assert taken == [200, *[403] * 7]
            mitmproxy = status["mitmproxy"]["pid"]
            os.kill(mitmproxy, signal.SIGKILL)

            async def is_told() -> bool:
                return b"mitmproxy does not run" in (await gateway.get("/readyz")).body

            await eventually(is_told)
            await eventually(gateway.is_whole)
