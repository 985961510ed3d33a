"""The way out: one pool of connections to the upstreams, and what its failures mean."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from http import HTTPStatus
from socket import gaierror
from ssl import SSLContext
from typing import Any, Final, Literal, override
from urllib.parse import urlsplit

from aiohttp import (
    ClientConnectorCertificateError,
    ClientConnectorError,
    ClientError,
    ClientHandlerType,
    ClientMiddlewareType,
    ClientRequest,
    ClientResponse,
    ClientResponseError,
    ClientSession,
    ClientTimeout,
    ClientWebSocketResponse,
    ClientWSTimeout,
    DummyCookieJar,
    TCPConnector,
    hdrs,
)
from aiohttp.abc import AbstractStreamWriter
from aiohttp.payload import BytesPayload
from yarl import URL

from gateway.dialect.route import Family
from gateway.errors import Malformed
from gateway.exchange.events import Fault, Headers
from gateway.policy.egress.host import Host, parse_host
from gateway.serve.dial import DNS_TTL, Names, Way, is_near

KEEP_ALIVE: Final = 15.0
"""Seconds that an idle upstream connection is kept. Front ends of the big providers keep theirs for a minute or more;
a connection that the other side closes just as a request leaves would be a 502."""

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

    `patience` is set where it is not the one that holds for all; `way` where an agent named the host, which is in
    `base_url` too.
    """

    name: str
    family: Family
    base_url: str
    key: str | None = field(default=None, repr=False)
    tls: SSLContext | bool = True
    patience: Patience | None = None
    way: Way | None = None

    @property
    def path(self) -> str:
        """The path of `base_url`."""
        return urlsplit(self.base_url).path

    @property
    def host(self) -> Host:
        """The host in normal form, whoever chose it."""
        return _host(self.way.host if self.way is not None else urlsplit(self.base_url).hostname or "")

    @property
    def spelt_host(self) -> str:
        """The host as the agent wrote it; empty where the operator chose it."""
        return self.way.spelt if self.way is not None else ""


@lru_cache(maxsize=1024)
def _host(name: str) -> Host:
    try:
        return parse_host(name)
    except Malformed:
        return Host(name)  # the operator's own: such names resolve in some networks


class Pool:
    """Connections to upstreams, shared by all exchanges. Make it in a running loop, and close it.

    `parent` is the URL of a proxy that upstreams are reached through, with its credentials; see `parent_for`.
    """

    def __init__(self, names: Names | None = None, parent: str | None = None) -> None:
        self.names = names or Names()
        self.parent = parent
        connector = TCPConnector(limit=0, ttl_dns_cache=DNS_TTL, keepalive_timeout=KEEP_ALIVE)
        self._session = _session(connector)
        self._sockets = _session(connector, (upgraded_or_not,), UpstreamSocket, is_owner=False)

    async def close(self) -> None:
        await self._sockets.close()
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

        async def request(call: Call) -> ClientResponse:
            return await self._session.request(
                method,
                URL(call.base_url + target, encoded=True),
                headers=call.headers(headers),
                data=_Whole(body) if isinstance(body, bytes) else body,
                allow_redirects=False,
                ssl=upstream.tls,
                server_hostname=call.server_name,
                proxy=call.parent,
                timeout=_connecting(patience.connect),
            )

        async with deadline:
            response = await self._called(upstream, request)
        if patience.idle is not None and response.connection is not None:
            protocol = response.connection.protocol
            if protocol is not None:
                protocol.read_timeout = patience.idle
                protocol.start_timeout()
        return response

    async def upgrade(
        self,
        upstream: Upstream,
        target: str,
        headers: Headers,
        protocols: tuple[str, ...],
        max_message: int,
        patience: Patience,
        *,
        compress: bool,
    ) -> UpstreamSocket:
        """Open a WebSocket. Raises NotUpgraded, with the answer still open, and what `fault_of` knows.

        A handshake makes no model think, so connecting and answering have the time of a connection together.
        """

        async def connect(call: Call) -> UpstreamSocket:
            socket = await self._sockets.ws_connect(
                URL(call.base_url + target, encoded=True),
                headers=call.headers(headers),
                protocols=protocols,
                ssl=upstream.tls,
                server_hostname=call.server_name,
                proxy=call.parent,
                timeout=ClientWSTimeout(ws_receive=None, ws_close=CLOSING),
                autoclose=False,
                autoping=False,
                heartbeat=HEARTBEAT,
                compress=_WINDOW if compress else 0,
                max_msg_size=max_message,
                decode_text=False,
            )
            assert isinstance(socket, UpstreamSocket)
            socket.is_by_parent = call.parent is not None
            return socket

        async with asyncio.timeout(patience.connect):
            return await self._called(upstream, connect)

    def parent_for(self, host: str) -> str | None:
        """The proxy that a host is reached through: to the parent, this machine and its network may be others."""
        return None if self.parent is None or is_near(host) else self.parent

    async def _called[T](self, upstream: Upstream, call: Callable[[Call], Awaitable[T]]) -> T:
        """Call an upstream: by its name, or, where an agent named it, at each address that may be dialled in turn."""
        way = upstream.way
        parent = self.parent_for(URL(upstream.base_url).host or "")
        if parent is not None:
            # What the name leads to is for the parent to see; the list of hosts was asked all the same.
            return await call(Call(upstream.base_url, parent=parent))
        if way is None:
            return await call(Call(upstream.base_url))
        *others, last = await self.names.permitted(way.host, way.port, way.may_dial)
        for address in others:
            with suppress(ClientConnectorError):
                return await call(Call(way.origin_at(address) + upstream.path, way))
        return await call(Call(way.origin_at(last) + upstream.path, way))


