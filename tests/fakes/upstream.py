"""A fake API on loopback: it speaks the providers' wire formats, plays a script, and keeps what it was sent.

    async with fake_upstream() as upstream:
        upstream.script = Say("hello")
        ... a client talks to upstream.url ...
        assert upstream.requests[0].path == "/v1/chat/completions"

Each format is documented in the module that writes it; `test_upstream.py` holds them against the real SDKs.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

from tests.fakes.endpoints import Reply, Stored, failure, reply
from tests.fakes.pieces import Json
from tests.fakes.script import Answer, Fail, Raw, Reel, Say, Script, Seen
from tests.fakes.sockets import talk

MAX_BODY = 64 * 2**20
"""Bytes of a request: more than any limit under test."""

PATIENCE = 20.0
"""Seconds until a client that leaves must have left, on a machine that is busy with other things; a gateway that only
lets go of a quiet upstream does so after minutes (`idle_timeout`)."""


@dataclass(slots=True)
class Upstream:
    """The running fake. `requests` are all that came, in order; `departures` are the loop's times at which a client
    went away in the middle of an answer; `messages` came over WebSockets."""

    url: str = ""
    requests: list[Seen] = field(default_factory=list)
    messages: list[Json] = field(default_factory=list)
    departures: asyncio.Queue[float] = field(default_factory=asyncio.Queue)
    stored: Stored = field(default_factory=Stored)
    _reel: Reel = field(default_factory=Reel)

    @property
    def script(self) -> Script:
        return self._reel.script

    @script.setter
    def script(self, script: Script) -> None:
        self._reel = Reel(script)

    @property
    def last(self) -> Seen:
        """The newest request."""
        return self.requests[-1]

    async def departure(self, seconds: float = PATIENCE) -> None:
        """Wait until a client has gone away before its answer was complete. Raises TimeoutError after `seconds`."""
        await asyncio.wait_for(self.departures.get(), seconds)

    async def serve(self, request: web.Request) -> web.StreamResponse:
        fields = tuple((name.decode(), value.decode("latin-1")) for name, value in request.raw_headers)
        seen = Seen(request.method, request.raw_path, fields, await request.read())
        self.requests.append(seen)
        if request.headers.get("Upgrade") == "websocket":
            return await talk(request, seen, self._reel, self.messages)
        try:
            return await self._answer(request, seen, self._reel.answer(seen))
        except (asyncio.CancelledError, ConnectionError):
            self.departures.put_nowait(asyncio.get_running_loop().time())
            raise

    async def _answer(self, request: web.Request, seen: Seen, answer: Answer) -> web.StreamResponse:
        match answer:
            case Raw():
                return await _write_raw(request, answer)
            case Fail():
                return await _write(request, failure(seen, answer), Say())
            case Say():
                return await _write(request, reply(seen, answer, self.stored), answer)


@asynccontextmanager
async def fake_upstream(tls: ssl.SSLContext | None = None) -> AsyncIterator[Upstream]:
    """Run a fake upstream on a free port of 127.0.0.1, over TLS where a context is given."""
    upstream = Upstream()
    app = web.Application(client_max_size=MAX_BODY)
    app.router.add_route("*", "/{path:.*}", upstream.serve)
    # Compressed requests are recorded as they came; a client that leaves cancels the answer, which is how it is seen.
    runner = web.AppRunner(app, handler_cancellation=True, auto_decompress=False, shutdown_timeout=0.1, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    upstream.url = f"{'https' if tls else 'http'}://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield upstream
    finally:
        await runner.cleanup()


async def _write(request: web.Request, made: Reply, say: Say) -> web.StreamResponse:
    headers = [("Content-Type", made.content_type), ("x-request-id", "req_fake"), *made.headers]
    if not made.streamed:
        return web.Response(status=made.status, headers=dict(headers), body=b"".join(made.chunks))
    response = web.StreamResponse(status=made.status, headers=dict(headers))
    response.enable_chunked_encoding()
    await response.prepare(request)
    for count, chunk in enumerate(made.chunks):
        if count == say.pause_after:
            await asyncio.Event().wait()
        await response.write(chunk)
        await asyncio.sleep(say.gap)
    await response.write_eof()
    return response


async def _write_raw(request: web.Request, raw: Raw) -> web.StreamResponse:
    await asyncio.sleep(raw.delay)
    response = web.StreamResponse(status=raw.status)
    for name, value in raw.headers:
        response.headers.add(name, value)
    if "Content-Length" not in response.headers:
        response.enable_chunked_encoding()
    await response.prepare(request)
    await _write_chunks(response, raw.chunks, raw.gap)
    if raw.cut:
        assert request.transport is not None
        request.transport.close()
    else:
        await response.write_eof()
    return response


async def _write_chunks(response: web.StreamResponse, chunks: Iterable[bytes], gap: float) -> None:
    for chunk in chunks:
        if chunk:
            await response.write(chunk)
        await asyncio.sleep(gap)
