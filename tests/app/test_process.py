"""The process of a gateway of several workers: its signals, and that no worker stays behind."""

from __future__ import annotations

import asyncio
import re
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import ClientSession

from gateway.units import address
from tests.app.supervised import LIMIT, Admin, Streaming, alive, eventually, with_workers
from tests.app.test_alone import RULE, configured, process, saying
from tests.serve.loopback import ask, upstream_of

SHARED = "from gateway.app import sharing; sharing.shares_state = lambda config: True; "
"""No limit is configured here, so there is nothing to be counted in one place."""


@asynccontextmanager
async def supervisor(path: Path) -> AsyncIterator[tuple[asyncio.subprocess.Process, str, list[str], Admin]]:
    """`lockgate run` with two workers: the process, its base URL, what it logs, and its admin listener."""
    async with process(with_workers(path), SHARED) as (started, url, lines):
        found = re.search(r"admin='http://([^']+)'", "".join(lines))
        assert found is not None
        yield started, url, lines, Admin(address(found[1]))


async def test_sigterm_drains_and_a_second_one_ends_at_once(tmp_path: Path) -> None:
    async with (
        upstream_of(Streaming()) as base,
        supervisor(configured(tmp_path, base, "600s")) as (running, url, lines, admin),
        ClientSession() as client,
        client.get(f"{url}/up/x"),
    ):
        pids = await admin.pids()
        running.send_signal(signal.SIGTERM)

        async def drains() -> bool:
            return any("draining" in line for line in lines)

        await eventually(drains)
        running.send_signal(signal.SIGTERM)
        async with asyncio.timeout(LIMIT):
            assert await running.wait() == 0
    assert not any(alive(pid or 0) for pid in pids)
    assert any("stopped" in line for line in lines)


async def test_sighup_reaches_all_workers(tmp_path: Path) -> None:
    path = configured(tmp_path, "http://127.0.0.1:1")
    path.write_text(path.read_text().replace("[rules]", "[rules]\nreload = false"))
    async with supervisor(path) as (running, url, lines, _):
        (tmp_path / "rules" / "own.toml").write_text(RULE.format(id="second", word="sesame"))
        running.send_signal(signal.SIGHUP)

        async def reloaded() -> bool:
            return sum("reloaded" in line for line in lines) == 2

        await eventually(reloaded)
        refused = await ask(address(url.removeprefix("http://")), saying("sesame"))
        assert refused.all("x-lockgate-findings") == ["second=1"]


async def test_workers_of_a_killed_supervisor_finish_their_streams_and_end(tmp_path: Path) -> None:
    upstream = Streaming()
    async with (
        upstream_of(upstream) as base,
        supervisor(configured(tmp_path, base, "600s")) as (running, url, _, admin),
        ClientSession() as client,
        client.get(f"{url}/up/x") as response,
    ):
        pids = await admin.pids()
        assert await response.content.readany() == b"\x00first"
        running.kill()
        await running.wait()

        async def one_is_gone() -> bool:
            return sum(alive(pid or 0) for pid in pids) == 1

        await eventually(one_is_gone)
        upstream.permits.set()
        async with asyncio.timeout(LIMIT):
            assert await response.content.read() == b"last"

        async def all_are_gone() -> bool:
            return not any(alive(pid or 0) for pid in pids)

        await eventually(all_are_gone)


async def test_a_worker_that_hangs_does_not_outlive_the_supervisor(tmp_path: Path) -> None:
    """Its event loop stands still, so that only a thread and the kernel are left to end it."""
    script = (
        "import os, socket, sys, time; from gateway.app.worker import mind; "
        "mind(int(sys.argv[1]), 1); os.write(1, b'.'); time.sleep(600)"
    )
    ours, theirs = socket.socketpair()
    with ours:
        with theirs:
            running = await asyncio.create_subprocess_exec(
                sys.executable,
                "-c",
                script,
                str(theirs.fileno()),
                pass_fds=(theirs.fileno(),),
                stdout=asyncio.subprocess.PIPE,
            )
        assert running.stdout is not None
        async with asyncio.timeout(LIMIT):
            assert await running.stdout.read(1) == b"."
            assert running.returncode is None
    async with asyncio.timeout(LIMIT):
        assert await running.wait() == -signal.SIGALRM
