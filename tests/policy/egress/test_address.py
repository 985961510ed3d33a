"""Classes of addresses, with what translators and tunnels find inside them, and what a listed network opens."""

from __future__ import annotations

from ipaddress import IPv4Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.policy.egress.address import AddressClass, Classed, classify, opens
from gateway.policy.egress.host import parse_host
from tests.policy.egress.spellings import ipv4_spellings


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("8.8.8.8", AddressClass.PUBLIC),
        ("9.255.255.255", AddressClass.PUBLIC),
        ("11.0.0.0", AddressClass.PUBLIC),
        ("100.63.255.255", AddressClass.PUBLIC),
        ("100.128.0.0", AddressClass.PUBLIC),
        ("172.15.255.255", AddressClass.PUBLIC),
        ("172.32.0.0", AddressClass.PUBLIC),
        ("192.31.196.1", AddressClass.PUBLIC),  # AS112: reachable from everywhere, like the next two
        ("192.52.193.1", AddressClass.PUBLIC),
        ("192.175.48.1", AddressClass.PUBLIC),
        ("223.255.255.255", AddressClass.PUBLIC),
        ("2606:4700::1111", AddressClass.PUBLIC),
        ("2001:200::1", AddressClass.PUBLIC),
        ("3ffe::1", AddressClass.PUBLIC),
        ("0.0.0.0", AddressClass.UNSPECIFIED),
        ("0.255.255.255", AddressClass.UNSPECIFIED),
        ("10.0.0.0", AddressClass.PRIVATE),
        ("10.255.255.255", AddressClass.PRIVATE),
        ("100.64.0.0", AddressClass.SHARED),
        ("100.127.255.255", AddressClass.SHARED),
        ("127.0.0.0", AddressClass.LOOPBACK),
        ("127.255.255.255", AddressClass.LOOPBACK),
        ("169.254.0.0", AddressClass.LINK_LOCAL),
        ("169.254.255.255", AddressClass.LINK_LOCAL),
        ("172.16.0.0", AddressClass.PRIVATE),
        ("172.31.255.255", AddressClass.PRIVATE),
        ("192.0.0.1", AddressClass.RESERVED),
        ("192.0.0.9", AddressClass.RESERVED),  # `is_global` says yes
        ("192.0.2.1", AddressClass.DOCUMENTATION),
        ("192.88.99.1", AddressClass.RESERVED),
        ("192.168.0.0", AddressClass.PRIVATE),
        ("192.168.255.255", AddressClass.PRIVATE),
        ("198.18.0.0", AddressClass.BENCHMARK),
        ("198.19.255.255", AddressClass.BENCHMARK),
        ("198.51.100.1", AddressClass.DOCUMENTATION),
        ("203.0.113.1", AddressClass.DOCUMENTATION),
        ("224.0.0.1", AddressClass.MULTICAST),
        ("239.255.255.255", AddressClass.MULTICAST),
        ("240.0.0.1", AddressClass.RESERVED),
        ("255.255.255.254", AddressClass.RESERVED),
        ("255.255.255.255", AddressClass.BROADCAST),
        ("::", AddressClass.UNSPECIFIED),
        ("::1", AddressClass.LOOPBACK),
        ("100::1", AddressClass.RESERVED),  # discard only, RFC 6666
        ("2001::", AddressClass.UNSPECIFIED),  # Teredo whose server is 0.0.0.0
        ("2001:2::1", AddressClass.BENCHMARK),
        ("2001:20::1", AddressClass.RESERVED),  # ORCHID
        ("2001:db8::1", AddressClass.DOCUMENTATION),
        ("3fff::1", AddressClass.DOCUMENTATION),
        ("4000::1", AddressClass.RESERVED),
        ("5f00::1", AddressClass.RESERVED),
        ("fc00::1", AddressClass.PRIVATE),
        ("fdff::1", AddressClass.PRIVATE),
        ("fe80::1", AddressClass.LINK_LOCAL),
        ("febf::1", AddressClass.LINK_LOCAL),
        ("fec0::1", AddressClass.PRIVATE),
        ("ff02::1", AddressClass.MULTICAST),
        ("169.254.169.254", AddressClass.METADATA),
        ("169.254.170.2", AddressClass.METADATA),
        ("169.254.170.23", AddressClass.METADATA),
        ("169.254.0.23", AddressClass.METADATA),
        ("169.254.42.42", AddressClass.METADATA),
        ("100.100.100.200", AddressClass.METADATA),
        ("100.96.0.96", AddressClass.METADATA),
        ("168.63.129.16", AddressClass.METADATA),
        ("192.0.0.192", AddressClass.METADATA),
        ("fd00:ec2::254", AddressClass.METADATA),
        ("fd00:ec2::23", AddressClass.METADATA),
        ("fd20:ce::254", AddressClass.METADATA),
        ("fd00:42::42", AddressClass.METADATA),
        ("fd00:a9fe:a9fe::1", AddressClass.METADATA),
        ("fe80::a9fe:a9fe", AddressClass.METADATA),
    ],
)
def test_an_address_has_the_class_of_its_registry_row(address: str, kind: AddressClass) -> None:
    assert classify(ip_address(address)).kind is kind


