"""The normal form of hosts: every spelling of one host is one value, and what is no host is refused with its reason."""

from __future__ import annotations

import socket
from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import Malformed
from gateway.policy.egress.host import Authority, Host, authority, of_address, parse_host, port_number
from tests.policy.egress.spellings import ipv4_spellings

NAME = Host("example.com")
LOOPBACK = Host("127.0.0.1", IPv4Address("127.0.0.1"))


@pytest.mark.parametrize(
    ("spelling", "name"),
    [
        ("example.com", "example.com"),
        ("EXAMPLE.Com", "example.com"),
        ("example.com.", "example.com"),
        ("ex%61mple.com", "example.com"),
        ("example%2Ecom", "example.com"),
        ("example.com%2e", "example.com"),
        ("%65%78%61%6D%70%6C%65%2e%63%6f%6d", "example.com"),
        ("ｅｘａｍｐｌｅ．ｃｏｍ", "example.com"),
        ("example。com", "example.com"),
        ("example｡com。", "example.com"),
        ("ex\u00adample.com", "example.com"),  # a soft hyphen is nothing
        ("exam\u200bple.com", "example.com"),  # so is a space of no width
        ("ⓔxample.com", "example.com"),
        ("\u212aelvin.example", "kelvin.example"),  # the Kelvin sign is a k
        ("%EF%BD%85xample.com", "example.com"),  # a full-width e, percent-encoded
        ("bücher.example", "xn--bcher-kva.example"),
        ("BÜCHER.example", "xn--bcher-kva.example"),
        ("bu\u0308cher.example", "xn--bcher-kva.example"),  # the umlaut as a letter and a mark
        ("XN--BCHER-KVA.example", "xn--bcher-kva.example"),
        ("b%C3%BCcher.example", "xn--bcher-kva.example"),
        ("faß.example", "xn--fa-hia.example"),  # and not fass.example, as IDNA 2003 has it
        ("例え.テスト", "xn--r8jz45g.xn--zckzah"),
        ("r3---sn-abc.googlevideo.com", "r3---sn-abc.googlevideo.com"),
        ("my_bucket.s3.amazonaws.com", "my_bucket.s3.amazonaws.com"),
        ("_dmarc.example.com", "_dmarc.example.com"),
        ("localhost", "localhost"),
        ("1.2.3.4.example", "1.2.3.4.example"),
        ("0xz", "0xz"),
        ("a" * 63 + ".example", "a" * 63 + ".example"),
    ],
)
def test_a_name_has_one_normal_form(spelling: str, name: str) -> None:
    assert parse_host(spelling) == Host(name)


@pytest.mark.parametrize(
    ("spelling", "address"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("127.0.0.1.", "127.0.0.1"),
        ("127.1", "127.0.0.1"),
        ("127.0.1", "127.0.0.1"),
        ("2130706433", "127.0.0.1"),
        ("0x7f000001", "127.0.0.1"),
        ("0X7F000001", "127.0.0.1"),
        ("017700000001", "127.0.0.1"),
        ("0x7f.1", "127.0.0.1"),
        ("0x7f.0x0.0x0.0x1", "127.0.0.1"),
        ("0177.0.0.01", "127.0.0.1"),
        ("0000000177.0.0.1", "127.0.0.1"),
        ("0x7f.0.01", "127.0.0.1"),
        ("127.0x1", "127.0.0.1"),
        ("127.0.0x.1", "127.0.0.1"),  # `0x` is a zero
        ("１２７．０．０．１", "127.0.0.1"),
        ("127。0｡0．1", "127.0.0.1"),
        ("①②⑦.1", "127.0.0.1"),
        ("%31%32%37%2e1", "127.0.0.1"),
        ("0", "0.0.0.0"),
        ("0x", "0.0.0.0"),
        ("4294967295", "255.255.255.255"),
        ("1.256", "1.0.1.0"),
        ("010.0.0.1", "8.0.0.1"),
        ("[::1]", "::1"),
        ("::1", "::1"),
        ("[0:0:0:0:0:0:0:1]", "::1"),
        ("[2001:DB8::0001]", "2001:db8::1"),
        ("[::FFFF:127.0.0.1]", "127.0.0.1"),
        ("[::ffff:7f00:1]", "127.0.0.1"),
        ("[0:0:0:0:0:ffff:7f00:0001]", "127.0.0.1"),
        ("[64:ff9b::7f00:1]", "64:ff9b::7f00:1"),
    ],
)
def test_whatever_a_resolver_takes_for_an_address_is_that_address(spelling: str, address: str) -> None:
    assert parse_host(spelling) == Host(address, ip_address(address))


