"""What every end-to-end test stands on: a fake upstream and, through it, a gateway."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Protocol

import pytest

from tests.end_to_end.running import Running, configured, running
from tests.fakes.upstream import Upstream, fake_upstream


class Start(Protocol):
    """Starts a gateway in front of the fake upstream; `tables` is TOML after the common tables."""

    def __call__(self, tables: str = "", *, gateway: str = "") -> AbstractAsyncContextManager[Running]: ...


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    async with fake_upstream() as fake:
        yield fake


@pytest.fixture
def start(upstream: Upstream, tmp_path: Path) -> Start:
    def starter(tables: str = "", *, gateway: str = "") -> AbstractAsyncContextManager[Running]:
        return running(configured(upstream.url, tables, gateway), tmp_path)

    return starter


@pytest.fixture
async def gateway(start: Start) -> AsyncIterator[Running]:
    """A gateway as configured by default."""
    async with start() as gate:
        yield gate
