"""Tunnels: a CONNECT is answered here, and what comes through it is inspected, or passed on where the list says so.

    CONNECT ──▶ who, and may they ──▶ 200 ──▶ TLS ends here, with a leaf for the host ──▶ the HTTP server, as any
                                       │ └──▶ plain HTTP, for a client that tunnels it ──▶ the same
                                       └────▶ bytes both ways, unread: `tunnel` in the list of hosts

What a client sends first tells TLS from HTTP. It is looked at without being taken, since TLS reads from the connection
itself. Whatever else a connection begins with is the HTTP server's.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import partial
from http import HTTPStatus
from time import perf_counter_ns
from typing import Final, cast

from aiohttp import hdrs, web
from aiohttp.http import RawRequestMessage

from gateway.dialect import refusals
from gateway.dialect.families import FAMILIES
from gateway.errors import ClientError, Code
from gateway.exchange import refuse
from gateway.exchange.events import ExchangeRecord, Fault, Headers, Inspected
from gateway.exchange.target import WITHHELD, judge_target, recordable
from gateway.policy.egress.agreement import disagreement
from gateway.policy.egress.entry import Action, Scheme
from gateway.policy.egress.host import Authority, Host
from gateway.policy.egress.policy import EgressDecision
from gateway.segment import Uninspected
from gateway.serve import relay
from gateway.serve.course import Course
from gateway.serve.dial import Denied, Way
from gateway.serve.entrance import challenge, new_id
from gateway.serve.identity import NOBODY, Known, known_to_proxy
from gateway.serve.ledger import Ledger
from gateway.serve.listener import Handle
from gateway.serve.opening import Contrary
from gateway.serve.posture import Posture
from gateway.serve.proxy import Proxy, Tunnel, denied, fault_of_address, host_of, known_at, read_authority
from gateway.serve.threshold import HANDSHAKE, Threshold, Waiting, first_byte, hand_over
from gateway.serve.ticket import refuse_ticket
from gateway.serve.upstream import Pool, detail_of, fault_of
from gateway.settings import DEFAULT_PRINCIPAL
from gateway.trust.leaf import Leaves
from gateway.verdict import Effect, Refusal

_ESTABLISHED: Final = b"HTTP/1.1 200 Connection established\r\n\r\n"
_MOST_PHRASED: Final = 200
"""Characters of a message that a reason phrase has."""
_UNPHRASED: Final = re.compile(r"[^ -~]")

_TLS_RECORD: Final = 0x16
"""The first byte of TLS: a handshake record (RFC 8446, section 5.1)."""

type Serve = Callable[[Handle], web.RequestHandler]
"""Makes the HTTP server's end of one more connection, for that handler."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """A CONNECT as it came, with its id, when (nanoseconds), and from whom."""

    id: str
    place: str
    client: str | None
    began: int
    known: Known = NOBODY


@dataclass(frozen=True, slots=True)
class _Fate:
    """What became of a CONNECT, in the terms of its record."""

    outcome: str
    status: int
    effect: Effect = Effect.ALLOW
    code: Code | None = None
    fault: str | None = None
    told: str | None = None


@dataclass(slots=True)
class _Unread:
    """A tunnel that is open and unread: what it was opened for, and to which address (None: a parent proxy's)."""

    asked: _Asked
    tunnel: Tunnel
    address: str | None
    fate: _Fate


class _Unreached(Exception):
    """No connection to the host: what kind of failure it is, and for the log, which."""

    def __init__(self, fault: Fault, detail: str) -> None:
        super().__init__(detail)
        self.fault = fault


type GoOn = Callable[[], Awaitable[None]]
"""What is done with a tunnel once the client knows that it is open."""

_NOTHING: Final = Inspected()
_UNREAD: Final = (Uninspected("tunnel"),)


