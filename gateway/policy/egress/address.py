"""What kind of place an address is, with the addresses that translators and tunnels find inside it.

The rows are the IANA special-purpose registries for IPv4 and IPv6 (RFC 6890 and its updates; registries of October
2025), the multicast space, and the metadata services that clouds document. `ipaddress.is_global` is not asked: it calls
parts of 192.0.0.0/24, NAT64 of private addresses and 6to4 global, and its answers changed between Python releases.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network
from typing import Final

from gateway.policy.egress.host import Address, unmapped

type Network = IPv4Network | IPv6Network


class AddressClass(IntEnum):
    """What kind of place an address is, from harmless to harmful; of several, the last holds. Only PUBLIC is dialled
    without an entry that names the address."""

    PUBLIC = 0
    DOCUMENTATION = 1
    BENCHMARK = 2
    RESERVED = 3  # for the future, for protocols, and for transition mechanisms that are given up
    MULTICAST = 4
    BROADCAST = 5
    UNSPECIFIED = 6  # `this network`; Linux takes 0.0.0.0 for the machine itself
    SHARED = 7  # carrier-grade NAT, and inside of clouds and overlay networks
    PRIVATE = 8
    LINK_LOCAL = 9
    LOOPBACK = 10
    METADATA = 11  # credentials of the machine, for whoever asks

    def __str__(self) -> str:
        return self.name.lower().replace("_", "-")


NEVER: Final = frozenset({AddressClass.MULTICAST, AddressClass.BROADCAST, AddressClass.UNSPECIFIED})
"""Classes without any one host in them; no entry opens these."""


@dataclass(frozen=True, slots=True)
class Classed:
    """The class of an address, and within which mechanism the address that gives it stands, if not its own."""

    kind: AddressClass
    inner: IPv4Address | None = None
    mechanism: str = ""

    def __str__(self) -> str:
        article = "an" if self.kind is AddressClass.UNSPECIFIED else "a"
        within = f" (`{self.inner}` within {self.mechanism})" if self.inner is not None else ""
        return f"{article} {self.kind} address{within}"


_ROWS: Final[tuple[tuple[str, AddressClass], ...]] = (
    ("0.0.0.0/8", AddressClass.UNSPECIFIED),  # RFC 791, section 3.2
    ("10.0.0.0/8", AddressClass.PRIVATE),  # RFC 1918
    ("100.64.0.0/10", AddressClass.SHARED),  # RFC 6598
    ("127.0.0.0/8", AddressClass.LOOPBACK),  # RFC 1122, section 3.2.1.3
    ("169.254.0.0/16", AddressClass.LINK_LOCAL),  # RFC 3927
    ("172.16.0.0/12", AddressClass.PRIVATE),  # RFC 1918
    ("192.0.0.0/24", AddressClass.RESERVED),  # RFC 6890, IETF protocols; with DS-Lite (RFC 7335)
    ("192.0.2.0/24", AddressClass.DOCUMENTATION),  # RFC 5737
    ("192.88.99.0/24", AddressClass.RESERVED),  # 6to4 relays, given up (RFC 7526)
    ("192.168.0.0/16", AddressClass.PRIVATE),  # RFC 1918
    ("198.18.0.0/15", AddressClass.BENCHMARK),  # RFC 2544
    ("198.51.100.0/24", AddressClass.DOCUMENTATION),  # RFC 5737
    ("203.0.113.0/24", AddressClass.DOCUMENTATION),  # RFC 5737
    ("224.0.0.0/4", AddressClass.MULTICAST),  # RFC 5771
    ("240.0.0.0/4", AddressClass.RESERVED),  # RFC 1112, section 4
    ("255.255.255.255/32", AddressClass.BROADCAST),  # RFC 919, section 7
    ("2000::/3", AddressClass.PUBLIC),  # RFC 4291, section 2.4; of the rest nothing is given out
    ("::/128", AddressClass.UNSPECIFIED),  # RFC 4291, section 2.5.2
    ("::1/128", AddressClass.LOOPBACK),  # RFC 4291, section 2.5.3
    ("::ffff:0:0:0/96", AddressClass.PUBLIC),  # IPv4-translated (RFC 2765): what it holds decides
    ("64:ff9b::/96", AddressClass.PUBLIC),  # NAT64 (RFC 6052): what it holds decides
    ("64:ff9b:1::/48", AddressClass.PRIVATE),  # NAT64 within a network (RFC 8215)
    ("2001::/23", AddressClass.RESERVED),  # IETF protocols (RFC 2928); with Teredo and ORCHID
    ("2001:2::/48", AddressClass.BENCHMARK),  # RFC 5180
    ("2001:db8::/32", AddressClass.DOCUMENTATION),  # RFC 3849
    ("2002::/16", AddressClass.RESERVED),  # 6to4, given up (RFC 7526)
    ("3fff::/20", AddressClass.DOCUMENTATION),  # RFC 9637
    ("fc00::/7", AddressClass.PRIVATE),  # unique local, RFC 4193
    ("fe80::/10", AddressClass.LINK_LOCAL),  # RFC 4291, section 2.5.6
    ("fec0::/10", AddressClass.PRIVATE),  # site-local, given up (RFC 3879)
    ("ff00::/8", AddressClass.MULTICAST),  # RFC 4291, section 2.7
)

_METADATA: Final = (
    "169.254.169.254",  # AWS, Google, Azure, Oracle, DigitalOcean, OpenStack and most others
    "fd00:ec2::254",  # AWS over IPv6
    "169.254.170.2",  # AWS ECS, credentials of a task
    "169.254.170.23",  # AWS EKS, credentials of a pod
    "fd00:ec2::23",  # the same over IPv6
    "fd20:ce::254",  # Google over IPv6
    "168.63.129.16",  # Azure's own services for a machine; looks public
    "100.100.100.200",  # Alibaba
    "169.254.0.23",  # Tencent
    "100.96.0.96",  # Volcengine
    "192.0.0.192",  # Oracle Cloud Classic
    "169.254.42.42",  # Scaleway
    "fd00:42::42",  # the same over IPv6
    "fd00:a9fe:a9fe::1",  # Akamai (Linode) over IPv6
    "fe80::a9fe:a9fe",  # OpenStack over IPv6
)
"""Metadata services, as each vendor's documentation of its instance metadata names them (November 2026)."""

