"""The ends of a connection of the proxy before it is the HTTP server's: its first bytes tell whose it is."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable
from typing import Final, Protocol, override

from aiohttp import web
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http import HttpProcessingError, HttpRequestParser, RawRequestMessage

from gateway.serve.listener import IDLE, complaint
from gateway.serve.upstream import MAX_FIELD

HANDSHAKE: Final = 10.0
"""Seconds for a client's first bytes in a tunnel, and again for TLS. One that is willing needs two round trips."""

_CONNECT: Final = b"CONNECT "


class Keeper(Protocol):
    """Who decides about connections."""

    def server(self) -> web.RequestHandler:
        """The HTTP server's end for requests that are no CONNECT."""
        ...

    def receive(self, transport: asyncio.Transport, message: RawRequestMessage, *, is_early: bool) -> None:
        """Answer a CONNECT. The connection is paused; `is_early` is whether more came already."""
        ...

    def turn_away(self, transport: asyncio.Transport, why: str) -> None:
        """Refuse a connection whose first request cannot be read."""
        ...


class Threshold(BaseProtocol):
    """The beginning of a connection: until its first request tells whose it is."""

    def __init__(self, keeper: Keeper) -> None:
        loop = asyncio.get_running_loop()
        super().__init__(loop)
        self._keeper = keeper
        self._parse_head = HttpRequestParser(
            self, loop, MAX_FIELD, max_line_size=MAX_FIELD, max_field_size=MAX_FIELD
        ).feed_data
        self._came = b""
        self._deadline: asyncio.TimerHandle | None = None

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        # The server's own limit for a head that does not come.
        self._deadline = asyncio.get_running_loop().call_later(IDLE, transport.close)

    @override
    def connection_lost(self, exc: BaseException | None) -> None:
        self._done()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        transport = self.transport
        assert transport is not None
        self._came += data
        if not _CONNECT.startswith(self._came[: len(_CONNECT)]):
            self._done()
            hand_over(transport, self._keeper.server(), self._came)
        elif len(self._came) >= len(_CONNECT):
            self._parse(transport, data if len(self._came) - len(data) >= len(_CONNECT) else self._came)

    def _parse(self, transport: asyncio.Transport, data: bytes) -> None:
        try:
            messages, _, rest = self._parse_head(data)
        except HttpProcessingError as error:
            self._done()
            self._keeper.turn_away(transport, f"the CONNECT cannot be read: {complaint(error)}")
            return
        if messages:
            self._done()
            transport.pause_reading()
            self._keeper.receive(transport, messages[0][0], is_early=bool(rest))
        elif len(self._came) > MAX_FIELD:
            self._done()
            self._keeper.turn_away(transport, f"the head of the CONNECT is longer than {MAX_FIELD} bytes")

    def _done(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()


class Waiting(asyncio.Protocol):
    """The end of a TLS connection until its first bytes: a client that does not trust us says so only now.

    In TLS 1.3 the server has finished before the client has looked at the certificate (RFC 8446, section 2).
    """

    def __init__(self, serve: Callable[[], web.RequestHandler], failed: Callable[[Exception | None], None]) -> None:
        self._serve = serve
        self._failed = failed
        self._transport: asyncio.Transport | None = None
        self._came = b""
        self._deadline: asyncio.TimerHandle | None = None
        self._is_over = False

    def begin(self, transport: asyncio.Transport) -> None:
        """TLS is set up, on that transport; what came with the end of the handshake is given on."""
        self._transport = transport
        self._deadline = asyncio.get_running_loop().call_later(IDLE, transport.close)
        if self._came:
            self._hand_over(transport)

    @override
    def data_received(self, data: bytes) -> None:
        self._came += data
        if self._transport is not None:
            self._hand_over(self._transport)

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        if self._transport is not None and not self._is_over:
            self._end()
            self._failed(exc)

    def _hand_over(self, transport: asyncio.Transport) -> None:
        self._end()
        hand_over(transport, self._serve(), self._came)

    def _end(self) -> None:
        self._is_over = True
        if self._deadline is not None:
            self._deadline.cancel()


def hand_over(transport: asyncio.Transport, handler: web.RequestHandler, came: bytes) -> None:
    """Give a connection to the HTTP server, with what was read from it."""
    transport.set_protocol(handler)
    handler.connection_made(transport)
    if came:
        handler.data_received(came)
    if not transport.is_reading():
        transport.resume_reading()


async def first_byte(transport: asyncio.Transport) -> int | None:
    """The first byte that a client sends, still to be read; None where it sends none."""
    loop = asyncio.get_running_loop()
    own = transport.get_extra_info("socket")
    came: asyncio.Future[None] = loop.create_future()
    with socket.socket(fileno=os.dup(own.fileno())) as peeked:
        loop.add_reader(peeked.fileno(), _set, came)
        try:
            async with asyncio.timeout(HANDSHAKE):
                await came
            first = peeked.recv(1, socket.MSG_PEEK)
        except (TimeoutError, ConnectionError):
            return None
        finally:
            loop.remove_reader(peeked.fileno())
    return first[0] if first else None


def _set(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
