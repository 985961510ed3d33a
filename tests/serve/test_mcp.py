"""The paths of MCP servers at the listener, and what they lead to."""

from __future__ import annotations

import pytest

from gateway.dialect.mcp import Mcp
from gateway.dialect.mcp_answers import Answers
from gateway.dialect.mcp_door import Door
from gateway.dialect.mcp_family import MCP
from gateway.errors import ClientError, Code
from gateway.serve.mcp import Server, find, leads_here
from gateway.serve.upstream import Upstream

DOOR = Door("docs", "https://h/mcp", key=b"k")
SERVERS = {
    "docs": Server(Upstream("mcp/docs", MCP, "https://h"), DOOR),
    "root": Server(Upstream("mcp/root", MCP, "https://r"), Door("root", "https://r", key=b"k")),
}
ANSWERS = Answers()


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/mcp", True),
        ("/mcp/docs", True),
        ("/mcp/", True),
        ("/.well-known/oauth-protected-resource/mcp/docs", True),
        ("/.well-known/oauth-protected-resource", False),
        ("/.well-known/oauth-protected-resource/other", False),
        ("/mcpx", False),
        ("/openai/mcp/", False),
    ],
)
def test_which_paths_lead_to_servers(path: str, expected: bool) -> None:
    assert leads_here(path) is expected


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("/mcp/docs", "/mcp"),
        ("/mcp/docs/", "/mcp/"),
        ("/mcp/docs?x=/1", "/mcp?x=/1"),
        ("/mcp/docs/a/b?x=1", "/mcp/a/b?x=1"),
        ("/mcp/root", "/"),
        ("/mcp/root/sse", "/sse"),
        ("/.well-known/oauth-protected-resource/mcp/docs", "/.well-known/oauth-protected-resource/mcp"),
        ("/.well-known/oauth-protected-resource/mcp/docs/a", "/.well-known/oauth-protected-resource/mcp/a"),
        ("/.well-known/oauth-protected-resource/mcp/root", "/.well-known/oauth-protected-resource"),
    ],
)
def test_what_they_lead_to(target: str, expected: str) -> None:
    upstream, inner = find(SERVERS, target, "gate:8080", ANSWERS)
    assert inner == expected
    assert upstream.base_url == SERVERS[upstream.name.removeprefix("mcp/")].upstream.base_url


def test_the_dialect_knows_how_the_client_writes_the_servers_address() -> None:
    upstream, _ = find(SERVERS, "/mcp/docs/x", "gate:8080", ANSWERS)
    dialect = upstream.family.fallback.dialect
    assert isinstance(dialect, Mcp)
    assert dialect.door is not None
    assert (dialect.door.resource, dialect.asked.target) == ("http://gate:8080/mcp/docs", "/mcp/x")
    assert dialect.door.answers is ANSWERS


def test_a_sealed_address_leads_outside_of_the_path() -> None:
    _, out = DOOR.for_messages("/messages?s=1", "") or ("", "")
    upstream, inner = find(SERVERS, out, "gate", ANSWERS)
    dialect = upstream.family.fallback.dialect
    assert inner == "/messages?s=1"
    assert isinstance(dialect, Mcp)
    assert dialect.asked.answers_apart


@pytest.mark.parametrize("target", ["/mcp", "/mcp/", "/mcp/other", "/mcp/%64ocs", "/mcp/docs;x"])
def test_what_is_not_configured_is_not_found(target: str) -> None:
    with pytest.raises(ClientError, match="NAME one of: docs, root") as caught:
        find(SERVERS, target, "gate", ANSWERS)
    assert (caught.value.code, caught.value.status) == (Code.NOT_FOUND, 404)
    with pytest.raises(ClientError, match=r"add a table \[mcp.NAME\]"):
        find({}, target, "gate", ANSWERS)
