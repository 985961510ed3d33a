"""Which URLs tools may be given."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.policy.egress.paths import prefix
from gateway.policy.egress.pattern import host_pattern
from gateway.policy.tools.urls import MAX_URL, HostPolicy, Reach


def policy(
    hosts: str = "", deny: str = "", *, ports: str = "", schemes: str = "", paths: str = "", reach: str = "not-metadata"
) -> HostPolicy:
    return HostPolicy(
        tuple(map(host_pattern, hosts.split())),
        tuple(map(host_pattern, deny.split())),
        frozenset(map(int, ports.split())),
        frozenset(schemes.split()),
        tuple(map(prefix, paths.split())),
        Reach(reach),
    )


OTHER = "names a host that is not `example.com` or `*.example.org`"


@pytest.mark.parametrize(
    ("url", "fault"),
    [
        ("https://example.com", None),
        ("https://example.com/a?b=//evil.test#@evil.test", None),
        ("http://EXAMPLE.com./", None),
        ("https://ex%61mple.com", None),
        ("https://\uff45xample.com", None),
        (" https://example.com ", None),
        ("https://a.b.example.org:8443/x", None),
        ("example.com", None),
        ("example.com:8080/x", None),
        ("about:blank", None),
        ("about:config", "has a scheme that names no host"),
        ("//example.com/x", "names no host"),
        ("https://example.org", OTHER),
        ("https://example.com.evil.test", OTHER),
        ("https://evil.test/example.com", OTHER),
        ("https://evil.test?example.com", OTHER),
        ("https://evil.test#.example.org", OTHER),
        ("https://xexample.com", OTHER),
        ("https://1.2.3.4", OTHER),
        ("https://0x7f.1", OTHER),
        ("https://example.com@evil.test", "the authority holds user information; accepted: host:port"),
        ("https://user:pass@example.com", "the authority holds user information; accepted: host:port"),
        ("https://evil.test\\@example.com", "holds a backslash, which some take for a slash"),
        ("https:\\\\example.com", "holds a backslash, which some take for a slash"),
        ("https://exam\tple.com", "holds a blank or a control character"),
        ("https://example.com /", "holds a blank or a control character"),
        ("https:/example.com", "has a scheme without `//`"),
        ("https:example.com", "has a scheme without `//`"),
        ("https:///example.com", "names no host"),
        ("https://", "names no host"),
        ("", "names no host"),
        ("javascript:alert(1)//example.com", "has a scheme that names no host"),
        ("data:text/html,x", "has a scheme that names no host"),
        ("file:/etc/passwd", "has a scheme that names no host"),
        ("file:///etc/passwd", "names no host"),
        ("ftp://example.com", "has a scheme that is none of `http` or `https`"),
        ("gopher://example.com", "has a scheme that is none of `http` or `https`"),
        ("https://example.com:99999", "port 99999 is out of range; accepted: 1 to 65535"),
        ("https://example.com/" + "a" * MAX_URL, f"is longer than {MAX_URL} characters"),
    ],
)
def test_a_url_names_a_host_that_is_allowed(url: str, fault: str | None) -> None:
    assert policy("example.com *.example.org").fault(url) == fault


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("http://169.254.169.254/latest/meta-data", "a metadata"),
        ("http://2852039166/", "a metadata"),
        ("http://0xa9fea9fe/", "a metadata"),
        ("http://0251.0376.0251.0376/", "a metadata"),
        ("http://[::ffff:169.254.169.254]/", "a metadata"),
        ("http://[64:ff9b::a9fe:a9fe]/", "a metadata"),
        ("http://metadata.google.internal/", "a metadata"),
        ("http://METADATA.google.internal./", "a metadata"),
        ("fd00:ec2::254", "a metadata"),
    ],
)
def test_metadata_services_are_denied_unless_they_are_named(url: str, kind: str) -> None:
    assert policy().fault(url) == f"names {kind} address"
    assert policy(reach="public").fault(url) == f"names {kind} address"
    assert policy(reach="any").fault(url) is None


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("http://127.0.0.1:8080", "a loopback"),
        ("http://127.1", "a loopback"),
        ("http://localhost", "a loopback"),
        ("http://app.localhost", "a loopback"),
        ("http://0.0.0.0", "an unspecified"),
        ("http://10.0.0.1", "a private"),
        ("http://[::1]", "a loopback"),
        ("http://db", "a private"),
        ("http://db.internal", "a private"),
        ("http://printer.local", "a private"),
    ],
)
def test_the_inside_is_denied_where_only_the_public_is_allowed(url: str, kind: str) -> None:
    assert policy(reach="public").fault(url) == f"names {kind} address"
    assert policy().fault(url) is None


def test_what_is_named_in_full_is_opened() -> None:
    assert policy("127.0.0.1 db.internal", reach="public").fault("http://127.0.0.1") is None
    assert policy("127.0.0.1 db.internal", reach="public").fault("http://db.internal") is None
    assert policy("10.0.0.0/8", reach="public").fault("http://10.1.2.3") is None
    assert policy("169.254.0.0/16").fault("http://169.254.169.254") == "names a metadata address"
    assert policy("169.254.169.254").fault("http://169.254.169.254") is None
    assert policy("*.google.internal").fault("http://metadata.google.internal") == "names a metadata address"


def test_what_denies_wins() -> None:
    both = policy("*.example.com 10.0.0.0/8", "evil.example.com 10.0.0.5")
    assert both.fault("https://evil.example.com") == "names a host that is denied by `evil.example.com`"
    assert both.fault("https://10.0.0.5") == "names a host that is denied by `10.0.0.5`"
    assert both.fault("https://[64:ff9b::a00:5]") == "names a host that is denied by `10.0.0.5`"
    assert both.fault("https://good.example.com") is None


@pytest.mark.parametrize(
    ("url", "fault"),
    [
        ("https://a.test", None),
        ("http://a.test:443", None),
        ("a.test", None),
        ("http://a.test", "names a port that is not `443`, `8443` or `9443`"),
        ("https://a.test:22", "names a port that is not `443`, `8443` or `9443`"),
    ],
)
def test_ports_are_held_to_those_listed(url: str, fault: str | None) -> None:
    assert policy(ports="443 8443 9443").fault(url) == fault


def test_schemes_are_held_to_those_listed() -> None:
    assert policy(schemes="wss").fault("wss://a.test/x") is None
    assert policy(schemes="wss").fault("https://a.test/x") == "has a scheme that is none of `wss`"
    assert policy(schemes="wss", ports="443").fault("wss://a.test/x") is None


def test_paths_hold_in_every_reading() -> None:
    assert policy(paths="/v1 /v2").fault("https://a.test/v1/x?y") is None
    for url in ("https://a.test", "https://a.test/v1/../admin", "https://a.test/v1/%2e%2e/admin"):
        assert policy(paths="/v1 /v2").fault(url) == "leads to a path that is not below `/v1` or `/v2`"


_URL = st.sampled_from(
    ["https://a.test", "http://b.test:22/x", "c.test", "ftp://a.test", "http://127.0.0.1", "https://x@a.test", "y:z"]
)
_HOSTS = st.lists(st.sampled_from(["a.test", "*.test", "127.0.0.1", "c.test"]), max_size=3)


@given(_URL, _HOSTS, _HOSTS, _HOSTS, st.sets(st.sampled_from([22, 443]), min_size=1))
def test_more_constraints_never_allow_more(
    url: str, hosts: list[str], deny: list[str], more: list[str], ports: set[int]
) -> None:
    wide = policy(" ".join(hosts), " ".join(deny))
    for narrow in (
        policy(" ".join(hosts), " ".join(deny + more)),
        policy(" ".join(hosts[:1] or more), " ".join(deny), ports=" ".join(map(str, ports))),
        policy(" ".join(hosts), " ".join(deny), schemes="https"),
        policy(" ".join(hosts), " ".join(deny), reach="public"),
    ):
        assert narrow.fault(url) is not None or wide.fault(url) is None
