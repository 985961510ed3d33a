"""The way in behind mitmproxy: requests that it has taken from clients, one by one, each with a ticket.

A request here is one inside a tunnel whose destination the ticket names. In a mode where the client named none, because
it does not know that there is a proxy, the name is the one that it gave in TLS or in its request; the address that it
dialled is looked at only where there is no name. So nobody is led to an address that the gateway did not look up.
"""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import Final, override

from aiohttp import hdrs, web

from gateway.errors import ClientError, Code
from gateway.policy.egress.agreement import disagreement
from gateway.policy.egress.entry import Scheme
from gateway.policy.egress.host import Authority
from gateway.serve.dial import bracketed
from gateway.serve.entrance import MakeExchange, make_exchange
from gateway.serve.ledger import Ledger
from gateway.serve.posture import Posture
from gateway.serve.proxy import TUNNEL, Proxy, Tunnel, host_of, read_authority
from gateway.serve.ticket import CLIENT, FIELD, Ticket, Tickets
from gateway.serve.upstream import Pool
from gateway.state.store import Store

FOUND: Final = frozenset({"local", "socks5", "transparent", "tun", "wireguard"})
"""mitmproxy's modes in which the destination may be the address that a client dialled, after it looked up a name."""

_NO_NAME: Final = re.compile(r"\[.*|[0-9.]*(:[0-9]*)?")
"""A Host field without a name: an address, or nothing."""


class Hop(Proxy):
    """The handler of the hop."""

    def __init__(
        self,
        posture: Posture,
        pool: Pool,
        store: Store,
        ledger: Ledger,
        tickets: Tickets,
        exchange: MakeExchange = make_exchange,
    ) -> None:
        super().__init__(posture, pool, store, ledger, exchange)
        self._tickets = tickets

    @override
    def check(self, posture: Posture, request: web.BaseRequest) -> None:
        shown = request.headers.getall(FIELD, ())
        ticket = self._tickets.take(shown[0] if len(shown) == 1 else "", request.method, request.raw_path)
        if ticket.client is not None:
            request[CLIENT] = ticket.client
        spelt = destination(ticket, request.headers.get(hdrs.HOST))
        named = read_authority(f"{bracketed(spelt)}:{ticket.port}")
        fault = disagreement(Authority(named.host, None), ticket.scheme, sni=ticket.sni)
        if fault is not None:
            raise ClientError(fault, code=Code.EGRESS, status=403)
        credentials = {} if ticket.credentials is None else {"Proxy-Authorization": ticket.credentials}
        request[TUNNEL] = Tunnel(named, spelt, ticket.scheme, credentials)


def destination(ticket: Ticket, field: str | None) -> str:
    """The host that a request is for, as it was spelt. `field` is the request's Host."""
    if ticket.mode not in FOUND or not _is_address(ticket.host):
        return ticket.host
    if ticket.scheme is Scheme.HTTPS:
        return ticket.sni or ticket.host
    return ticket.host if field is None or _NO_NAME.fullmatch(field) else host_of(field)


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
