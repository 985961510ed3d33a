"""Where agents may go, as rows for people and programs: one for each entry of the egress list."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.policy.egress.paths import written as written_path
from gateway.policy.egress.pattern import written
from gateway.policy.egress.policy import EgressPolicy


@dataclass(frozen=True, slots=True)
class Opening:
    """An entry, by the name of the table that it comes from. What is empty is everything, but for `addresses`: none."""

    entry: str
    action: str
    hosts: tuple[str, ...]
    ports: tuple[int, ...]
    methods: tuple[str, ...]
    paths: tuple[str, ...]
    agents: tuple[str, ...]
    addresses: tuple[str, ...]


def openings(policy: EgressPolicy) -> tuple[Opening, ...]:
    """The entries in the order of the configuration; those of upstreams last."""
    return tuple(
        Opening(
            entry.name,
            entry.action.value,
            tuple(map(str, entry.hosts)),
            tuple(sorted(entry.ports)),
            tuple(sorted(entry.methods)),
            tuple(map(written_path, entry.paths)),
            tuple(sorted(entry.agents)),
            tuple(map(written, entry.addresses)),
        )
        for entry in policy.entries
    )
