"""Bodies of hundreds of megabytes by proxy, through a gateway in a process of its own, whose memory is looked at."""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.end_to_end.proxy.proxied import HOST, Authorities, configuration_text, environment_of, opened, told
from tests.end_to_end.running import PACK, Running
from tests.fakes.web_site import PIECE, WebSite

SIZE = 208 * 2**20
"""More than any limit on what is inspected whole."""

GROWTH = 64 * 2**20
"""Bytes by which the process may grow: buffers of sockets and of TLS, a few leaves, and what the allocator keeps."""

RUN = "from gateway.cli import main; main()"


@asynccontextmanager
async def process(folder: Path, tables: str) -> AsyncIterator[tuple[int, Running]]:
    """A gateway in a process of its own: its id, and where it listens, which its first line says."""
    (folder / "rules").mkdir()
    (folder / "rules" / "test.toml").write_text(PACK)
    path = folder / "lockgate.toml"
    path.write_text(configuration_text(tables, folder) + '[log]\nformat = "json"\n')
    environ = {"PATH": os.environ["PATH"], "HOME": str(folder)}
    command = (sys.executable, "-c", RUN, "run", "--config", str(path))
    gateway = await asyncio.create_subprocess_exec(*command, env=environ, stderr=asyncio.subprocess.PIPE)
    assert gateway.stderr is not None
    try:
        async with asyncio.timeout(30):
            line = {"event": ""}
            while line["event"] != "listening":
                line = json.loads(await gateway.stderr.readline())
        yield gateway.pid, Running(line["base_url"], line["admin"], folder, line["proxy"])
    finally:
        gateway.terminate()
        await gateway.communicate()


def resident(pid: int) -> tuple[int, int]:
    """Bytes in memory, now and at most so far (proc_pid_status(5), VmRSS and VmHWM)."""
    text = Path(f"/proc/{pid}/status").read_text()
    now, most = (re.search(rf"{name}:\s+(\d+) kB", text) for name in ("VmRSS", "VmHWM"))
    assert now is not None
    return int(now[1]) * 1024, int((most or now)[1]) * 1024


async def test_memory_stays_flat(secure: WebSite, authorities: Authorities, tmp_path: Path) -> None:
    url = f"https://{HOST}:{secure.port}"
    curl = ("curl", "-q", "--silent", "--show-error", "--max-time", "50")
    octets = ("--header", "Content-Type: application/octet-stream")
    big = tmp_path / "big"
    with big.open("wb") as file:
        file.truncate(SIZE)  # sparse: it takes no room
    async with process(tmp_path, opened(secure.port)) as (pid, gate):
        environ = environment_of(gate)
        await told((*curl, f"{url}/large?n=16", "--output", "/dev/null"), environ)
        before, _ = resident(pid)
        count = SIZE // PIECE
        down = await told(
            (*curl, f"{url}/large?n={count}", "--output", "/dev/null", "--write-out", "%{size_download}"), environ
        )
        assert (down.code, down.text) == (0, str(SIZE))
        up = await told((*curl, f"{url}/count", "--upload-file", str(big), *octets), environ)
        assert (up.code, up.text) == (0, str(SIZE))
        now, most = resident(pid)
        assert max(now, most) - before < GROWTH
