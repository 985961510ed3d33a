"""One entry of the egress list: which hosts and ports it names, for whom, and what it says of requests to them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from gateway.policy.egress.address import AddressClass, Network, class_of
from gateway.policy.egress.host import Host
from gateway.policy.egress.paths import Steps, touches, within
from gateway.policy.egress.pattern import HostPattern


class Action(StrEnum):
    """What is done with a request."""

    INSPECT = "inspect"
    TUNNEL = "tunnel"  # bytes only, recorded as not inspected
    DENY = "deny"


class Scheme(StrEnum):
    """How the request comes: in the clear, or within TLS (a CONNECT, and whatever is asked for inside)."""

    HTTP = "http"
    HTTPS = "https"


@dataclass(frozen=True, slots=True)
class Entry:
    """A table of `[egress]`, or what follows from one of `[upstreams]`; `name` is where it is configured.

    An empty set of ports, methods, paths or agents is all of them. `addresses` are the addresses that are not public
    and may be dialled all the same when one of `hosts` resolves to them.
    """

    name: str
    hosts: tuple[HostPattern, ...]
    action: Action
    ports: frozenset[int] = frozenset()
    methods: frozenset[str] = frozenset()
    paths: tuple[Steps, ...] = ()
    agents: frozenset[str] = frozenset()
    addresses: tuple[Network, ...] = ()

    def pattern_for(self, host: Host) -> HostPattern | None:
        """The closest of its patterns that name the host."""
        return max((one for one in self.hosts if one.names(host)), key=lambda one: one.rank, default=None)

    def speaks_of(self, principal: str, port: int) -> bool:
        return (not self.ports or port in self.ports) and (not self.agents or principal in self.agents)

    def covers(self, other: Entry) -> bool:
        """Whether it allows the hosts and ports of another entry by the same patterns, and so replaces it."""
        is_same_place = set(other.hosts) <= set(self.hosts) and other.ports <= self.ports
        return is_same_place and self.action is not Action.DENY

    @property
    def is_inside(self) -> bool:
        """Whether its hosts are of the operator's own network: addresses that are not public are listed for them."""
        return any(class_of(network) is not AddressClass.PUBLIC for network in self.addresses)

    @property
    def is_conditional(self) -> bool:
        """Whether what it says depends on more than host and port."""
        return bool(self.methods or self.paths)

    def takes_method(self, method: str | None) -> bool:
        """Whether an entry that allows has the method; one that is not known yet is judged when it is."""
        return not self.methods or method is None or method in self.methods

    def takes_path(self, path: str | None) -> bool:
        """Whether an entry that allows has the path, in every reading; likewise."""
        return not self.paths or path is None or within(path, self.paths)

    def denies(self, method: str | None, path: str | None) -> bool:
        """Whether an entry that denies is about this request, in some reading of it and whatever its letters' case.

        A condition on what is not known yet denies nothing: it is asked again when it is known.
        """
        by_method = not self.methods or (method is not None and method.upper() in self.methods)
        by_path = not self.paths or (path is not None and touches(path, self.paths))
        return by_method and by_path
