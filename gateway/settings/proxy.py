"""`[proxy]`: the proxy listener, and the certificate authority by which agents trust it."""

from __future__ import annotations

from enum import StrEnum
from ipaddress import ip_address
from typing import Annotated, Final

from pydantic import PlainValidator

from gateway import units
from gateway.settings.fields import Array, Choice, FilePath, Listen, Table
from gateway.trust import name as names
from gateway.trust.name import Subtree
from gateway.units import Address

_MIN_LEAF: Final = 3600.0
MAX_LEAF: Final = 396 * 86400.0
"""Seconds. With the day that leaves are backdated 397 days: Apple's platforms refuse more than 398 (support article
102028), and go by the rules for all roots that come later. Those of the CA/Browser Forum (ballot SC-081v3) are down to
200 days, and will be 47 in 2029."""


def _subtree(value: object) -> Subtree:
    return names.subtree(value if isinstance(value, str) else "")


def _leaf_lifetime(value: object) -> float:
    seconds = units.seconds(value)
    if not _MIN_LEAF <= seconds <= MAX_LEAF:
        raise ValueError(f"{units.shown(value)} is no lifetime of a certificate; accepted: from 1h to 396d")
    return seconds


def _unproxied(value: object) -> str:
    """An entry of NO_PROXY. No `*`, which sends everything past the gateway, no port, which some take for part of the
    name, and no `[::1]`, at which httpx 0.28 fails."""
    text = value if isinstance(value, str) else ""
    try:
        found = names.subtree(text.removeprefix("."))
    except ValueError:
        found = None
    if found is None or (text.startswith(".") and not isinstance(found, str)):
        raise ValueError(
            f"{units.shown(value)} is no host that all clients read alike; accepted: a name, a domain such as "
            '".example.com", an IP address without brackets, or a block of them'
        )
    return text


def _loopback(value: object) -> Address:
    """What is said here is believed by signature alone, so no other machine is to see it."""
    at = units.address(value)
    try:
        is_loopback = ip_address(at.host).is_loopback
    except ValueError:
        is_loopback = False
    if not is_loopback or at.port == 0:
        raise ValueError(f'{units.shown(value)} is no address of this machine alone; accepted: "127.0.0.1:8083"')
    return at


class Anonymous(StrEnum):
    """What becomes of a caller of the proxy that no agent's key or address is known for."""

    DEFAULT = "default"  # it is the agent `default`
    REFUSE = "refuse"


class Proxy(Table):
    """`[proxy]`: the proxy listener, and the certificate authority by which agents trust it. Times in seconds."""

    enabled: bool = True
    listen: Listen = Address("127.0.0.1", 8081)
    anonymous: Choice[Anonymous] = Anonymous.DEFAULT
    hop: Annotated[Address | None, PlainValidator(_loopback)] = None
    no_proxy: Array[Annotated[str, PlainValidator(_unproxied)]] = ("localhost", "127.0.0.1", "::1")
    ca_dir: FilePath | None = None
    name_constraints: Array[Annotated[Subtree, PlainValidator(_subtree)]] = ()
    leaf_lifetime: Annotated[float, PlainValidator(_leaf_lifetime)] = 7 * 86400.0
