"""Which sessions each family of upstreams speaks over a WebSocket: the same tables of routes as for requests.

Source: the paths of openai-python 3.54, the REST reference of Azure OpenAI and the paths of google-genai 3.6 (2026-11).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import Final

from msgspec.structs import replace

from gateway.dialect import meter
from gateway.dialect.base import Coverage
from gateway.dialect.gemini_live import LiveSocket
from gateway.dialect.openai_sockets import RealtimeSocket, ResponsesSocket
from gateway.dialect.route import Endpoint, Family, Route, family, route
from gateway.dialect.socket import PLAIN_SOCKET, Socket

_ROWS: Final[tuple[tuple[str, Endpoint], ...]] = (
    ("/realtime(/.*)?", Endpoint(RealtimeSocket(), Coverage.DIALECT, generates=True, meter=meter.REALTIME)),
    ("/responses", Endpoint(ResponsesSocket(), Coverage.DIALECT, generates=True, meter=meter.RESPONSES)),
)
_LIVE: Final = Endpoint(LiveSocket(), Coverage.DIALECT, generates=True, meter=meter.GEMINI_LIVE)
_OTHER: Final = Endpoint(PLAIN_SOCKET, Coverage.TEXT)
_MAKERS: Final[Mapping[str, Callable[[], Socket]]] = {
    "gemini_live": LiveSocket,
    "openai_realtime": RealtimeSocket,
    "openai_responses": ResponsesSocket,
}


def _routes(prefix: str, flags: re.RegexFlag = re.NOFLAG) -> tuple[Route, ...]:
    return tuple(route("GET", prefix + path, endpoint, flags) for path, endpoint in _ROWS)


_ROUTES: Final[Mapping[str, tuple[Route, ...]]] = {
    "openai": _routes("(?:/v1)?"),
    "gemini": (
        route("GET", r"/ws/google\.ai\.generativelanguage\.\w+\.GenerativeService[./]BidiGenerateContent\w*", _LIVE),
    ),
    "vertex": (route("GET", r"/ws/google\.cloud\.aiplatform\.\w+\.LlmBidiService[./]BidiGenerateContent", _LIVE),),
    "azure": _routes("(?:/openai)?(?:/v1|/deployments/[^/]+)?", re.IGNORECASE),
}


@cache
def sessions(of: Family) -> Family:
    """The routes of a family's sessions. Others cost what other requests to that API do."""
    other = replace(_OTHER, meter=of.fallback.meter)
    return family(of.name, _ROUTES.get(of.name, ()), other, of.key_header, of.key_prefix)


def opened(of: Family, path: str) -> tuple[Endpoint, Socket]:
    """The endpoint that a path (no query) leads to, with a dialect of its own for this session."""
    endpoint = sessions(of).endpoint("GET", path)
    make = _MAKERS.get(endpoint.dialect.name)
    socket = PLAIN_SOCKET if make is None else make()
    return replace(endpoint, dialect=socket), socket
