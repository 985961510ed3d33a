"""The base-URL way in: `/{upstream}/…` is the upstream's `base_url` with the rest of the path appended.

It finds out who asks for what, and hands the request to an exchange. Who may not ask at all is turned away here.
"""

from __future__ import annotations

from dataclasses import replace
from typing import override

from aiohttp import hdrs, web

from gateway.dialect.a2a_card import Door
from gateway.dialect.a2a_family import A2A, a2a
from gateway.dialect.address import TARGET, has_dots
from gateway.dialect.mcp_answers import Answers
from gateway.errors import ClientError, Code
from gateway.serve import mcp
from gateway.serve.entrance import Entrance, MakeExchange, make_exchange
from gateway.serve.headers import end_to_end
from gateway.serve.identity import KNOWN, Caller, identify, inject
from gateway.serve.ledger import Ledger
from gateway.serve.posture import Posture
from gateway.serve.ticket import refuse_ticket
from gateway.serve.upstream import Pool, Upstream
from gateway.state.store import Store


class BaseUrl(Entrance):
    """The handler of the base-URL listener."""

    def __init__(
        self, posture: Posture, pool: Pool, store: Store, ledger: Ledger, exchange: MakeExchange = make_exchange
    ) -> None:
        super().__init__(posture, pool, store, ledger, exchange)
        self._answers = Answers()

    @override
    def check(self, posture: Posture, request: web.BaseRequest) -> None:
        headers = request.headers
        refuse_ticket(headers)
        if not posture.site.knows(headers.get(hdrs.HOST), _local(request)):
            raise ClientError(
                "the Host header names no name of this gateway; add it to `hosts` under [gateway]",
                code=Code.IDENTITY,
                status=403,
            )
        if not posture.site.accepts(headers.get(hdrs.ORIGIN), headers.get("Sec-Fetch-Site")):
            raise ClientError(
                "requests from this web origin are not accepted; add it to `origins` under [gateway]",
                code=Code.IDENTITY,
                status=403,
            )

    @override
    def find(self, posture: Posture, request: web.BaseRequest) -> tuple[Upstream, str]:
        return _find(posture, request, self._answers)

    @override
    def admit(
        self, posture: Posture, upstream: Upstream, request: web.BaseRequest, target: str
    ) -> tuple[Upstream, Caller]:
        caller = identify(posture.whose, target, end_to_end(request.raw_headers))
        request[KNOWN] = caller.known
        return upstream, admitted(upstream, caller)


def _local(request: web.BaseRequest) -> str | None:
    """The address that the client connected to: where the listener stands on all of them, each is a name of ours."""
    address = request.protocol.sockname
    return address[0] if isinstance(address, tuple) else None


def _find(posture: Posture, request: web.BaseRequest, answers: Answers) -> tuple[Upstream, str]:
    """The upstream that the path names, and the rest of the target."""
    raw = request.raw_path
    path, mark, query = raw.partition("?")
    if request.method == hdrs.METH_CONNECT or not TARGET.fullmatch(raw):
        raise ClientError(
            "the request target must be a path, percent-encoded, without a fragment; the proxy listens elsewhere",
            code=Code.NOT_FOUND,
            status=400,
        )
    check_dots(path)
    if mcp.leads_here(path):
        return mcp.find(posture.mcp, raw, request.headers.get(hdrs.HOST, ""), answers)
    name, slash, rest = path[1:].partition("/")
    upstream = posture.upstreams.get(name)
    if upstream is None:
        names = ", ".join(sorted(posture.upstreams))
        raise ClientError(
            f"no such upstream; the URL is http://HOST/UPSTREAM/PATH, with UPSTREAM one of: {names}",
            code=Code.NOT_FOUND,
            status=404,
        )
    return _seen_from(request.headers.get(hdrs.HOST, ""), upstream), f"{slash or '/'}{rest}{mark}{query}"


def _seen_from(host: str, upstream: Upstream) -> Upstream:
    """The upstream for a client that writes our name as `host`: an agent says where it is to be spoken to."""
    if upstream.family is not A2A:
        return upstream
    # The listener speaks plain HTTP.
    return replace(upstream, family=a2a(Door(upstream.name, upstream.base_url, f"http://{host}/{upstream.name}")))


def check_dots(path: str) -> None:
    """Raise ClientError for a path that some server reads as another one."""
    if has_dots(path):
        raise ClientError(
            "the path holds a `.` or `..` segment, which may lead elsewhere; write it in full",
            code=Code.NOT_FOUND,
            status=400,
        )


def admitted(upstream: Upstream, caller: Caller) -> Caller:
    """The caller with the real key in place of the gateway key, where the upstream has one. Raises ClientError."""
    if upstream.key is None:
        return caller
    if caller.known.agent is None:
        raise ClientError(
            f"`{upstream.name}` wants a gateway key: show the key of an agent ([agents.NAME]) in place of the API key",
            code=Code.IDENTITY,
            status=401,
        )
    return inject(caller, upstream.family.key_header, upstream.family.key_prefix + upstream.key)
