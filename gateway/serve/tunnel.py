"""Tunnels: a CONNECT is answered here, and what comes through it is inspected, or passed on where the list says so.

    CONNECT ──▶ who, and may they ──▶ 200 ──▶ TLS ends here, with a leaf for the host ──▶ the HTTP server, as any
                                       │ └──▶ plain HTTP, for a client that tunnels it ──▶ the same
                                       └────▶ bytes both ways, unread: `tunnel` in the list of hosts

What a client sends first tells TLS from HTTP. It is looked at without being taken, since TLS reads from the connection
itself. Whatever else a connection begins with is the HTTP server's.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from time import perf_counter_ns
from typing import Final, cast

from aiohttp import hdrs, web
from aiohttp.http import RawRequestMessage

from gateway.errors import ClientError, Code
from gateway.exchange import refuse
from gateway.policy.egress.agreement import disagreement
from gateway.policy.egress.entry import Action, Scheme
from gateway.policy.egress.host import Authority, Host
from gateway.policy.egress.policy import EgressDecision
from gateway.serve.entrance import new_id
from gateway.serve.identity import Known, known_to_proxy
from gateway.serve.ledger import Ledger
from gateway.serve.listener import Handle
from gateway.serve.proxy import Proxy, Tunnel, denied, host_of, known_at, read_authority
from gateway.serve.threshold import HANDSHAKE, Threshold, Waiting, first_byte, hand_over
from gateway.serve.ticket import refuse_ticket
from gateway.serve.tunnel_record import Asked, Fate, Records, logged
from gateway.serve.tunnel_refusal import answer, forbidden, stopped, unreadable
from gateway.serve.tunnel_unread import GoOn, Unreached, UnreadTunnels, check_stops
from gateway.serve.upstream import Pool
from gateway.settings import DEFAULT_PRINCIPAL
from gateway.trust.leaf import Leaves
from gateway.verdict import Effect, Refusal

_ESTABLISHED: Final = b"HTTP/1.1 200 Connection established\r\n\r\n"

_TLS_RECORD: Final = 0x16
"""The first byte of TLS: a handshake record (RFC 8446, section 5.1)."""

type Serve = Callable[[Handle], web.RequestHandler]
"""Makes the HTTP server's end of one more connection, for that handler."""


@dataclass(frozen=True, slots=True)
class _Guest:
    """A client whose tunnel will be inspected: what it asked, in whose name, and with what it may begin TLS."""

    transport: asyncio.Transport
    asked: Asked
    principal: str
    tunnel: Tunnel
    context: ssl.SSLContext


