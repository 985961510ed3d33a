"""What network policies allow, as the API reference of NetworkPolicy (networking.k8s.io/v1) has it.

A connection needs leave on both sides: of the policies that select its source for egress, and of those that select its
target for ingress. A side that no policy selects is open. Policies add up, and so do their rules. What is not
understood here is an error, so that no rule is taken for less than it says.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from types import MappingProxyType
from typing import Any

type Labels = Mapping[str, str]
type Policy = Mapping[str, Any]

NAME = "kubernetes.io/metadata.name"
"""The label that every namespace has, with its own name."""

_NOTHING: Labels = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Host:
    """Somebody outside of the cluster."""

    address: str


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod; blocks of addresses are held against its address too, which some network plugins do."""

    namespace: str
    labels: Labels
    address: str = "10.244.1.7"


type Peer = Host | Pod


@dataclass(frozen=True, slots=True)
class Port:
    """Where a connection goes to."""

    number: int
    protocol: str = "TCP"


@dataclass(frozen=True, slots=True)
class Network:
    """A cluster: its policies, and the labels of its namespaces by name."""

    policies: tuple[Policy, ...]
    namespaces: Mapping[str, Labels]

    def allows(self, source: Peer, target: Peer, port: Port) -> bool:
        """Whether such a connection is let through."""
        return self._lets(source, target, port, ("Egress", "egress", "to")) and self._lets(
            target, source, port, ("Ingress", "ingress", "from")
        )

    def _lets(self, here: Peer, there: Peer, port: Port, way: tuple[str, str, str]) -> bool:
        kind, rules, peers = way
        if isinstance(here, Host):
            return True
        selecting = [policy for policy in self.policies if kind in _types(policy) and _selects(policy, here)]
        return not selecting or any(
            self._matches(rule, peers, policy["metadata"]["namespace"], there, port)
            for policy in selecting
            for rule in policy["spec"].get(rules, ())
        )

    def _matches(self, rule: Mapping[str, Any], key: str, namespace: str, peer: Peer, port: Port) -> bool:
        _only(rule, key, "ports")
        peers, ports = rule.get(key), rule.get("ports")
        return (not peers or any(self._is(one, namespace, peer) for one in peers)) and (
            not ports or any(_is_port(one, port) for one in ports)
        )

    def _is(self, wanted: Mapping[str, Any], namespace: str, peer: Peer) -> bool:
        _only(wanted, "ipBlock", "namespaceSelector", "podSelector")
        if "ipBlock" in wanted:
            _only(wanted, "ipBlock")
            return _holds(wanted["ipBlock"], peer.address)
        if isinstance(peer, Host):
            return False
        if "namespaceSelector" in wanted:
            labels = {**self.namespaces.get(peer.namespace, {}), NAME: peer.namespace}
            if not has(labels, wanted["namespaceSelector"]):
                return False
        elif peer.namespace != namespace:
            return False
        return has(peer.labels, wanted.get("podSelector", _NOTHING))


def has(labels: Labels, selector: Mapping[str, Any]) -> bool:
    """Whether a selector takes these labels; an empty one takes all."""
    _only(selector, "matchLabels")
    wanted: Labels = selector.get("matchLabels", _NOTHING)
    return wanted.items() <= labels.items()


def _types(policy: Policy) -> Iterable[str]:
    """Which ways a policy is about. Kubernetes guesses where it does not say; we want it said."""
    _only(policy["spec"], "podSelector", "policyTypes", "ingress", "egress")
    types: Iterable[str] = policy["spec"]["policyTypes"]
    return types


def _selects(policy: Policy, pod: Pod) -> bool:
    return policy["metadata"]["namespace"] == pod.namespace and has(pod.labels, policy["spec"]["podSelector"])


def _holds(block: Mapping[str, Any], address: str) -> bool:
    _only(block, "cidr", "except")
    found = ip_address(address)
    return found in ip_network(block["cidr"]) and not any(found in ip_network(one) for one in block.get("except", ()))


def _is_port(wanted: Mapping[str, Any], port: Port) -> bool:
    _only(wanted, "protocol", "port")
    return Port(wanted.get("port", port.number), wanted.get("protocol", "TCP")) == port


def _only(found: Mapping[str, Any], *known: str) -> None:
    """Raises ValueError for a key that is not known here."""
    if strange := found.keys() - set(known):
        raise ValueError(f"not understood here: {', '.join(sorted(strange))}")
