"""mitmproxy on loopback, a hop that does as it is told, and a canary that nobody may reach."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from gateway.mitm import Hop
from gateway.trust import authority, mitmproxy
from gateway.units import Address
from tests.services.ports import free_ports

ADDONS = Path(__file__).parent.parent.parent / "addons"
KEY = b"k" * 32

type Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def modes() -> tuple[str, str]:
    """An HTTP and a SOCKS proxy, at ports that are free."""
    one, other = free_ports(2)
    return f"regular@{one}", f"socks5@{other}"


@dataclass
class Canary:
    """A server that counts who comes."""

    port: int = 0
    reached: int = 0


@dataclass
class Counter:
    """The hop: what requests came, as their heads, and how they are answered."""

    address: Address = field(default_factory=lambda: Address("127.0.0.1", 1))
    heads: list[str] = field(default_factory=list)
    talk: Talk | None = None


@asynccontextmanager
async def canary() -> AsyncIterator[Canary]:
    found = Canary()

    async def reached(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        found.reached += 1
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\ncanary")
        writer.close()

    class Datagrams(asyncio.DatagramProtocol):
        def datagram_received(self, data: bytes, addr: object) -> None:
            found.reached += 1

    server = await asyncio.start_server(reached, "127.0.0.1", 0)
    found.port = server.sockets[0].getsockname()[1]
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        Datagrams, local_addr=("127.0.0.1", found.port)
    )
    try:
        yield found
    finally:
        transport.close()
        server.close()


@asynccontextmanager
async def hop() -> AsyncIterator[Counter]:
    """A hop that answers each request with `hop`, unless `talk` is set."""
    found = Counter()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            if found.talk is not None:
                await found.talk(reader, writer)
            else:
                await answer(reader, writer)
        writer.close()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        found.heads.append((await reader.readuntil(b"\r\n\r\n")).decode("latin-1"))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nhop")

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    found.address = Address(*server.sockets[0].getsockname()[:2])
    try:
        yield found
    finally:
        server.close()


@dataclass(frozen=True)
class Host:
    """A mitmproxy that runs: the port of each mode, by the mode's name."""

    ports: dict[str, int]


@asynccontextmanager
async def host(folder: Path, at: Address, *command: str) -> AsyncIterator[Host]:
    """mitmproxy, started by a command (a file and its arguments) that announces where it listens."""
    async with started(folder, at, *command) as process:
        assert process.stdout is not None
        async with asyncio.timeout(30):
            line = await process.stdout.readline()
        assert line, await _said(process)
        places = (place.split(" ") for place in json.loads(line))
        yield Host({mode: int(address.rpartition(":")[2]) for mode, address in places})


@asynccontextmanager
async def started(folder: Path, at: Address, *command: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """A Python process with the settings of a hop at that address."""
    made = authority.made((), datetime.now(UTC))
    (folder / "ca.pem").write_text(authority.pem(made.certificate))
    settings = Hop(at, KEY, mitmproxy.write(folder, made)).environment()
    environ = {**os.environ, **settings, "PYTHONPATH": str(ADDONS)}
    process = await asyncio.create_subprocess_exec(
        sys.executable, *command, stdin=PIPE, stdout=PIPE, stderr=PIPE, env=environ
    )
    try:
        yield process
    finally:
        assert process.stdin is not None
        process.stdin.close()
        with suppress(ProcessLookupError):
            process.terminate()
        await process.communicate()


async def _said(process: asyncio.subprocess.Process) -> str:
    assert process.stderr is not None
    return (await process.stderr.read()).decode()


# -- clients: each asks for the canary, and gives back what it was told in the end


async def _talk(port: int, *lines: bytes, patience: float = 5) -> bytes:
    """Send each piece after an answer to the one before it; the last answer, as far as it comes in time."""
    got = b""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        async with asyncio.timeout(patience):
            for line in lines:
                writer.write(line)
                got = await reader.read(65536)
                if not got:
                    break
            while more := await reader.read(65536):
                got += more
    except (TimeoutError, ConnectionError):
        pass
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
    return got


def _socks(port: int) -> bytes:
    return b"\x05\x01\x00\x01\x7f\x00\x00\x01" + port.to_bytes(2)


def clients(running: Host, target: int, patience: float = 5) -> dict[str, Callable[[], Awaitable[bytes]]]:
    """What each kind of client gets that wants to reach the canary."""
    place = f"127.0.0.1:{target}".encode()
    get = b"GET / HTTP/1.1\r\nHost: " + place + b"\r\nConnection: close\r\n\r\n"
    upgrade = get.replace(
        b"Connection: close",
        b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==",
    )
    connect = b"CONNECT " + place + b" HTTP/1.1\r\nHost: " + place + b"\r\n\r\n"
    regular, socks = running.ports["regular"], running.ports["socks5"]
    return {
        "absolute": partial(_talk, regular, get.replace(b"GET /", b"GET http://" + place + b"/"), patience=patience),
        "tunnel": partial(_talk, regular, connect, get, patience=patience),
        "websocket": partial(_talk, regular, connect, upgrade, patience=patience),
        "raw": partial(_talk, regular, connect, b"\x00\x01\x02\x03 any bytes\r\n\r\n", patience=patience),
        "socks": partial(_talk, socks, b"\x05\x01\x00", _socks(target), get, patience=patience),
        "socks, raw": partial(_talk, socks, b"\x05\x01\x00", _socks(target), b"SSH-2.0-x\r\n\r\n", patience=patience),
    }
