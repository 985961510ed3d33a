"""What every way in does with a request: it is carried through an exchange or a session, or turned away.

Both leave a record. A way in says who may come, which upstream a request leads to, and who asks.
"""

from __future__ import annotations

import secrets
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from http import HTTPStatus
from time import perf_counter_ns
from typing import Final

from aiohttp import HttpVersion10, HttpVersion11, hdrs, web

from gateway.dialect.plain import PLAIN
from gateway.dialect.route import Family
from gateway.errors import ClientError, Code, InternalError
from gateway.exchange import refuse
from gateway.exchange.demand import Consults, Demand
from gateway.exchange.events import Command, Event, Headers, LimitsTaken, RequestStarted
from gateway.exchange.gate import Gate
from gateway.exchange.machine import Exchange
from gateway.exchange.recorded import ExchangeRecord, Inspected
from gateway.exchange.session import Session
from gateway.exchange.target import recordable
from gateway.limits.claims import Caller as Asking
from gateway.limits.claims import Terms
from gateway.serve import upgrade
from gateway.serve.allowance import Allowance, Loose
from gateway.serve.answer import Refused
from gateway.serve.asking import Asker
from gateway.serve.carrier import Carrier
from gateway.serve.course import Course, course_of
from gateway.serve.denied import Whose
from gateway.serve.headers import session_of
from gateway.serve.identity import Caller, Known, known_of
from gateway.serve.judging import Machine
from gateway.serve.ledger import Ledger
from gateway.serve.means import Means
from gateway.serve.posture import Posture
from gateway.serve.upstream import Pool, Upstream
from gateway.serve.websocket import SocketCarrier
from gateway.settings import DEFAULT_PRINCIPAL
from gateway.state.store import Store
from gateway.verdict import Effect, Refusal

_ID_BYTES: Final = 12
"""Random bytes of a request's id: no two alike among 10^12 (birthday bound, 96 bits)."""

PLACE: Final = web.RequestKey("place", tuple[str, str])
"""Where a request keeps the host that its client chose, as it was spelt, and the path there."""

type MakeExchange = Callable[[Posture, Upstream, Known, str], Machine[Event, Command]]
"""Makes the exchange for an upstream, who asks, and a request id."""


def make_exchange(posture: Posture, upstream: Upstream, known: Known, request_id: str) -> Exchange:
    principal = known.principal
    return Exchange(
        posture.gate_for(principal),
        upstream.family,
        id=request_id,
        upstream=upstream.name,
        principal=principal,
        consults=Consults.LATE if posture.terms_for(principal, upstream.name).read_body else Consults.EARLY,
        isolation=known.isolation,
    )


