"""The gateway as one process: what it says, how it reloads, and how it ends."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from aiohttp import ClientSession, web
from structlog.typing import FilteringBoundLogger

from gateway import keys, record, verify
from gateway.app import AUDIT_KEY, serve_in_process
from gateway.app import service as service_part
from gateway.errors import ConfigError
from gateway.reload import Loader
from tests.serve.loopback import ANY_PORT, ask, dialled, until, upstream_of
from tests.serve.test_base_url import Echo, request

SECRET = "a secret of sixteen and more characters"
ENVIRON = {"LOCKGATE_SECRET": SECRET, "ADMIN_TOKEN": "token"}

CONFIG = """
[gateway]
listen = "127.0.0.1:0"
secret_env = "LOCKGATE_SECRET"
state_dir = "state"
drain = "{drain}"
[proxy]
listen = "127.0.0.1:0"

[admin]
listen = "127.0.0.1:0"
token_env = "ADMIN_TOKEN"
[rules]
packs = []
folders = ["rules"]
[upstreams.up]
dialect = "http"
base_url = "{base_url}"
"""

RULE = """
[[rule]]
id = "{id}"
why = "a test"
category = "secret.test"
severity = "critical"
words = ["{word}"]
hits = ["say {word}", "{word}"]
misses = ["say it", "nothing"]
"""


def configured(folder: Path, base_url: str, drain: str = "5s") -> Path:
    path = folder / "lockgate.toml"
    path.write_text(CONFIG.format(base_url=base_url, drain=drain), encoding="utf-8")
    (folder / "rules").mkdir(exist_ok=True)
    (folder / "rules" / "own.toml").write_text(RULE.format(id="first", word="alohomora"), encoding="utf-8")
    return path


def saying(text: str) -> bytes:
    return request("POST /up/x", "Content-Type: application/json", body=json.dumps({"text": text}).encode())


async def test_a_gateway_in_this_process_judges_and_records(tmp_path: Path) -> None:
    async with (
        upstream_of(Echo(web.json_response({}))) as base,
        serve_in_process(configured(tmp_path, base), ENVIRON, follow=False) as service,
    ):
        assert (await ask(service.address, saying("hello"))).status == 200
        refused = await ask(service.address, saying("alohomora"))
        status = service.status()
        ready = service.unready()
    assert (refused.status, refused.all("x-lockgate-findings")) == (400, ["first=1"])
    assert b"secret_blocked" in refused.body
    assert (status["rules"], ready) == ({"count": 1, "digest": status["rules"]["digest"]}, ())  # type: ignore[index]  # JSON
    report = verify.verify(tmp_path / "state" / "audit", keys.derive(SECRET.encode(), AUDIT_KEY))
    assert (report.is_intact, report.lines) == (True, 4)


async def test_admin_asks_for_the_token_and_shows_the_status(tmp_path: Path) -> None:
    async with serve_in_process(configured(tmp_path, "http://127.0.0.1:1"), ENVIRON, follow=False) as service:
        assert (await ask(service.admin, request("GET /readyz"))).status == 200
        assert (await ask(service.admin, request("GET /status"))).status == 401
        got = await ask(service.admin, request("GET /status", "Authorization: Bearer token"))
    status = json.loads(got.body)
    assert status["listeners"] == {
        "base_url": str(service.address),
        "proxy": str(service.proxy),
        "hop": None,
        "admin": str(service.admin),
    }
    assert status["upstreams"]["up"] == {"dialect": "http", "base_url": "http://127.0.0.1:1", "key": "the client's"}
    assert any(row["path"] == "*" for row in status["coverage"])
    assert status["proxy"]["ca"]["folder"] == str(tmp_path / "state" / "ca")
    assert datetime.fromisoformat(status["proxy"]["ca"]["not_after"]) > datetime.now(UTC)
    assert {row["entry"]: row["hosts"] for row in status["egress"]}["upstreams.up"] == ["127.0.0.1"]
    assert status["agents"] == {}


async def test_an_edited_pack_is_live_and_a_broken_one_changes_nothing(tmp_path: Path) -> None:
    async with upstream_of(Echo(web.json_response({}))) as base:
        path = configured(tmp_path, base)
        async with serve_in_process(path, ENVIRON) as service:
            pack = tmp_path / "rules" / "own.toml"
            first = service.loader.status.digest
            pack.write_text(RULE.format(id="second", word="sesame"), encoding="utf-8")
            await until(lambda: service.loader.status.digest != first)
            assert (await ask(service.address, saying("sesame"))).status == 400
            assert (await ask(service.address, saying("alohomora"))).status == 200
            pack.write_text("not toml", encoding="utf-8")
            await until(lambda: bool(service.loader.status.problems))
            assert (await ask(service.address, saying("sesame"))).status == 400


async def test_a_watcher_that_fails_is_shown_and_begun_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, failures = Loader.watch, [OSError("gone"), RuntimeError("gone too")]

    async def watch(loader: Loader) -> None:
        if failures:
            raise failures.pop(0)
        await real(loader)

    def broken() -> FilteringBoundLogger:
        raise ValueError("the log is closed")

    monkeypatch.setattr(Loader, "watch", watch)
    monkeypatch.setattr(service_part, "RETRY", 0.1)
    monkeypatch.setattr(record, "log", broken)
    async with serve_in_process(configured(tmp_path, "http://127.0.0.1:1"), ENVIRON) as service:
        await until(lambda: any("edited files are not followed: OSError: gone" in why for why in service.unready()))
        reload = service.status()["reload"]
        assert isinstance(reload, dict)
        assert (reload["fault"], reload["restarts"]) == ("OSError: gone", 1)
        await until(lambda: not failures and not any("not followed" in why for why in service.unready()))
        monkeypatch.undo()
        first = service.loader.status.digest
        (tmp_path / "rules" / "own.toml").write_text(RULE.format(id="second", word="sesame"), encoding="utf-8")
        await until(lambda: service.loader.status.digest != first)


async def test_a_watcher_with_nothing_to_watch_is_no_fault(tmp_path: Path) -> None:
    path = configured(tmp_path, "http://127.0.0.1:1")
    path.write_text(path.read_text(encoding="utf-8").replace("[rules]", "[rules]\nreload = false"), encoding="utf-8")
    async with serve_in_process(path, ENVIRON) as service:
        await until(lambda: service.status()["ready"] is True)
        assert service.loader.status.problems == ()


async def test_a_reload_whose_ca_file_is_broken_changes_nothing(tmp_path: Path) -> None:
    path = configured(tmp_path, "http://127.0.0.1:1")
    async with serve_in_process(path, ENVIRON, follow=False) as service:
        with path.open("a", encoding="utf-8") as file:
            file.write('ca_file = "none.pem"\n')
        await service.loader.reload_now()
        assert b"lockgate_reload_failures_total 1.0" in service.metrics.text()
        assert service.status()["ready"]


async def test_a_proxy_without_a_port_says_that_it_can_be_done_without(tmp_path: Path) -> None:
    path = configured(tmp_path, "http://127.0.0.1:1")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        at = f"127.0.0.1:{taken.getsockname()[1]}"
        path.write_text(path.read_text().replace('[proxy]\nlisten = "127.0.0.1:0"', f'[proxy]\nlisten = "{at}"'))
        with pytest.raises(ConfigError) as raised:
            async with serve_in_process(path, ENVIRON, follow=False):
                pass
    (problem,) = raised.value.problems
    assert problem.startswith(f"proxy.listen: cannot listen on {at}: address already in use; ")
    assert problem.endswith(", or do without the proxy: `enabled = false` under [proxy]")


async def test_an_address_in_use_ends_the_start_in_order(tmp_path: Path) -> None:
    path = configured(tmp_path, "http://127.0.0.1:1")
    async with serve_in_process(path, ENVIRON, follow=False) as service:
        other = tmp_path / "other"
        other.mkdir()
        with pytest.raises(ConfigError, match=r"gateway\.listen: cannot listen on"):
            async with serve_in_process(
                configured(other, "http://127.0.0.1:1"), ENVIRON, service.address, follow=False
            ):
                pass


async def test_an_audit_fault_makes_it_unready(tmp_path: Path) -> None:
    async with serve_in_process(configured(tmp_path, "http://127.0.0.1:1"), ENVIRON, follow=False) as service:
        service.ledger.fault = "disk full"
        assert service.unready() == ("the audit cannot be written: disk full",)


async def test_draining_lets_an_answer_end(tmp_path: Path) -> None:
    gate = asyncio.Event()

    async def slow(_: web.BaseRequest) -> web.StreamResponse:
        await gate.wait()
        return web.json_response({})

    async with (
        upstream_of(slow) as base,
        serve_in_process(configured(tmp_path, base), ENVIRON, follow=False) as service,
    ):
        waiting = asyncio.create_task(ask(service.address, saying("hello")))
        await until(lambda: service.status()["in_flight"] == 1)
        draining = asyncio.create_task(service.drain())
        await asyncio.sleep(0.05)
        assert service.unready() == ("not listening, or draining",)
        gate.set()
        got = await waiting
        await draining
    assert (got.status, got.all("connection")) == (200, ["close"])


async def test_draining_cuts_what_does_not_end(tmp_path: Path) -> None:
    async def endless(got: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/octet-stream"})
        await response.prepare(got)
        await response.write(b"\x00first")
        await asyncio.sleep(30)
        return response

    async with upstream_of(endless) as base:
        path = configured(tmp_path, base, drain="50ms")
        async with (
            serve_in_process(path, ENVIRON, follow=False) as service,
            dialled(service.address) as (reader, writer),
        ):
            writer.write(request("GET /up/x"))
            await reader.readuntil(b"first\r\n")
            async with asyncio.timeout(5):
                await service.drain()
                assert await reader.read() == b""
    tail = json.loads(verify.tail(tmp_path / "state" / "audit", 2)[0])
    assert tail["record"]["fault"] == "shutdown: cut after the drain period"


# --- as a process


@asynccontextmanager
async def process(path: Path, before: str = "") -> AsyncIterator[tuple[asyncio.subprocess.Process, str, list[str]]]:
    """`lockgate run`, its base URL, and what it logs. `before` is Python that runs first."""
    started = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        f"{before}from gateway.cli import main; main()",
        "run",
        "--config",
        str(path),
        env={**os.environ, **ENVIRON},
        stderr=asyncio.subprocess.PIPE,
    )
    assert started.stderr is not None
    lines: list[str] = []

    async def read() -> None:
        assert started.stderr is not None
        while line := await started.stderr.readline():
            lines.append(line.decode())

    reading = asyncio.create_task(read())
    try:
        async with asyncio.timeout(30):
            while not any("listening" in line for line in lines):
                assert started.returncode is None
                await asyncio.sleep(0.02)
        found = re.search(r"base_url='(http://[^']+)'", "".join(lines))
        assert found is not None
        yield started, found[1], lines
    finally:
        if started.returncode is None:
            started.kill()
        await started.wait()
        await reading


async def test_sigterm_drains_and_ends_well(tmp_path: Path) -> None:
    gate = asyncio.Event()

    async def slow(got: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/octet-stream"})
        await response.prepare(got)
        await response.write(b"\x00first")
        await gate.wait()
        await response.write(b"last")
        return response

    async with (
        upstream_of(slow) as base,
        process(configured(tmp_path, base)) as (running, url, lines),
        ClientSession() as client,
    ):
        async with client.get(f"{url}/up/x") as response:
            assert await response.content.readany() == b"\x00first"
            running.send_signal(signal.SIGHUP)
            running.send_signal(signal.SIGTERM)
            await until(lambda: any("draining" in line for line in lines))
            gate.set()
            assert await response.content.read() == b"last"
        async with asyncio.timeout(20):
            assert await running.wait() == 0
    assert any("stopped" in line for line in lines)


async def test_a_second_signal_ends_at_once(tmp_path: Path) -> None:
    async def endless(got: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(got)
        await response.write(b"\x00first")
        await asyncio.sleep(60)
        return response

    async with (
        upstream_of(endless) as base,
        process(configured(tmp_path, base, "600s")) as (running, url, lines),
        ClientSession() as client,
        client.get(f"{url}/up/x"),
    ):
        running.send_signal(signal.SIGINT)
        await until(lambda: any("draining" in line for line in lines))
        running.send_signal(signal.SIGINT)
        async with asyncio.timeout(20):
            assert await running.wait() == 0


async def test_the_system_chooses_a_port_where_none_is_given(tmp_path: Path) -> None:
    path = configured(tmp_path, "http://127.0.0.1:1")
    async with serve_in_process(path, ENVIRON, ANY_PORT, follow=False) as service:
        assert service.address.port > 0
