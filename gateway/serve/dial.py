"""Where an upstream is dialled that an agent named: its name is resolved here, and only a permitted address is used.

The address that was checked is the very one that is dialled, so a name that resolves to something else by then (DNS
rebinding) gains nothing. Upstreams that the operator configured are dialled by name, as configured.
"""

from __future__ import annotations

import asyncio
import socket
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from gateway.errors import Malformed
from gateway.exchange.events import Headers
from gateway.policy.egress.address import AddressClass, classify
from gateway.policy.egress.host import parse_host

DNS_TTL: Final = 30
"""Seconds that an address is remembered; providers move traffic by DNS within minutes."""

_KEPT: Final = 4096
"""Names whose addresses are remembered."""

type MayDial = Callable[[str], str | None]
"""Why an address may not be dialled, for the client to read; None where it may."""

type Resolve = Callable[[str, int], Awaitable[tuple[str, ...]]]
"""The addresses of a name, most preferred first. Raises OSError where there are none."""


class Denied(Exception):
    """No address of a name may be dialled. The message is for the client."""


@dataclass(frozen=True, slots=True)
class Way:
    """How to reach a host that an agent named, and which of its addresses may be dialled.

    `host` is its name in normal form, `spelt` as the agent wrote it. `is_inside` is whether the operator has listed
    addresses of a network of their own for it: no proxy elsewhere leads to those.
    """

    spelt: str
    scheme: str
    host: str
    port: int
    may_dial: MayDial
    is_inside: bool = False

    @property
    def authority(self) -> str:
        """The Host field (RFC 9110, section 7.2): with the port where it is not the scheme's own."""
        return bracketed(self.host) if self.port == _PORTS[self.scheme] else f"{bracketed(self.host)}:{self.port}"

    def origin_at(self, address: str) -> str:
        return f"{self.scheme}://{bracketed(address)}:{self.port}"

    def headers(self, headers: Headers) -> Headers:
        return (("Host", self.authority), *headers)

    @property
    def server_name(self) -> str | None:
        """The name that the certificate has to be for."""
        return self.host if self.scheme == "https" else None


_PORTS: Final = {"http": 80, "https": 443}


def bracketed(host: str) -> str:
    """A host as it stands in a URL."""
    return f"[{host}]" if ":" in host else host


def is_near(host: str) -> bool:
    """Whether a host is this machine by definition (`localhost` and names below it: RFC 6761, section 6.3), or an
    address that means another machine in another network. No proxy elsewhere leads to either."""
    try:
        found = parse_host(host)
    except Malformed:
        return False  # it is dialled nowhere by us
    if found.address is not None:
        return classify(found.address).kind is not AddressClass.PUBLIC
    return f".{found.name}".endswith(".localhost")


class Names:
    """Resolves names, and remembers their addresses for `DNS_TTL` seconds."""

    def __init__(self, resolve: Resolve | None = None) -> None:
        self._resolve = resolve or system
        self._known: OrderedDict[tuple[str, int], tuple[tuple[str, ...], float]] = OrderedDict()

    async def permitted(self, host: str, port: int, may_dial: MayDial) -> tuple[str, ...]:
        """The addresses of a name that may be dialled. Raises Denied where it has others only, and OSError."""
        addresses = await self._addresses(host, port)
        faults = {address: may_dial(address) for address in addresses}
        permitted = tuple(address for address, fault in faults.items() if fault is None)
        if not permitted:
            raise Denied(next((fault for fault in faults.values() if fault is not None), "the name has no address"))
        return permitted

    async def _addresses(self, host: str, port: int) -> tuple[str, ...]:
        now = asyncio.get_running_loop().time()
        known = self._known.get((host, port))
        if known is not None and now < known[1]:
            return known[0]
        addresses = await self._resolve(host, port)
        self._known[host, port] = addresses, now + DNS_TTL
        self._known.move_to_end((host, port))
        if len(self._known) > _KEPT:
            self._known.popitem(last=False)
        return addresses


async def system(host: str, port: int) -> tuple[str, ...]:
    """What the system's resolver says."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(str(address[0]) for *_, address in found))