class Entrance(ABC):
    """The handler of a listener. `posture` may be replaced at any time; an exchange keeps what it began with."""

    def __init__(
        self, posture: Posture, pool: Pool, store: Store, ledger: Ledger, exchange: MakeExchange = make_exchange
    ) -> None:
        self.posture = posture
        self.live: dict[Carrier | SocketCarrier, tuple[str, str]] = {}  # each with its principal and upstream
        self.draining = False
        self._store = store
        self._ledger = ledger
        self._means = Means(pool, ledger.finish, settle=ledger.settle)
        self.loose = Loose()  # what is put right after exchanges
        self._exchange = exchange

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        began = perf_counter_ns()
        posture = self.posture
        upstream: Upstream | None = None
        try:
            self._check(posture, request)
            upstream, target = self.find(posture, request)
            upstream, caller = self.admit(posture, upstream, request, target)
            posture.check_stops(caller.principal, upstream.name)
        except ClientError as error:
            return await self._turn_away(request, error, upstream, began)
        except Exception as failure:  # noqa: BLE001 -- the outer boundary: a failure of ours is a refusal and a record
            ours = ClientError(refuse.INTERNAL, code=Code.INTERNAL, status=500)
            return await self._turn_away(request, ours, upstream, began, f"door: {type(failure).__name__}: {failure}")
        carry = self._carry_session if upgrade.is_upgrade(request) else self._carry
        return await carry(posture, upstream, caller, request)

    async def _carry(
        self, posture: Posture, upstream: Upstream, caller: Caller, request: web.BaseRequest
    ) -> web.StreamResponse:
        principal = caller.principal
        request_id = new_id()
        allowance = self._allowance(
            lambda: posture.terms_for(principal, upstream.name), principal, upstream, request_id
        )
        exchange = self._exchange(posture, upstream, caller.known, request_id)
        patience = upstream.patience or posture.patience
        ask = partial(posture.approve, Asker(principal, upstream.name, request_id))
        whose = Whose(principal, upstream.name)
        means = self._means_with(allowance)
        carrier = Carrier(request, exchange, upstream, patience, means, allowance.take, ask, posture.denied, whose)
        if self.draining:
            carrier.close_after()
        self.live[carrier] = principal, upstream.name
        try:
            head = request.method, caller.target, caller.headers, request.body_exists, upstream.spelt_host
            return await carrier.run(RequestStarted(*head, session_of(request.raw_headers)))
        finally:
            del self.live[carrier]
            allowance.close()

    def _allowance(self, terms: Callable[[], Terms], principal: str, upstream: Upstream, holder: str) -> Allowance:
        caller = Asking(principal, upstream.name, upstream.host)
        return Allowance(self._store.counters, self.loose, terms, caller, holder)

    def _means_with(self, allowance: Allowance) -> Means:
        """What carriers share; a record is handed on with what its exchange came to."""

        def finish(record: ExchangeRecord, course: Course) -> None:
            self._ledger.finish(record, replace(course, bill=allowance.settle(record)))

        return replace(self._means, finish=finish)

    async def _carry_session(
        self, posture: Posture, upstream: Upstream, caller: Caller, request: web.BaseRequest
    ) -> web.StreamResponse:
        """A session may last for hours, so it is held to what is in force, not to what was as it began."""
        principal = caller.principal
        session_id = new_id()

        def gate() -> Gate:
            return self.posture.gate_for(principal)

        async def consult(demand: Demand) -> LimitsTaken:
            if self._ledger.fault is not None:
                raise InternalError("the gateway cannot write its audit log")
            return await allowance.take(demand)

        allowance = self._allowance(
            lambda: self.posture.terms_for(principal, upstream.name), principal, upstream, session_id
        )
        session = Session(
            gate,
            upstream.family,
            id=session_id,
            upstream=upstream.name,
            principal=principal,
            isolation=caller.known.isolation,
        )
        patience = upstream.patience or posture.patience

        def fault_now(address: str | None) -> ClientError | None:
            return self._fault_now(request, upstream, principal, address)

        means = self._means_with(allowance)
        ask = partial(posture.approve, Asker(principal, upstream.name, session_id))
        carrier = SocketCarrier(request, session, upstream, patience, means, consult, ask, fault_now)
        if self.draining:
            carrier.close_after()
        self.live[carrier] = principal, upstream.name
        try:
            named = session_of(request.raw_headers)
            return await carrier.run(upgrade.started(caller.target, caller.headers, upstream.spelt_host, named))
        finally:
            del self.live[carrier]
            allowance.close()

    def idle(self) -> float | None:
        """Seconds for which a client may take nothing of its answer."""
        return self.posture.patience.idle

    def review(self) -> None:
        """End what may not go on by the posture that is in force now: whatever is stopped, and sessions that would be
        turned away. An exchange is over soon, and keeps what it began with."""
        for carrier, (principal, upstream) in tuple(self.live.items()):
            why = self.posture.stops.against(principal, upstream)
            if why is not None:
                carrier.stop(why)
            elif isinstance(carrier, SocketCarrier):
                carrier.review()

    def _fault_now(
        self, request: web.BaseRequest, upstream: Upstream, principal: str, address: str | None
    ) -> ClientError | None:
        """Why the request that began a session would not be let in now, by that principal and to that upstream."""
        try:
            found, target = self.find(self.posture, request)
            found, caller = self.admit(self.posture, found, request, target)
        except ClientError as error:
            was_agent = error.code is Code.IDENTITY and principal != DEFAULT_PRINCIPAL
            return _another_agent(self.posture, principal) if was_agent else error
        except Exception:  # noqa: BLE001 -- the outer boundary: who cannot be asked about may not go on
            return ClientError(refuse.INTERNAL, code=Code.INTERNAL, status=500)
        if caller.principal != principal:
            return _another_agent(self.posture, principal)
        if _leads_to(found) != _leads_to(upstream):
            message = f"`{upstream.name or upstream.spelt_host}` leads elsewhere now; open the session again"
            return ClientError(message, code=Code.EGRESS, status=HTTPStatus.FORBIDDEN)
        fault = found.way.may_dial(address) if found.way is not None and address is not None else None
        return None if fault is None else ClientError(fault, code=Code.EGRESS, status=HTTPStatus.FORBIDDEN)

    @abstractmethod
    def check(self, posture: Posture, request: web.BaseRequest) -> None:
        """Whether this request may come in at all. Raises ClientError, as the other two do."""

    @abstractmethod
    def find(self, posture: Posture, request: web.BaseRequest) -> tuple[Upstream, str]:
        """The upstream that a request leads to, and the target there."""

    @abstractmethod
    def admit(
        self, posture: Posture, upstream: Upstream, request: web.BaseRequest, target: str
    ) -> tuple[Upstream, Caller]:
        """The upstream as it is for this caller; who asks, and what is asked in their name."""

    def _check(self, posture: Posture, request: web.BaseRequest) -> None:
        if request.version not in (HttpVersion10, HttpVersion11):
            raise ClientError("the request is of no version of HTTP/1", code=Code.UNREADABLE)
        if any(coding.strip().lower() != "chunked" for coding in request.headers.getall(hdrs.TRANSFER_ENCODING, ())):
            # The server library would take it for chunked alone, and pass the rest of the coding on as the body.
            raise ClientError("the only transfer coding that is read is `chunked`", code=Code.UNREADABLE)
        self.check(posture, request)
        if upgrade.is_upgrade(request):
            upgrade.check_upgrade(request)
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
        refusal = Refusal(error.code, error.status, str(error), new_id())
        answer = _answer(refusal, upstream.family if upstream is not None else None)
        # After a request that asks for another protocol, or that is read in two ways, nobody knows what comes next.
        is_last = error.code is Code.UNREADABLE or upgrade.is_upgrade(request) or request.method == hdrs.METH_CONNECT
        if self.draining or is_last or not request.content.is_eof():
            answer.force_close()
        await answer.prepare(request)
        await answer.write_eof()
        given = Refusal(refusal.code, answer.status, refusal.message, refusal.request_id)
        self._note(given, request, upstream, began, fault)
        return answer

    def unread(self, request: web.BaseRequest, why: str) -> web.StreamResponse:
        """The answer to what the HTTP parser cannot read, and its record. `request` stands for it, and is empty."""
        refusal = Refusal(Code.UNREADABLE, HTTPStatus.BAD_REQUEST, f"the request cannot be read: {why}", new_id())
        answer = _answer(refusal, None)
        answer.force_close()
        self._note(refusal, request, None, perf_counter_ns(), None)
        return answer

    def _note(
        self, refusal: Refusal, request: web.BaseRequest, upstream: Upstream | None, began: int, fault: str | None
    ) -> None:
        record = _record(refusal, request, upstream, self.posture.default_gate, fault)
        self._ledger.finish(record, course_of(request, began))


