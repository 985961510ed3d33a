"""A real Redis that is killed, stopped, slowed, replaced and brought back under load.

Nothing hangs, the declared mode is what happens, and the counts agree afterwards.
"""

from __future__ import annotations

import asyncio
import secrets
import subprocess
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from gateway.errors import StoreError
from gateway.state.limit import SECOND_NS, Budget, Calendar, Claim, Limit, OnError, Rate, Source, Taken, Unit
from gateway.state.redis.connection import Connection
from gateway.state.redis.counters import RedisCounters
from gateway.state.redis.place import Place
from gateway.state.redis.registers import RedisRegisters
from gateway.state.shared import Means, OpenRegisters, OpenStore
from tests.services import redis as services
from tests.services.ports import free_ports
from tests.services.slow import link

TIMEOUT = 0.1
SLACK = 2.0
"""Seconds beyond the time-out that a call may take on a busy machine. A call that hangs takes for ever."""

MONTH = Limit("month", "month/a", Unit.TOKENS, Budget(1_000_000, Calendar.MONTH))
RATE = Limit("rate", "rate/a", Unit.REQUESTS, Rate(1_000_000, 3600 * SECOND_NS, 1_000_000))


def store(url: str, prefix: str, name: str = "worker") -> OpenStore:
    return OpenStore(Place.read(url), Means(TIMEOUT, prefix, b"key"), name, lambda _: None)


@asynccontextmanager
async def opened(url: str, prefix: str, name: str = "worker") -> AsyncIterator[OpenStore]:
    one = store(url, prefix, name)
    await one.open()
    try:
        yield one
    finally:
        await one.close()


@dataclass
class Load:
    """Takes one unit again and again, and notes what came of it."""

    taken: list[Taken] = field(default_factory=list)
    slowest: float = 0.0
    going: bool = True

    async def run(self, one: OpenStore, limit: Limit) -> None:
        while self.going:
            began = time.monotonic()
            self.taken.append(await one.store.counters.take([Claim(limit)], secrets.token_hex(8)))
            self.slowest = max(self.slowest, time.monotonic() - began)
            await asyncio.sleep(0.002)

    def allowed(self) -> int:
        return sum(one.allowed for one in self.taken)

    def sources(self) -> set[Source]:
        return {one.source for one in self.taken}


@asynccontextmanager
async def under_load(one: OpenStore, limit: Limit, clients: int = 4) -> AsyncIterator[Load]:
    load = Load()
    tasks = [asyncio.create_task(load.run(one, limit)) for _ in range(clients)]
    try:
        yield load
    finally:
        load.going = False
        await asyncio.wait_for(asyncio.gather(*tasks), 30)


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not holds():  # noqa: ASYNC110 -- what is waited for happens in another process
            await asyncio.sleep(0.02)


async def used(one: OpenStore, limit: Limit) -> int:
    """What the store itself says was taken of a limit."""
    assert one._connection is not None
    counters = RedisCounters(one._connection, "counted", b"key")
    counters._prefix = one.guard._shared._prefix  # type: ignore[union-attr]  # the guard's own store
    taken = await counters.take([Claim(limit, 0)], "look")
    assert isinstance(limit.bound, Budget)
    return limit.bound.quantity - taken.levels[0].remaining


async def settled(one: OpenStore) -> None:
    """The store is back, and was told all that it missed."""
    await until(lambda: one.is_up and one.guard is not None and one.guard.owed == 0)


@pytest.fixture
def prefix() -> str:
    return f"test-{secrets.token_hex(4)}"


async def test_a_server_that_hangs_delays_each_call_by_the_time_out_at_most(tmp_path: Path, prefix: str) -> None:
    with services.single(tmp_path) as server:
        async with opened(f"redis://127.0.0.1:{server.port}", prefix) as one:
            async with under_load(one, MONTH) as load:
                await until(lambda: len(load.taken) > 50)
                server.pause()
                await until(lambda: not one.is_up)
                before = len(load.taken)
                await until(lambda: len(load.taken) > before + 100)
                server.go_on()
                await settled(one)
                before = len(load.taken)
                await until(lambda: len(load.taken) > before + 50)
            await settled(one)
            assert load.sources() == {Source.SHARED, Source.LOCAL}
            assert load.allowed() == len(load.taken)
            assert load.slowest < TIMEOUT + SLACK
            # What the server found in its sockets when it woke was counted by neither side twice.
            assert await used(one, MONTH) == load.allowed()


