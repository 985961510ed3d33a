"""A TCP proxy on loopback that a test can slow down, or have swallow everything."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field


@dataclass(slots=True)
class Link:
    """A way to a server. `delay` is in seconds, each way; a link that is `dead` takes bytes and passes none on."""

    target: int
    port: int = 0
    delay: float = 0.0
    dead: bool = False
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there = await asyncio.open_connection("127.0.0.1", self.target)
        for source, sink in ((reader, there[1]), (there[0], writer)):
            task = asyncio.create_task(self._pass_on(source, sink))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)

    async def _pass_on(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(65536):
                if self.delay:
                    await asyncio.sleep(self.delay)
                if not self.dead:
                    sink.write(data)
        except ConnectionError:
            pass
        finally:
            sink.close()
            with suppress(ConnectionError):
                await sink.wait_closed()


@asynccontextmanager
async def link(target: int) -> AsyncIterator[Link]:
    """A link to a port of this machine."""
    one = Link(target)
    server = await asyncio.start_server(one._serve, "127.0.0.1", 0)
    one.port = server.sockets[0].getsockname()[1]
    try:
        yield one
    finally:
        server.close()
        for task in tuple(one.tasks):
            task.cancel()
        await asyncio.gather(*one.tasks, return_exceptions=True)
