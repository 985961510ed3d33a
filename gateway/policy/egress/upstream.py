"""What a configured upstream allows: an agent may reach it through the proxy as it may through its base URL."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Final
from urllib.parse import urlsplit

from gateway.errors import Malformed
from gateway.policy.egress.address import Network
from gateway.policy.egress.entry import Action, Entry
from gateway.policy.egress.host import Host, parse_host
from gateway.policy.egress.paths import prefix
from gateway.policy.egress.pattern import exactly

_LOOPBACK: Final[tuple[Network, ...]] = (ip_network("127.0.0.0/8"), ip_network("::1"))
_PORTS: Final = {"http": 80, "https": 443}


def upstream_entry(name: str, base_url: str, *others: str) -> Entry | None:
    """The very host, port and path of an upstream, inspected; None where they cannot be read, which allows nothing.
    `others` are paths that belong to it too.

    A loopback address may be dialled where it is written as such, or by a name that means nothing else. Any other name
    has to resolve to a public address, or be listed under `[egress]` with the addresses that it may have.
    """
    url = urlsplit(base_url)
    try:
        host = parse_host(url.hostname or "")
        path = url.path.removesuffix("/")
        prefixes = tuple(map(prefix, (path, *others))) if path else ()
    except (Malformed, ValueError):
        return None
    return Entry(
        name,
        (exactly(host),),
        Action.INSPECT,
        frozenset({url.port or _PORTS[url.scheme]}),
        paths=prefixes,
        addresses=_LOOPBACK if _is_local(host) else (),
    )


def _is_local(host: Host) -> bool:
    """Whether it is `localhost` or a name below it, which are loopback by definition (RFC 6761, section 6.3)."""
    return f".{host.name}".endswith(".localhost")
