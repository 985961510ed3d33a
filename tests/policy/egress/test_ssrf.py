"""No spelling of an address that is not public gets past the list: asked for directly, or resolved to.

The list here allows every name below one domain, and every public address, so that nothing but the class of the address
can be the reason.
"""

from __future__ import annotations

from ipaddress import IPv4Address, ip_address

import pytest

from gateway.config import Config
from gateway.policy.egress.address import METADATA_NAMES
from gateway.policy.egress.entry import Action, Scheme
from gateway.policy.egress.host import parse_host
from tests.policy.egress.lists import entry, policy
from tests.policy.egress.spellings import ipv4_spellings

OPEN = policy(entry("egress.open", "*.open.example *.internal.example 0.0.0.0/0 ::/0", ports=(80, 443)))

FORBIDDEN = {
    "0.0.0.0": "an unspecified address; no entry can allow it",
    "0.1.2.3": "an unspecified address; no entry can allow it",
    "10.0.0.1": "a private address",
    "100.64.0.1": "a shared address",
    "100.100.100.200": "a metadata address",
    "127.0.0.1": "a loopback address",
    "127.255.255.254": "a loopback address",
    "168.63.129.16": "a metadata address",
    "169.254.0.1": "a link-local address",
    "169.254.169.254": "a metadata address",
    "169.254.170.2": "a metadata address",
    "172.16.0.1": "a private address",
    "172.31.255.255": "a private address",
    "192.0.0.1": "a reserved address",
    "192.0.2.1": "a documentation address",
    "192.88.99.1": "a reserved address",
    "192.168.1.1": "a private address",
    "198.18.0.1": "a benchmark address",
    "198.51.100.1": "a documentation address",
    "203.0.113.1": "a documentation address",
    "224.0.0.1": "a multicast address; no entry can allow it",
    "239.255.255.255": "a multicast address; no entry can allow it",
    "240.0.0.1": "a reserved address",
    "255.255.255.255": "a broadcast address; no entry can allow it",
}
"""A forbidden IPv4 address, and why it is refused."""

CARRIERS = {
    "[64:ff9b::{0}]": "NAT64",
    "[64:ff9b:1::{0}]": "NAT64",
    "[::ffff:0:{0}]": "an IPv4-translated address",
    "[fe80::5efe:{0}]": "ISATAP",
    "[2606:4700::200:5efe:{0}]": "ISATAP",
    "[2002:{1:x}:{2:x}::1]": "6to4",
    "[2001:0:{1:x}:{2:x}::]": "Teredo",
    "[2001:0:808:808:0:0:{3:x}:{4:x}]": "Teredo",
}
"""IPv6 addresses with an IPv4 address inside: dotted, by its halves, and by those with every bit turned."""

FORBIDDEN_IPV6 = {
    "[::]": "an unspecified address; no entry can allow it",
    "[0:0:0:0:0:0:0:0]": "an unspecified address; no entry can allow it",
    "[::1]": "a loopback address",
    "[0000:0000:0000:0000:0000:0000:0000:0001]": "a loopback address",
    "[fe80::1]": "a link-local address",
    "[FEBF::1]": "a link-local address",
    "[fec0::1]": "a private address",
    "[fc00::1]": "a private address",
    "[fd00:EC2::254]": "a metadata address",
    "[fd00:ec2:0:0:0:0:0:254]": "a metadata address",
    "[fd20:ce::254]": "a metadata address",
    "[fe80::a9fe:a9fe]": "a metadata address",
    "[ff02::1]": "a multicast address; no entry can allow it",
    "[100::1]": "a reserved address",
    "[2001:2::1]": "a benchmark address",
    "[2001:db8::1]": "a documentation address",
    "[3fff::1]": "a documentation address",
    "[4000::1]": "a reserved address",
    "[5f00::1]": "a reserved address",
}


def carried(form: str, address: str) -> str:
    value = int(IPv4Address(address))
    turned = value ^ 0xFFFFFFFF
    return form.format(address, value >> 16, value & 0xFFFF, turned >> 16, turned & 0xFFFF)


ROWS = [
    *((spelling, said) for text, said in FORBIDDEN.items() for spelling in ipv4_spellings(IPv4Address(text))),
    *FORBIDDEN_IPV6.items(),
]

CARRIED = [
    (carried(form, inner), inner, mechanism)
    for form, mechanism in CARRIERS.items()
    for inner in ("127.0.0.1", "169.254.169.254")
]


@pytest.mark.parametrize(("spelling", "said"), ROWS)
def test_no_spelling_of_a_forbidden_address_is_reached(spelling: str, said: str) -> None:
    decision = OPEN.decide("default", Scheme.HTTP, spelling, 80, "GET", "/")
    assert decision.action is Action.DENY
    assert said in decision.reason
    assert decision.reason.startswith(f"`{parse_host(spelling)}:80` is a")


@pytest.mark.parametrize(("spelling", "said"), ROWS)
def test_no_name_that_resolves_to_a_forbidden_address_is_dialled(spelling: str, said: str) -> None:
    address = str(parse_host(spelling).address)
    decision = OPEN.decide("default", Scheme.HTTPS, "rebound.open.example", 443)
    assert decision.action is Action.INSPECT
    denial = OPEN.may_dial(decision, address)
    assert denial is not None
    assert denial.reason.startswith(f"`rebound.open.example:443` resolves to `{address}`, which is {said}")


@pytest.mark.parametrize(("spelling", "inner", "mechanism"), CARRIED)
def test_no_carrier_of_a_forbidden_address_is_reached_or_dialled(spelling: str, inner: str, mechanism: str) -> None:
    direct = OPEN.decide("default", Scheme.HTTPS, spelling, 443)
    by_name = OPEN.may_dial(OPEN.decide("default", Scheme.HTTPS, "a.open.example", 443), spelling.strip("[]"))
    assert by_name is not None
    for denial in (direct, by_name):
        assert denial.action is Action.DENY
        assert f"(`{inner}` within {mechanism})" in denial.reason


@pytest.mark.parametrize(
    "spelling", ["8.8.8.8", "134744072", "0x08.8.0x8.010", "[2606:4700::1111]", "[64:ff9b::8.8.8.8]"]
)
def test_a_public_address_is_reached_in_any_spelling(spelling: str) -> None:
    decision = OPEN.decide("default", Scheme.HTTPS, spelling, 443)
    assert decision.action is Action.INSPECT
    assert OPEN.may_dial(decision, str(ip_address(str(parse_host(spelling).address)))) is None


@pytest.mark.parametrize("name", sorted(METADATA_NAMES))
def test_no_wildcard_names_a_metadata_service(name: str) -> None:
    apex = name.partition(".")[2]
    wide = policy(entry("egress.wide", f"*.{apex}")) if apex else OPEN
    decision = wide.decide("default", Scheme.HTTPS, name.upper() + ".", 443)
    assert decision.action is Action.DENY
    exact = policy(entry("egress.exact", name))
    assert exact.decide("default", Scheme.HTTPS, name, 443).action is Action.INSPECT


@pytest.mark.parametrize("port", [443, 8080, 8081, 8082, 11435])
def test_without_configuration_nothing_on_this_machine_is_reached_but_the_upstream_there(port: int) -> None:
    default = Config().egress_policy()
    assert default.decide("default", Scheme.HTTP, "127.0.0.1", 11434, "GET", "/api/tags").action is Action.INSPECT
    for spelling in (*ipv4_spellings(IPv4Address("127.0.0.1")), "localhost", "[::1]"):
        assert default.decide("default", Scheme.HTTPS, spelling, port).action is Action.DENY
