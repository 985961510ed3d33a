"""Registers of every kind, each real, and what approvals are tried with."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from gateway.state.memory import MemoryRegisters
from gateway.state.redis.connection import Connection
from gateway.state.redis.place import Place
from gateway.state.redis.registers import RedisRegisters
from gateway.state.sqlite import FILE, SqliteRegisters
from gateway.state.store import Registers
from tests.services import redis as services

PATIENCE = 5.0
"""Seconds that a call may take here: the machine that tests run on may be busy."""


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with services.single(tmp_path_factory.mktemp("approvals")) as one:
        yield f"redis://127.0.0.1:{one.port}/0"


@pytest.fixture(params=["memory", "sqlite", "redis"])
async def registers(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Registers]:
    """Empty ones of each kind."""
    if request.param == "memory":
        yield MemoryRegisters()
    elif request.param == "sqlite":
        in_file = SqliteRegisters(tmp_path / FILE, timeout=PATIENCE)
        yield in_file
        await in_file.close()
    else:
        connection = Connection(Place.read(request.getfixturevalue("server")), PATIENCE)
        await connection.open()
        yield RedisRegisters(connection, f"test-{secrets.token_hex(4)}")
        await connection.close()
