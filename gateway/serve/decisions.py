"""What the pages of the admin listener that take decisions have alike: how one is read, and how they answer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from aiohttp import hdrs, web

_TEXT: Final = "text/plain; charset=utf-8"


async def read_decision(request: web.BaseRequest, most: int, form: str) -> Any:
    """The body of a request as JSON holds it; None where it is no JSON. Raises ValueError, with the accepted form, for
    more than that many bytes."""
    data = b""
    while not request.content.at_eof():
        data += await request.content.readany()
        if len(data) > most:
            raise ValueError(f"the body is over {most} bytes; accepted: {form}")
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None


def told(value: Mapping[str, Any]) -> web.Response:
    """An answer that nobody keeps: it has arguments of calls, or what servers say."""
    body = json.dumps(value, indent=2).encode()
    return web.Response(body=body, headers={hdrs.CONTENT_TYPE: "application/json", hdrs.CACHE_CONTROL: "no-store"})


def plain(status: int, text: str, *fields: tuple[str, str]) -> web.Response:
    """An answer in a line of text."""
    return web.Response(status=status, body=f"{text}\n".encode(), headers={hdrs.CONTENT_TYPE: _TEXT, **dict(fields)})
