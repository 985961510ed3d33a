"""A stand-in for the gateway's proxy that passes nothing on: it answers every host itself, and notes how far each came.

It signs with the gateway's own authority, so that a runtime that trusts it trusts the gateway.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final
from urllib.parse import urlsplit

from gateway.errors import LockgateError
from gateway.trust.leaf import Leaves
from gateway.trust.name import server_name
from gateway.units import Address

_PATIENCE: Final = 15.0  # seconds for a client to get from its connection to the end of its request
_ESTABLISHED: Final = b"HTTP/1.1 200 Connection established\r\n\r\n"
_ANSWER: Final = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"
)


class Came(IntEnum):
    """How far a request for a host came, from the least."""

    UNSIGNED = 1  # it asked for a tunnel to what the authority may not sign for
    DISTRUSTED = 2  # it asked for a tunnel, and did not take the certificate
    PLAIN = 3  # it asked for `http://`, which needs no trust
    TRUSTED = 4  # it sent a request inside of TLS


@dataclass(slots=True)
class Canary:
    """Where it listens, and what came: by host, in the order of the first request."""

    address: Address
    came: dict[str, Came] = field(default_factory=dict)

    def note(self, host: str, how: Came) -> None:
        """Raises ValueError for what is no host."""
        name = str(server_name(host))
        self.came[name] = max(how, self.came.get(name, how))


@asynccontextmanager
async def canary(leaves: Leaves) -> AsyncIterator[Canary]:
    """A running canary, on a free port of this machine."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # Clients hang up, speak nonsense or say nothing: none of it is the canary's concern.
        with suppress(OSError, ValueError, EOFError, TimeoutError, asyncio.LimitOverrunError, LockgateError):
            async with asyncio.timeout(_PATIENCE):
                await _answer(running, leaves, reader, writer)
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    running = Canary(Address(*server.sockets[0].getsockname()[:2]))
    try:
        yield running
    finally:
        server.close()


async def _answer(running: Canary, leaves: Leaves, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    method, target = await _request(reader)
    if method == "CONNECT":
        host = target.rpartition(":")[0]
        running.note(host, Came.UNSIGNED)
        context = leaves.context(host)
        running.note(host, Came.DISTRUSTED)
        writer.write(_ESTABLISHED)
        await writer.start_tls(context)
        await _request(reader)
        running.note(host, Came.TRUSTED)
    else:
        running.note(urlsplit(target).hostname or "", Came.PLAIN)
    writer.write(_ANSWER)
    await writer.drain()


async def _request(reader: asyncio.StreamReader) -> tuple[str, str]:
    """Method and target of a request, once its head is complete."""
    head = await reader.readuntil(b"\r\n\r\n")
    method, target, _ = head.partition(b"\r\n")[0].decode("latin-1").split(" ")
    return method, target
