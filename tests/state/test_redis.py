"""What is of Redis alone: clocks and deadlines, connections in a burst, servers that cannot be found."""

from __future__ import annotations

import asyncio
import secrets
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.errors import StoreError
from gateway.state.calendar import window
from gateway.state.limit import SECOND_NS, Budget, Calendar, Charge, Claim, Limit, Rate, Slots, Unit
from gateway.state.redis import scripts
from gateway.state.redis.connection import MOST, Connection
from gateway.state.redis.counters import RedisCounters
from gateway.state.redis.place import Place
from gateway.state.redis.registers import RedisRegisters
from tests.services import redis as services
from tests.services.slow import link

TIMEOUT = 0.1
MONTH = Limit("month", "month/a", Unit.TOKENS, Budget(1000, Calendar.MONTH))
SLOTS = Limit("slots", "slots/a", Unit.CONCURRENCY, Slots(2, 60 * SECOND_NS))
RATE = Limit("rate", "rate/a", Unit.REQUESTS, Rate(1_000_000, 3600 * SECOND_NS, 1_000_000))


@pytest.fixture
def prefix() -> str:
    return f"test-{secrets.token_hex(4)}"


class TestClock:
    @pytest.fixture
    def ticks(self) -> list[int]:
        return [0]

    @pytest.fixture
    def counters(self, ticks: list[int]) -> RedisCounters:
        connection = Connection(Place.read("redis://127.0.0.1:1"), TIMEOUT)
        return RedisCounters(connection, "p", b"key", now=lambda: ticks[0])

    def learn(self, counters: RedisCounters, ticks: list[int], asked: int, server: int, answered: int) -> int | None:
        """What is known after an answer; in microseconds of our clock, and the server's."""
        ticks[0] = answered * 1000
        counters._learn(asked, server)
        return counters._ahead

    def test_one_slow_answer_does_not_make_the_next_deadlines_early(
        self, counters: RedisCounters, ticks: list[int]
    ) -> None:
        assert self.learn(counters, ticks, asked=0, server=5_100, answered=200) == 4_900
        assert self.learn(counters, ticks, asked=1_000, server=6_100, answered=91_000) == 4_900

    def test_a_clock_that_jumped_is_followed(self, counters: RedisCounters, ticks: list[int]) -> None:
        self.learn(counters, ticks, asked=0, server=5_100, answered=200)
        assert self.learn(counters, ticks, asked=1_000, server=900_100, answered=1_200) == 898_900
        assert self.learn(counters, ticks, asked=2_000, server=2_100, answered=2_200) == 100

    @given(st.lists(st.tuples(st.integers(0, 50_000), st.integers(0, 50_000)), min_size=1, max_size=20))
    def test_with_a_steady_clock_it_is_never_ahead_of_it(self, delays: list[tuple[int, int]]) -> None:
        """So that no script begins after its caller gave up."""
        ticks = [0]
        connection = Connection(Place.read("redis://127.0.0.1:1"), TIMEOUT)
        counters, ahead, at = RedisCounters(connection, "p", b"key", now=lambda: ticks[0]), 1_000_000, 0
        for there, back in delays:
            known = self.learn(counters, ticks, asked=at, server=at + there + ahead, answered=at + there + back)
            assert known is not None
            assert known <= ahead
            at += there + back


async def test_even_the_first_take_is_not_counted_later(tmp_path: Path, prefix: str) -> None:
    with services.single(tmp_path) as server:
        connection = Connection(Place.read(f"redis://127.0.0.1:{server.port}"), TIMEOUT)
        counters = RedisCounters(connection, prefix, b"key")
        server.pause()
        with pytest.raises(StoreError, match=r"did not answer in time|Timeout"):
            await counters.take([Claim(MONTH, 100)], "x")
        await asyncio.sleep(2 * TIMEOUT)
        server.go_on()
        services.until(lambda: server.answers("PING") == "PONG")
        assert (await counters.take([Claim(MONTH, 0)], "x")).levels[0].remaining == 1000
        await connection.close()


COMMANDS = """
+evalsha +script|load +mget +ping +time +get +set +del +incr +pexpire +hget +hmget +hset +hdel +hgetall +zadd +zrem
+zremrangebyscore +zcard +zscore +zrange
"""
CLUSTER_COMMANDS = "+cluster|slots +command"


@pytest.mark.parametrize("kind", ["one", "cluster"])
async def test_a_user_needs_no_more_than_these_commands(tmp_path: Path, prefix: str, kind: str) -> None:
    with ExitStack() as stack:
        if kind == "cluster":
            servers = stack.enter_context(services.cluster(tmp_path))
            commands, scheme = COMMANDS + CLUSTER_COMMANDS, "redis+cluster"
        else:
            servers, commands, scheme = [stack.enter_context(services.single(tmp_path))], COMMANDS, "redis"
        for server in servers:
            user = ["ACL", "SETUSER", "gateway", "on", ">s3cret", f"~{prefix}:*"]
            assert server.answers(*user, *commands.split()) == "OK"
        hosts = ",".join(f"127.0.0.1:{one.port}" for one in servers)
        connection = Connection(Place.read(f"{scheme}://gateway:s3cret@{hosts}"), 5.0)
        await connection.open()
        counters, registers = RedisCounters(connection, prefix, b"key"), RedisRegisters(connection, prefix)
        limits = [RATE, MONTH, SLOTS]
        taken = await counters.take([Claim(limit) for limit in limits], "x")
        await counters.renew(limits, "x")
        await counters.settle(taken.charges, "x")
        await counters.settle([Charge(RATE, -1000)], "x")
        version = await registers.write("things", "a", b"1", ttl=1.0)
        assert len(await registers.read("things")) == 1
        assert await registers.remove("things", "a", version=version)
        assert (await registers.revisions(["things"]))[0] > 0
        await connection.close()