@pytest.mark.parametrize(
    ("spelling", "reason"),
    [
        ("", "the host is empty"),
        (".", "the host is empty"),
        ("\u00ad", "the host is empty"),
        ("..", "the host holds an empty label"),
        ("example..com", "the host holds an empty label"),
        (".example.com", "the host holds an empty label"),
        ("example.com..", "the host holds an empty label"),
        ("a.\u200b.com", "the host holds an empty label"),
        ("example.com\0", "the host holds a NUL"),
        ("example%00.com", "the host holds a NUL"),
        ("exa mple.com", "the host holds a space"),
        ("example.com%20", "the host holds a space"),
        ("127.0.0.1 evil.example", "the host holds a space"),
        ("user@example.com", "the host holds user information"),
        ("user%40example.com", "the host holds user information"),
        ("example.com%", "the host holds a percent sign that escapes nothing"),
        ("ex%2561mple.com", "the host holds a percent sign that escapes nothing"),
        ("example.com/x", "the host holds a slash"),
        ("℀.example", "the host holds a slash"),  # which `a/c` is a form of
        ("example.com\\x", "the host holds a backslash"),
        ("example%3a80", "the host holds a colon outside brackets"),
        ("[::1", "the host holds a colon outside brackets"),
        ("%5Bexample%5D", "the host holds a bracket that belongs to no IPv6 address"),
        ("[example", "the host holds a bracket that belongs to no IPv6 address"),
        ("example]", "the host holds a bracket that belongs to no IPv6 address"),
        ("*.example.com", "the host holds an asterisk"),
        ("-example.com", "the host holds a label that starts or ends with a hyphen"),
        ("example-.com", "the host holds a label that starts or ends with a hyphen"),
        ("exam\tple.com", "the host holds a character that is no letter, digit, hyphen or underscore"),
        ("example.com\r\n", "the host holds a character that is no letter, digit, hyphen or underscore"),
        ("exa#mple.com", "the host holds a character that is no letter, digit, hyphen or underscore"),
        ("exa\u202emple.com", "the host holds a character that no name may hold (UTS 46)"),
        ("exa\udc80mple.com", "the host holds a character that no name may hold (UTS 46)"),
        ("%ff.com", "the host holds percent-escapes that are no UTF-8"),
        ("%c0%ae.com", "the host holds percent-escapes that are no UTF-8"),
        ("\udc80%41.com", "the host holds percent-escapes that are no UTF-8"),
        ("xn--.com", "the host holds a label that is no internationalised name (IDNA 2008)"),
        ("xn--a.com", "the host holds a label that is no internationalised name (IDNA 2008)"),
        ("xn--abc-.com", "the host holds a label that is no internationalised name (IDNA 2008)"),
        ("♥.example", "the host holds a label that is no internationalised name (IDNA 2008)"),
        ("a\u0301\u0301" * 40 + ".example", "the host holds a label that is no internationalised name (IDNA 2008)"),
        ("a" * 64 + ".example", "the host holds a label of more than 63 characters"),
        (".".join(["a" * 50] * 5), "the host is longer than 253 characters"),
        ("a" * 4000, "the host is longer than any name"),
        ("1.2.3.4.5", "the host ends in a number and is no IPv4 address: it has more than four parts"),
        ("256.1.1.1", "the host ends in a number and is no IPv4 address: a part of it is too large"),
        ("1.2.3.256", "the host ends in a number and is no IPv4 address: a part of it is too large"),
        ("4294967296", "the host ends in a number and is no IPv4 address: a part of it is too large"),
        ("0x100000000", "the host ends in a number and is no IPv4 address: a part of it is too large"),
        ("example.1", "the host ends in a number and is no IPv4 address: a part of it is no number"),
        ("example.0x7f", "the host ends in a number and is no IPv4 address: a part of it is no number"),
        ("127.-1.1", "the host ends in a number and is no IPv4 address: a part of it is no number"),
        ("١٢٧.1", "the host ends in a number and is no IPv4 address: a part of it is no number"),
        ("09.0.0.1", "the host ends in a number and is no IPv4 address: a part of it is no octal number"),
        ("127.0.0.08", "the host ends in a number and is no IPv4 address: a part of it is no octal number"),
        ("[fe80::1%25eth0]", "the host is an IPv6 address with a zone, which means something on one machine only"),
        ("fe80::1%1", "the host is an IPv6 address with a zone, which means something on one machine only"),
        ("[::1::]", "the host is no IPv6 address"),
        ("[1:2:3]", "the host is no IPv6 address"),
        ("[127.0.0.1]", "the host is no IPv6 address"),
        ("[]", "the host is no IPv6 address"),
        ("[::127.1]", "the host is no IPv6 address"),
        ("[::1/128]", "the host is no IPv6 address"),
        ("example.com:443", "the host is no IPv6 address"),
    ],
)
def test_what_is_no_host_is_refused_with_its_reason(spelling: str, reason: str) -> None:
    with pytest.raises(Malformed) as caught:
        parse_host(spelling)
    assert str(caught.value) == reason


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("example.com", Authority(NAME, None)),
        ("Example.COM.:443", Authority(NAME, 443)),
        ("example.com:00080", Authority(NAME, 80)),
        ("127.1:8080", Authority(LOOPBACK, 8080)),
        ("[::ffff:127.0.0.1]:65535", Authority(LOOPBACK, 65535)),
        ("[::1]", Authority(Host("::1", IPv6Address("::1")), None)),
    ],
)
def test_an_authority_is_a_host_and_perhaps_a_port(text: str, expected: Authority) -> None:
    assert authority(text) == expected


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("user:pw@example.com:443", "the authority holds user information; accepted: host:port"),
        ("example.com:0", "port 0 is out of range; accepted: 1 to 65535"),
        ("example.com:65536", "port 65536 is out of range; accepted: 1 to 65535"),
        ("example.com:", "the authority is no host and port; accepted: host:port, an IPv6 address in brackets"),
        ("example.com:+80", "the authority is no host and port; accepted: host:port, an IPv6 address in brackets"),
        ("example.com:8 0", "the authority is no host and port; accepted: host:port, an IPv6 address in brackets"),
        ("example.com:８０", "the authority is no host and port; accepted: host:port, an IPv6 address in brackets"),
        ("example.com:123456", "the authority is no host and port; accepted: host:port, an IPv6 address in brackets"),
        ("::1:443", "the authority is no host and port; accepted: host:port, an IPv6 address in brackets"),
        ("[::1]x:443", "the authority is no host and port; accepted: host:port, an IPv6 address in brackets"),
        (":443", "the host is empty"),
        ("http://example.com", "the authority is no host and port; accepted: host:port, an IPv6 address in brackets"),
        ("example.com/path", "the host holds a slash"),
    ],
)
def test_what_is_no_authority_is_refused_with_its_reason(text: str, reason: str) -> None:
    with pytest.raises(Malformed) as caught:
        authority(text)
    assert str(caught.value) == reason