def _answer(refusal: Refusal, family: Family | None) -> Refused:
    dialect = PLAIN if family is None else family.fallback.dialect
    headers = (
        *refuse.headers(refusal),
        *dialect.refusal_fields(refusal),
        ("x-lockgate-id", refusal.request_id),
        ("x-lockgate-effect", Effect.BLOCK.name.lower()),
        *challenge(refusal.status),
    )
    return Refused(dialect.status(refusal), headers, dialect.refusal(refusal))


def _leads_to(upstream: Upstream) -> tuple[str, str, str]:
    """What a session with an upstream depends on: the name it is stopped by, where it is, and what is spoken there."""
    return upstream.name, upstream.base_url, upstream.family.name


def _another_agent(posture: Posture, principal: str) -> ClientError:
    """Why a session of that principal is not theirs any more."""
    if principal == DEFAULT_PRINCIPAL:
        message = "the session is an agent's now; open it again"
    elif principal in posture.config.agents:
        message = f"the gateway key, or the address, is not that of the agent `{principal}` any more"
    else:
        message = f"there is no agent `{principal}` any more"
    return ClientError(message, code=Code.IDENTITY, status=HTTPStatus.UNAUTHORIZED)


def challenge(status: int) -> Headers:
    """What a proxy that wants credentials must send (RFC 9110, section 11.7.1)."""
    return ((hdrs.PROXY_AUTHENTICATE, CHALLENGE),) if status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED else ()


CHALLENGE: Final = 'Basic realm="lockgate", charset="UTF-8"'
"""RFC 7617, section 2.1."""


def new_id() -> str:
    """The id of a request, under which its record is found."""
    return secrets.token_hex(_ID_BYTES)


def _record(
    refusal: Refusal, request: web.BaseRequest, upstream: Upstream | None, gate: Gate, fault: str | None
) -> ExchangeRecord:
    host, path = recordable(gate, *request.get(PLACE, ("", request.raw_path.partition("?")[0])))
    return ExchangeRecord(
        id=refusal.request_id,
        upstream=upstream.name if upstream is not None else "",
        principal=known_of(request).principal,
        dialect="",
        method=request.method,
        host=host,
        path=path,
        ruleset=gate.rules.digest,
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
        told=refusal.message,
    )
