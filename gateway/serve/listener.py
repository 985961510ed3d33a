"""A listening socket with a handler behind it, which can be emptied before it is closed."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Collection
from typing import Any, Final, override
from weakref import WeakSet

from aiohttp import web
from aiohttp.http import HttpProcessingError

from gateway.errors import ConfigError
from gateway.serve.upstream import MAX_FIELD
from gateway.units import Address

type Unread = Callable[[web.BaseRequest, str], web.StreamResponse]
"""Makes the answer to a request that cannot be read, for the reason given."""

type Handle = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]

IDLE: Final = 75.0
"""Seconds that a client's connection may stand idle, or take over the head of a request (nginx: keepalive_timeout)."""

_POLL: Final = 0.02
_CLOSE: Final = 1.0  # seconds that the server library gets to end what is left


class Listener:
    """Serves `handle` at one address.

    `front` makes the protocol of each connection, where that is not the HTTP server's from its first byte on; it comes
    back with the connection to `serve`. `unread` answers what the HTTP parser cannot read; without it, the server
    library does.
    """

    def __init__(
        self, handle: Handle, front: Callable[[], asyncio.Protocol] | None = None, unread: Unread | None = None
    ) -> None:
        self._unread = unread
        self._handle = handle
        self._front = front
        self._servers: WeakSet[web.Server] = WeakSet()
        self._server: asyncio.Server | None = None

    async def start(self, at: Address) -> Address:
        """Listen, and return where (port 0 lets the system choose). Raises ConfigError where that cannot be."""
        front = self._front or self._served(self._handle)
        try:
            self._server = await asyncio.get_running_loop().create_server(front, at.host, at.port)
        except OSError as error:
            # The event loop's own words for a number repeat the address.
            reason = (os.strerror(error.errno) if error.errno else str(error)).lower()
            raise ConfigError((f"cannot listen on {at}: {reason}; free the address, or choose another",)) from error
        host, port = self._server.sockets[0].getsockname()[:2]
        return Address(host, port)

    def serve(self, handle: Handle) -> web.RequestHandler:
        """The HTTP server's end of one connection, for a handler of its own."""
        return self._served(handle)()

    def _served(self, handle: Handle) -> web.Server:
        # No access log: the record of each exchange is it. Bodies stay coded as they are, since they are passed on.
        server = _Server(
            handle,
            self._unread,
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
        if self._server is None:
            return
        self._server.close()
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
        if self._server is not None:
            self._server.close()
        self._close_idle(())
        await asyncio.gather(*(server.shutdown(_CLOSE) for server in tuple(self._servers)))

    def _close_idle(self, working: Collection[object]) -> None:
        for server in tuple(self._servers):
            for connection in server.connections:
                if connection not in working:
                    connection.force_close()


class _Server(web.Server):
    """The library's server, with an answer of ours to what it cannot read."""

    def __init__(self, handle: Handle, unread: Unread | None, **options: Any) -> None:
        super().__init__(handle, handler_cancellation=True, **options)
        self._options = options
        self._unread = unread

    @override
    def __call__(self) -> web.RequestHandler:
        return _Connection(self, self._unread, loop=asyncio.get_running_loop(), **self._options)


class _Connection(web.RequestHandler):
    __slots__ = ("_unread",)

    def __init__(self, server: web.Server, unread: Unread | None, **options: Any) -> None:
        super().__init__(server, **options)
        self._unread = unread

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


def complaint(error: HttpProcessingError) -> str:
    """What the parser has against a head, without the bytes that it quotes."""
    return error.message.partition("\n")[0].rstrip(":") or type(error).__name__
