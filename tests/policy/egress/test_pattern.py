"""Patterns of hosts: what they name, and what is said of one that is not in normal form."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest

from gateway.policy.egress.host import parse_host
from gateway.policy.egress.pattern import Exactly, exactly, host_pattern, network, single, written


@pytest.mark.parametrize(
    ("pattern", "host", "named"),
    [
        ("example.com", "example.com", True),
        ("example.com", "EXAMPLE.com.", True),
        ("example.com", "ex%61mple。com", True),
        ("example.com", "www.example.com", False),
        ("example.com", "example.com.evil.example", False),
        ("example.com", "notexample.com", False),
        ("*.example.com", "www.example.com", True),
        ("*.example.com", "a.b.WWW.example.com.", True),
        ("*.example.com", "example.com", False),
        ("*.example.com", "notexample.com", False),
        ("*.example.com", "www.example.com.evil.example", False),
        ("*.zip", "example.zip", True),
        ("xn--bcher-kva.example", "bücher.example", True),
        ("10.0.0.5", "10.0.0.5", True),
        ("10.0.0.5", "0x0a.5", True),
        ("10.0.0.5", "[::ffff:10.0.0.5]", True),
        ("10.0.0.5", "10.0.0.6", False),
        ("10.0.0.0/8", "167772161", True),
        ("10.0.0.0/8", "11.0.0.1", False),
        ("10.0.0.0/8", "10.example", False),
        ("::1", "[0:0::1]", True),
        ("fd00::/8", "[fd12::1]", True),
        ("fd00::/8", "10.0.0.1", False),
    ],
)
def test_a_pattern_names_hosts_in_any_spelling(pattern: str, host: str, *, named: bool) -> None:
    assert host_pattern(pattern).names(parse_host(host)) is named


def test_no_wildcard_names_an_address() -> None:
    assert not host_pattern("*.0.example").names(parse_host("127.0.0.1"))


@pytest.mark.parametrize(
    "closer_first",
    [
        ("www.example.com", "*.www.example.com", "*.example.com", "*.com"),
        ("10.0.0.5", "10.0.0.0/24", "10.0.0.0/8", "0.0.0.0/0"),
        ("fd00::1", "fd00::/64", "fd00::/8", "::/0"),
    ],
)
def test_one_host_is_closer_than_many_and_more_of_it_than_less(closer_first: tuple[str, ...]) -> None:
    ranks = [host_pattern(pattern).rank for pattern in closer_first]
    assert ranks == sorted(ranks, reverse=True)
    assert len(set(ranks)) == len(ranks)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("Example.com", 'is not in normal form; write "example.com"'),
        ("example.com.", 'is not in normal form; write "example.com"'),
        ("*.Example.com", 'is not in normal form; write "*.example.com"'),
        ("bücher.example", 'is not in normal form; write "xn--bcher-kva.example"'),
        ("127.1", 'is not in normal form; write "127.0.0.1"'),
        ("2130706433", 'is not in normal form; write "127.0.0.1"'),
        ("[::1]", 'is not in normal form; write "::1"'),
        ("::ffff:10.0.0.5", 'is not in normal form; write "10.0.0.5"'),
        ("10.0.0.5/8", 'is not in normal form; write "10.0.0.0/8"'),
        ("10.0.0.5/32", 'is not in normal form; write "10.0.0.5"'),
        ("10.0.0.0/255.0.0.0", 'is not in normal form; write "10.0.0.0/8"'),
        ("::ffff:10.0.0.0/104", 'is not in normal form; write "10.0.0.0/8"'),
        ("FD00::/8", 'is not in normal form; write "fd00::/8"'),
        (
            ".example.com",
            'starts with a dot; write "*.example.com" for the names below it, or "example.com" for itself',
        ),
        ("https://example.com/", "is a URL; write the host alone, and its port in `ports`; accepted:"),
        ("example.com:443", 'holds a port; write "example.com", and `ports = [443]`'),
        ("[::1]:8080", 'holds a port; write "::1", and `ports = [8080]`'),
        ("*", "has an asterisk that is not its first label; accepted:"),
        ("a.*.example.com", "has an asterisk that is not its first label; accepted:"),
        ("*.*.example.com", "has an asterisk that is not its first label; accepted:"),
        ("api*.example.com", "has an asterisk that is not its first label; accepted:"),
        ("*.10.0.0.1", 'has an asterisk before an address; accepted: a network such as "10.0.0.0/8"'),
        ("example.com/path", "is no network; accepted:"),
        ("10/8", "is no network; accepted:"),
        ("user@example.com", "is no host: the host holds user information; accepted:"),
        ("*.", "is no host: the host is empty; accepted:"),
        ("a..b", "is no host: the host holds an empty label; accepted:"),
        ("fe80::1%eth0", "is no host: the host is an IPv6 address with a zone, which means something on one machine"),
        ("example.1", "is no host: the host ends in a number and is no IPv4 address: a part of it is no number"),
    ],
)
def test_a_sloppy_pattern_is_refused_with_the_right_spelling(text: str, fault: str) -> None:
    with pytest.raises(ValueError) as caught:
        host_pattern(text)
    assert str(caught.value).startswith(fault)


@pytest.mark.parametrize("text", ["10.0.0.5", "10.0.0.0/8", "::1", "fd00::/8", "0.0.0.0/0"])
def test_networks_and_addresses_in_normal_form(text: str) -> None:
    assert written(network(text)) == text


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("10.1", 'is not in normal form; write "10.0.0.1"'),
        ("10.0.0.1/8", 'is not in normal form; write "10.0.0.0/8"'),
        ("::1/128", 'is not in normal form; write "::1"'),
        ("example.com", 'is no address; accepted: an address such as "10.0.0.5", or a network such as "10.0.0.0/8"'),
        ("10.0.0.0/33", "is no address; accepted:"),
        ("fe80::1%eth0", "is no host: the host is an IPv6 address with a zone"),
    ],
)
def test_a_sloppy_network_is_refused_with_the_right_spelling(text: str, fault: str) -> None:
    with pytest.raises(ValueError) as caught:
        network(text)
    assert str(caught.value).startswith(fault)


def test_the_pattern_for_one_host_names_it_alone() -> None:
    assert exactly(parse_host("a.example")) == Exactly("a.example")
    assert str(exactly(parse_host("127.1"))) == "127.0.0.1"
    assert single(ip_address("::1")) == ip_network("::1/128")
