"""Git over smart HTTP, by Git's own CGI program, on loopback (git-http-backend(1))."""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import web

_FROM_REQUEST = {
    "Content-Type": "CONTENT_TYPE",
    "Content-Encoding": "HTTP_CONTENT_ENCODING",
    "Git-Protocol": "GIT_PROTOCOL",
}


@asynccontextmanager
async def git_server(repositories: Path, tls: ssl.SSLContext) -> AsyncIterator[int]:
    """The port of a server for all repositories in a folder, to read and to write."""

    async def serve(request: web.Request) -> web.StreamResponse:
        body = await request.read()
        environ = {
            "PATH": os.environ["PATH"],
            "GIT_PROJECT_ROOT": str(repositories),
            "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "http.receivepack",
            "GIT_CONFIG_VALUE_0": "true",
            "REQUEST_METHOD": request.method,
            "PATH_INFO": request.path,
            "QUERY_STRING": request.query_string,
            "CONTENT_LENGTH": str(len(body)),
            "REMOTE_ADDR": "127.0.0.1",
            **{name: request.headers[field] for field, name in _FROM_REQUEST.items() if field in request.headers},
        }
        pipe = asyncio.subprocess.PIPE
        backend = await asyncio.create_subprocess_exec("git", "http-backend", env=environ, stdin=pipe, stdout=pipe)
        out, _ = await backend.communicate(body)
        head, _, content = out.partition(b"\r\n\r\n")
        fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
        status = int(fields.pop("Status", "200").split()[0])
        return web.Response(status=status, headers=fields, body=content)

    app = web.Application(client_max_size=1 << 26)
    app.router.add_route("*", "/{path:.*}", serve)
    # Git compresses some requests, and its backend undoes it.
    runner = web.AppRunner(app, auto_decompress=False, shutdown_timeout=0.1, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()
