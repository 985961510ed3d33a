"""How right a limit stays over several workers, when the store that they share is stopped in the middle."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from gateway.state.limit import Budget, Calendar, Charge, Claim, Limit, Source, Taken, Unit
from gateway.state.redis.connection import Connection
from gateway.state.redis.counters import RedisCounters
from gateway.state.redis.place import Place
from gateway.state.shared import Means, OpenStore
from tests.services import redis as services

TIMEOUT = 0.2
WORKERS = 3
CLIENTS = 2  # of each worker
QUANTITY = 900
LIMIT = Limit("month", "month/a", Unit.TOKENS, Budget(QUANTITY, Calendar.MONTH))


class Fleet:
    """Workers whose clients each take three units, and give one of them back, until there are none."""

    def __init__(self, url: str, prefix: str) -> None:
        means = Means(TIMEOUT, prefix, b"key")
        self.workers = [OpenStore(Place.read(url), means, f"worker-{at}", lambda _: None) for at in range(WORKERS)]
        self.used = 0
        self.sources: set[Source] = set()

    async def meet(self) -> None:
        """Have each know of all others."""
        for worker in self.workers:
            assert worker.guard is not None
            await worker.guard.beat()
        assert [worker.guard.members.count for worker in self.workers if worker.guard] == [WORKERS] * WORKERS

    async def client(self, worker: OpenStore) -> None:
        while (taken := await self._request(worker)).allowed:
            self.sources.add(taken.source)
            await asyncio.sleep(0.002)

    async def _request(self, worker: OpenStore) -> Taken:
        holder = secrets.token_hex(8)
        taken = await worker.store.counters.take([Claim(LIMIT, 3)], holder)
        if taken.allowed:
            self.used += 2
            await worker.store.counters.settle(
                [Charge(charge.limit, -1, charge.window) for charge in taken.charges], holder
            )
        return taken

    def is_told(self) -> bool:
        """Whether the store knows all that was counted without it."""
        return all(worker.is_up and worker.guard is not None and worker.guard.owed == 0 for worker in self.workers)


@asynccontextmanager
async def fleet(url: str, prefix: str) -> AsyncIterator[Fleet]:
    async with AsyncExitStack() as stack:
        one = Fleet(url, prefix)
        for worker in one.workers:
            await worker.open()
            stack.push_async_callback(worker.close)
        await one.meet()
        yield one


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not holds():  # noqa: ASYNC110 -- what is waited for happens in another process
            await asyncio.sleep(0.01)


async def counted(url: str, prefix: str) -> int:
    connection = Connection(Place.read(url), 5.0)
    taken = await RedisCounters(connection, prefix, b"key").take([Claim(LIMIT, 0)], "look")
    await connection.close()
    return QUANTITY - taken.levels[0].remaining


async def test_with_the_store_a_budget_is_exact(tmp_path: Path) -> None:
    with services.single(tmp_path) as server:
        url = f"redis://127.0.0.1:{server.port}"
        async with fleet(url, "exact") as one:
            await asyncio.gather(*(one.client(worker) for worker in one.workers for _ in range(CLIENTS)))
        assert QUANTITY - 3 * WORKERS * CLIENTS < one.used <= QUANTITY
        assert await counted(url, "exact") == one.used


async def test_without_it_in_the_middle_no_more_is_used_and_all_is_told(tmp_path: Path) -> None:
    with services.single(tmp_path) as server:
        url = f"redis://127.0.0.1:{server.port}"
        async with fleet(url, "paused") as one:
            clients = [asyncio.create_task(one.client(worker)) for worker in one.workers for _ in range(CLIENTS)]
            await until(lambda: one.used > QUANTITY // 4)
            server.pause()
            await asyncio.gather(*clients)
            server.go_on()
            await until(one.is_told)
        assert one.sources == {Source.SHARED, Source.LOCAL}
        under_way = 3 * WORKERS * CLIENTS
        # Each worker begins with what was left when it last saw the limit; what the others had under way is unseen.
        assert one.used <= QUANTITY + under_way
        # A call whose reply is lost after it was counted is counted again when it is delivered; no other is.
        assert abs(await counted(url, "paused") - one.used) <= under_way