async def test_a_server_that_is_killed_and_comes_back_empty_goes_on(tmp_path: Path, prefix: str) -> None:
    with services.single(tmp_path) as server:
        async with opened(f"redis://127.0.0.1:{server.port}", prefix) as one:
            async with under_load(one, MONTH) as load:
                await until(lambda: len(load.taken) > 50)
                server.kill()
                await until(lambda: not one.is_up)
                without = len(load.taken)
                await until(lambda: len(load.taken) > without + 100)
                server.start()
                await settled(one)
                before = len(load.taken)
                await until(lambda: len(load.taken) > before + 50)
            await settled(one)
            assert load.sources() == {Source.SHARED, Source.LOCAL}
            assert load.slowest < TIMEOUT + SLACK
            local = sum(one.source is Source.LOCAL for one in load.taken)
            assert local <= await used(one, MONTH) <= load.allowed(), "this server kept nothing of what was before"


async def test_a_slow_server_is_left_alone_until_it_is_fast_again(tmp_path: Path, prefix: str) -> None:
    with services.single(tmp_path) as server:
        async with (
            link(server.port) as way,
            opened(f"redis://127.0.0.1:{way.port}", prefix) as one,
            under_load(one, RATE) as load,
        ):
            await until(lambda: len(load.taken) > 50)
            way.delay = 3 * TIMEOUT
            await until(lambda: not one.is_up)
            way.delay = 0.0
            await settled(one)
            assert load.slowest < TIMEOUT + SLACK


async def test_a_server_that_swallows_everything_is_as_one_that_hangs(tmp_path: Path, prefix: str) -> None:
    with services.single(tmp_path) as server:
        async with link(server.port) as way, opened(f"redis://127.0.0.1:{way.port}", prefix) as one:
            way.dead = True
            async with under_load(one, replace(RATE, on_error=OnError.ALLOW)) as load:
                await until(lambda: not one.is_up)
                await until(lambda: any(taken.source is Source.UNCHECKED for taken in load.taken))
            assert load.slowest < TIMEOUT + SLACK
            with pytest.raises(StoreError, match=r"not to be passed without it"):
                await one.store.counters.take([Claim(replace(RATE, on_error=OnError.DENY))], "x")


async def test_a_gateway_starts_while_the_store_is_away(tmp_path: Path, prefix: str) -> None:
    with services.single(tmp_path) as server:
        server.kill()
        told: list[str] = []
        one = OpenStore(
            Place.read(f"redis://127.0.0.1:{server.port}"), Means(TIMEOUT, prefix, b"key"), "worker", told.append
        )
        await one.open()
        try:
            assert "the store cannot be reached" in told[0]
            assert (await one.store.counters.take([Claim(RATE)], "x")).source is Source.LOCAL
            await until(lambda: not one.is_up)
            status = one.status(OnError.LOCAL)
            assert (status["connected"], status["limits_without_it"]) == (False, "local")
            server.start()
            await settled(one)
            assert (await one.store.counters.take([Claim(RATE)], "x")).source is Source.SHARED
        finally:
            await one.close()


async def test_sentinel_s_new_master_is_found(tmp_path: Path, prefix: str) -> None:
    with services.sentinels(tmp_path) as (servers, watching):
        url = f"redis+sentinel://{','.join(f'127.0.0.1:{one.port}' for one in watching)}/main"
        async with opened(url, prefix) as one, under_load(one, RATE) as load:
            await until(lambda: len(load.taken) > 50)
            servers[0].kill()
            await until(lambda: not one.is_up)
            await settled(one)
            before = len(load.taken)
            await until(lambda: len(load.taken) > before + 20)
            assert load.taken[-1].source is Source.SHARED
            assert load.slowest < TIMEOUT + SLACK


