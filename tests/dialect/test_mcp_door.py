"""Addresses of an MCP server as its clients see them, and back."""

from __future__ import annotations

import pytest

from gateway.dialect.mcp_door import Door, Inner
from gateway.errors import ClientError, Malformed

DOOR = Door("n", "https://h/base/mcp", "http://gate", b"k" * 32)


@pytest.mark.parametrize(
    ("url", "rest", "expected"),
    [
        ("https://h/mcp", "", "/mcp"),
        ("https://h/mcp", "?q=1", "/mcp?q=1"),
        ("https://h/mcp", "/", "/mcp/"),
        ("https://h/mcp", "/x/y?q=/~1", "/mcp/x/y?q=/~1"),
        ("https://h/mcp/", "", "/mcp/"),
        ("https://h/mcp/", "/", "/mcp/"),
        ("https://h/mcp/", "/x", "/mcp/x"),
        ("https://h", "", "/"),
        ("https://h", "/sse", "/sse"),
    ],
)
def test_the_rest_of_a_path_is_appended(url: str, rest: str, expected: str) -> None:
    assert Door("n", url).inward(rest) == Inner(expected)


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ("https://h/base/mcp", "/mcp/n"),
        ("https://H:443/base/mcp?x=1", "/mcp/n?x=1"),
        ("/base/mcp/", "/mcp/n/"),
        ("mcp/x#part", "/mcp/n/x"),
    ],
)
def test_an_address_below_the_configured_one_is_written_plainly(reference: str, expected: str) -> None:
    assert DOOR.outward(reference) == expected


@pytest.mark.parametrize(
    "reference", ["/", "https://h", "/base/mcpx", "/other?q=1", "../x", "/base/mcp/~x", "/base/mcp/@x"]
)
def test_another_address_of_the_server_is_sealed(reference: str) -> None:
    out = DOOR.outward(reference) or ""
    assert out.startswith("/mcp/n/~")
    inner = DOOR.inward(out.removeprefix("/mcp/n"))
    assert DOOR.outward(inner.target) == out
    assert not inner.answers_apart


def test_the_address_for_messages_is_marked() -> None:
    found = DOOR.for_messages("/messages?s=1", "/base/sse")
    assert found is not None
    target, out = found
    assert target == "/messages?s=1"
    assert DOOR.inward(out.removeprefix("/mcp/n")) == Inner("/messages?s=1", answers_apart=True)
    assert DOOR.for_messages("http://h/messages", "") is None


def sealed(mark: str = "~", target: str = "/other") -> str:
    out = DOOR.outward(target) if mark == "~" else (DOOR.for_messages(target, "") or ("", ""))[1]
    return (out or "").removeprefix("/mcp/n")


@pytest.mark.parametrize(
    "rest",
    [
        sealed() + "/more",
        sealed().replace("/other", "/admin"),
        sealed().replace("/~", "/@"),
        sealed("@").replace("/@", "/~"),
        sealed() + "?q=1",
        "/~" + "0" * 32 + "/other",
        "/~x",
        "/@",
    ],
)
def test_a_seal_holds_for_one_address(rest: str) -> None:
    with pytest.raises(ClientError, match="no address that `n` gave out") as caught:
        DOOR.inward(rest)
    assert caught.value.status == 404


def test_a_seal_holds_for_one_server_and_one_key() -> None:
    for other in (Door("m", DOOR.url, key=DOOR.key), Door("n", DOOR.url, key=b"other")):
        with pytest.raises(ClientError):
            other.inward(sealed())


@pytest.mark.parametrize("reference", ["http://h/base/mcp", "https://h:8443/base/mcp", "//other/x", "https://h.evil/"])
def test_another_server_is_not_reached(reference: str) -> None:
    assert DOOR.outward(reference) is None


@pytest.mark.parametrize("reference", ["https://[x/", "https://h:port/", "/ü", "/a b"])
def test_what_is_no_address_is_refused(reference: str) -> None:
    with pytest.raises(Malformed, match="the server named an address"):
        DOOR.outward(reference)


def test_an_address_is_relative_to_what_was_asked_for() -> None:
    assert DOOR.outward("x", "/base/mcp/deep/") == "/mcp/n/deep/x"


def test_an_ipv6_host() -> None:
    assert Door("n", "http://[::1]:8000/mcp").outward("http://[::1]:8000/mcp/x") == "/mcp/n/x"


def test_the_address_that_a_client_uses() -> None:
    assert (DOOR.resource, DOOR.origin) == ("http://gate/mcp/n", "https://h")


def test_the_key_is_not_shown() -> None:
    assert "kkk" not in repr(DOOR)
