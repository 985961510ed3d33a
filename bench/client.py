"""A load generator: keep-alive HTTP/1.1 over asyncio streams, with as little work of its own as can be.

It knows only what the measured servers send: a length, or chunks.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(slots=True)
class Sample:
    """What one slice measured. Times in seconds; `lags` are delays of stream events from upstream to client."""

    requests: int = 0
    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    first: list[float] = field(default_factory=list)
    lags: list[float] = field(default_factory=list)


STAGGER = 0.023
"""Seconds between the starts of two streams: longer than a request takes, and no multiple of the gap between events."""


type Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Way(Protocol):
    """How a connection is opened, if not straight to a port, and the Host field of what is asked for on it."""

    @property
    def host(self) -> str: ...

    async def dial(self) -> Streams: ...


class Connection:
    """One connection to one server, used for one request after the other."""

    def __init__(self, port: int, path: str, way: Way | None = None) -> None:
        self._port = port
        self._dial = way.dial if way is not None else self._straight
        host = way.host if way is not None else f"127.0.0.1:{port}"
        self._head = f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n".encode()
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def send(self, body: bytes) -> asyncio.StreamReader:
        if self._reader is None or self._writer is None:
            self._reader, self._writer = await self._dial()
        self._writer.write(self._head + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        return self._reader

    async def _straight(self) -> Streams:
        return await asyncio.open_connection("127.0.0.1", self._port, limit=2**20)

    async def post(self, body: bytes) -> bytes:
        """Send one request and read its answer, which must be a 200."""
        reader = await self.send(body)
        length = await _head(reader)
        assert length is not None, "a whole answer has a length"
        return await reader.readexactly(length)

    async def post_stream(self, body: bytes, heard: Callable[[bytes], None]) -> None:
        """Send one request and pass every chunk of its streamed answer on as it comes."""
        reader = await self.send(body)
        assert await _head(reader) is None, "a stream is chunked"
        while size := int(await reader.readuntil(b"\r\n"), 16):
            heard((await reader.readexactly(size + 2))[:-2])
        await reader.readuntil(b"\r\n")

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()


async def _head(reader: asyncio.StreamReader) -> int | None:
    """Read the head of an answer: its Content-Length, or None where it is chunked."""
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    if not head.startswith(b"http/1.1 200 "):
        raise RuntimeError(f"not a 200: {head.splitlines()[0].decode()}: {(await reader.read(500)).decode()}")
    _, found, rest = head.partition(b"\r\ncontent-length:")
    return int(rest.partition(b"\r\n")[0]) if found else None


async def load(
    port: int, path: str, body: Callable[[int], bytes], serials: Serials, how: Slice, way: Way | None = None
) -> Sample:
    """Keep `how.connections` connections busy for `how.seconds`; each request gets a serial of its own."""
    sample = Sample()
    started = time.perf_counter()
    deadline = started + how.seconds

    async def work() -> None:
        connection = Connection(port, path, way)
        while (begun := time.perf_counter()) < deadline:
            await connection.post(body(serials.next()))
            sample.latencies.append(time.perf_counter() - begun)
        connection.close()

    await asyncio.gather(*(work() for _ in range(how.connections)))
    sample.seconds = time.perf_counter() - started
    sample.requests = len(sample.latencies)
    return sample


async def listen(port: int, path: str, body: Callable[[int], bytes], serials: Serials, streams: int) -> Sample:
    """Open `streams` streams, one shortly after the other, and time their events by the stamps that they carry."""
    sample = Sample(requests=streams)

    async def work(number: int) -> None:
        await asyncio.sleep(number * STAGGER)
        begun = time.monotonic_ns()
        stamps: list[int] = []

        def heard(chunk: bytes) -> None:
            now = time.monotonic_ns()
            for stamp in stamps_in(chunk):
                if not stamps:
                    sample.first.append((now - begun) / 1e9)
                stamps.append(stamp)
                sample.lags.append((now - stamp) / 1e9)

        connection = Connection(port, path)
        await connection.post_stream(body(serials.next()), heard)
        connection.close()

    await asyncio.gather(*(work(number) for number in range(streams)))
    return sample


STAMP = b'"obfuscation":"'
"""Where the upstream puts the time at which it sent an event: a field that real chunks have, with padding in it."""


def stamps_in(chunk: bytes) -> list[int]:
    """The stamps of the events in a chunk, in nanoseconds of the machine's monotonic clock."""
    return [int(part.partition(b'"')[0]) for part in chunk.split(STAMP)[1:]]


@dataclass(frozen=True, slots=True)
class Slice:
    """How long and how wide one measurement is."""

    seconds: float
    connections: int


@dataclass(slots=True)
class Serials:
    """Numbers that never repeat, for bodies that never repeat."""

    _last: int = 0

    def next(self) -> int:
        self._last += 1
        return self._last
