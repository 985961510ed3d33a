"""The admin listener: is it alive, is it ready, what has it counted, what does it do, and what is stopped.

It stands apart from the agents' listener. Health and readiness tell nothing and are open; the rest wants the token,
where one is configured. To stop and to resume wants one in any case: agents on this machine reach this listener too.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from aiohttp import hdrs, web

from gateway.serve.approvals import PATH, Approvals
from gateway.serve.decisions import read_decision
from gateway.serve.identity import Site
from gateway.serve.metrics import CONTENT_TYPE
from gateway.serve.pins import PATH as PINS
from gateway.serve.pins import Pins
from gateway.serve.ticket import FIELD, FORGED
from gateway.stops.decision import Scope
from gateway.stops.folder import StopsError
from gateway.stops.switch import Switch, told_stops

_TEXT: Final = "text/plain; charset=utf-8"
_JSON: Final = "application/json"
_OPEN: Final = frozenset({"/healthz", "/readyz"})
_READ: Final = frozenset({hdrs.METH_GET, hdrs.METH_HEAD})
_WRITE: Final = frozenset({hdrs.METH_POST})

type Page = Callable[[web.BaseRequest], Awaitable[web.Response]]


@dataclass(frozen=True, slots=True)
class Readiness:
    """`reasons` are why no traffic should come; where there are none, `amiss` is what is wrong all the same."""

    reasons: tuple[str, ...] = ()
    amiss: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class View:
    """What the listener shows, which may have to be asked of other processes, and the switch that it throws. `metrics`
    are the text, `status` the body of /status; `approvals` None is a gateway at which nobody approves, `pins` None one
    that keeps none."""

    metrics: Callable[[], Awaitable[bytes]]
    readiness: Callable[[], Awaitable[Readiness]]
    status: Callable[[], Awaitable[Mapping[str, object]]]
    switch: Switch
    approvals: Approvals | None = None
    pins: Pins | None = None


class Admin:
    """The handler of the listener. `token` None leaves everything open to whoever reaches it."""

    def __init__(self, view: View, site: Site, token: str | None) -> None:
        self._view = view
        self._site = site
        self._token = token
        self._reading: Mapping[str, Page] = {
            "/healthz": self._health,
            "/readyz": self._ready,
            "/metrics": self._metrics,
            "/status": self._status,
            "/stops": self._stops,
        }
        self._writing: Mapping[str, Page] = {"/stop": self._stop, "/resume": self._resume}

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        if FIELD in request.headers:
            return _plain(403, f"{FORGED}\n")
        sockname = request.protocol.sockname
        local = sockname[0] if isinstance(sockname, tuple) else None
        if not self._site.knows(request.headers.get(hdrs.HOST), local):
            return _plain(403, "the Host header names no name of this listener\n")
        if not self._site.accepts(request.headers.get(hdrs.ORIGIN), request.headers.get("Sec-Fetch-Site")):
            return _plain(403, "requests from web pages are not accepted here\n")
        if self._view.approvals is not None and self._view.approvals.serves(request.path):
            return await self._view.approvals(request)
        pins = self._view.pins
        if pins is not None and pins.serves(request.path):
            return self._unfit(request, _READ | _WRITE, writes=request.method in _WRITE) or await pins(request)
        page = self._reading.get(request.path) or self._writing.get(request.path)
        if page is None:
            return _plain(404, f"no such page; there are: {', '.join((*self._reading, *self._writing, PATH, PINS))}\n")
        writes = request.path in self._writing
        return self._unfit(request, _WRITE if writes else _READ, writes=writes) or await page(request)

    def _unfit(self, request: web.BaseRequest, methods: frozenset[str], *, writes: bool) -> web.Response | None:
        """Why a page is not served; None where it is."""
        if request.method not in methods:
            allowed = ", ".join(sorted(methods))
            return _plain(405, f"only {allowed} is served here\n", ("Allow", allowed))
        if writes and self._token is None:
            return _plain(403, "this needs an admin token: `token_env` under [admin] names its variable\n")
        if request.path not in _OPEN and not self._may(request):
            return _plain(401, "show the admin token: Authorization: Bearer …\n", ("WWW-Authenticate", "Bearer"))
        return None

    def _may(self, request: web.BaseRequest) -> bool:
        if self._token is None:
            return True
        scheme, _, shown = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
        return scheme.lower() == "bearer" and hmac.compare_digest(_octets(shown.strip()), _octets(self._token))

    async def _health(self, _: web.BaseRequest) -> web.Response:
        return _plain(200, "alive\n")

    async def _ready(self, _: web.BaseRequest) -> web.Response:
        found = await self._view.readiness()
        if found.reasons:
            return _plain(503, _lines(found.reasons))
        return _plain(200, _lines(("ready", *found.amiss)))

    async def _metrics(self, _: web.BaseRequest) -> web.Response:
        return web.Response(body=await self._view.metrics(), headers={hdrs.CONTENT_TYPE: CONTENT_TYPE})

    async def _status(self, _: web.BaseRequest) -> web.Response:
        return _json(200, {**await self._view.status(), "stops": self._stopped()})

    async def _stops(self, _: web.BaseRequest) -> web.Response:
        await self._view.switch.look()
        return _json(200, self._stopped())

    async def _stop(self, request: web.BaseRequest) -> web.Response:
        return await self._decide(request, stopped=True)

    async def _resume(self, request: web.BaseRequest) -> web.Response:
        return await self._decide(request, stopped=False)

    async def _decide(self, request: web.BaseRequest, *, stopped: bool) -> web.Response:
        """Take the decision of the body: `{"scope": "agent/research", "why": "…", "by": "…"}`."""
        try:
            scope, why, by = _wanted(await read_decision(request, _MOST, _FORM))
        except ValueError as error:
            return _plain(400, f"{error}\n")
        try:
            await self._view.switch.decide(scope, stopped=stopped, why=why, by=by)
        except StopsError as error:
            held = "it holds in this process alone" if stopped else "nothing was resumed"
            return _plain(500, f"{error}; {held}\n")
        return _json(200, self._stopped())

    def _stopped(self) -> Mapping[str, object]:
        return told_stops(self._view.switch)


_MOST: Final = 64 * 1024
"""Bytes of a body here: a scope and two lines."""
_FORM: Final = '{"scope": "all | agent/NAME | tool/NAME | upstream/NAME", "why": "…", "by": "…"}'


def _wanted(body: Any) -> tuple[Scope, str, str]:
    """Scope, reason and who. Raises ValueError with the accepted form."""
    match body:
        case {"scope": str(scope), **rest} if rest.keys() <= {"why", "by"} and all(
            isinstance(text, str) for text in rest.values()
        ):
            return Scope.read(scope), str(rest.get("why", "")), str(rest.get("by") or "the admin API")
    raise ValueError(f"the body is no decision; accepted: {_FORM}")


def _octets(text: str) -> bytes:
    """What a field or a variable held, which need not be UTF-8."""
    return text.encode("utf-8", "surrogateescape")


def _json(status: int, value: Mapping[str, object]) -> web.Response:
    return web.Response(status=status, body=json.dumps(value, indent=2).encode(), headers={hdrs.CONTENT_TYPE: _JSON})


def _lines(lines: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def _plain(status: int, text: str, *fields: tuple[str, str]) -> web.Response:
    return web.Response(status=status, body=text.encode(), headers={hdrs.CONTENT_TYPE: _TEXT, **dict(fields)})
