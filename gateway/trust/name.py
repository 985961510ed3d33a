"""The names that a certificate can be for, and the subtrees of names to which an authority can be limited.

Names are taken in normal form only: whoever asks in another spelling gets an error, not a guess.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

from gateway.units import shown

type Name = str | IPv4Address | IPv6Address
"""A host: a DNS name in lower case, in ASCII (RFC 5890: A-labels), without a dot at its end; or an address."""

type Subtree = str | IPv4Network | IPv6Network
"""A domain with all names below it, or a block of addresses (RFC 5280, section 4.2.1.10)."""

NAME_FORM: Final = 'a host name in ASCII such as "api.example.com" (others in their xn-- form), or an IP address'
SUBTREE_FORM: Final = 'a domain such as "example.com", which covers all names below it, or a block such as "10.0.0.0/8"'

_MAX_NAME: Final = 253  # RFC 1035, section 2.3.4: 255 bytes on the wire
_LABEL: Final = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_DOMAIN: Final = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
"""RFC 1123, section 2.1, and the underscore, which names of services and containers have. No wildcard."""

_NUMBER: Final = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)")
"""A name that ends in a number: resolvers take `127.1` and `0x7f.1` for addresses (WHATWG URL, section 3.5)."""


def server_name(host: str) -> Name:
    """The name that a client means by this host. An IPv6 address may have its brackets, a name a dot at its end.

    Raises ValueError with what is wrong and the accepted form.
    """
    if host.startswith("[") and host.endswith("]"):
        address = _address(host[1:-1])
        if isinstance(address, IPv6Address):
            return address
        raise ValueError(f"{shown(host)} is no host; accepted: {NAME_FORM}")
    return _address(host) or _domain(host.lower().removesuffix("."), host, NAME_FORM)


def subtree(value: str) -> Subtree:
    """The subtree as an operator writes it. Raises ValueError with what is wrong and the accepted form."""
    try:
        block = ip_network(value)
    except ValueError:
        return _domain(value, value, SUBTREE_FORM)
    if "%" in value:  # a zone, as in `_address`
        raise ValueError(f"{shown(value)} has a zone; accepted: {SUBTREE_FORM}")
    return block


def permits(subtrees: tuple[Subtree, ...], name: Name) -> bool:
    """Whether the name is in one of the subtrees; without any, every name is."""
    if not subtrees:
        return True
    if isinstance(name, str):
        return any(f".{name}".endswith(f".{domain}") for domain in subtrees if isinstance(domain, str))
    return any(name in block for block in subtrees if not isinstance(block, str))


def _address(host: str) -> IPv4Address | IPv6Address | None:
    """The address, unless it has a zone (`%eth0`): that is for one machine alone, and no certificate can hold it."""
    try:
        address = ip_address(host)
    except ValueError:
        return None
    return None if isinstance(address, IPv6Address) and address.scope_id is not None else address


def _domain(text: str, given: str, form: str) -> str:
    if len(text) > _MAX_NAME or not _DOMAIN.fullmatch(text) or _NUMBER.fullmatch(text):
        raise ValueError(f"{shown(given)} is no host; accepted: {form}")
    return text
