"""The admin listener: is it alive, is it ready, what has it counted, what does it do.

It stands apart from the agents' listener. Health and readiness tell nothing and are open; the rest wants the token,
where one is configured.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from aiohttp import hdrs, web

from gateway.serve.identity import Site
from gateway.serve.metrics import CONTENT_TYPE
from gateway.serve.ticket import FIELD, FORGED

_TEXT: Final = "text/plain; charset=utf-8"
_JSON: Final = "application/json"
_OPEN: Final = frozenset({"/healthz", "/readyz"})
_METHODS: Final = frozenset({hdrs.METH_GET, hdrs.METH_HEAD})


@dataclass(frozen=True, slots=True)
class Readiness:
    """`reasons` are why no traffic should come; where there are none, `amiss` is what is wrong all the same."""

    reasons: tuple[str, ...] = ()
    amiss: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class View:
    """What the listener shows, which may have to be asked of other processes. `metrics` are the text, `status` the
    body of /status."""

    metrics: Callable[[], Awaitable[bytes]]
    readiness: Callable[[], Awaitable[Readiness]]
    status: Callable[[], Awaitable[Mapping[str, object]]]


class Admin:
    """The handler of the listener. `token` None leaves everything open to whoever reaches it."""

    def __init__(self, view: View, site: Site, token: str | None) -> None:
        self._view = view
        self._site = site
        self._token = token
        self._pages: Mapping[str, Callable[[], Awaitable[web.Response]]] = {
            "/healthz": self._health,
            "/readyz": self._ready,
            "/metrics": self._metrics,
            "/status": self._status,
        }

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        if FIELD in request.headers:
            return _plain(403, f"{FORGED}\n")
        sockname = request.protocol.sockname
        local = sockname[0] if isinstance(sockname, tuple) else None
        if not self._site.knows(request.headers.get(hdrs.HOST), local):
            return _plain(403, "the Host header names no name of this listener\n")
        if not self._site.accepts(request.headers.get(hdrs.ORIGIN), request.headers.get("Sec-Fetch-Site")):
            return _plain(403, "requests from web pages are not accepted here\n")
        page = self._pages.get(request.path)
        if page is None:
            return _plain(404, f"no such page; there are: {', '.join(self._pages)}\n")
        if request.method not in _METHODS:
            return _plain(405, "only GET is served here\n", ("Allow", "GET, HEAD"))
        if request.path not in _OPEN and not self._may(request):
            return _plain(401, "show the admin token: Authorization: Bearer …\n", ("WWW-Authenticate", "Bearer"))
        return await page()

    def _may(self, request: web.BaseRequest) -> bool:
        if self._token is None:
            return True
        scheme, _, shown = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
        return scheme.lower() == "bearer" and hmac.compare_digest(shown.strip().encode(), self._token.encode())

    async def _health(self) -> web.Response:
        return _plain(200, "alive\n")

    async def _ready(self) -> web.Response:
        found = await self._view.readiness()
        if found.reasons:
            return _plain(503, _lines(found.reasons))
        return _plain(200, _lines(("ready", *found.amiss)))

    async def _metrics(self) -> web.Response:
        return web.Response(body=await self._view.metrics(), headers={hdrs.CONTENT_TYPE: CONTENT_TYPE})

    async def _status(self) -> web.Response:
        body = json.dumps(await self._view.status(), indent=2).encode()
        return web.Response(body=body, headers={hdrs.CONTENT_TYPE: _JSON})


def _lines(lines: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def _plain(status: int, text: str, *fields: tuple[str, str]) -> web.Response:
    return web.Response(status=status, body=text.encode(), headers={hdrs.CONTENT_TYPE: _TEXT, **dict(fields)})
