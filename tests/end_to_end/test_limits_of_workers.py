"""Limits over four workers and a real Redis, which is killed and comes back under load.

A limit is judged by what a client sees: a request was counted after it was sent, and before it was answered.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from aiohttp import ClientSession, ClientTimeout, web

from tests.app.supervised import Running, eventually, running, with_workers
from tests.app.test_alone import configured
from tests.serve.loopback import ask, upstream_of
from tests.serve.test_base_url import request
from tests.services import redis as services

WORKERS = 4
CLIENTS = 8
RATE = 40.0
BURST = 80
WHOLE = 100_000
WHOLE_US = 86_400_000
"""A limit of so many in a hundred days: one comes back in so many microseconds, so that while a test runs none does."""

TABLES = f"""
[limits.steady]
requests = {round(RATE * 60)}
per = "1m"
burst = {BURST}
upstreams = ["up"]
[limits.whole]
requests = {WHOLE}
per = "100d"
upstreams = ["up"]
[limits.strict]
requests = 1000
per = "1m"
upstreams = ["strict"]
on_error = "deny"
"""
PATIENCE = ClientTimeout(total=10)
"""Beyond that a request hangs. Nothing else here is held against a clock."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request: when it was sent and answered, in seconds, and how."""

    sent: float
    answered: float
    status: int


@dataclass(slots=True)
class Load:
    """Clients that ask for more than the limit: in small and large bodies, on connections kept and new ones."""

    gateway: Running
    asked: list[Asked] = field(default_factory=list)
    _serials: count[int] = field(default_factory=count)

    @property
    def allowed(self) -> list[Asked]:
        return [one for one in self.asked if one.status == 200]

    async def client(self) -> None:
        async with ClientSession(f"http://{self.gateway.base_url}", timeout=PATIENCE) as session:
            while True:
                serial = next(self._serials)
                sent = time.monotonic()
                body = {"text": f"hello {serial} " * (200 if serial % 10 == 0 else 1)}
                headers = {"Connection": "close"} if serial % 5 == 0 else {}
                method = "GET" if serial % 3 == 0 else "POST"
                async with session.request(method, "/up/x", json=body, headers=headers) as got:
                    await got.read()
                self.asked.append(Asked(sent, time.monotonic(), got.status))
                await asyncio.sleep(0.02)

    async def more(self, requests: int) -> None:
        """Wait for so many answers. Raises what a client raised."""
        wanted = len(self.asked) + requests

        async def enough() -> bool:
            return len(self.asked) >= wanted

        await eventually(enough)


@asynccontextmanager
async def under_load(gateway: Running) -> AsyncIterator[Load]:
    load = Load(gateway)
    async with asyncio.TaskGroup() as clients:
        tasks = [clients.create_task(load.client()) for _ in range(CLIENTS)]
        yield load
        for task in tasks:
            task.cancel()


@asynccontextmanager
async def four_workers(folder: Path, redis: services.Server) -> AsyncIterator[Running]:
    """A gateway whose workers all know each other."""

    async def fine(_: web.BaseRequest) -> web.StreamResponse:
        return web.json_response({})

    async with upstream_of(fine) as base:
        path = with_workers(configured(folder, base), WORKERS)
        strict = f'[upstreams.strict]\ndialect = "http"\nbase_url = "{base}"\n'
        store = f'[store]\nurl = "redis://127.0.0.1:{redis.port}"\ntimeout = "5s"\n'
        path.write_text(f"{path.read_text()}{strict}{store}{TABLES}")
        async with running(path) as gateway:
            await eventually(lambda: _are_members(gateway))
            beats = _beats(redis)

            async def met() -> bool:
                return _beats(redis) > beats + WORKERS

            await eventually(met)
            yield gateway


async def _are_members(gateway: Running) -> bool:
    """Whether the worker that answers for all knows of all."""
    return bool((await gateway.status())["store"]["members"] == WORKERS)


def _beats(redis: services.Server) -> int:
    """How many signs of life there were; each worker gives one in its turn, and sees the others as it does."""
    return int(redis.answers("GET", "lockgate:v1:{registers}:members:revision"))


def most_above(asked: Sequence[Asked]) -> float:
    """By how many requests any window has more than the rate brings in it: those sent after its begin and answered
    before its end were all counted in it."""
    by_answer = sorted(asked, key=lambda one: one.answered)
    most = 0.0
    for begin in (one.sent for one in asked):
        within = [one.answered for one in by_answer if one.sent >= begin]
        most = max(most, *(number - RATE * (end - begin) for number, end in enumerate(within, 1)))
    return most


def used_of_whole(redis: services.Server) -> int:
    """What Redis has counted of the limit that brings nothing back."""
    [key] = redis.answers("KEYS", "*:whole:*").splitlines()
    seconds, micros = redis.answers("TIME").splitlines()
    left = float(redis.answers("GET", key)) - (int(seconds) * 1e6 + int(micros))
    return -int(-left // WHOLE_US)


async def store_up(gateway: Running) -> float:
    """1 where all workers can use the store, 0 where one cannot."""
    return await gateway.counted("lockgate_store_up")


async def test_four_workers_keep_a_limit_and_find_to_it_again(tmp_path: Path) -> None:
    durable = ("--appendonly", "yes", "--appendfsync", "always")
    with services.single(tmp_path / "redis", *durable) as redis:
        async with four_workers(tmp_path, redis) as gateway, under_load(gateway) as load:
            await load.more(400)
            told = list(load.asked)
            redis.kill()

            async def gone() -> bool:
                return await store_up(gateway) == 0

            await eventually(gone)
            await load.more(100)
            refused = await ask(gateway.base_url, request("GET /strict/x"))
            alone = list(load.asked[len(told) :])
            redis.start()

            async def back() -> bool:
                return await store_up(gateway) == 1

            await eventually(back)
            returned = len(load.asked)

            async def counts_again() -> bool:
                return any(one.status == 200 for one in load.asked[returned:])

            await eventually(counts_again)
        allowed = [one for one in told if one.status == 200]
        last = max((one for one in told if one.status == 429), key=lambda one: one.sent)  # then nothing was left
        assert most_above(allowed) <= BURST
        due = BURST + RATE * (last.sent - min(one.answered for one in allowed))
        assert len([one for one in allowed if one.sent <= last.answered]) >= 0.99 * due
        assert Counter(one.status for one in load.asked).keys() == {200, 429}, "none failed, and none hung"
        assert most_above(load.allowed) <= 2 * BURST, "at the moment it goes nobody knows what the others just took"
        assert any(one.status == 200 for one in alone), "`local` goes on"
        assert refused.status == 503
        assert b"store_unavailable" in refused.body
        counted = used_of_whole(redis)
        assert len(load.allowed) <= counted <= len(load.allowed) + CLIENTS, "what was under way may count twice"
