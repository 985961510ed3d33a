"""Tunnels whose bytes pass both ways unread, as `tunnel` in the list of hosts has it.

The host is judged before the tunnel opens, and asked about again with each new posture: nothing inside of it asks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

from gateway.dialect.families import FAMILIES
from gateway.errors import ClientError, Code
from gateway.exchange import refuse
from gateway.exchange.events import Fault
from gateway.exchange.recorded import Inspected
from gateway.exchange.target import judge_target
from gateway.policy.egress.entry import Action, Scheme
from gateway.policy.egress.host import Authority
from gateway.policy.egress.policy import EgressDecision
from gateway.segment import Uninspected
from gateway.serve import relay
from gateway.serve.dial import Denied, Way
from gateway.serve.identity import known_to_proxy
from gateway.serve.opening import Contrary
from gateway.serve.posture import Posture
from gateway.serve.proxy import Proxy, Tunnel, denied, fault_of_address, known_at
from gateway.serve.tunnel_record import Asked, Fate, Records, logged
from gateway.serve.tunnel_refusal import forbidden
from gateway.serve.upstream import Pool, detail_of, fault_of
from gateway.verdict import Effect

_UNREAD: Final = (Uninspected("tunnel"),)

type GoOn = Callable[[], Awaitable[None]]
"""What is done with a tunnel once the client knows that it is open."""


class Unreached(Exception):
    """No connection to the host: what kind of failure it is, and for the log, which."""

    def __init__(self, fault: Fault, detail: str) -> None:
        super().__init__(detail)
        self.fault = fault


@dataclass(slots=True)
class _Unread:
    """A tunnel that is open and unread: what it was opened for, and to which address (None: a parent proxy's)."""

    asked: Asked
    tunnel: Tunnel
    address: str | None
    fate: Fate


class UnreadTunnels:
    """Opens the unread tunnels of a proxy, and knows which are open, each in the task that relays it."""

    def __init__(self, proxy: Proxy, pool: Pool, records: Records) -> None:
        self.open: dict[asyncio.Task[None], _Unread] = {}
        self._proxy = proxy
        self._pool = pool
        self._records = records

    async def prepare(
        self, transport: asyncio.Transport, asked: Asked, decision: EgressDecision, tunnel: Tunnel
    ) -> GoOn:
        """Have a connection to the host. Only its name can be read, and it leaves before all else, as a DNS query.

        Raises ClientError and Unreached.
        """
        self._judge_host(decision.principal, tunnel.spelt)
        try:
            server, address = await self._dialled(decision, tunnel)
        except Denied as denial:
            raise forbidden(str(denial)) from None
        except OSError as failure:
            raise Unreached(fault_of(failure), detail_of(failure)) from None
        try:
            unread = _Unread(asked, tunnel, address, Fate("forwarded", 200))
            fault_now = self._fault_now(unread)  # the list of hosts may have changed while the host was dialled
        except Exception:
            server[1].close()
            raise
        if fault_now is not None:
            server[1].close()
            raise fault_now
        return partial(self._relayed, transport, server, unread, decision.principal)

    def review(self) -> None:
        """End the tunnels that would not be opened now."""
        for task, unread in tuple(self.open.items()):
            fault = self._fault_now(unread)
            if fault is not None:
                unread.fate = Fate("cut", 200, Effect.BLOCK, fault.code, f"tunnel: {fault}")
                task.cancel()

    def _fault_now(self, unread: _Unread) -> ClientError | None:
        """Why a tunnel that is open would not be opened unread any more."""
        posture, tunnel = self._proxy.posture, unread.tunnel
        try:
            known = known_at(posture, known_to_proxy(posture.whose, tunnel.shown), unread.asked.client)
        except ClientError as error:
            return error
        principal = known.principal
        decision = posture.egress.decide(principal, tunnel.scheme, tunnel.spelt, tunnel.authority.port or 0)
        if decision.action is Action.DENY:
            return denied(decision)
        try:
            check_stops(posture, decision, tunnel.authority)
        except ClientError as error:
            return error
        if decision.action is not Action.TUNNEL:
            return forbidden("the host is to be inspected now; open the tunnel again")
        fault = None if unread.address is None else fault_of_address(posture.egress, decision, unread.address)
        return None if fault is None else forbidden(fault)

    async def _relayed(
        self, transport: asyncio.Transport, server: relay.Stream, unread: _Unread, principal: str
    ) -> None:
        """Pass bytes on both ways."""
        counts = relay.Counts()
        task = asyncio.current_task()
        assert task is not None
        self.open[task] = unread
        try:
            idle = self._proxy.posture.patience.idle
            await relay.relay(relay.over(transport), server, unread.tunnel.authority.host, counts, idle)
        except* relay.Stalled as stalled:
            unread.fate = Fate("cut", 200, fault=f"tunnel: {stalled.exceptions[0]}")
        except* Contrary as contrary:
            unread.fate = Fate("cut", 200, Effect.BLOCK, Code.EGRESS, f"tls: {contrary.exceptions[0]}")
        except* Exception as failures:  # noqa: BLE001 -- as for the tunnel that is not open yet
            unread.fate = Fate("failed", 200, Effect.BLOCK, Code.INTERNAL, logged(failures.exceptions[0]))
            transport.abort()
            server[1].transport.abort()
        finally:
            del self.open[task]
            sides = (Inspected(size, coverage="pass", uninspected=_UNREAD) for size in (counts.sent, counts.received))
            self._records.finish(unread.asked, principal, unread.fate, *sides)

    def _judge_host(self, principal: str, host: str) -> None:
        verdict = judge_target(self._proxy.posture.gate_for(principal), FAMILIES["http"], host, "", ()).total.verdict
        if verdict.effect >= Effect.ASK:
            code = verdict.code or Code.CONTENT
            message = refuse.content_message(code, refuse.rules_of(verdict.reasons))
            raise ClientError(message, code=code, status=refuse.STATUS[code])

    async def _dialled(self, decision: EgressDecision, tunnel: Tunnel) -> tuple[relay.Stream, str | None]:
        """A connection to the host, and the address that it leads to (None where a parent proxy dials)."""
        posture = self._proxy.posture
        may_dial = partial(fault_of_address, posture.egress, decision)
        way = Way(tunnel.spelt, "https", tunnel.authority.host.name, decision.port, may_dial, decision.is_inside)
        parent = self._pool.parent_for(way.host, way)
        server = await relay.dialled(way, self._pool.names, parent, posture.patience.connect)
        return server, server[1].get_extra_info("peername")[0] if parent is None else None


def check_stops(posture: Posture, decision: EgressDecision, to: Authority) -> None:
    """Raise ClientError where an operator has stopped who asks, the entry that allows it, or, where nobody would see
    which of them is asked inside, any upstream at that place."""
    names = [decision.entry.name if decision.entry is not None else ""]
    if decision.action is Action.TUNNEL:
        names += posture.places.names(Scheme.HTTPS, to.host, to.port or 0)
    for name in names:
        posture.check_stops(decision.principal, name)
