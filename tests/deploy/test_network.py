"""Who reaches whom: the evaluator of policies, then the policies that ship."""

from __future__ import annotations

from typing import Any

import pytest

from tests.deploy.manifests import EXAMPLE, build
from tests.deploy.network import Host, Network, Peer, Pod, Port

HTTPS, BASE_URL, PROXY, ADMIN, REDIS = Port(443), Port(8080), Port(8081), Port(8082), Port(6379)
DNS = Port(53, "UDP")


class TestEvaluator:
    A, B = Pod("here", {"app": "a"}), Pod("here", {"app": "b"})
    FAR = Pod("there", {"app": "a"})

    @staticmethod
    def network(**spec: Any) -> Network:
        """One policy in the namespace `here`, for the pods of app `a`."""
        policy = {"metadata": {"namespace": "here"}, "spec": {"podSelector": {"matchLabels": {"app": "a"}}, **spec}}
        return Network((policy,), {"there": {"team": "red"}})

    def test_who_is_not_selected_is_open(self) -> None:
        network = self.network(policyTypes=["Ingress", "Egress"])
        assert network.allows(self.B, Host("192.0.2.1"), HTTPS)
        assert network.allows(self.FAR, self.B, HTTPS)

    def test_who_is_selected_is_closed_the_ways_that_the_policy_is_about(self) -> None:
        network = self.network(policyTypes=["Egress"])
        assert not network.allows(self.A, self.B, HTTPS)
        assert network.allows(self.B, self.A, HTTPS)

    def test_a_rule_without_peers_or_ports_is_for_all(self) -> None:
        network = self.network(policyTypes=["Egress"], egress=[{}])
        assert network.allows(self.A, Host("192.0.2.1"), Port(1, "UDP"))

    @pytest.mark.parametrize(
        ("peer", "allowed"),
        [
            ({"podSelector": {}}, {"b"}),
            ({"podSelector": {"matchLabels": {"app": "a"}}}, set()),
            ({"namespaceSelector": {}}, {"b", "far"}),
            ({"namespaceSelector": {"matchLabels": {"team": "red"}}}, {"far"}),
            ({"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "there"}}}, {"far"}),
            ({"namespaceSelector": {}, "podSelector": {"matchLabels": {"app": "b"}}}, {"b"}),
            ({"ipBlock": {"cidr": "192.0.2.0/24"}}, {"host"}),
            ({"ipBlock": {"cidr": "0.0.0.0/0"}}, {"b", "far", "host"}),
            ({"ipBlock": {"cidr": "0.0.0.0/0", "except": ["10.0.0.0/8"]}}, {"host"}),
            ({"ipBlock": {"cidr": "::/0"}}, set()),
        ],
    )
    def test_peers_are_chosen_by_labels_or_addresses(self, peer: dict[str, Any], allowed: set[str]) -> None:
        network = self.network(policyTypes=["Egress"], egress=[{"to": [peer]}])
        peers: dict[str, Peer] = {"b": self.B, "far": self.FAR, "host": Host("192.0.2.1")}
        assert {name for name, one in peers.items() if network.allows(self.A, one, HTTPS)} == allowed

    def test_both_sides_have_to_agree(self) -> None:
        only_in = self.network(policyTypes=["Ingress"], ingress=[{"from": [{"podSelector": {}}]}]).policies
        closed = {"metadata": {"namespace": "here"}, "spec": {"podSelector": {}, "policyTypes": ["Egress"]}}
        assert Network(only_in, {}).allows(self.B, self.A, HTTPS)
        assert not Network((*only_in, closed), {}).allows(self.B, self.A, HTTPS)

    def test_a_port_is_one_of_its_protocol(self) -> None:
        network = self.network(policyTypes=["Egress"], egress=[{"ports": [{"port": 53, "protocol": "UDP"}]}])
        assert network.allows(self.A, self.B, DNS)
        assert not network.allows(self.A, self.B, Port(53))
        assert not network.allows(self.A, self.B, Port(54, "UDP"))

    @pytest.mark.parametrize(
        "rule",
        [
            {"form": []},
            {"to": [{"podSelector": {"matchExpressions": []}}]},
            {"to": [{"ipBlock": {"cidr": "::/0"}, "podSelector": {}}]},
            {"ports": [{"port": 1, "endPort": 9}]},
        ],
    )
    def test_what_it_does_not_understand_is_an_error(self, rule: dict[str, Any]) -> None:
        network = self.network(policyTypes=["Egress"], egress=[rule])
        with pytest.raises(ValueError, match="not understood here"):
            network.allows(self.A, self.B, HTTPS)


def shipped() -> Network:
    manifests = build(EXAMPLE)
    namespaces = {one["metadata"]["name"]: one["metadata"]["labels"] for one in manifests.of_kind("Namespace")}
    return Network(tuple(manifests.of_kind("NetworkPolicy")), namespaces)


def labels_of(name: str) -> dict[str, str]:
    """The labels that the pods of that name really get."""
    (found,) = (template["metadata"]["labels"] for made, _, template in build(EXAMPLE).pods() if made == name)
    labels: dict[str, str] = found
    return labels


AGENT = {"lockgate.dev/agent": "true"}
PEERS: dict[str, Peer] = {
    "agent": Pod("agents", AGENT),
    "another agent": Pod("agents", AGENT, "10.244.2.8"),
    "unlabelled": Pod("agents", {"app": "batch"}),
    "impostor": Pod("elsewhere", AGENT),
    "stranger": Pod("elsewhere", {"app": "web"}),
    "gateway": Pod("lockgate", labels_of("lockgate")),
    "redis": Pod("lockgate", labels_of("lockgate-redis")),
    "neighbour": Pod("lockgate", {"app": "debug"}),
    "prometheus": Pod("monitoring", {"app.kubernetes.io/name": "prometheus"}),
    "grafana": Pod("monitoring", {"app.kubernetes.io/name": "grafana"}),
    "dns": Pod("kube-system", {"k8s-app": "kube-dns"}),
    "apiserver": Host("10.96.0.1"),
    "internet": Host("93.184.216.34"),
    "internet, IPv6": Host("2606:2800:220:1::1"),
    "office": Host("192.168.1.10"),
    "metadata": Host("169.254.169.254"),
    "metadata, IPv6": Host("fd00:ec2::254"),
}

ALLOWED = {
    ("agent", "gateway", BASE_URL),
    ("agent", "gateway", PROXY),
    ("agent", "dns", DNS),
    ("agent", "dns", Port(53)),
    ("another agent", "gateway", BASE_URL),
    ("another agent", "gateway", PROXY),
    ("another agent", "dns", DNS),
    ("another agent", "dns", Port(53)),
    ("prometheus", "gateway", ADMIN),
    ("gateway", "redis", REDIS),
    ("gateway", "internet", HTTPS),
    ("gateway", "internet, IPv6", HTTPS),
    ("gateway", "dns", DNS),
    ("gateway", "dns", Port(53)),
}
"""All that may happen, where somebody whom our policies select is at one end."""

GUARDED = ("agent", "another agent", "unlabelled", "gateway", "redis", "neighbour")
PORTS = (BASE_URL, PROXY, ADMIN, REDIS, HTTPS, Port(80), Port(53), DNS)


@pytest.mark.parametrize("source", PEERS)
def test_nothing_else_than_this_is_let_through(source: str) -> None:
    network = shipped()
    found = {
        (source, target, port)
        for target in PEERS
        for port in PORTS
        if source != target and (source in GUARDED or target in GUARDED)
        if network.allows(PEERS[source], PEERS[target], port)
    }
    assert found == {way for way in ALLOWED if way[0] == source}


def test_the_gateway_alone_reaches_redis_and_the_internet() -> None:
    network = shipped()
    inside = [
        name for name, peer in PEERS.items() if isinstance(peer, Pod) and peer.namespace in {"lockgate", "agents"}
    ]
    for target, port in (("redis", REDIS), ("internet", HTTPS)):
        assert [name for name in inside if network.allows(PEERS[name], PEERS[target], port)] == ["gateway"]


def test_without_its_own_redis_the_gateway_reaches_none() -> None:
    network = Network(tuple(build("base").of_kind("NetworkPolicy")), {})
    assert not network.allows(PEERS["gateway"], PEERS["redis"], REDIS)