@dataclass(frozen=True, slots=True)
class Call:
    """One try at an upstream: where it is dialled, and as whom it is addressed."""

    base_url: str
    way: Way | None = None
    parent: str | None = None

    def headers(self, headers: Headers) -> Headers:
        return headers if self.way is None else self.way.headers(headers)

    @property
    def server_name(self) -> str | None:
        return None if self.way is None else self.way.server_name


HEARTBEAT: Final = 30.0
"""Seconds of silence after which a peer of a WebSocket is asked whether it is there; half of it is left to answer."""

CLOSING: Final = 1.0
"""Seconds that a peer of a WebSocket has to answer a close frame."""

_WINDOW: Final = 15  # bits of the largest window of permessage-deflate (RFC 7692, 7.1.2.1): its default


class NotUpgraded(Exception):
    """The upstream answered an upgrade with something else than 101: `response`, whose body is to be read yet."""

    def __init__(self, response: ClientResponse) -> None:
        super().__init__(response.status)
        self.response = response


class UpstreamSocket(ClientWebSocketResponse[Literal[False]]):
    """The upstream's side of a WebSocket, with the fields of its 101."""

    def __init__(
        self,
        reader: Any,
        writer: Any,
        protocol: str | None,
        response: ClientResponse,
        *args: Any,
        **options: Any,
    ) -> None:
        super().__init__(reader, writer, protocol, response, *args, **options)
        self.raw_headers = response.raw_headers
        self.is_by_parent = False  # whether a parent proxy dialled the upstream

    @property
    def address(self) -> str | None:
        """The upstream's address; None where a parent proxy dialled it, or the connection is lost."""
        peer = self.get_extra_info("peername") if not self.is_by_parent else None
        return peer[0] if isinstance(peer, tuple) else None

    def abort(self) -> None:
        """Drop the connection, with what it has not sent yet."""
        connection = self._response.connection
        if connection is not None and connection.transport is not None:
            connection.transport.abort()


async def upgraded_or_not(request: ClientRequest, send: ClientHandlerType) -> ClientResponse:
    """Let a 101 through alone. Stands before redirects, which would take the credentials elsewhere."""
    response = await send(request)
    if response.status != HTTPStatus.SWITCHING_PROTOCOLS:
        raise NotUpgraded(response)
    return response


def _session(
    connector: TCPConnector,
    middlewares: tuple[ClientMiddlewareType, ...] = (),
    socket: type[ClientWebSocketResponse[Any]] = ClientWebSocketResponse,
    *,
    is_owner: bool = True,
) -> ClientSession:
    return ClientSession(
        connector=connector,
        connector_owner=is_owner,
        cookie_jar=DummyCookieJar(),
        skip_auto_headers=_AUTOMATIC,
        auto_decompress=False,
        trust_env=False,
        raise_for_status=False,
        max_line_size=MAX_FIELD,
        max_field_size=MAX_FIELD,
        timeout=ClientTimeout(total=None),
        middlewares=middlewares,
        ws_response_class=socket,
    )


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
    if isinstance(failure, ClientConnectorCertificateError):
        return Fault.UNTRUSTED
    return Fault.UNREACHABLE if isinstance(failure, ClientConnectorError | gaierror) else Fault.BROKEN


def detail_of(failure: Exception) -> str:
    """What the log may hold of it. Some messages carry the URL, whose query may be a credential: those are left out."""
    kind = type(failure).__name__
    if isinstance(failure, ClientResponseError):
        return f"{kind}: {failure.message}"
    return f"{kind}: {failure}" if isinstance(failure, OSError) else kind
