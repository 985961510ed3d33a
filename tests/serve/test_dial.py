"""Which addresses of a name are dialled: those that were checked, and no others."""

from __future__ import annotations

import asyncio
import socket

import pytest

from gateway.serve.dial import DNS_TTL, Denied, Names, Way, bracketed, is_near, system
from tests.serve.proxying import Resolver


def private(address: str) -> str | None:
    return f"`{address}` is private" if address.startswith("10.") else None


class TestNames:
    async def test_only_permitted_addresses_are_given_in_their_order(self) -> None:
        resolver = Resolver()
        resolver.says("a.test", ("192.0.2.2", "10.0.0.1", "192.0.2.1"))
        assert await Names(resolver).permitted("a.test", 443, private) == ("192.0.2.2", "192.0.2.1")

    async def test_a_name_with_forbidden_addresses_alone_is_denied_with_the_reason(self) -> None:
        resolver = Resolver()
        resolver.says("a.test", ("10.0.0.1", "10.0.0.2"))
        with pytest.raises(Denied) as caught:
            await Names(resolver).permitted("a.test", 443, private)
        assert str(caught.value) == "`10.0.0.1` is private"

    async def test_a_name_without_addresses_is_denied(self) -> None:
        resolver = Resolver()
        resolver.says("a.test", ())
        with pytest.raises(Denied, match="has no address"):
            await Names(resolver).permitted("a.test", 443, private)

    async def test_an_answer_is_remembered_for_its_time_and_checked_each_time(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        resolver = Resolver()
        resolver.says("a.test", ("192.0.2.1",), ("10.0.0.1",))
        names = Names(resolver)
        now = [0.0]
        monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: now[0])
        assert await names.permitted("a.test", 443, private) == ("192.0.2.1",)
        now[0] = DNS_TTL - 1
        assert await names.permitted("a.test", 443, private) == ("192.0.2.1",)
        assert resolver.asked == ["a.test"]
        with pytest.raises(Denied):
            await names.permitted("a.test", 443, lambda address: f"no {address}")
        now[0] = DNS_TTL + 1
        with pytest.raises(Denied, match="private"):  # the name leads elsewhere by now, and nobody follows
            await names.permitted("a.test", 443, private)

    async def test_the_system_knows_addresses_as_they_are_written(self) -> None:
        assert await system("127.0.0.1", 80) == ("127.0.0.1",)
        with pytest.raises(socket.gaierror):
            await system("no such name", 80)


@pytest.mark.parametrize(
    ("scheme", "host", "port", "authority", "server_name"),
    [
        ("https", "a.test", 443, "a.test", "a.test"),
        ("https", "a.test", 8443, "a.test:8443", "a.test"),
        ("http", "a.test", 80, "a.test", None),
        ("http", "2001:db8::1", 8080, "[2001:db8::1]:8080", None),
    ],
)
def test_a_host_is_addressed_by_its_name_whatever_is_dialled(
    scheme: str, host: str, port: int, authority: str, server_name: str | None
) -> None:
    way = Way("A.test", scheme, host, port, lambda _: None)
    assert (way.authority, way.server_name) == (authority, server_name)
    assert way.headers((("X", "1"),)) == (("Host", authority), ("X", "1"))
    assert way.origin_at("2001:db8::2") == f"{scheme}://[2001:db8::2]:{port}"


def test_only_an_ipv6_address_is_bracketed() -> None:
    assert [bracketed(host) for host in ("a.test", "::1")] == ["a.test", "[::1]"]


@pytest.mark.parametrize(
    ("host", "near"),
    [
        ("localhost", True),
        ("up.LOCALHOST.", True),
        ("127.0.0.1", True),
        ("127.1", True),
        ("::1", True),
        ("::ffff:10.0.0.5", True),
        ("10.0.0.5", True),
        ("169.254.169.254", True),
        ("fd00::1", True),
        ("93.184.215.14", False),
        ("notlocalhost", False),
        ("api.example.com", False),
        ("", False),
    ],
)
def test_what_no_proxy_elsewhere_leads_to(host: str, near: bool) -> None:
    assert is_near(host) is near
