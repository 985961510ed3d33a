"""What a configured upstream allows through the proxy."""

from __future__ import annotations

import pytest

from gateway.policy.egress.entry import Action, Scheme
from gateway.policy.egress.policy import EgressPolicy
from gateway.policy.egress.upstream import upstream_entry
from tests.policy.egress.lists import entry


@pytest.mark.parametrize(
    ("base_url", "hosts", "ports", "paths", "addresses"),
    [
        ("https://a.example", "a.example", (443,), "", ""),
        ("http://A.example:8000", "a.example", (8000,), "", ""),
        ("http://a.example", "a.example", (80,), "", ""),
        ("https://a.example/api/v1", "a.example", (443,), "/api/v1", ""),
        ("http://127.0.0.1:11434", "127.0.0.1", (11434,), "", ""),
        ("http://[::1]:9", "::1", (9,), "", ""),
        ("http://localhost:9", "localhost", (9,), "", "127.0.0.0/8 ::1"),
        ("http://ollama.localhost:9", "ollama.localhost", (9,), "", "127.0.0.0/8 ::1"),
    ],
)
def test_an_upstream_allows_its_host_port_and_path(
    base_url: str, hosts: str, ports: tuple[int, ...], paths: str, addresses: str
) -> None:
    expected = entry("upstreams.u", hosts, ports=ports, paths=paths, addresses=addresses)
    assert upstream_entry("upstreams.u", base_url) == expected


@pytest.mark.parametrize("url", ["https://a.example/mcp", "https://a.example/mcp/"])
def test_other_paths_may_belong_to_it(url: str) -> None:
    expected = entry("mcp.m", "a.example", ports=(443,), paths="/mcp /.well-known")
    assert upstream_entry("mcp.m", url, "/.well-known") == expected


def test_where_all_paths_belong_to_it_none_are_listed() -> None:
    assert upstream_entry("mcp.m", "https://a.example/", "/.well-known") == entry("mcp.m", "a.example", ports=(443,))


@pytest.mark.parametrize("base_url", ["http://1.2.3.4.5", "http://a..b", "https://a.example/%2e%2e/x"])
def test_an_upstream_that_cannot_be_read_allows_nothing(base_url: str) -> None:
    assert upstream_entry("upstreams.u", base_url) is None


@pytest.mark.parametrize(
    ("base_url", "address", "dialled"),
    [
        ("http://127.0.0.1:9", "127.0.0.1", True),
        ("http://localhost:9", "127.0.0.1", True),
        ("http://localhost:9", "::1", True),
        ("http://localhost:9", "10.0.0.1", False),
        ("http://notlocalhost:9", "127.0.0.1", False),
        ("http://a.example:9", "127.0.0.1", False),
        ("http://a.example:9", "93.184.215.14", True),
    ],
)
def test_only_what_means_loopback_may_be_loopback(base_url: str, address: str, *, dialled: bool) -> None:
    upstream = upstream_entry("upstreams.u", base_url)
    assert upstream is not None
    among = EgressPolicy([upstream])
    decision = among.decide("default", Scheme.HTTP, str(upstream.hosts[0]), 9, "GET", "/")
    assert decision.action is Action.INSPECT
    assert (among.may_dial(decision, address) is None) is dialled
