"""A web site on loopback, for clients that speak plain HTTP: what it says is known, what it is told it keeps.

| path        | answer                                                                  |
| ----------- | ----------------------------------------------------------------------- |
| /hello      | `hello`, by any method                                                  |
| /echo       | the body as it came, in chunks                                          |
| /count      | how many bytes the body had, which is read as it comes                  |
| /large?n=N  | N pieces of 64 KiB, made as they leave                                  |
| /range      | the digits, or a range of them                                          |
| /empty      | 204                                                                     |
| /socket     | a WebSocket that says each message again                                |
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import WSMsgType, web

from tests.fakes.script import Seen

PIECE = 1 << 16
DIGITS = b"0123456789"


@dataclass(slots=True)
class WebSite:
    """The running site. `connections` are the ports of its clients, one for each request; `sending` is set once a part
    of a large answer has left, `abandoned` once a client has gone away in the middle of one."""

    port: int = 0
    requests: list[Seen] = field(default_factory=list)
    connections: list[int] = field(default_factory=list)
    sending: asyncio.Event = field(default_factory=asyncio.Event)
    abandoned: asyncio.Event = field(default_factory=asyncio.Event)

    async def serve(self, request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        self.connections.append(request.transport.get_extra_info("peername")[1])
        answer = _ANSWERS.get(request.path)
        return await answer(self, request) if answer is not None else web.Response(status=404)

    def see(self, request: web.Request, body: bytes) -> None:
        fields = tuple((name.decode(), value.decode("latin-1")) for name, value in request.raw_headers)
        self.requests.append(Seen(request.method, request.raw_path, fields, body))

    async def hello(self, request: web.Request) -> web.StreamResponse:
        self.see(request, await request.read())
        return web.Response(text="hello")

    async def echo(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        self.see(request, body)
        response = web.StreamResponse(headers={"Content-Type": request.content_type})
        response.enable_chunked_encoding()
        await response.prepare(request)
        for start in range(0, len(body), PIECE):
            await response.write(body[start : start + PIECE])
        await response.write_eof()
        return response

    async def count(self, request: web.Request) -> web.StreamResponse:
        counted = 0
        async for piece in request.content.iter_any():
            counted += len(piece)
        self.see(request, b"")
        return web.Response(text=str(counted))

    async def large(self, request: web.Request) -> web.StreamResponse:
        self.see(request, b"")
        response = web.StreamResponse(headers={"Content-Type": "application/octet-stream"})
        await response.prepare(request)
        piece = bytes(PIECE)
        try:
            for _ in range(int(request.query["n"])):
                await response.write(piece)
                self.sending.set()
                # What is written to a lost connection over TLS never waits, and its loss would not be told.
                await asyncio.sleep(0)
        except (asyncio.CancelledError, ConnectionError):
            self.abandoned.set()
            raise
        await response.write_eof()
        return response

    async def range(self, request: web.Request) -> web.StreamResponse:
        self.see(request, b"")
        wanted = request.http_range
        if wanted.start is None:
            return web.Response(body=DIGITS, headers={"Accept-Ranges": "bytes"})
        part = DIGITS[wanted]
        where = f"bytes {wanted.start}-{wanted.start + len(part) - 1}/{len(DIGITS)}"
        return web.Response(status=206, body=part, headers={"Content-Range": where})

    async def empty(self, request: web.Request) -> web.StreamResponse:
        self.see(request, await request.read())
        return web.Response(status=204)

    async def socket(self, request: web.Request) -> web.StreamResponse:
        self.see(request, b"")
        socket = web.WebSocketResponse(protocols=("echo",))
        await socket.prepare(request)
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                await socket.send_str(message.data)
            else:
                await socket.send_bytes(message.data)
        return socket


_ANSWERS: dict[str, Callable[[WebSite, web.Request], Awaitable[web.StreamResponse]]] = {
    "/hello": WebSite.hello,
    "/echo": WebSite.echo,
    "/count": WebSite.count,
    "/large": WebSite.large,
    "/range": WebSite.range,
    "/empty": WebSite.empty,
    "/socket": WebSite.socket,
}


@asynccontextmanager
async def web_site(tls: ssl.SSLContext | None = None) -> AsyncIterator[WebSite]:
    """Run a site on a free port of 127.0.0.1, over TLS where a context is given."""
    site = WebSite()
    app = web.Application(client_max_size=1 << 26)
    app.router.add_route("*", "/{path:.*}", site.serve)
    runner = web.AppRunner(app, handler_cancellation=True, auto_decompress=False, shutdown_timeout=0.1, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
    site.port = runner.addresses[0][1]
    try:
        yield site
    finally:
        await runner.cleanup()
