"""Stores of every kind, each real."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from gateway.state.memory import MemoryCounters, memory_store
from gateway.state.redis.connection import Connection
from gateway.state.redis.counters import RedisCounters
from gateway.state.redis.place import Place
from gateway.state.redis.registers import RedisRegisters
from gateway.state.sqlite import FILE, SqliteRegisters
from gateway.state.store import Store
from tests.services import redis as services

PATIENCE = 5.0
"""Seconds that a call may take here: the machine that tests run on may be busy."""


@pytest.fixture(scope="session")
def single(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with services.single(tmp_path_factory.mktemp("single")) as server:
        yield f"redis://127.0.0.1:{server.port}/0"


@pytest.fixture(scope="session")
def sentinel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with services.sentinels(tmp_path_factory.mktemp("sentinel")) as (_, watching):
        yield f"redis+sentinel://{','.join(f'127.0.0.1:{one.port}' for one in watching)}/main"


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with services.cluster(tmp_path_factory.mktemp("cluster")) as servers:
        yield f"redis+cluster://{','.join(f'127.0.0.1:{one.port}' for one in servers)}"


@pytest.fixture(params=["memory", "sqlite", "single", "sentinel", "cluster"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    """An empty store of each kind."""
    if request.param == "memory":
        yield memory_store()
        return
    if request.param == "sqlite":
        registers = SqliteRegisters(tmp_path / FILE, timeout=PATIENCE)
        yield Store("memory", MemoryCounters(), registers)
        await registers.close()
        return
    connection = Connection(Place.read(request.getfixturevalue(request.param)), PATIENCE)
    await connection.open()
    prefix = f"test-{secrets.token_hex(4)}"
    yield Store(request.param, RedisCounters(connection, prefix, b"key"), RedisRegisters(connection, prefix))
    await connection.close()
