"""The way out: one pool of connections to the upstreams, and what its failures mean."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable
from dataclasses import dataclass, field
from functools import lru_cache
from ssl import SSLContext
from typing import Final, override

from aiohttp import (
    ClientConnectorError,
    ClientError,
    ClientResponse,
    ClientResponseError,
    ClientSession,
    ClientTimeout,
    DummyCookieJar,
    TCPConnector,
    hdrs,
)
from aiohttp.abc import AbstractStreamWriter
from aiohttp.payload import BytesPayload
from yarl import URL

from gateway.dialect.route import Family
from gateway.exchange.events import Fault, Headers

KEEP_ALIVE: Final = 15.0
"""Seconds that an idle upstream connection is kept. Front ends of the big providers keep theirs for a minute or more;
a connection that the other side closes just as a request leaves would be a 502."""

DNS_TTL: Final = 30
"""Seconds that an address is remembered; providers move traffic by DNS within minutes."""

WRITE_SIZE: Final = 1 << 18
"""Bytes of a body handed to the socket at a time, so that a large one neither blocks the loop nor is copied whole."""

# What the client library would add to a request by itself.
_AUTOMATIC: Final = (hdrs.ACCEPT, hdrs.ACCEPT_ENCODING, hdrs.CONTENT_TYPE, hdrs.USER_AGENT)

MAX_FIELD: Final = 1 << 16
"""Bytes of one header field of an answer; providers send long `Set-Cookie` and policy fields."""


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds to wait: for a connection, then for the head of the answer, then between two pieces (None: for ever)."""

    connect: float = 10.0
    first_byte: float = 600.0
    idle: float | None = None


@dataclass(frozen=True, slots=True)
class Upstream:
    """An API behind the gateway. `base_url` has no slash at its end; `key` is the real key, where one is injected.

    `patience` is set where it is not the one that holds for all.
    """

    name: str
    family: Family
    base_url: str
    key: str | None = field(default=None, repr=False)
    tls: SSLContext | bool = True
    patience: Patience | None = None


class Pool:
    """Connections to upstreams, shared by all exchanges. Make it in a running loop, and close it."""

    def __init__(self) -> None:
        self._session = ClientSession(
            connector=TCPConnector(limit=0, ttl_dns_cache=DNS_TTL, keepalive_timeout=KEEP_ALIVE),
            cookie_jar=DummyCookieJar(),
            skip_auto_headers=_AUTOMATIC,
            auto_decompress=False,
            trust_env=False,
            raise_for_status=False,
            max_line_size=MAX_FIELD,
            max_field_size=MAX_FIELD,
        )

    async def close(self) -> None:
        await self._session.close()

    async def send(
        self,
        upstream: Upstream,
        method: str,
        target: str,
        headers: Headers,
        body: bytes | AsyncIterable[bytes] | None,
        patience: Patience,
        deadline: asyncio.Timeout,
    ) -> ClientResponse:
        """Send a request and wait for the head of its answer.

        `headers` are complete but for Host and, where `body` is bytes, the message framing. `deadline` ends the wait;
        a caller that sends the body piece by piece moves it as the pieces leave. Raises what `fault_of` knows.
        """
        async with deadline:
            response = await self._session.request(
                method,
                URL(upstream.base_url + target, encoded=True),
                headers=headers,
                data=_Whole(body) if isinstance(body, bytes) else body,
                allow_redirects=False,
                ssl=upstream.tls,
                timeout=_connecting(patience.connect),
            )
        if patience.idle is not None and response.connection is not None:
            protocol = response.connection.protocol
            if protocol is not None:
                protocol.read_timeout = patience.idle
                protocol.start_timeout()
        return response


@lru_cache(maxsize=16)  # one for each configuration that is in use
def _connecting(seconds: float) -> ClientTimeout:
    return ClientTimeout(total=None, connect=seconds)


class _Whole(BytesPayload):
    """A body at hand, written in slices. (aiohttp's own warns of large ones, as it writes them in one go.)"""

    def __init__(self, body: bytes) -> None:
        super().__init__(b"")
        self._value = body
        self._size = len(body)

    @override
    async def write_with_length(self, writer: AbstractStreamWriter, content_length: int | None) -> None:
        if self._size is not None and self._size <= WRITE_SIZE:
            await writer.write(self._value)
            return
        view = memoryview(self._value)
        for start in range(0, len(view), WRITE_SIZE):
            await writer.write(view[start : start + WRITE_SIZE])


FAILURES: Final = (ClientError, OSError)
"""What sending to or reading from an upstream may raise (TimeoutError is an OSError)."""


def fault_of(failure: Exception) -> Fault:
    """What kind of failure it is."""
    if isinstance(failure, TimeoutError):
        return Fault.TIMEOUT
    return Fault.UNREACHABLE if isinstance(failure, ClientConnectorError) else Fault.BROKEN


def detail_of(failure: Exception) -> str:
    """What the log may hold of it. Some messages carry the URL, whose query may be a credential: those are left out."""
    kind = type(failure).__name__
    if isinstance(failure, ClientResponseError):
        return f"{kind}: {failure.message}"
    return f"{kind}: {failure}" if isinstance(failure, OSError) else kind