async def test_a_cluster_s_replica_takes_over(tmp_path: Path, prefix: str) -> None:
    with services.cluster(tmp_path, replicas=1) as servers:
        url = f"redis+cluster://{','.join(f'127.0.0.1:{one.port}' for one in servers)}"
        async with opened(url, prefix) as one, under_load(one, RATE) as load:
            await until(lambda: len(load.taken) > 50)
            slot = servers[0].answers("CLUSTER", "KEYSLOT", f"{prefix}:v1:{{limits}}:rate")
            owner = next(server for server in servers if _owns(server, int(slot)))
            owner.kill()
            await until(lambda: not one.is_up)
            await settled(one)
            before = len(load.taken)
            await until(lambda: len(load.taken) > before + 20)
            assert load.taken[-1].source is Source.SHARED
            assert load.slowest < TIMEOUT + SLACK


def _owns(server: services.Server, slot: int) -> bool:
    """Whether a server is the master of a slot, by its own line of CLUSTER NODES."""
    [line] = [line for line in server.answers("CLUSTER", "NODES").splitlines() if "myself" in line]
    ranges = [part.split("-") for part in line.split()[8:]]
    return any(int(part[0]) <= slot <= int(part[-1]) for part in ranges)


async def test_a_script_that_begins_late_counts_nothing(tmp_path: Path, prefix: str) -> None:
    with services.single(tmp_path) as server:
        connection = Connection(Place.read(f"redis://127.0.0.1:{server.port}"), TIMEOUT)
        counters = RedisCounters(connection, prefix, b"key")
        try:
            await counters.take([Claim(MONTH, 5)], "x")
            server.pause()
            with pytest.raises(StoreError, match=r"did not answer in time"):
                await counters.take([Claim(MONTH, 1000)], "x")
            await asyncio.sleep(2 * TIMEOUT)
            server.go_on()
            await until(lambda: server.answers("PING") == "PONG")
            assert (await counters.take([Claim(MONTH, 0)], "x")).levels[0].remaining == 1_000_000 - 5
        finally:
            await connection.close()


async def test_a_clock_that_jumped_is_found_by_the_next_answer(tmp_path: Path, prefix: str) -> None:
    """As after a fail-over to a server whose clock is ahead."""
    with services.single(tmp_path) as server:
        connection = Connection(Place.read(f"redis://127.0.0.1:{server.port}"), SLACK)
        counters = RedisCounters(connection, prefix, b"key")
        try:
            await counters.take([Claim(RATE)], "x")
            assert counters._ahead is not None
            counters._ahead -= 3600 * 1_000_000
            with pytest.raises(StoreError, match=r"did not come to it in time"):
                await counters.take([Claim(RATE)], "x")
            assert (await counters.take([Claim(RATE)], "x")).allowed
        finally:
            await connection.close()


ACL = (
    "+evalsha|+eval|+script|+mget|+ping|+time|+get|+set|+del|+incr|+pexpire|+hget|+hmget|+hset|+hdel|+hgetall|+zadd|+zrem"
    "|+zremrangebyscore|+zcard|+zscore|+zrange"
)


async def test_a_user_that_may_do_just_what_is_needed_is_enough(tmp_path: Path, prefix: str) -> None:
    with services.single(tmp_path) as server:
        assert server.answers("ACL", "SETUSER", "gateway", "on", ">s3cret", f"~{prefix}:*", *ACL.split("|")) == "OK"
        server.answers("ACL", "SETUSER", "default", "off")
        async with opened(f"redis://gateway:s3cret@127.0.0.1:{server.port}", prefix) as one:
            for limit in (MONTH, RATE):
                taken = await one.store.counters.take([Claim(limit)], "x")
                assert taken.source is Source.SHARED
                await one.store.counters.settle(taken.charges, "x")
            assert one.guard is not None
            assert (one.is_up, one.guard.owed, one.guard.breaker.failures) == (True, 0, 0)
            assert isinstance(one.store.registers, RedisRegisters)
            version = await one.store.registers.write("things", "a", b"1")
            assert await one.store.registers.remove("things", "a", version=version)


