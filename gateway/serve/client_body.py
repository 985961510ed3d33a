"""The body of a client's request, as it comes; a client that sends it too slowly holds nothing for long."""

from __future__ import annotations

import asyncio
from time import perf_counter_ns
from typing import Final

from aiohttp import web

from gateway.exchange.events import RequestData

SLOW_CLIENT: Final = 60.0
"""Seconds without a byte of a request body after which its sender is taken for gone (nginx: client_body_timeout)."""

SLOWEST: Final = 500
"""Bytes a second that a request body must make after that time (Apache mod_reqtimeout: `body=20,MinRate=500`)."""


class BrokenBody(Exception):
    """The body is broken or does not come. Never leaves the carrying of an exchange; the client may be told it."""


class ClientBody:
    """Reads the body of a request. Its time begins with the making of this."""

    def __init__(self, request: web.BaseRequest) -> None:
        self._request = request
        self._began = perf_counter_ns()
        self._received = 0

    async def read(self) -> RequestData:
        """The next piece. Raises BrokenBody."""
        content = self._request.content
        try:
            data = content.read_nowait()
            if not data and not content.at_eof():
                async with asyncio.timeout(self._patience_left()):
                    data = await content.readany()
        except TimeoutError:
            raise BrokenBody(f"it comes too slowly, less than {SLOWEST} bytes a second") from None
        except web.RequestPayloadError as failure:
            raise BrokenBody(str(failure)) from None
        self._received += len(data)
        return RequestData(data, content.at_eof())

    def _patience_left(self) -> float:
        """Seconds until the body is too slow. A byte now and then is no progress: it would hold the connection."""
        spent = (perf_counter_ns() - self._began) / 1e9
        return max(0.0, min(SLOW_CLIENT, SLOW_CLIENT + self._received / SLOWEST - spent))
