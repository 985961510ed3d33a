"""Names that can be signed, and subtrees of them."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.trust.name import Name, permits, server_name, subtree


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("api.example.com", "api.example.com"),
        ("API.Example.COM", "api.example.com"),
        ("example.com.", "example.com"),
        ("localhost", "localhost"),
        ("my_service", "my_service"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("a" * 63 + ".example", "a" * 63 + ".example"),
        ("3com.com", "3com.com"),
        ("1.2.3.4", ip_address("1.2.3.4")),
        ("::1", ip_address("::1")),
        ("[2001:DB8::0001]", ip_address("2001:db8::1")),
        (".".join(["a" * 61] * 4) + ".end", ".".join(["a" * 61] * 4) + ".end"),
    ],
)
def test_a_host_has_one_spelling(host: str, name: Name) -> None:
    assert server_name(host) == name


@pytest.mark.parametrize(
    "host",
    [
        *("", ".", "..", "a..b", ".a", "a..", "-a", "a-", "a b", "a\n", "a\0b", "a/b", "a:80", "a@b"),
        *("*", "*.example.com", "a.*.com", "bücher.example", "\u0661.2.3.4", "a" * 64, "a." * 128),
        *("1.2.3", "127.1", "1.2.3.256", "01.2.3.4", "0x7f.1", "0x7f000001", "2130706433", "example.0x"),
        *("fe80::1%eth0", "[fe80::1%25eth0]", "[1.2.3.4]", "[example.com]", "[::1", "::1]", "[]", "[[::1]]", ":::"),
    ],
)
def test_what_is_no_host_in_normal_form_is_refused_with_the_form(host: str) -> None:
    with pytest.raises(ValueError) as caught:
        server_name(host)
    assert "is no host; accepted: a host name in ASCII such as" in str(caught.value)


@given(st.text(max_size=40))
def test_no_text_gives_a_wildcard_or_a_name_that_is_not_its_own_normal_form(host: str) -> None:
    try:
        name = server_name(host)
    except ValueError:
        return
    assert server_name(str(name)) == name
    assert "*" not in str(name)
    assert str(name).isascii()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("example.com", "example.com"),
        ("com", "com"),
        ("10.0.0.0/8", ip_network("10.0.0.0/8")),
        ("10.1.2.3", ip_network("10.1.2.3/32")),
        ("fd00::/8", ip_network("fd00::/8")),
    ],
)
def test_a_subtree_is_a_domain_or_a_block(text: str, expected: object) -> None:
    assert subtree(text) == expected


def test_a_block_has_no_zone() -> None:
    with pytest.raises(ValueError) as caught:
        subtree("fe80::1%eth0")
    assert str(caught.value).startswith("`fe80::1%eth0` has a zone; accepted: a domain such as")


@pytest.mark.parametrize(
    "text", ["", ".example.com", "*.example.com", "Example.com", "10.0.0.1/8", "bücher.example", "a."]
)
def test_a_sloppy_subtree_is_refused_with_the_form(text: str) -> None:
    with pytest.raises(ValueError) as caught:
        subtree(text)
    assert 'accepted: a domain such as "example.com", which covers all names below it' in str(caught.value)


@pytest.mark.parametrize(
    ("host", "permitted"),
    [
        ("example.com", True),
        ("a.b.example.com", True),
        ("notexample.com", False),
        ("example.com.evil.com", False),
        ("com", False),
        ("10.1.2.3", True),
        ("11.1.2.3", False),
        ("::ffff:10.1.2.3", False),
        ("fd00::1", True),
        ("fe80::1", False),
    ],
)
def test_a_name_must_be_in_a_subtree(host: str, permitted: bool) -> None:
    subtrees = (subtree("example.com"), subtree("10.0.0.0/8"), subtree("fd00::/8"))
    assert permits(subtrees, server_name(host)) is permitted


def test_without_subtrees_every_name_is_permitted_and_with_domains_alone_no_address() -> None:
    assert permits((), server_name("1.2.3.4"))
    assert not permits((subtree("example.com"),), server_name("1.2.3.4"))
    assert not permits((subtree("10.0.0.0/8"),), server_name("example.com"))
