"""Everything is killed at once, the store too: no stop and no audit line that was acknowledged is lost."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import aiohttp

from tests.end_to_end.faults import CLEAN
from tests.end_to_end.running import PACK, configured, until
from tests.fakes.script import Say
from tests.fakes.upstream import Upstream
from tests.services import redis as services
from tests.services.ports import free_ports

LOCKGATE = [sys.executable, "-c", "from gateway.cli import main; main()"]
PATIENCE = 40.0
JSON = {"Content-Type": "application/json"}


@asynccontextmanager
async def running(folder: Path, base_url: int, admin: int) -> AsyncIterator[asyncio.subprocess.Process]:
    """A gateway of two workers, in a session of its own; killed with all its processes at the end."""
    with (folder / "log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            *LOCKGATE,
            "run",
            "--config",
            str(folder / "lockgate.toml"),
            stdout=log,
            stderr=log,
            start_new_session=True,
            env={"PATH": os.environ["PATH"], "HOME": str(folder)},
        )
    try:
        await until(lambda: answers(admin, "/readyz"), PATIENCE)
        yield process
    finally:
        pids = [process.pid, *await workers(admin)]
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        await process.wait()


async def answers(port: int, path: str) -> bool:
    with suppress(aiohttp.ClientError):
        async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}{path}") as answer:
            return answer.status == 200
    return False


async def workers(admin: int) -> list[int]:
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{admin}/status") as answer:
        return [worker["pid"] for worker in (await answer.json())["workers"] if worker["pid"] is not None]


async def asked(base_url: int) -> int:
    url = f"http://127.0.0.1:{base_url}/openai/v1/chat/completions"
    async with aiohttp.ClientSession() as session, session.post(url, data=CLEAN, headers=JSON) as answer:
        await answer.read()
        return answer.status


async def lockgate(folder: Path, *arguments: str) -> str:
    process = await asyncio.create_subprocess_exec(
        *LOCKGATE,
        *arguments,
        "--config",
        str(folder / "lockgate.toml"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={"PATH": os.environ["PATH"], "HOME": str(folder)},
    )
    out, _ = await asyncio.wait_for(process.communicate(), PATIENCE)
    assert process.returncode == 0, out
    return out.decode()


def recorded(folder: Path) -> list[dict[str, object]]:
    lines = (
        line for path in (folder / "state" / "audit").rglob("audit-*.jsonl") for line in path.read_text().splitlines()
    )
    return [json.loads(line)["record"] for line in lines]


async def test_what_was_acknowledged_is_there_afterwards(upstream: Upstream, tmp_path: Path) -> None:
    upstream.script = Say("fine")
    base_url, proxy, admin = free_ports(3)
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "test.toml").write_text(PACK)
    with services.single(tmp_path / "redis") as server:
        text = configured(upstream.url, f'[store]\nurl = "redis://127.0.0.1:{server.port}"\n', "workers = 2")
        for port in (base_url, proxy, admin):  # in the order in which the listeners stand in the file
            text = text.replace("127.0.0.1:0", f"127.0.0.1:{port}", 1)
        (tmp_path / "lockgate.toml").write_text(text)
        async with running(tmp_path, base_url, admin):
            assert [await asked(base_url) for _ in range(20)] == [200] * 20
            assert "all  since " in await lockgate(tmp_path, "stop", "--why", "it leaks")
            server.kill()
        served = [one for one in recorded(tmp_path) if "event" not in one]
        assert len(served) == 20
        server.start()
        async with running(tmp_path, base_url, admin):
            assert await asked(base_url) == 503
            assert "it leaks" in await lockgate(tmp_path, "stops")
        assert len(upstream.requests) == 20
    assert "intact" in await lockgate(tmp_path, "audit", "verify")