METADATA_NAMES: Final = frozenset(
    {
        "metadata",  # Google, by the search domain of its machines
        "metadata.google.internal",
        "metadata.goog",
        "instance-data",  # AWS, the same
        "instance-data.ec2.internal",
        "metadata.tencentyun.com",
        "metadata.platformequinix.com",
        "api.metadata.cloud.ibm.com",
    }
)
"""Names of metadata services, in normal form."""

_TABLE: Final[tuple[tuple[Network, AddressClass], ...]] = tuple(
    sorted(
        [
            *((ip_network(text), kind) for text, kind in _ROWS),
            *((ip_network(text), AddressClass.METADATA) for text in _METADATA),
        ],
        key=lambda row: -row[0].prefixlen,
    )
)
"""The rows, narrow ones first: the first that holds an address is the one for it."""

_TRANSLATED: Final = ip_network("::ffff:0:0:0/96")
_COMPATIBLE: Final = ip_network("::/96")
_NAT64: Final = ip_network("64:ff9b::/96")
_LOCAL_NAT64: Final = ip_network("64:ff9b:1::/48")
_SIX_TO_FOUR: Final = ip_network("2002::/16")
_TEREDO: Final = ip_network("2001::/32")
_ISATAP: Final = frozenset({0x00005EFE, 0x02005EFE})  # RFC 5214, section 6.1
_WORD: Final = 0xFFFF_FFFF


def classify(address: Address) -> Classed:
    """The class of an address: its own, or that of an address inside it, whichever is the more harmful."""
    address = unmapped(address)
    classed = [Classed(_own(address))]
    if isinstance(address, IPv6Address):
        classed += [Classed(_own(inner), inner, mechanism) for mechanism, inner in _inside(address)]
    return max(classed, key=lambda one: one.kind)


def opens(network: Network, address: Address) -> bool:
    """Whether an operator who lists that network means this address.

    A single address means itself. A network means the addresses of its own class alone: 10.0.0.0/8 every private one,
    169.254.0.0/16 no metadata service, 0.0.0.0/0 no private one, and a NAT64 prefix none of what it can translate to.
    """
    address = unmapped(address)
    kind = classify(address).kind
    if address not in network or kind in NEVER:
        return False
    return network.num_addresses == 1 or kind is class_of(network)


def _own(address: Address) -> AddressClass:
    otherwise = AddressClass.PUBLIC if address.version == 4 else AddressClass.RESERVED
    return next((kind for network, kind in _TABLE if address in network), otherwise)


def class_of(network: Network) -> AddressClass:
    """The class of the narrowest row that the whole network is part of; of what is part of none, only what is public
    is meant."""
    return next((kind for row, kind in _TABLE if _is_within(network, row)), AddressClass.PUBLIC)


def _is_within(network: Network, row: Network) -> bool:
    return network.version == row.version and network.prefixlen >= row.prefixlen and network[0] in row


def _inside(address: IPv6Address) -> Iterator[tuple[str, IPv4Address]]:
    """The IPv4 addresses that a mechanism may find in an IPv6 address, and reach."""
    value = int(address)
    if address in _NAT64:
        yield "NAT64", IPv4Address(value & _WORD)
    elif address in _LOCAL_NAT64:
        yield from (("NAT64", inner) for inner in _locally_translated(value))
    elif address in _TRANSLATED:
        yield "an IPv4-translated address", IPv4Address(value & _WORD)
    elif address in _SIX_TO_FOUR:
        yield "6to4", IPv4Address(value >> 80 & _WORD)
    elif address in _TEREDO:
        yield "Teredo", IPv4Address(value >> 64 & _WORD)  # the server
        yield "Teredo", IPv4Address(value & _WORD ^ _WORD)  # the client, with every bit turned (RFC 4380, section 4)
    elif address in _COMPATIBLE and value > 1:  # `::` and `::1` hold none (RFC 4291, section 2.5.5.1)
        yield "an IPv4-compatible address", IPv4Address(value & _WORD)
    if value >> 32 & _WORD in _ISATAP:
        yield "ISATAP", IPv4Address(value & _WORD)


def _locally_translated(value: int) -> Iterator[IPv4Address]:
    """What an address of a NAT64 within a network stands for, by each length that its prefix may have.

    RFC 6052, section 2.2: the IPv4 address follows the prefix, but for bits 64 to 71; all behind it is zero. With a
    prefix of 96 bits it is the end.
    """
    for prefix in (48, 56, 64):
        before = 64 - prefix  # bits of it in front of bit 64
        after = 32 - before
        if value & (1 << 56 - after) - 1 == 0:
            head = value >> 64 & (1 << before) - 1
            yield IPv4Address(head << after | value >> 56 - after & (1 << after) - 1)
    if value & _WORD:
        yield IPv4Address(value & _WORD)
