"""What an MCP server says of its protection."""

from __future__ import annotations

from gateway.dialect.mcp_door import Door
from gateway.dialect.mcp_metadata import Metadata
from tests.dialect.replay import made, patched, rows

SAID = {"resource": "https://h/mcp", "authorization_servers": ["https://login/"], "scopes_supported": ["a"]}


def test_the_resource_becomes_the_address_that_the_client_uses() -> None:
    dialect = Metadata(Door("n", "https://h/mcp", "http://gate:8080"))
    document = made(SAID)
    assert patched(document, dialect.amend(document)) == {**SAID, "resource": "http://gate:8080/mcp/n"}
    assert [text for _, text, _ in rows(dialect.answer(document))] == ["https://login/", "a"]


def test_what_has_none_stays() -> None:
    dialect = Metadata(Door("n", "https://h/mcp"))
    assert dialect.amend(made({"error": "x"})) == ()
    assert dialect.amend(made({"resource": ["x"]})) == ()
    assert dialect.amend(made([])) == ()


def test_without_a_server_everything_is_read() -> None:
    document = made(SAID)
    assert Metadata().amend(document) == ()
    assert "https://h/mcp" in [text for _, text, _ in rows(Metadata().answer(document))]
