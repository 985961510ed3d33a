"""A listening socket with a handler behind it, which can be emptied before it is closed."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections.abc import Awaitable, Callable, Collection, Iterator
from typing import Any, Final, override
from weakref import WeakSet

from aiohttp import web
from aiohttp.http import HttpProcessingError

from gateway.errors import ConfigError
from gateway.serve.upstream import MAX_FIELD
from gateway.units import Address

type Unread = Callable[[web.BaseRequest, str], web.StreamResponse]
"""Makes the answer to a request that cannot be read, for the reason given."""

type Idle = Callable[[], float | None]
"""Tells for how many seconds a client may take nothing of what is sent to it (None: for ever)."""

type Handle = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]

IDLE: Final = 75.0
"""Seconds that a client's connection may stand idle, or take over the head of a request (nginx: keepalive_timeout)."""

BACKLOG: Final = 1024
"""Connections that may wait to be taken, if the system allows as many: a burst, or what comes while a worker starts."""

type Sockets = tuple[socket.socket, ...]
"""Sockets that listen, as the one place that a listener has: a name may stand for several addresses."""

_NOT_HERE: Final = frozenset({errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT})
"""What the system says of an address in a family that is switched off, such as that of `localhost` in IPv6."""

_POLL: Final = 0.02
_CLOSE: Final = 1.0  # seconds that the server library gets to end what is left


class Listener:
    """Serves `handle` at one address.

    `front` makes the protocol of each connection, where that is not the HTTP server's from its first byte on; it comes
    back with the connection to `serve`. `unread` answers what the HTTP parser cannot read; without it, the server
    library does. `idle` is asked with each connection for how many seconds a client may take nothing of what is sent to
    it (None: for ever).
    """

    def __init__(
        self,
        handle: Handle,
        front: Callable[[], asyncio.Protocol] | None = None,
        unread: Unread | None = None,
        idle: Idle = lambda: None,
    ) -> None:
        self._idle = idle
        self._unread = unread
        self._handle = handle
        self._front = front
        self._servers: WeakSet[web.Server] = WeakSet()
        self._listening: list[asyncio.Server] = []

    async def start(self, at: Address | Sockets) -> Address:
        """Listen, and return where (port 0 lets the system choose). Raises ConfigError where that cannot be.

        Sockets that are given are the listener's from then on, and closed with it.
        """
        sockets = bound(at) if isinstance(at, Address) else at
        where = standing(sockets)
        front = self._front or self._served(self._handle)
        create = asyncio.get_running_loop().create_server
        for one in sockets:
            self._listening.append(await create(front, sock=one, backlog=BACKLOG))
        return where

    def serve(self, handle: Handle) -> web.RequestHandler:
        """The HTTP server's end of one connection, for a handler of its own."""
        return self._served(handle)()

    def _served(self, handle: Handle) -> web.Server:
        # No access log: the record of each exchange is it. Bodies stay coded as they are, since they are passed on.
        server = _Server(
            handle,
            self._unread,
            self._idle,
            access_log=None,
            auto_decompress=False,
            keepalive_timeout=IDLE,
            max_line_size=MAX_FIELD,
            max_field_size=MAX_FIELD,
        )
        self._servers.add(server)
        return server

    async def drain(self, busy: Callable[[], Collection[object]], patience: float) -> None:
        """Take no new connections, close the idle ones, and wait until no connection is `busy`, at most `patience`."""
        if not self._listening:
            return
        self._shut()
        clock = asyncio.get_running_loop()
        deadline = clock.time() + patience
        while True:
            working = busy()
            self._close_idle(working)
            if not working or clock.time() >= deadline:
                return
            await asyncio.sleep(_POLL)

    async def close(self) -> None:
        """Close the socket and every connection."""
        self._shut()
        self._close_idle(())
        await asyncio.gather(*(server.shutdown(_CLOSE) for server in tuple(self._servers)))

    def _shut(self) -> None:
        for one in self._listening:
            one.close()

    def _close_idle(self, working: Collection[object]) -> None:
        for server in tuple(self._servers):
            for connection in server.connections:
                if connection not in working:
                    connection.force_close()


class _Server(web.Server):
    """The library's server, with an answer of ours to what it cannot read."""

    def __init__(self, handle: Handle, unread: Unread | None, idle: Idle, **options: Any) -> None:
        super().__init__(handle, handler_cancellation=True, **options)
        self._options = options
        self._unread = unread
        self._idle = idle

    @override
    def __call__(self) -> web.RequestHandler:
        return _Connection(self, self._unread, self._idle(), loop=asyncio.get_running_loop(), **self._options)


class _Connection(web.RequestHandler):
    __slots__ = ("_idle", "_unread")

    def __init__(self, server: web.Server, unread: Unread | None, idle: float | None, **options: Any) -> None:
        super().__init__(server, **options)
        self._unread = unread
        self._idle = idle

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        bound_writes(transport, self._idle)
        super().connection_made(transport)

    @override
    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        if self._unread is None or not isinstance(exc, HttpProcessingError):
            return super().handle_error(request, status, exc, message)
        return self._unread(request, complaint(exc))


def bound_writes(transport: asyncio.BaseTransport, seconds: float | None) -> None:
    """Let the system end a connection whose peer takes nothing of what was sent for that long (None: never).

    It alone knows what has left, whatever buffers are in between, and goes on with it when a connection is closed here.
    RFC 5482; Linux counts the time in which a peer that is there takes nothing, too. Others have no such option.
    """
    own = transport.get_extra_info("socket")
    if seconds is not None and own.family in _NETWORKS and _USER_TIMEOUT is not None:
        own.setsockopt(socket.IPPROTO_TCP, _USER_TIMEOUT, max(1, int(seconds * 1000)))


_NETWORKS: Final = (socket.AF_INET, socket.AF_INET6)
_USER_TIMEOUT: Final[int | None] = getattr(socket, "TCP_USER_TIMEOUT", None)


def complaint(error: HttpProcessingError) -> str:
    """What the parser has against a head, without the bytes that it quotes."""
    return error.message.partition("\n")[0].rstrip(":") or type(error).__name__


def bound(at: Address) -> Sockets:
    """Sockets that listen there, one for each address that the host has. Raises ConfigError where that cannot be."""
    opened: list[socket.socket] = []
    missing: OSError | None = None
    try:
        for family, place in _places(at):
            try:
                opened.append(socket.create_server(place, family=family, backlog=BACKLOG))
            except OSError as error:
                if error.errno not in _NOT_HERE:
                    raise
                missing = error
        if missing is not None and not opened:
            raise missing
    except OSError as error:
        for one in opened:
            one.close()
        reason = _reason(error).lower()
        raise ConfigError((f"cannot listen on {at}: {reason}; free the address, or choose another",)) from error
    return tuple(opened)


def standing(sockets: Sockets) -> Address:
    """Where they stand: the first of the addresses, with the port that the system chose if it was to."""
    host, port = sockets[0].getsockname()[:2]
    return Address(host, port)


def _places(at: Address) -> Iterator[tuple[int, Any]]:
    """The family and the socket address of each address of the host. Raises OSError where it has none."""
    found = socket.getaddrinfo(at.host, at.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    yield from dict.fromkeys((int(family), place) for family, _, _, _, place in found)


def _reason(error: OSError) -> str:
    """The system's words for it; the library's own repeat the address. A resolver numbers its faults by itself."""
    if isinstance(error, socket.gaierror) or not error.errno:
        return error.strerror or str(error)
    return os.strerror(error.errno)