def test_a_reason_quotes_nothing_that_was_written() -> None:
    with pytest.raises(Malformed) as caught:
        authority("agent:hunter2@example.com")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(("host", "text"), [("127.1", "127.0.0.1"), ("[::0001]", "[::1]"), ("A.b", "a.b")])
def test_a_host_is_written_as_in_a_url(host: str, text: str) -> None:
    assert str(parse_host(host)) == text


@pytest.mark.parametrize("port", [1, 443, 65535])
def test_ports_that_can_be_dialled(port: int) -> None:
    assert port_number(port) == port


LOOKS_LIKE_A_HOST = st.from_regex(r"\A(?:[a-z0-9%xX_\-０-９。ａ-ｆ]{1,6}\.){0,4}[a-z0-9xX.%]{1,8}\Z")


@given(st.one_of(LOOKS_LIKE_A_HOST, st.text(st.characters(exclude_categories=[]), max_size=40)))
def test_the_normal_form_is_its_own(spelling: str) -> None:
    try:
        host = parse_host(spelling)
    except Malformed:
        return
    assert parse_host(host.name) == host
    assert parse_host(str(host)) == host
    assert host.name.isascii()


@given(st.ip_addresses(v=4), st.data())
def test_every_spelling_of_an_address_is_that_address(address: IPv4Address, data: st.DataObject) -> None:
    spelling = data.draw(st.sampled_from(ipv4_spellings(address)))
    assert parse_host(spelling) == of_address(address)


@given(st.ip_addresses(v=6))
def test_every_spelling_of_an_ipv6_address_is_that_address(address: IPv6Address) -> None:
    spellings = (address.compressed, address.exploded, address.exploded.upper(), f"[{address.exploded}]")
    assert {parse_host(spelling) for spelling in spellings} == {of_address(address)}


@given(st.from_regex(r"\A(?:(?:0[xX]?)?[0-9a-fA-F]{0,10}\.){0,3}(?:0[xX]?)?[0-9a-fA-F]{0,11}\Z"))
def test_what_the_system_takes_for_an_address_is_that_address_here(spelling: str) -> None:
    try:
        packed = socket.inet_aton(spelling)
    except OSError:
        return
    assert parse_host(spelling).address == IPv4Address(packed)
