"""The connection to Redis: scripts that are run within a time, once, or fail as a StoreError.

redis-py tries again ten times, with pauses, by default: behind a server that hangs each request would wait for seconds.
Here nothing is tried again; what to do without the store is decided above.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import redis.asyncio as redis
from redis.asyncio.cluster import ClusterNode, RedisCluster
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, RedisClusterException, RedisError

from gateway.errors import StoreError
from gateway.state.redis.place import Kind, Place
from gateway.state.redis.scripts import CLOCK, READ, REMOVE, RENEW, SETTLE, TAKE, WRITE

MOST: Final = 64
"""Connections of one process. Calls take a fraction of a millisecond, so a few carry thousands of requests a second."""

FIRST: Final = 2.0
"""Seconds that a first connection may take where the time-out is shorter: names, TLS, and what a cluster or Sentinels
are asked, some of which may hang for a time-out each."""

_FAULTS: Final = (RedisError, RedisClusterException, OSError, TimeoutError, asyncio.IncompleteReadError)
"""All that redis-py raises where a server cannot be used. Of a cluster that is gone it is no RedisError."""

type Client = redis.Redis | RedisCluster


class Connection:
    """Runs the scripts. `timeout` is in seconds, and holds for each call as a whole."""

    def __init__(self, place: Place, timeout: float, ca_file: Path | None = None) -> None:
        self.place = place
        self.timeout = timeout
        self._turns = asyncio.Semaphore(MOST)
        self._sentinels: list[redis.Redis] = []
        self._client = self._made(place, _options(place, timeout, ca_file))
        self._scripts = {
            text: self._client.register_script(text) for text in (CLOCK, TAKE, SETTLE, RENEW, READ, WRITE, REMOVE)
        }

    async def run(self, script: str, keys: Sequence[str], arguments: Sequence[Any]) -> Any:
        """What a script answers. Raises StoreError."""
        return await self._within(self.timeout, lambda: self._scripts[script](keys=keys, args=arguments))

    async def numbers(self, keys: Sequence[str]) -> tuple[int, ...]:
        """The whole numbers at keys of one slot; 0 where there is none. Raises StoreError."""
        found = await self._within(self.timeout, lambda: self._client.mget(keys))
        return tuple(int(number or 0) for number in found)

    async def open(self) -> None:
        """Connect, and see that there is an answer. Raises StoreError."""
        await self._within(max(self.timeout, FIRST), self._reach)

    async def _reach(self) -> None:
        if isinstance(self._client, RedisCluster):
            await self._client.initialize()
        for text in self._scripts:  # the first request should not have to bring them
            await self._client.script_load(text)

    async def _within[V](self, seconds: float, call: Callable[[], Awaitable[V]]) -> V:
        """What a call gives, in its turn: a burst of requests waits for a connection, as redis-py would not."""
        try:
            async with asyncio.timeout(seconds), self._turns:
                return await call()
        except _FAULTS as error:
            raise StoreError(_words(self.place, error)) from error

    async def close(self) -> None:
        for client in (self._client, *self._sentinels):
            await client.aclose()

    def _made(self, place: Place, options: Mapping[str, Any]) -> Client:
        if place.kind is Kind.CLUSTER:
            nodes = [ClusterNode(host, port) for host, port in place.hosts]
            return RedisCluster(startup_nodes=nodes, **options)
        if place.kind is Kind.SENTINEL:
            asked = {key: value for key, value in options.items() if key in _OF_SENTINELS}
            sentinels = Sentinel(place.hosts, sentinel_kwargs=asked, db=place.db, **options)  # type: ignore[no-untyped-call]  # it is untyped
            self._sentinels = sentinels.sentinels
            master: Client = sentinels.master_for(place.master)
            return master
        if place.path is not None:
            return redis.Redis(unix_socket_path=place.path, db=place.db, **options)
        host, port = place.hosts[0]
        return redis.Redis(host=host, port=port, db=place.db, **options)


_OF_SENTINELS: Final = frozenset({"socket_timeout", "socket_connect_timeout", "retry"})
"""What holds for the connections to Sentinels too. They have no user of their own here, and no TLS."""


def _options(place: Place, timeout: float, ca_file: Path | None) -> Mapping[str, Any]:
    tls = {"ssl": True, "ssl_ca_certs": str(ca_file) if ca_file is not None else None} if place.tls else {}
    return {
        "socket_timeout": timeout,
        "socket_connect_timeout": timeout,
        "retry": Retry(NoBackoff(), 0),
        "max_connections": MOST,
        "username": place.user,
        "password": place.password,
        **tls,
    }


def _words(place: Place, error: Exception) -> str:
    """Why it failed, in a line that holds no credentials."""
    if isinstance(error, NoScriptError | TimeoutError):
        return f"{place} did not answer in time"
    return f"{place}: {type(error).__name__}: {error}"
