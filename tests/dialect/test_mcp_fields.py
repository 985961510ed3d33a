"""Header fields that repeat the body of an MCP request."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialect.base import Fields
from gateway.dialect.mcp_fields import decoded, encoded, mirrored
from gateway.errors import ClientError, Code
from tests.dialect.replay import made

ARGUMENTS = {"to": "Zürich", "n": 5, "deep": {"on": True}, "none": None, "x": 1.5}
CALL = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "add", "arguments": ARGUMENTS}}
READ = {"jsonrpc": "2.0", "id": 1, "method": "resources/read", "params": {"uri": "memo://1"}}


def fields_of(message: Any, *fields: tuple[str, str]) -> Fields:
    document = made(message)
    return mirrored(fields, document, document)


@pytest.mark.parametrize(
    ("message", "name", "value"),
    [
        (CALL, "Mcp-Method", "tools/call"),
        (CALL, "mcp-name", "add"),
        (CALL, "Mcp-Name", "=?base64?YWRk?="),
        (READ, "Mcp-Name", "memo://1"),
        (CALL, "Mcp-Param-To", "=?base64?WsO8cmljaA==?="),
        (CALL, "Mcp-Param-N", "5"),
        (CALL, "Mcp-Param-On", "true"),
    ],
)
def test_a_field_that_repeats_the_body_goes_on_as_it_came(message: Any, name: str, value: str) -> None:
    fields = ((name, value), ("Accept", "x"))
    assert fields_of(message, *fields) == fields


@pytest.mark.parametrize(
    ("message", "name", "value"),
    [
        (CALL, "Mcp-Method", "tools/list"),
        (CALL, "Mcp-Name", "Add"),
        (CALL, "Mcp-Name", "=?base64?YWRk=?="),
        (CALL, "Mcp-Name", "=?base64?YWRl?="),
        (CALL, "Mcp-Name", "=?base64?/w==?="),
        (READ, "Mcp-Name", "memo://2"),
        ({"jsonrpc": "2.0", "id": 1, "method": "ping"}, "Mcp-Name", "x"),
        (CALL, "Mcp-Param-To", "Zurich"),
        (CALL, "Mcp-Param-None", "null"),
        (CALL, "Mcp-Param-X", "1.5"),
        (READ, "Mcp-Param-X", "x"),
        ({"jsonrpc": "2.0", "method": "x", "params": [1]}, "Mcp-Name", "x"),
        ([CALL], "Mcp-Method", "tools/call"),
    ],
)
def test_one_that_does_not_is_refused(message: Any, name: str, value: str) -> None:
    with pytest.raises(ClientError, match="the header fields and the body disagree") as caught:
        fields_of(message, (name, value))
    assert (caught.value.code, caught.value.status) == (Code.MISMATCH, 400)


def test_one_that_stands_twice_is_refused() -> None:
    with pytest.raises(ClientError, match="stands twice"):
        fields_of(CALL, ("Mcp-Name", "add"), ("mcp-name", "add"))


def test_without_a_body_there_is_nothing_to_repeat() -> None:
    with pytest.raises(ClientError, match="no message"):
        mirrored((("Mcp-Method", "ping"),), None, None)
    assert mirrored((("Mcp-Session-Id", "s"),), None, None) == (("Mcp-Session-Id", "s"),)


def test_an_edit_of_the_body_is_repeated() -> None:
    after = {**CALL, "params": {"name": "add", "arguments": {**ARGUMENTS, "to": "[CITY] ü"}}}
    fields = (("Mcp-Param-To", "=?base64?WsO8cmljaA==?="), ("Mcp-Param-N", "5"))
    out = mirrored(fields, made(CALL), made(after))
    assert out == (("Mcp-Param-To", encoded("[CITY] ü")), ("Mcp-Param-N", "5"))


@given(st.text())
def test_what_is_encoded_is_read_back(text: str) -> None:
    field = encoded(text)
    assert field.isascii()
    assert field.isprintable()
    assert field == field.strip()
    assert decoded(field) == text
