"""Which hosts an entry names: a name, the names below a name, an address, or a network.

A pattern is demanded in normal form and never repaired, so that what an operator reads is what is compared. What is
refused comes with the spelling that would be accepted.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Final

from gateway.errors import Malformed
from gateway.policy.egress.address import Network, opens
from gateway.policy.egress.host import Address, Host, of_address, parse_host

FORM: Final = '"example.com", "*.example.com" (the names below it), an address such as "10.0.0.5", or "10.0.0.0/8"'

type Rank = tuple[int, int]
"""How closely a pattern names a host, compared as tuples: one host before many, then the longer suffix or prefix."""

_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_PORT: Final = re.compile(r"[^:]+:([0-9]+)|\[.*\]:([0-9]+)")


@dataclass(frozen=True, slots=True)
class Exactly:
    """One name."""

    name: str

    def __str__(self) -> str:
        return self.name

    @property
    def rank(self) -> Rank:
        return 1, 0

    def names(self, host: Host) -> bool:
        return host.name == self.name


@dataclass(frozen=True, slots=True)
class Below:
    """Every name below one, at any depth, and not that name itself. No address is below a name."""

    apex: str

    def __str__(self) -> str:
        return f"*.{self.apex}"

    @property
    def rank(self) -> Rank:
        return 0, len(self.apex)

    @property
    def is_whole_top_level(self) -> bool:
        return "." not in self.apex

    def names(self, host: Host) -> bool:
        return host.address is None and host.name.endswith(f".{self.apex}")


@dataclass(frozen=True, slots=True)
class Within:
    """The addresses of a network that are written as addresses; a name that resolves into it is no such host."""

    network: Network

    def __str__(self) -> str:
        return written(self.network)

    @property
    def rank(self) -> Rank:
        return int(self.network.num_addresses == 1), self.network.prefixlen

    def names(self, host: Host) -> bool:
        return host.address is not None and host.address in self.network

    def opens(self, address: Address) -> bool:
        """Whether it allows that address to be dialled, which may be no public one."""
        return opens(self.network, address)


type HostPattern = Exactly | Below | Within


def host_pattern(text: str) -> HostPattern:
    """The pattern that a text in normal form is. Raises ValueError with the right spelling, where there is one."""
    pattern = _read(text)
    if str(pattern) != text:
        raise ValueError(f'is not in normal form; write "{pattern}"')
    return pattern


def network(text: str) -> Network:
    """The addresses of a network or one address, in normal form. Raises ValueError with the right spelling."""
    if "/" in text:
        found = _network(text)
    else:
        address = _host(text).address
        found = single(address) if address is not None else None
    if found is None:
        raise ValueError('is no address; accepted: an address such as "10.0.0.5", or a network such as "10.0.0.0/8"')
    if written(found) != text:
        raise ValueError(f'is not in normal form; write "{written(found)}"')
    return found


def single(address: Address) -> Network:
    """The network that is one address."""
    return ip_network(address)


def written(network: Network) -> str:
    """The network as it is configured: one address without its length."""
    return str(network[0]) if network.num_addresses == 1 else str(network)


def exactly(host: Host) -> HostPattern:
    """The pattern that names that host alone."""
    return Exactly(host.name) if host.address is None else Within(single(host.address))


def _read(text: str) -> HostPattern:
    if _SCHEME.match(text):
        raise ValueError(f"is a URL; write the host alone, and its port in `ports`; accepted: {FORM}")
    if ported := _PORT.fullmatch(text):
        bare = text.rpartition(":")[0].strip("[]")
        raise ValueError(f'holds a port; write "{bare}", and `ports = [{int(ported[1] or ported[2])}]`')
    if text.startswith("."):
        raise ValueError(f'starts with a dot; write "*{text}" for the names below it, or "{text[1:]}" for itself')
    if "/" in text:
        if (found := _network(text)) is None:
            raise ValueError(f"is no network; accepted: {FORM}")
        return Within(found)
    star, rest = (True, text[2:]) if text.startswith("*.") else (False, text)
    if "*" in rest:
        raise ValueError(f"has an asterisk that is not its first label; accepted: {FORM}")
    host = _host(rest)
    if star and host.address is not None:
        raise ValueError('has an asterisk before an address; accepted: a network such as "10.0.0.0/8"')
    return Below(host.name) if star else exactly(host)


def _host(text: str) -> Host:
    try:
        return parse_host(text)
    except Malformed as error:
        raise ValueError(f"is no host: {error}; accepted: {FORM}") from None


def _network(text: str) -> Network | None:
    """The network, also of a text that sets bits behind its length or writes it as a mask."""
    try:
        found = ip_network(text, strict=False)
    except ValueError:
        return None
    if isinstance(found, IPv6Network) and found.prefixlen >= 96 and found[0].ipv4_mapped is not None:
        # Such addresses are dialled, and so compared, as IPv4.
        return IPv4Network((str(of_address(found[0])), found.prefixlen - 96))
    return found
