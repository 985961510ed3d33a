"""A gateway of two workers: its supervisor is in this process, its workers are processes of their own."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import web

from gateway.app.supervisor import Supervisor
from gateway.units import Address, address
from tests.app.test_alone import ENVIRON
from tests.serve.loopback import Got, ask
from tests.serve.test_base_url import request

LIMIT = 60.0
"""Seconds until what has to come must have come, on a machine that is busy with other things."""


async def eventually(condition: Callable[[], Awaitable[object]]) -> None:
    """Wait for what other processes bring about."""
    async with asyncio.timeout(LIMIT):
        while not await condition():  # noqa: ASYNC110 -- no event tells of it
            await asyncio.sleep(0.02)


def alive(pid: int) -> bool:
    """Whether a process runs; one that ended and was not waited for does not."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def with_workers(path: Path, count: int = 2) -> Path:
    """The configuration with so many workers."""
    text = path.read_text(encoding="utf-8").replace("[gateway]", f"[gateway]\nworkers = {count}", 1)
    path.write_text(text, encoding="utf-8")
    return path


@dataclass(slots=True)
class Admin:
    """What is read at the admin listener."""

    at: Address

    async def get(self, page: str) -> Got:
        return await ask(self.at, request(f"GET {page}", "Authorization: Bearer token"))

    async def status(self) -> dict[str, Any]:
        got: dict[str, Any] = json.loads((await self.get("/status")).body)
        return got

    async def workers(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await self.status())["workers"]
        return found

    async def pids(self) -> list[int | None]:
        return [worker["pid"] for worker in await self.workers()]

    async def is_whole(self) -> bool:
        """Whether it is ready, and nothing is amiss."""
        return (await self.get("/readyz")).body == b"ready\n"

    async def counted(self, name: str) -> float:
        """The sum of a metric's series."""
        text = (await self.get("/metrics")).body.decode()
        return sum(float(found[1]) for found in re.finditer(rf"^{name}(?:{{.*}})? (\S+)$", text, re.MULTILINE))


@dataclass(slots=True)
class Running(Admin):
    """A gateway that runs, and where agents reach it."""

    base_url: Address
    supervisor: Supervisor

    def pid(self, number: int) -> int:
        found = self.supervisor.posts[number - 1].pid
        assert found is not None
        return found

    @asynccontextmanager
    async def only(self, number: int) -> AsyncIterator[None]:
        """Nobody but this worker takes connections: the others are stopped."""
        others = [self.pid(post.number) for post in self.supervisor.posts if post.number != number]
        for pid in others:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in others:
                os.kill(pid, signal.SIGCONT)

    @asynccontextmanager
    async def stream_of(self, number: int) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        """A stream that this worker serves."""
        async with self.only(number), asyncio.timeout(LIMIT):
            opened = await asyncio.open_connection(self.base_url.host, self.base_url.port)
            opened[1].write(request("GET /up/x"))
            await opened[0].readuntil(b"first\r\n")
        try:
            yield opened
        finally:
            opened[1].close()
            with suppress(ConnectionError):
                await opened[1].wait_closed()


class Streaming:
    """An upstream whose answers begin, and go on when they are let: `first`, then `next` for each permit."""

    def __init__(self) -> None:
        self.permits = asyncio.Event()

    async def __call__(self, got: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/octet-stream"})
        await response.prepare(got)
        await response.write(b"\x00first")
        await self.permits.wait()
        await response.write(b"last")
        return response


@asynccontextmanager
async def running(path: Path, modes: tuple[str, ...] = ()) -> AsyncIterator[Running]:
    """The gateway with that configuration, once all its workers serve."""
    supervisor = Supervisor(path, {**os.environ, **ENVIRON}, modes=modes)
    await supervisor.open()
    try:
        told = Running(address(supervisor.listeners["admin"]), address(supervisor.listeners["base_url"]), supervisor)
        await eventually(told.is_whole)
        yield told
    finally:
        await supervisor.close()