class Gatekeeper:
    """Answers each CONNECT on the proxy listener, and has what comes through inspected, or passed on unread."""

    def __init__(self, proxy: Proxy, pool: Pool, leaves: Leaves, ledger: Ledger, serve: Serve) -> None:
        self.proxy = proxy
        self._serve = serve
        self._leaves = leaves
        self._ledger = ledger
        self._records = Records(proxy, ledger)
        self._unread = UnreadTunnels(proxy, pool, self._records)
        self._tasks: set[asyncio.Task[None]] = set()
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
        self._refuse(transport, self._asked(transport, ""), unreadable(why), DEFAULT_PRINCIPAL)

    def review(self) -> None:
        """End the unread tunnels that would not be opened now: nothing inside of one asks again."""
        self._unread.review()

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
            prepare = self._unread.prepare if decision.action is Action.TUNNEL else self._let_in
            go_on = await prepare(transport, asked, decision, tunnel)
        except ClientError as error:
            self._refuse(transport, asked, error, principal)
            return
        except Unreached as unreached:
            theirs = ClientError(refuse.FAULTS[unreached.fault], code=Code.UPSTREAM, status=502)
            self._refuse(transport, asked, theirs, principal, f"upstream.{unreached.fault}: {unreached}")
            return
        except Exception as failure:  # noqa: BLE001 -- the outer boundary: a failure of ours is a refusal and a record
            ours = ClientError(refuse.INTERNAL, code=Code.INTERNAL, status=500)
            self._refuse(transport, asked, ours, principal, logged(failure))
            return
        except asyncio.CancelledError:
            self._refuse(transport, asked, stopped("the gateway shuts down"), principal)
            raise
        try:
            transport.write(_ESTABLISHED)
            await go_on()
        except Exception as failure:  # noqa: BLE001 -- likewise, but an answer now would be taken for the host's
            self._fail(transport, asked, principal, logged(failure))

    def _fail(
        self, transport: asyncio.Transport, asked: Asked, principal: str, fault: str, code: Code = Code.INTERNAL
    ) -> None:
        """Cut a tunnel whose CONNECT has been answered, and record it."""
        transport.abort()
        self._records.finish(asked, principal, Fate("failed", 200, Effect.BLOCK, code, fault))

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
                raise forbidden("the Host field of the CONNECT names another host")

    def _decided(self, message: RawRequestMessage, principal: str, *, is_early: bool) -> tuple[EgressDecision, Tunnel]:
        """Whether a CONNECT may lead where it wants to. Raises ClientError."""
        if message.chunked or message.headers.get(hdrs.CONTENT_LENGTH, "0") != "0":
            raise unreadable("a CONNECT has no body")  # it could be taken for the first bytes of the tunnel
        if is_early:
            raise unreadable("bytes came before the tunnel was open")
        if self.proxy.draining:
            raise stopped("the gateway shuts down")
        if self._ledger.fault is not None:
            raise stopped("the gateway cannot write its audit log")
        named, spelt = read_authority(message.path), host_of(message.path)
        if named.port is None:
            raise unreadable("a CONNECT needs a port: CONNECT host:443")
        decision = self.proxy.posture.egress.decide(principal, Scheme.HTTPS, spelt, named.port)
        if decision.action is Action.DENY:
            raise denied(decision)
        check_stops(self.proxy.posture, decision, named)
        return decision, Tunnel(named, spelt, Scheme.HTTPS, message.headers)

    # -- inspected

    async def _let_in(
        self, transport: asyncio.Transport, asked: Asked, decision: EgressDecision, tunnel: Tunnel
    ) -> GoOn:
        """Have a certificate for the host."""
        host = tunnel.authority.host
        context = self._leaves.context(host.name)
        context.sni_callback = partial(self._agree, host)
        return partial(self._served, _Guest(transport, asked, decision.principal, tunnel, context))

    async def _served(self, guest: _Guest) -> None:
        """Let the client speak HTTP, within TLS or without."""
        try:
            await self._begun(guest)
        except asyncio.CancelledError:
            why = "shutdown: cut before its first request"
            self._fail(guest.transport, guest.asked, guest.principal, why, Code.STOPPED)
            raise

    async def _begun(self, guest: _Guest) -> None:
        """Give the connection to the HTTP server, once it is known how the client speaks."""
        transport, asked, principal, tunnel = guest.transport, guest.asked, guest.principal, guest.tunnel
        first = await first_byte(transport)
        if first is None:
            transport.close()
            self._records.finish(asked, principal, Fate("client_gone", 200, fault="tunnel: nothing came through it"))
            return
        if first != _TLS_RECORD:
            inside = Tunnel(tunnel.authority, tunnel.spelt, Scheme.HTTP, tunnel.shown)
            hand_over(transport, self._serve(self.proxy.inside(inside)), b"")
            return
        waiting = Waiting(partial(self._serve, self.proxy.inside(tunnel)), partial(self._untrusted, asked, principal))
        try:
            secured = await asyncio.get_running_loop().start_tls(
                transport, waiting, guest.context, server_side=True, ssl_handshake_timeout=HANDSHAKE
            )
        except OSError as failure:  # ssl.SSLError and TimeoutError are such
            if _is_by_callback(failure) and self._contrary:
                told = self._contrary.popleft()
                fate = Fate("refused", 200, Effect.BLOCK, Code.EGRESS, told=told)
                self._records.finish(asked, principal, fate)
            else:
                self._untrusted(asked, principal, failure)
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

    def _untrusted(self, asked: Asked, principal: str, failure: Exception | None) -> None:
        """Record a client that does not go through with TLS."""
        detail = "closed" if failure is None else f"{type(failure).__name__}: {failure}"
        fault = f"tls: {detail}; a client that refuses the certificate needs `lockgate env`"
        self._records.finish(asked, principal, Fate("failed", 200, fault=fault))

    # -- answers and records

    def _asked(self, transport: asyncio.Transport, place: str) -> Asked:
        peer = transport.get_extra_info("peername")
        return Asked(new_id(), place, peer[0] if isinstance(peer, tuple) else None, perf_counter_ns())

    def _refuse(
        self, transport: asyncio.Transport, asked: Asked, error: ClientError, principal: str, fault: str | None = None
    ) -> None:
        transport.write(answer(Refusal(error.code, error.status, str(error), asked.id)))
        transport.close()
        outcome = "refused" if fault is None else "failed"
        self._records.finish(asked, principal, Fate(outcome, error.status, Effect.BLOCK, error.code, fault, str(error)))


def _is_by_callback(failure: OSError) -> bool:
    """Whether a handshake was ended by our own callback, and not by the client."""
    return isinstance(failure, ssl.SSLError) and failure.reason == "CALLBACK_FAILED"
