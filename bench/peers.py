"""The processes around the gateway: an upstream that answers at once, and a bare proxy that reads nothing.

Both run on uvloop, as the gateway does. `python -m bench.peers ROLE PORT [TARGET]`, ROLE being upstream, bare, or tls:
an upstream with TLS, whose certificates the authority in the folder TARGET signs.
"""

from __future__ import annotations

import asyncio
import random
import ssl
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import uvloop
from aiohttp import web

from bench.client import STAMP
from bench.corpus import prose
from gateway.trust import folder
from gateway.trust.leaf import Leaves

EVENTS = 40
GAP = 0.01
"""A stream has so many events, so many seconds apart: 100 tokens a second."""

MAX_BODY = 16 * 2**20

ANSWER = (
    b'{"id":"chatcmpl-1","object":"chat.completion","created":1700000000,"model":"gpt","choices":[{"index":0,'
    b'"message":{"role":"assistant","content":"'
    + prose(random.Random(0), 400).encode()
    + b'","refusal":null},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":90,'
    b'"total_tokens":99}}'
)
TOKENS = [f" {word}" for word in prose(random.Random(1), 2000).split()][:EVENTS]


HEAD = (
    b'data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1700000000,"model":"gpt",'
    b'"choices":[{"index":0,'
)
OPENING = HEAD + b'"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}]}\n\n'
CLOSING = HEAD + b'"delta":{},"logprobs":null,"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'


def event(token: str) -> bytes:
    """One chunk of a streamed chat completion, stamped with the time of its sending."""
    delta = b'"delta":{"content":"%s"},"logprobs":null,"finish_reason":null}],' % token.encode()
    return HEAD + delta + STAMP + b'%d"}\n\n' % time.monotonic_ns()


async def large(request: web.Request) -> web.StreamResponse:
    """As many bytes as are asked for."""
    left = int(request.query["bytes"])
    response = web.StreamResponse(headers={"Content-Type": "application/octet-stream", "Content-Length": str(left)})
    await response.prepare(request)
    piece = bytes(range(256)) * 1024
    while left > 0:
        await response.write(piece[:left])
        left -= len(piece)
    return response


async def answer(request: web.Request) -> web.StreamResponse:
    """The upstream: a fixed completion, or a stream of stamped events."""
    body = await request.read()
    if b'"stream": true' not in body[-40:] and b'"stream":true' not in body[-40:]:
        return web.Response(body=ANSWER, content_type="application/json")
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    await response.write(OPENING)
    for token in TOKENS:
        await asyncio.sleep(GAP)
        await response.write(event(token))
    await response.write(CLOSING)
    return response


def bare(session: aiohttp.ClientSession, target: str) -> web.Application:
    """A pass-through of aiohttp's server and client, doing nothing that is not needed to pass bytes on."""

    async def forward(request: web.Request) -> web.StreamResponse:
        body = await request.read()
        headers = {"Content-Type": request.headers.get("Content-Type", "application/json")}
        async with session.request(request.method, target + request.path_qs, data=body, headers=headers) as upstream:
            kept = {"Content-Type": upstream.headers["Content-Type"]}
            if "Content-Length" in upstream.headers:
                return web.Response(status=upstream.status, headers=kept, body=await upstream.read())
            response = web.StreamResponse(status=upstream.status, headers=kept)
            await response.prepare(request)
            async for chunk in upstream.content.iter_any():
                await response.write(chunk)
            return response

    app = web.Application(client_max_size=MAX_BODY)
    app.router.add_route("*", "/{path:.*}", forward)
    return app


def certified(authority: Path) -> ssl.SSLContext:
    """TLS for `localhost`."""
    return Leaves(folder.ensure(authority, (), datetime.now(UTC)), timedelta(days=1)).context("localhost")


async def serve(role: str, port: int, target: str) -> None:
    async with aiohttp.ClientSession(auto_decompress=False, connector=aiohttp.TCPConnector(limit=0)) as session:
        app = bare(session, target)
        if role != "bare":
            app = web.Application(client_max_size=MAX_BODY)
            app.router.add_get("/large", large)
            app.router.add_route("*", "/{path:.*}", answer)
        runner = web.AppRunner(app, access_log=None, auto_decompress=False)
        await runner.setup()
        tls = certified(Path(target)) if role == "tls" else None
        await web.TCPSite(runner, "127.0.0.1", port, ssl_context=tls).start()
        await asyncio.Event().wait()


if __name__ == "__main__":
    role, port, *rest = sys.argv[1:]
    uvloop.run(serve(role, int(port), rest[0] if rest else ""))