async def test_a_wrong_password_is_told_without_it(tmp_path: Path, prefix: str) -> None:
    with services.single(tmp_path, "--requirepass", "right") as server:
        told: list[str] = []
        place = Place.read(f"redis://:wr0ng@127.0.0.1:{server.port}")
        one = OpenStore(place, Means(TIMEOUT, prefix, b"key"), "worker", told.append)
        await one.open()
        await one.close()
    assert "AuthenticationError" in told[0]
    assert "wr0ng" not in told[0]


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """A certificate for this machine that signs itself, and its key."""
    crt, key = tmp_path / "redis.crt", tmp_path / "redis.key"
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
    subprocess.run(
        ["openssl", "req", "-x509", *curve, "-nodes", "-days", "1", *subject, "-keyout", str(key), "-out", str(crt)],
        check=True,
        capture_output=True,
    )
    return crt, key


async def test_tls_is_verified(tmp_path: Path, prefix: str, certificate: tuple[Path, Path]) -> None:
    crt, key = certificate
    [port] = free_ports(1)
    tls = ("--tls-port", str(port), "--tls-cert-file", str(crt), "--tls-key-file", str(key), "--tls-auth-clients", "no")
    with services.single(tmp_path / "server", *tls):
        place = Place.read(f"rediss://127.0.0.1:{port}")
        trusting = OpenStore(place, Means(5.0, prefix, b"key", crt), "worker", lambda _: None)
        await trusting.open()
        assert (await trusting.store.counters.take([Claim(RATE)], "x")).source is Source.SHARED
        await trusting.close()
        told: list[str] = []
        doubting = OpenStore(place, Means(5.0, prefix, b"key"), "worker", told.append)
        await doubting.open()
        await doubting.close()
    assert "certificate verify failed" in told[0].lower()


async def test_a_socket_of_this_machine_will_do(tmp_path: Path, prefix: str) -> None:
    path = tmp_path / "redis.sock"
    with services.single(tmp_path / "server", "--unixsocket", str(path)):
        async with opened(f"unix://{path}", prefix) as one:
            assert (await one.store.counters.take([Claim(RATE)], "x")).source is Source.SHARED
            status = one.status(OnError.DENY)
    assert (status["kind"], status["at"], status["connected"]) == ("redis", f"redis at {path}", True)


async def test_without_a_place_it_is_the_memory_of_this_process() -> None:
    one = OpenStore(None, Means(TIMEOUT, "p", b"key"), "worker", lambda _: None)
    await one.open()
    assert (await one.store.counters.take([Claim(RATE)], "x")).source is Source.SHARED
    assert (one.is_up, one.status(OnError.LOCAL)) == (True, {"kind": "memory", "at": None})
    await one.close()


async def test_registers_alone(tmp_path: Path, prefix: str) -> None:
    with services.single(tmp_path) as server:
        one = OpenRegisters(Place.read(f"redis://127.0.0.1:{server.port}"), 5.0, prefix, None)
        assert one.registers is not None
        assert await one.registers.read("things") == {}
        await one.close()
    nothing = OpenRegisters(None, 5.0, prefix, None)
    assert nothing.registers is None
    await nothing.close()


async def test_a_store_that_leaves_in_a_question_is_a_store_error(tmp_path: Path, prefix: str) -> None:
    with services.single(tmp_path) as server:
        one = OpenRegisters(Place.read(f"redis://127.0.0.1:{server.port}"), 1.0, prefix, None)
        assert one.registers is not None
        await one.registers.revisions(["things"])
        server.kill()
        with pytest.raises(StoreError, match=r"redis at 127\.0\.0\.1"):
            await one.registers.revisions(["things"])
        await one.close()
