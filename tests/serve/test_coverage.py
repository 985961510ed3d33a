from __future__ import annotations

from gateway.dialect.families import FAMILIES
from gateway.serve.coverage import Row, families, matrix
from gateway.settings import Config
from gateway.settings.proxy import Proxy
from tests.serve.loopback import FAMILY


def test_routes_stand_in_order_and_the_fallback_last() -> None:
    assert matrix([FAMILY]) == (
        Row("test", ("*",), "/read/.*", "plain", "text", "json", "json", generates=False),
        Row("test", ("*",), "*", "plain", "pass", "bytes", "bytes", generates=False),
        Row("test", ("WEBSOCKET",), "*", "plain", "text", "json", "json", generates=False),
    )


def test_sessions_are_declared_too() -> None:
    rows = matrix([FAMILIES["openai"]])
    assert [(row.path, row.dialect) for row in rows if row.methods == ("WEBSOCKET",)] == [
        ("(?:/v1)?/realtime(/.*)?", "openai_realtime"),
        ("(?:/v1)?/responses", "openai_responses"),
        ("*", "plain"),
    ]


def test_what_else_the_proxy_leads_to_is_plain_http() -> None:
    assert "http" in {family.name for family in families(Config())}
    assert "http" not in {family.name for family in families(Config(proxy=Proxy(enabled=False)))}


def test_every_family_declares_what_it_does_with_every_other_path() -> None:
    rows = matrix(FAMILIES.values())
    assert {row.family for row in rows if row.path == "*"} == {family.name for family in FAMILIES.values()}


def test_mcp_is_there_where_a_server_is() -> None:
    assert "mcp" not in {family.name for family in families(Config())}
    config = Config.model_validate({"mcp": {"docs": {"url": "https://h/mcp"}}})
    assert families(config)[-1].name == "mcp"
    assert [(row.path, row.dialect, row.coverage) for row in matrix(families(config)[-1:])] == [
        ("(.*)/\\.well\\-known/oauth\\-protected\\-resource(/.*)?", "mcp_metadata", "dialect"),
        ("*", "mcp", "dialect"),
        ("*", "plain", "text"),  # over a WebSocket, which MCP does not use
    ]


def test_a_path_whose_bodies_tell_what_is_spoken_has_a_row_for_each() -> None:
    rows = [row for row in matrix([FAMILIES["bedrock"]]) if row.path.startswith("/model/.+/invoke")]
    assert [(row.path, row.dialect, row.coverage, row.answer) for row in rows] == [
        ("/model/.+/invoke", "bedrock_messages", "dialect", "json"),
        ("/model/.+/invoke (other bodies)", "plain", "text", "json"),
        ("/model/.+/invoke-with-response-stream", "bedrock_messages", "dialect", "json"),
        ("/model/.+/invoke-with-response-stream (other bodies)", "plain", "text", "bytes"),
        ("/model/.+/invoke-with-bidirectional-stream", "plain", "pass", "bytes"),
    ]
