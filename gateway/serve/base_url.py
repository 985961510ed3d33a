"""The base-URL way in: `/{upstream}/…` is the upstream's `base_url` with the rest of the path appended.

It finds out who asks for what, and hands the request to an exchange. Who may not ask at all is turned away here.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from time import perf_counter_ns
from typing import Final

from aiohttp import hdrs, web

from gateway.dialect import refusals
from gateway.dialect.mcp_answers import Answers
from gateway.dialect.route import Family
from gateway.errors import ClientError, Code, InternalError
from gateway.exchange import refuse
from gateway.exchange.events import ExchangeRecord, Inspected, LimitsTaken, RequestStarted
from gateway.exchange.gate import Gate
from gateway.exchange.machine import Exchange
from gateway.exchange.session import Session
from gateway.serve import mcp, websocket
from gateway.serve.answer import Answer
from gateway.serve.carrier import Carrier, Course, Machine, Means
from gateway.serve.headers import end_to_end
from gateway.serve.identity import Caller, identify, inject
from gateway.serve.ledger import Ledger
from gateway.serve.posture import Posture
from gateway.serve.upstream import Pool, Upstream
from gateway.serve.websocket import SocketCarrier
from gateway.settings import DEFAULT_PRINCIPAL
from gateway.state.fields import ratelimit_headers
from gateway.state.store import Limit, Store
from gateway.verdict import Effect, Refusal

# A target as RFC 9112, section 3.2.1 writes it: printable ASCII, no fragment.
_TARGET: Final = re.compile(r"/[!-\"$-~]*")

# A dot segment in any spelling that some server undoes: escaped once or more, with backslashes, with path parameters.
# It would lead out of the path of `base_url`, or past the route that inspects it.
_SLASH: Final = r"(?:[/\\]|%(?:25)*(?:2f|5c))"
_DOT: Final = r"(?:\.|%(?:25)*2e)"
_DOT_SEGMENT: Final = re.compile(rf"{_SLASH}{_DOT}{{1,2}}(?={_SLASH}|;|%(?:25)*3b|$)", re.IGNORECASE)

_ID_BYTES: Final = 12
"""Random bytes of a request's id: no two alike among 10^12 (birthday bound, 96 bits)."""

type MakeExchange = Callable[[Posture, Upstream, str, str], Machine]
"""Makes the exchange for an upstream, a principal and a request id."""


def make_exchange(posture: Posture, upstream: Upstream, principal: str, request_id: str) -> Exchange:
    gate = posture.gate_for(principal)
    return Exchange(gate, upstream.family, id=request_id, upstream=upstream.name, principal=principal)


class BaseUrl:
    """The handler of the listener. `posture` may be replaced at any time; an exchange keeps what it began with."""

    def __init__(
        self, posture: Posture, pool: Pool, store: Store, ledger: Ledger, exchange: MakeExchange = make_exchange
    ) -> None:
        self.posture = posture
        self.live: set[Carrier | SocketCarrier] = set()
        self.draining = False
        self._store = store
        self._ledger = ledger
        self._means = Means(pool, ledger.finish)
        self._exchange = exchange
        self._answers = Answers()

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        began = perf_counter_ns()
        posture = self.posture
        upstream: Upstream | None = None
        try:
            self._check_door(posture, request)
            upstream, target = _find(posture, request, self._answers)
            caller = _admit(posture, upstream, request, target)
        except ClientError as error:
            return await self._turn_away(request, error, upstream, began)
        except Exception as failure:  # noqa: BLE001 -- the outer boundary: a failure of ours is a refusal and a record
            ours = ClientError(refuse.INTERNAL, code=Code.INTERNAL, status=500)
            return await self._turn_away(request, ours, upstream, began, f"door: {type(failure).__name__}: {failure}")
        carry = self._carry_session if websocket.is_upgrade(request) else self._carry
        return await carry(posture, upstream, caller, request)

    async def _carry(
        self, posture: Posture, upstream: Upstream, caller: Caller, request: web.BaseRequest
    ) -> web.StreamResponse:
        principal = caller.principal
        limits = posture.limits_for(principal, upstream.name)

        async def consult() -> LimitsTaken:
            return await self._take(limits) if limits else _NO_LIMITS

        exchange = self._exchange(posture, upstream, principal, _new_id())
        patience = upstream.patience or posture.patience
        carrier = Carrier(request, exchange, upstream, patience, self._means, consult)
        if self.draining:
            carrier.close_after()
        self.live.add(carrier)
        try:
            return await carrier.run(
                RequestStarted(request.method, caller.target, caller.headers, has_body=request.body_exists)
            )
        finally:
            self.live.discard(carrier)

    async def _carry_session(
        self, posture: Posture, upstream: Upstream, caller: Caller, request: web.BaseRequest
    ) -> web.StreamResponse:
        """A session may last for hours, so it is held to what is in force, not to what was as it began."""
        principal = caller.principal

        def gate() -> Gate:
            return self.posture.gate_for(principal)

        async def consult() -> LimitsTaken:
            if self._ledger.fault is not None:
                raise InternalError("the gateway cannot write its audit log")
            limits = self.posture.limits_for(principal, upstream.name)
            return await self._take(limits) if limits else _NO_LIMITS

        session = Session(gate, upstream.family, id=_new_id(), upstream=upstream.name, principal=principal)
        carrier = SocketCarrier(request, session, upstream, posture.patience, self._means, consult)
        if self.draining:
            carrier.close_after()
        self.live.add(carrier)
        try:
            return await carrier.run(websocket.started(caller.target, caller.headers))
        finally:
            self.live.discard(carrier)

    async def _take(self, limits: tuple[Limit, ...]) -> LimitsTaken:
        taken = await self._store.take(limits)
        headers = ratelimit_headers(taken)
        if taken.allowed:
            return LimitsTaken(headers=headers)
        return LimitsTaken(taken.denied_by, taken.retry_after, headers)

    def _check_door(self, posture: Posture, request: web.BaseRequest) -> None:
        """Whether this request may come in at all."""
        headers = request.headers
        host = headers.get(hdrs.HOST)
        if not posture.site.knows(host, _local(request)):
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
        if websocket.is_upgrade(request):
            websocket.check_upgrade(request)
        if self._ledger.fault is not None:
            raise ClientError("the gateway cannot write its audit log", code=Code.STOPPED, status=503)

    async def _turn_away(
        self,
        request: web.BaseRequest,
        error: ClientError,
        upstream: Upstream | None,
        began: int,
        fault: str | None = None,
    ) -> web.StreamResponse:
        """Answer a request that gets no exchange, and record it."""
        refusal = Refusal(error.code, error.status, str(error), _new_id())
        body = _refusal_body(refusal, upstream.family if upstream is not None else None)
        headers = (
            *refuse.headers(refusal),
            ("x-lockgate-id", refusal.request_id),
            ("x-lockgate-effect", Effect.BLOCK.name.lower()),
            (hdrs.CONTENT_LENGTH, str(len(body))),
        )
        answer = Answer(error.status, None, headers)
        if self.draining or not request.content.is_eof() or websocket.is_upgrade(request):
            answer.force_close()
        await answer.prepare(request)
        await answer.write_eof(b"" if answer.bodiless else body)
        record = _record(refusal, request, upstream, self.posture.digest, fault)
        self._ledger.finish(record, Course(request.remote, perf_counter_ns() - began, 0))
        return answer