@pytest.mark.parametrize(
    ("address", "inner", "mechanism"),
    [
        ("64:ff9b::127.0.0.1", "127.0.0.1", "NAT64"),
        ("64:ff9b:1:7f00:0:100::", "127.0.0.1", "NAT64"),  # with a prefix of 48 bits
        ("64:ff9b:1:7f:0:1::", "127.0.0.1", "NAT64"),  # of 56
        ("64:ff9b:1:0:7f:0:100:0", "127.0.0.1", "NAT64"),  # of 64
        ("64:ff9b:1::127.0.0.1", "127.0.0.1", "NAT64"),  # of 96
        ("::ffff:0:127.0.0.1", "127.0.0.1", "an IPv4-translated address"),
        ("2002:7f00:1::1", "127.0.0.1", "6to4"),
        ("2001:0:7f00:1::", "127.0.0.1", "Teredo"),  # as the server
        ("2001:0:808:808:0:0:80ff:fffe", "127.0.0.1", "Teredo"),  # as the client
        ("::127.0.0.1", "127.0.0.1", "an IPv4-compatible address"),
        ("fe80::5efe:127.0.0.1", "127.0.0.1", "ISATAP"),
        ("2606:4700::200:5efe:127.0.0.1", "127.0.0.1", "ISATAP"),
        ("64:ff9b::169.254.169.254", "169.254.169.254", "NAT64"),
        ("2002:a9fe:a9fe::", "169.254.169.254", "6to4"),
        ("64:ff9b::10.0.0.1", "10.0.0.1", "NAT64"),
        ("2606:4700::5efe:192.168.1.1", "192.168.1.1", "ISATAP"),
    ],
)
def test_the_address_inside_an_address_counts(address: str, inner: str, mechanism: str) -> None:
    classed = classify(ip_address(address))
    assert (classed.inner, classed.mechanism) == (IPv4Address(inner), mechanism)
    assert classed.kind is classify(ip_address(inner)).kind


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("64:ff9b::8.8.8.8", AddressClass.PUBLIC),
        ("::ffff:0:8.8.8.8", AddressClass.PUBLIC),
        ("64:ff9b:1::8.8.8.8", AddressClass.PRIVATE),
        ("64:ff9b:1:808:8:800::", AddressClass.PRIVATE),
        ("2002:808:808::1", AddressClass.RESERVED),
        ("2001:0:808:808:0:0:f7f7:f7f7", AddressClass.RESERVED),
        ("::8.8.8.8", AddressClass.RESERVED),
        ("fe80::5efe:8.8.8.8", AddressClass.LINK_LOCAL),
    ],
)
def test_an_address_is_no_better_than_what_carries_it(address: str, kind: AddressClass) -> None:
    assert classify(ip_address(address)) == Classed(kind)


@pytest.mark.parametrize(
    ("address", "text"),
    [
        ("10.0.0.1", "a private address"),
        ("::", "an unspecified address"),
        ("169.254.1.1", "a link-local address"),
        ("64:ff9b::a9fe:a9fe", "a metadata address (`169.254.169.254` within NAT64)"),
    ],
)
def test_a_class_is_said_in_words(address: str, text: str) -> None:
    assert str(classify(ip_address(address))) == text


@pytest.mark.parametrize(
    ("network", "address", "opened"),
    [
        ("10.0.0.5/32", "10.0.0.5", True),
        ("10.0.0.5/32", "10.0.0.6", False),
        ("10.0.0.5/32", "::ffff:10.0.0.5", True),
        ("10.0.0.0/8", "10.9.9.9", True),
        ("10.0.0.0/8", "64:ff9b::10.0.0.1", False),
        ("127.0.0.0/8", "127.0.0.1", True),
        ("169.254.0.0/16", "169.254.1.1", True),
        ("169.254.0.0/16", "169.254.169.254", False),
        ("169.254.169.254/32", "169.254.169.254", True),
        ("168.63.129.0/24", "168.63.129.16", False),
        ("0.0.0.0/0", "10.0.0.1", False),
        ("0.0.0.0/0", "127.0.0.1", False),
        ("0.0.0.0/0", "8.8.8.8", True),
        ("10.0.0.0/7", "10.0.0.1", False),
        ("::/0", "::1", False),
        ("::/0", "fd00::1", False),
        ("::/0", "4000::1", False),
        ("4000::/3", "4000::1", False),
        ("4000::1/128", "4000::1", True),
        ("::/0", "2606:4700::1111", True),
        ("fd00::/8", "fd00::1", True),
        ("fd00::/8", "fd00:ec2::254", False),
        ("fd00::/8", "fd00::5efe:127.0.0.1", False),
        ("64:ff9b::/96", "64:ff9b::10.0.0.1", False),
        ("64:ff9b::10.0.0.1/128", "64:ff9b::10.0.0.1", True),
        ("0.0.0.0/32", "0.0.0.0", False),
        ("::/128", "::", False),
        ("224.0.0.1/32", "224.0.0.1", False),
        ("255.255.255.255/32", "255.255.255.255", False),
    ],
)
def test_a_network_opens_the_addresses_of_its_own_class(network: str, address: str, *, opened: bool) -> None:
    assert opens(ip_network(network), ip_address(address)) is opened


@given(st.ip_addresses(v=4))
def test_all_spellings_of_an_address_have_one_class(address: IPv4Address) -> None:
    hosts = [parse_host(spelling).address for spelling in ipv4_spellings(address)]
    assert {classify(host).kind for host in hosts if host is not None} == {classify(address).kind}


@given(st.ip_addresses(v=4), st.sampled_from(["64:ff9b::", "64:ff9b:1::", "::ffff:0:", "::", "fe80::5efe:"]))
def test_wrapping_an_address_never_makes_it_milder(address: IPv4Address, prefix: str) -> None:
    if int(address) > 1:  # `::` and `::1` wrap nothing
        assert classify(ip_address(f"{prefix}{address}")).kind >= classify(address).kind
