"""WebSockets as tests speak them: an upstream that talks, clients, raw handshakes and frames, and faults of our own."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any

from aiohttp import WSMsgType, web
from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as dial
from websockets.exceptions import ConnectionClosed

from gateway.dialect.families import FAMILIES
from gateway.exchange.gate import BodyLimits
from gateway.serve.posture import Posture
from gateway.serve.upstream import Patience, Upstream
from tests.serve.loopback import PATIENCE, Running, gateway, posture, upstream_of

type Talk = Callable[[web.WebSocketResponse], Awaitable[None]]

KEY = base64.b64encode(b"0123456789abcdef").decode()
KEY_IN_PROTOCOL = "openai-insecure-api-key.sk-1"
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, 1.3
UPGRADE = ("Connection: Upgrade", "Upgrade: websocket", f"Sec-WebSocket-Key: {KEY}", "Sec-WebSocket-Version: 13")


@dataclass
class Side:
    """An upstream that takes every upgrade and talks: it keeps the requests, the messages, and how it was closed."""

    talk: Talk | None = None
    protocols: tuple[str, ...] = ()
    compress: bool = True
    headers: tuple[tuple[str, str], ...] = ()
    requests: list[web.BaseRequest] = field(default_factory=list)
    messages: list[Any] = field(default_factory=list)
    pings: int = 0
    closed: asyncio.Future[tuple[int, str]] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        self.requests.append(request)
        socket = web.WebSocketResponse(
            protocols=self.protocols, compress=self.compress, autoping=False, max_msg_size=0, autoclose=False
        )
        socket.headers.extend(self.headers)
        await socket.prepare(request)
        if self.talk is not None:
            await self.talk(socket)
        await self.listen(socket)
        return socket

    async def listen(self, socket: web.WebSocketResponse) -> None:
        """Echo, until the other side goes."""
        while True:
            frame = await socket.receive()
            if frame.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                self.messages.append(frame.data)
                send = socket.send_str if frame.type is WSMsgType.TEXT else socket.send_bytes
                with suppress(ConnectionError):
                    await send(frame.data)
            elif frame.type is WSMsgType.PING:
                self.pings += 1
                await socket.pong(frame.data)
            elif frame.type is WSMsgType.CLOSE:
                self.closed.set_result((frame.data, str(frame.extra)))
                await socket.close(code=frame.data or 1000)
                return
            elif frame.type is not WSMsgType.PONG:
                if not self.closed.done():
                    self.closed.set_result((1006, ""))
                return


def serving(base: str, *, event: int = 1 << 20, patience: Patience | None = None, family: str = "http") -> Posture:
    """A posture whose upstream `up` is at `base`, with messages of up to `event` bytes."""
    found = posture({"up": Upstream("up", FAMILIES[family], base)}, patience=patience or Patience(5, 5, 5))
    return replace(found, default_gate=replace(found.default_gate, limits=BodyLimits(event=event)))


@asynccontextmanager
async def between(side: Side, **options: Any) -> AsyncIterator[Running]:
    async with upstream_of(side) as base, gateway(serving(base, **options)) as running:
        yield running


def url(running: Running, target: str = "/up/ws") -> str:
    return f"ws://{running.address}{target}"


@asynccontextmanager
async def client(running: Running, target: str = "/up/ws", **options: Any) -> AsyncIterator[ClientConnection]:
    async with dial(url(running, target), proxy=None, max_size=None, **options) as found:
        yield found


def request(*fields: str, line: str = "GET /up/ws HTTP/1.1", host: str = "localhost") -> bytes:
    return "\r\n".join([line, f"Host: {host}", *fields, "", ""]).encode()


def switching(head: bytes, *fields: str, accept: str | None = None) -> bytes:
    """The 101 to an upgrade request, with the right answer to its key or another one."""
    key = next(line.partition(b": ")[2] for line in head.split(b"\r\n") if line.startswith(b"Sec-WebSocket-Key"))
    right = base64.b64encode(hashlib.sha1(key + _GUID).digest()).decode()
    lines = ("HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade")
    return "\r\n".join([*lines, f"Sec-WebSocket-Accept: {accept or right}", *fields, "", ""]).encode()


async def closing(socket: ClientConnection) -> tuple[int, str]:
    """How the gateway closes: code and reason."""
    async with asyncio.timeout(PATIENCE):
        try:
            while True:
                await socket.recv()
        except ConnectionClosed as closed:
            return (closed.rcvd.code, closed.rcvd.reason) if closed.rcvd is not None else (1006, "")


def frame(first: int, payload: bytes, *, length: int | None = None) -> bytes:
    """A client's frame (RFC 6455, 5.2), masked with zeros, which change nothing; `length` may lie."""
    return bytes([first, 0x80 | 127]) + (len(payload) if length is None else length).to_bytes(8) + bytes(4) + payload


def control(first: int, payload: bytes = b"") -> bytes:
    """A client's frame as a control frame has to be: with its length, at most 125, in one byte."""
    return bytes([first, 0x80 | len(payload)]) + bytes(4) + payload


def deflated(data: bytes) -> bytes:
    """A payload of permessage-deflate (RFC 7692, 7.2.1)."""
    press = zlib.compressobj(wbits=-15)
    return (press.compress(data) + press.flush(zlib.Z_SYNC_FLUSH)).removesuffix(b"\x00\x00\xff\xff")


async def flood(socket: web.WebSocketResponse) -> None:
    """Send a hundred megabytes, as far as the other side takes them."""
    with suppress(ConnectionError):
        for _ in range(2000):
            await socket.send_bytes(b"x" * 50_000)


async def breaking(*_: Any, **__: Any) -> Any:
    raise ZeroDivisionError("broken")


def breaking_now(*_: Any, **__: Any) -> Any:
    raise ZeroDivisionError("broken")