async def test_a_burst_waits_for_connections(single: str, prefix: str) -> None:
    connection = Connection(Place.read(single), 30.0)
    counters = RedisCounters(connection, prefix, b"key")
    taken = await asyncio.gather(*(counters.take([Claim(MONTH)], str(at)) for at in range(5 * MOST)))
    assert all(one.allowed for one in taken)
    assert (await counters.take([Claim(MONTH, 0)], "x")).levels[0].remaining == 1000 - 5 * MOST
    await connection.close()


async def test_a_key_that_is_no_utf_8_is_counted_as_any(single: str, prefix: str) -> None:
    """Half of a surrogate pair can stand in a text that was JSON."""
    connection = Connection(Place.read(single), 5.0)
    odd = Limit("rate", "rate/\ud800", Unit.REQUESTS, Rate(10, 3600 * SECOND_NS, 10))
    taken = await RedisCounters(connection, prefix, b"key").take([Claim(odd)], "x")
    assert taken.levels[0].remaining == 9
    await connection.close()


async def test_a_cluster_that_is_gone_is_a_store_error_each_time(tmp_path: Path, prefix: str) -> None:
    with services.cluster(tmp_path) as servers:
        place = Place.read(f"redis+cluster://{','.join(f'127.0.0.1:{one.port}' for one in servers)}")
        connection = Connection(place, 1.0)
        counters = RedisCounters(connection, prefix, b"key")
        await counters.take([Claim(RATE)], "x")
        for server in servers:
            server.kill()
        for _ in range(3):
            with pytest.raises(StoreError, match=r"^cluster at "):
                await counters.take([Claim(RATE)], "x")
        with pytest.raises(StoreError, match=r"^cluster at "):
            await connection.open()
        await connection.close()


async def test_a_sentinel_that_hangs_is_passed_over(tmp_path: Path, prefix: str) -> None:
    with services.sentinels(tmp_path) as (_, watching):
        async with link(watching[0].port) as way:
            way.dead = True
            hosts = [way.port, *(one.port for one in watching[1:])]
            place = Place.read(f"redis+sentinel://{','.join(f'127.0.0.1:{port}' for port in hosts)}/main")
            connection = Connection(place, TIMEOUT)
            counters = RedisCounters(connection, prefix, b"key")
            with pytest.raises(StoreError):
                await counters.take([Claim(RATE)], "x")
            await connection.open()
            assert (await counters.take([Claim(RATE)], "x")).allowed
            await connection.close()


async def test_a_master_that_became_a_replica_is_left(tmp_path: Path, prefix: str) -> None:
    """As an operator does it: nobody dies, and the connections stay open."""
    with services.sentinels(tmp_path) as (servers, watching):
        place = Place.read(f"redis+sentinel://{','.join(f'127.0.0.1:{one.port}' for one in watching)}/main")
        connection = Connection(place, 5.0)
        counters = RedisCounters(connection, prefix, b"key")
        await counters.take([Claim(RATE)], "x")
        assert watching[0].answers("SENTINEL", "FAILOVER", "main") == "OK"
        services.until(lambda: "role:slave" in servers[0].answers("INFO", "replication"))
        async with asyncio.timeout(30):
            while True:
                try:
                    assert (await counters.take([Claim(RATE)], "x")).allowed
                    break
                except StoreError:
                    await asyncio.sleep(0.05)
        assert "role:master" in servers[1].answers("INFO", "replication")
        await connection.close()


async def test_a_name_that_somebody_else_wrote_can_be_shown(single: str, prefix: str) -> None:
    connection = Connection(Place.read(single), 5.0)
    registers = RedisRegisters(connection, prefix)
    await registers.write("things", "a", b"1")
    documents = f"{prefix}:v1:{{registers}}:things:documents"
    await connection._client.hset(documents, b"\xff", b"1|0|x")
    assert set(await registers.read("things")) == {"a", "\\xff"}
    await connection.close()


_WINDOW = scripts._COUNTS.replace(scripts._NOW, "local now = tonumber(ARGV[3])\n") + "return {window(ARGV[4])}"
"""What the scripts make of a time, with a time of ours."""


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    at=st.datetimes(datetime(1970, 1, 2), datetime(2255, 1, 1)),  # noqa: DTZ001 -- Hypothesis wants them without a zone
    calendar=st.sampled_from(Calendar),
)
async def test_the_windows_of_all_times_are_those_of_the_calendar(
    single: str, at: datetime, calendar: Calendar
) -> None:
    microseconds = round(at.replace(tzinfo=UTC).timestamp()) * 1_000_000 + at.microsecond
    connection = Connection(Place.read(single), 5.0)
    number, left = await connection._client.eval(_WINDOW, 0, 0, "", microseconds, calendar.value)
    await connection.close()
    assert (number, left * 1000) == window(calendar, microseconds * 1000)
