"""Egress lists for tests, written as an operator would."""

from __future__ import annotations

from gateway.policy.egress.entry import Action, Entry
from gateway.policy.egress.paths import prefix
from gateway.policy.egress.pattern import host_pattern, network
from gateway.policy.egress.policy import EgressPolicy


def entry(
    name: str,
    hosts: str,
    action: str = "inspect",
    *,
    ports: tuple[int, ...] = (443,),
    methods: str = "",
    paths: str = "",
    agents: str = "",
    addresses: str = "",
) -> Entry:
    """An entry whose texts hold values with blanks between them."""
    return Entry(
        name,
        tuple(map(host_pattern, hosts.split())),
        Action(action),
        frozenset(ports),
        frozenset(methods.split()),
        tuple(map(prefix, paths.split())),
        frozenset(agents.split()),
        tuple(map(network, addresses.split())),
    )


def policy(*entries: Entry) -> EgressPolicy:
    return EgressPolicy(entries)
