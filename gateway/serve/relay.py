"""Bytes passed on between two connections, unread: the tunnels of hosts that the list leaves uninspected."""

from __future__ import annotations

import asyncio
import base64
from contextlib import suppress
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote, urlsplit

from gateway.policy.egress.host import Host
from gateway.serve.dial import Names, Way, bracketed
from gateway.serve.listener import bound_writes
from gateway.serve.opening import Contrary, opening

_PIECE: Final = 1 << 16
_HEAD: Final = 1 << 14
"""Bytes of a parent proxy's answer to CONNECT, at most."""

type Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Stalled(Exception):
    """A tunnel in which nothing moves that should."""


def over(transport: asyncio.Transport) -> Stream:
    """A stream over a connection whose protocol is done with it, and whose reading is paused."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(_PIECE, loop)
    protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
    transport.set_protocol(protocol)
    protocol.connection_made(transport)
    transport.resume_reading()
    return reader, asyncio.StreamWriter(transport, protocol, reader, loop)


async def dialled(way: Way, names: Names, parent: str | None, patience: float) -> Stream:
    """A connection to a host, at an address that may be dialled. Raises Denied and OSError (TimeoutError is one)."""
    async with asyncio.timeout(patience):
        if parent is not None:
            return await _through(parent, way)
        *others, last = await names.permitted(way.host, way.port, way.may_dial)
        for address in others:
            with suppress(OSError):
                return await asyncio.open_connection(address, way.port)
        return await asyncio.open_connection(last, way.port)


async def _through(parent: str, way: Way) -> Stream:
    """A tunnel through the parent proxy (RFC 9110, section 9.3.6)."""
    url = urlsplit(parent)
    place = f"{bracketed(way.host)}:{way.port}"
    head = [f"CONNECT {place} HTTP/1.1", f"Host: {place}"]
    if url.username is not None:
        shown = f"{unquote(url.username)}:{unquote(url.password or '')}".encode()
        head.append(f"Proxy-Authorization: Basic {base64.b64encode(shown).decode('ascii')}")
    is_tls = url.scheme == "https"
    reader, writer = await asyncio.open_connection(
        url.hostname, url.port or (443 if is_tls else 80), ssl=is_tls or None, limit=_HEAD
    )
    writer.write("\r\n".join((*head, "", "")).encode("ascii"))
    try:
        answer = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        writer.close()
        raise OSError("the parent proxy does not answer as one") from None
    status = answer.split(b" ", 2)[1:2]
    if status != [b"200"]:
        writer.close()
        raise OSError("the parent proxy refused the tunnel")
    return reader, writer


@dataclass(slots=True)
class Counts:
    """Bytes so far, as the client sees them."""

    sent: int = 0
    received: int = 0


async def relay(client: Stream, server: Stream, host: Host, counts: Counts, idle: float | None) -> None:
    """Pass everything on until both sides have ended, and count it.

    One side that ends leaves the other open (RFC 9293, section 3.6), until that is silent for `idle` seconds (None: for
    ever); one that breaks ends both. Raises Contrary for TLS that is not for that host, and Stalled for a side that is
    silent, or does not take what is sent to it.
    """
    (client_reader, client_writer), (server_reader, server_writer) = client, server
    silence = _Silence(idle)

    async def send() -> None:
        data = await opening(client_reader, host)
        while data:
            counts.sent += len(data)
            await silence.broken_by(data, server_writer)
            data = await client_reader.read(_PIECE)
        silence.begin(server_writer)

    async def receive() -> None:
        while data := await server_reader.read(_PIECE):
            counts.received += len(data)
            await silence.broken_by(data, client_writer)
        silence.begin(client_writer)

    for writer in (client_writer, server_writer):
        bound_writes(writer.transport, idle)
    try:
        async with silence.limit, asyncio.TaskGroup() as both:
            both.create_task(send())
            both.create_task(receive())
    except* TimeoutError:
        client_writer.transport.abort()
        server_writer.transport.abort()
        why = "one side has ended, and the other is silent" if silence.limit.expired() else "what was sent is not taken"
        raise Stalled(why) from None
    except* OSError:
        pass  # a connection that broke is over like any other
    except* Contrary as group:
        contrary = group.exceptions[0]
        assert isinstance(contrary, Contrary)  # it is raised in one task, by itself
        client_writer.write(contrary.alert)
        raise contrary from None
    finally:
        client_writer.close()
        server_writer.close()


class _Silence:
    """The time that one side of a tunnel may be silent once the other has ended: `idle` seconds (None: for ever)."""

    def __init__(self, idle: float | None) -> None:
        self.limit = asyncio.timeout(None)
        self._idle = idle
        self._counts = False

    def begin(self, writer: asyncio.StreamWriter) -> None:
        """What is written there has come to its end."""
        self._counts = True
        self._anew()
        if writer.can_write_eof():
            writer.write_eof()

    async def broken_by(self, data: bytes, writer: asyncio.StreamWriter) -> None:
        """Write what came."""
        self._anew()
        writer.write(data)
        await writer.drain()

    def _anew(self) -> None:
        if self._counts and self._idle is not None and not self.limit.expired():
            self.limit.reschedule(asyncio.get_running_loop().time() + self._idle)