_NO_LIMITS: Final = LimitsTaken()


def _new_id() -> str:
    return secrets.token_hex(_ID_BYTES)


def _local(request: web.BaseRequest) -> str | None:
    """The address that the client connected to: where the listener stands on all of them, each is a name of ours."""
    address = request.protocol.sockname
    return address[0] if isinstance(address, tuple) else None


def _find(posture: Posture, request: web.BaseRequest, answers: Answers) -> tuple[Upstream, str]:
    """The upstream that the path names, and the rest of the target."""
    raw = request.raw_path
    path, mark, query = raw.partition("?")
    if request.method == hdrs.METH_CONNECT or not _TARGET.fullmatch(raw):
        raise ClientError(
            "the request target must be a path, percent-encoded, without a fragment; this is no forward proxy",
            code=Code.NOT_FOUND,
            status=400,
        )
    if _DOT_SEGMENT.search(path):
        raise ClientError(
            "the path holds a `.` or `..` segment, which may lead elsewhere; write it in full",
            code=Code.NOT_FOUND,
            status=400,
        )
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
    return upstream, f"{slash or '/'}{rest}{mark}{query}"


def _admit(posture: Posture, upstream: Upstream, request: web.BaseRequest, target: str) -> Caller:
    """Who asks; with the real key in place of the gateway key, where the upstream has one."""
    caller = identify(posture.owner, target, end_to_end(request.raw_headers))
    if upstream.key is None:
        return caller
    if caller.agent is None:
        raise ClientError(
            f"`{upstream.name}` wants a gateway key: show the key of an agent ([agents.NAME]) in place of the API key",
            code=Code.IDENTITY,
            status=401,
        )
    return inject(caller, upstream.family.key_header, upstream.family.key_prefix + upstream.key)


def _refusal_body(refusal: Refusal, family: Family | None) -> bytes:
    if family is None:
        return refusals.body(refusals.Shape.PLAIN, refusal)
    return family.fallback.dialect.refusal(refusal)


def _record(
    refusal: Refusal, request: web.BaseRequest, upstream: Upstream | None, digest: str, fault: str | None
) -> ExchangeRecord:
    return ExchangeRecord(
        id=refusal.request_id,
        upstream=upstream.name if upstream is not None else "",
        principal=DEFAULT_PRINCIPAL,
        dialect="",
        method=request.method,
        path=request.raw_path.partition("?")[0],
        ruleset=digest,
        status=refusal.status,
        outcome="refused" if fault is None else "failed",
        effect=Effect.BLOCK,
        would_be=Effect.BLOCK,
        code=refusal.code,
        reasons=(),
        fingerprints=(),
        request=Inspected(),
        answer=Inspected(),
        fault=fault,
    )