class Gatekeeper:
    """Answers each CONNECT on the proxy listener, and knows the tunnels that are unread."""

    def __init__(self, proxy: Proxy, pool: Pool, leaves: Leaves, ledger: Ledger, serve: Serve) -> None:
        self.proxy = proxy
        self._serve = serve
        self._pool = pool
        self._leaves = leaves
        self._ledger = ledger
        self._tasks: set[asyncio.Task[None]] = set()
        self._unread: dict[asyncio.Task[None], _Unread] = {}
        # Contexts are shared by connections, and nothing tells the callback whose ClientHello it reads. But what it
        # finds ends that handshake at once, and tasks wake in the order in which their handshakes ended.
        self._contrary: deque[str] = deque()

    def connection(self) -> asyncio.Protocol:
        """The protocol of a new connection."""
        return Threshold(self)

    def server(self) -> web.RequestHandler:
        """The HTTP server's end of a connection that begins with no CONNECT."""
        return self._serve(self.proxy)

    def receive(self, transport: asyncio.Transport, message: RawRequestMessage, *, is_early: bool) -> None:
        """Answer a CONNECT, in a task of its own. The connection is paused; `is_early` is whether more came already."""
        task = asyncio.create_task(self._receive(transport, message, is_early=is_early))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def turn_away(self, transport: asyncio.Transport, why: str) -> None:
        """Refuse a connection whose first request cannot be read."""
        self._refuse(transport, self._asked(transport, ""), _unreadable(why), DEFAULT_PRINCIPAL)

    def review(self) -> None:
        """End the unread tunnels that would not be opened now: nothing inside of one asks again."""
        for task, unread in tuple(self._unread.items()):
            fault = self._fault_now(unread)
            if fault is not None:
                unread.fate = _Fate("cut", 200, Effect.BLOCK, fault.code, f"tunnel: {fault}")
                task.cancel()

    def _fault_now(self, unread: _Unread) -> ClientError | None:
        """Why a tunnel that is open would not be opened unread any more."""
        posture, tunnel = self.proxy.posture, unread.tunnel
        try:
            known = known_at(posture, known_to_proxy(posture.whose, tunnel.shown), unread.asked.client)
        except ClientError as error:
            return error
        principal = known.principal
        decision = posture.egress.decide(principal, tunnel.scheme, tunnel.spelt, tunnel.authority.port or 0)
        if decision.action is Action.DENY:
            return denied(decision)
        try:
            _check_stops(posture, decision, tunnel.authority)
        except ClientError as error:
            return error
        if decision.action is not Action.TUNNEL:
            return _forbidden("the host is to be inspected now; open the tunnel again")
        fault = None if unread.address is None else fault_of_address(posture.egress, decision, unread.address)
        return None if fault is None else _forbidden(fault)

    async def close(self) -> None:
        """End the tunnels that are open; each leaves its record."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _receive(self, transport: asyncio.Transport, message: RawRequestMessage, *, is_early: bool) -> None:
        asked = self._asked(transport, message.path)
        principal = DEFAULT_PRINCIPAL
        try:
            refuse_ticket(message.headers)
            known = known_at(self.proxy.posture, self._shown(message), asked.client)
            asked, principal = replace(asked, known=known), known.principal
            self._check_host(message, transport)
            decision, tunnel = self._decided(message, principal, is_early=is_early)
            prepare = self._pass_on if decision.action is Action.TUNNEL else self._let_in
            go_on = await prepare(transport, asked, decision, tunnel)
        except ClientError as error:
            self._refuse(transport, asked, error, principal)
            return
        except _Unreached as unreached:
            theirs = ClientError(refuse.FAULTS[unreached.fault], code=Code.UPSTREAM, status=502)
            self._refuse(transport, asked, theirs, principal, f"upstream.{unreached.fault}: {unreached}")
            return
        except Exception as failure:  # noqa: BLE001 -- the outer boundary: a failure of ours is a refusal and a record
            ours = ClientError(refuse.INTERNAL, code=Code.INTERNAL, status=500)
            self._refuse(transport, asked, ours, principal, _told(failure))
            return
        except asyncio.CancelledError:
            self._refuse(transport, asked, _stopped("the gateway shuts down"), principal)
            raise
        try:
            transport.write(_ESTABLISHED)
            await go_on()
        except Exception as failure:  # noqa: BLE001 -- likewise, but an answer now would be taken for the host's
            self._fail(transport, asked, principal, _told(failure))

    def _fail(
        self, transport: asyncio.Transport, asked: _Asked, principal: str, fault: str, code: Code = Code.INTERNAL
    ) -> None:
        """Cut a tunnel whose CONNECT has been answered, and record it."""
        transport.abort()
        self._record(asked, principal, _Fate("failed", 200, Effect.BLOCK, code, fault))

    def _shown(self, message: RawRequestMessage) -> Known:
        return known_to_proxy(self.proxy.posture.whose, message.headers)

    def _check_host(self, message: RawRequestMessage, transport: asyncio.Transport) -> None:
        """Raise ClientError for a CONNECT that names one host as its target and another in its Host field.

        Some clients leave the port out of the field, which says nothing of it. Some name the proxy in it, as they do
        with any request (Node.js, where it is not told otherwise): that is no host that a tunnel leads to.
        """
        local = transport.get_extra_info("sockname")
        for field in message.headers.getall(hdrs.HOST, ()):
            if self.proxy.posture.site.knows(field, local[0] if isinstance(local, tuple) else None):
                continue
            if read_authority(field).host != read_authority(message.path).host:
                raise _forbidden("the Host field of the CONNECT names another host")

    def _decided(self, message: RawRequestMessage, principal: str, *, is_early: bool) -> tuple[EgressDecision, Tunnel]:
        """Whether a CONNECT may lead where it wants to. Raises ClientError."""
        if message.chunked or message.headers.get(hdrs.CONTENT_LENGTH, "0") != "0":
            raise _unreadable("a CONNECT has no body")  # it could be taken for the first bytes of the tunnel
        if is_early:
            raise _unreadable("bytes came before the tunnel was open")
        if self.proxy.draining:
            raise _stopped("the gateway shuts down")
        if self._ledger.fault is not None:
            raise _stopped("the gateway cannot write its audit log")
        named, spelt = read_authority(message.path), host_of(message.path)
        if named.port is None:
            raise _unreadable("a CONNECT needs a port: CONNECT host:443")
        decision = self.proxy.posture.egress.decide(principal, Scheme.HTTPS, spelt, named.port)
        if decision.action is Action.DENY:
            raise denied(decision)
        _check_stops(self.proxy.posture, decision, named)
        return decision, Tunnel(named, spelt, Scheme.HTTPS, message.headers)

    # -- inspected

    async def _let_in(
        self, transport: asyncio.Transport, asked: _Asked, decision: EgressDecision, tunnel: Tunnel
    ) -> GoOn:
        """Have a certificate for the host."""
        host = tunnel.authority.host
        context = self._leaves.context(host.name)
        context.sni_callback = partial(self._agree, host)
        return partial(self._served, transport, asked, decision, tunnel, context)

    async def _served(
        self,
        transport: asyncio.Transport,
        asked: _Asked,
        decision: EgressDecision,
        tunnel: Tunnel,
        context: ssl.SSLContext,
    ) -> None:
        """Let the client speak HTTP, within TLS or without."""
        try:
            await self._begun(transport, asked, decision, tunnel, context)
        except asyncio.CancelledError:
            self._fail(transport, asked, decision.principal, "shutdown: cut before its first request", Code.STOPPED)
            raise

    async def _begun(
        self,
        transport: asyncio.Transport,
        asked: _Asked,
        decision: EgressDecision,
        tunnel: Tunnel,
        context: ssl.SSLContext,
    ) -> None:
        """Give the connection to the HTTP server, once it is known how the client speaks."""
        first = await first_byte(transport)
        if first is None:
            transport.close()
            self._record(asked, decision.principal, _Fate("client_gone", 200, fault="tunnel: nothing came through it"))
            return
        if first != _TLS_RECORD:
            inside = Tunnel(tunnel.authority, tunnel.spelt, Scheme.HTTP, tunnel.shown)
            hand_over(transport, self._serve(self.proxy.inside(inside)), b"")
            return
        waiting = Waiting(
            partial(self._serve, self.proxy.inside(tunnel)), partial(self._untrusted, asked, decision.principal)
        )
        try:
            secured = await asyncio.get_running_loop().start_tls(
                transport, waiting, context, server_side=True, ssl_handshake_timeout=HANDSHAKE
            )
        except OSError as failure:  # ssl.SSLError and TimeoutError are such
            if _is_by_callback(failure) and self._contrary:
                told = self._contrary.popleft()
                fate = _Fate("refused", 200, Effect.BLOCK, Code.EGRESS, told=told)
                self._record(asked, decision.principal, fate)
            else:
                self._untrusted(asked, decision.principal, failure)
            transport.abort()
            return
        waiting.begin(cast("asyncio.Transport", secured))

    def _agree(self, target: Host, _: ssl.SSLObject, sni: str | None, __: ssl.SSLContext) -> int | None:
        """Refuse a ClientHello that names another host than the CONNECT did."""
        fault = disagreement(Authority(target, None), Scheme.HTTPS, sni=sni)
        if fault is None:
            return None
        self._contrary.append(fault)
        return ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME

    def _untrusted(self, asked: _Asked, principal: str, failure: Exception | None) -> None:
        """Record a client that does not go through with TLS."""
        detail = "closed" if failure is None else f"{type(failure).__name__}: {failure}"
        fault = f"tls: {detail}; a client that refuses the certificate needs `lockgate env`"
        self._record(asked, principal, _Fate("failed", 200, fault=fault))

    # -- unread

    async def _pass_on(
        self, transport: asyncio.Transport, asked: _Asked, decision: EgressDecision, tunnel: Tunnel
    ) -> GoOn:
        """Have a connection to the host. Only its name can be read, and it leaves before all else, as a DNS query."""
        self._judge_host(decision.principal, tunnel.spelt)
        try:
            server, address = await self._dialled(decision, tunnel)
        except Denied as denial:
            raise _forbidden(str(denial)) from None
        except OSError as failure:
            raise _Unreached(fault_of(failure), detail_of(failure)) from None
        try:
            unread = _Unread(asked, tunnel, address, _Fate("forwarded", 200))
            fault_now = self._fault_now(unread)  # the list of hosts may have changed while the host was dialled
        except Exception:
            server[1].close()
            raise
        if fault_now is not None:
            server[1].close()
            raise fault_now
        return partial(self._relayed, transport, server, unread, decision.principal)

    async def _relayed(
        self, transport: asyncio.Transport, server: relay.Stream, unread: _Unread, principal: str
    ) -> None:
        """Pass bytes on both ways."""
        counts = relay.Counts()
        task = asyncio.current_task()
        assert task is not None
        self._unread[task] = unread
        try:
            idle = self.proxy.posture.patience.idle
            await relay.relay(relay.over(transport), server, unread.tunnel.authority.host, counts, idle)
        except* relay.Stalled as stalled:
            unread.fate = _Fate("cut", 200, fault=f"tunnel: {stalled.exceptions[0]}")
        except* Contrary as contrary:
            unread.fate = _Fate("cut", 200, Effect.BLOCK, Code.EGRESS, f"tls: {contrary.exceptions[0]}")
        except* Exception as failures:  # noqa: BLE001 -- as for the tunnel that is not open yet
            unread.fate = _Fate("failed", 200, Effect.BLOCK, Code.INTERNAL, _told(failures.exceptions[0]))
            transport.abort()
            server[1].transport.abort()
        finally:
            del self._unread[task]
            sides = (Inspected(size, coverage="pass", uninspected=_UNREAD) for size in (counts.sent, counts.received))
            self._record(unread.asked, principal, unread.fate, *sides)

    def _judge_host(self, principal: str, host: str) -> None:
        verdict = judge_target(self.proxy.posture.gate_for(principal), FAMILIES["http"], host, "", ()).total.verdict
        if verdict.effect >= Effect.ASK:
            code = verdict.code or Code.CONTENT
            message = refuse.content_message(code, refuse.rules_of(verdict.reasons))
            raise ClientError(message, code=code, status=refuse.STATUS[code])

    async def _dialled(self, decision: EgressDecision, tunnel: Tunnel) -> tuple[relay.Stream, str | None]:
        """A connection to the host, and the address that it leads to (None where a parent proxy dials)."""
        posture = self.proxy.posture
        may_dial = partial(fault_of_address, posture.egress, decision)
        way = Way(tunnel.spelt, "https", tunnel.authority.host.name, decision.port, may_dial, decision.is_inside)
        parent = self._pool.parent_for(way.host, way)
        server = await relay.dialled(way, self._pool.names, parent, posture.patience.connect)
        return server, server[1].get_extra_info("peername")[0] if parent is None else None

    # -- answers and records

    def _asked(self, transport: asyncio.Transport, place: str) -> _Asked:
        peer = transport.get_extra_info("peername")
        return _Asked(new_id(), place, peer[0] if isinstance(peer, tuple) else None, perf_counter_ns())

    def _refuse(
        self, transport: asyncio.Transport, asked: _Asked, error: ClientError, principal: str, fault: str | None = None
    ) -> None:
        transport.write(_answer(Refusal(error.code, error.status, str(error), asked.id)))
        transport.close()
        outcome = "refused" if fault is None else "failed"
        self._record(asked, principal, _Fate(outcome, error.status, Effect.BLOCK, error.code, fault, str(error)))

    def _record(
        self, asked: _Asked, principal: str, fate: _Fate, request: Inspected = _NOTHING, answer: Inspected = _NOTHING
    ) -> None:
        gate = self.proxy.posture.default_gate
        hidden = WITHHELD in recordable(gate, host_of(asked.place), asked.place)
        record = ExchangeRecord(
            id=asked.id,
            upstream="",
            principal=principal,
            dialect="tunnel",
            method=hdrs.METH_CONNECT,
            path=WITHHELD if hidden else asked.place,
            ruleset=gate.rules.digest,
            status=fate.status,
            outcome=fate.outcome,
            effect=fate.effect,
            would_be=fate.effect,
            code=fate.code,
            reasons=(),
            fingerprints=(),
            request=request,
            answer=answer,
            fault=fate.fault,
            told=fate.told,
        )
        self._ledger.finish(record, Course(asked.client, perf_counter_ns() - asked.began, 0, asked.known))


def _check_stops(posture: Posture, decision: EgressDecision, to: Authority) -> None:
    """Raise ClientError where an operator has stopped who asks, the entry that allows it, or, where nobody would see
    which of them is asked inside, any upstream at that place."""
    names = [decision.entry.name if decision.entry is not None else ""]
    if decision.action is Action.TUNNEL:
        names += posture.places.names(Scheme.HTTPS, to.host, to.port or 0)
    for name in names:
        posture.check_stops(decision.principal, name)


def _is_by_callback(failure: OSError) -> bool:
    """Whether a handshake was ended by our own callback, and not by the client."""
    return isinstance(failure, ssl.SSLError) and failure.reason == "CALLBACK_FAILED"


def _answer(refusal: Refusal) -> bytes:
    """The answer to a CONNECT that is refused. Few clients show its body; all show its status, and many its reason
    phrase (Python's http.client and httpx, Go's net/http), so that says why."""
    body = refusals.body(refusals.Shape.PLAIN, refusal)
    headers: Headers = (
        *refuse.headers(refusal),
        *challenge(refusal.status),
        ("x-lockgate-id", refusal.request_id),
        ("x-lockgate-effect", Effect.BLOCK.name.lower()),
        ("connection", "close"),
        ("content-length", str(len(body))),
    )
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
    return f"HTTP/1.1 {refusal.status} {_phrase(refusal)}\r\n{lines}\r\n".encode("latin-1") + body


def _phrase(refusal: Refusal) -> str:
    """The code, why, and the id of the record, as a reason phrase (RFC 9112, section 4)."""
    why = refusal.message.partition("\n")[0][:_MOST_PHRASED]
    return _UNPHRASED.sub("?", f"{refusal.code}: {why} (record {refusal.request_id})")


def _unreadable(message: str) -> ClientError:
    return ClientError(message, code=Code.UNREADABLE, status=HTTPStatus.BAD_REQUEST)


def _stopped(message: str) -> ClientError:
    return ClientError(message, code=Code.STOPPED, status=HTTPStatus.SERVICE_UNAVAILABLE)


def _told(failure: Exception) -> str:
    """A failure of ours, for the log."""
    return f"tunnel: {type(failure).__name__}: {failure}"


def _forbidden(message: str) -> ClientError:
    return ClientError(message, code=Code.EGRESS, status=HTTPStatus.FORBIDDEN)
