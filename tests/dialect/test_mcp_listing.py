"""Where tools are listed in what an MCP server says."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.dialect.mcp import Mcp
from gateway.dialect.message import Listing
from gateway.errors import Malformed
from gateway.wire.document import parse

TOOL = {"name": "read", "description": "Reads.", "inputSchema": {"type": "object"}}


def answer(result: Any, id: Any = 1) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": id, "result": result}


def listed(value: Any) -> tuple[Listing, ...]:
    return Mcp().listed(parse(json.dumps(value).encode()))


def test_a_list_is_told_by_its_shape() -> None:
    assert listed(answer({"tools": [TOOL]})) == (Listing(("result", "tools"), (TOOL,)),)


def test_a_page_tells_that_more_follow() -> None:
    assert [one.goes_on for one in listed(answer({"tools": [], "nextCursor": "2"}))] == [True]
    assert [one.goes_on for one in listed(answer({"tools": [], "nextCursor": None}))] == [False]


def test_each_answer_of_a_batch_has_its_own() -> None:
    found = listed([answer({"tools": [TOOL]}), answer({"content": []}, 2), answer({"tools": []}, 3)])
    assert [one.at for one in found] == [(0, "result", "tools"), (2, "result", "tools")]


@pytest.mark.parametrize(
    "value",
    [
        answer({"content": []}),
        answer({"tools": None}),
        answer("tools"),
        {"jsonrpc": "2.0", "id": 1, "error": {"code": 1, "message": "tools"}},
        # Tools of its own, which a server offers with a request for sampling.
        {"jsonrpc": "2.0", "id": 1, "method": "sampling/createMessage", "params": {"tools": [TOOL]}},
        "tools",
        [1],
    ],
)
def test_what_lists_no_tools_holds_no_list(value: Any) -> None:
    assert listed(value) == ()


@pytest.mark.parametrize(
    "result",
    [
        {"Tools": [TOOL]},
        {"tools": [], "TOOLS": [TOOL]},
        {"tools": [], "NextCursor": "2"},
        {"tools": {"0": TOOL}},
        {"tools": [{**TOOL, "Name": "write"}]},
        {"tools": [{**TOOL, "Description": "Writes."}]},
        {"tools": [{"description": "Reads."}]},
        {"tools": [{**TOOL, "name": 1}]},
        {"tools": ["read"]},
    ],
)
def test_what_another_reader_could_take_for_another_list_is_refused(result: dict[str, Any]) -> None:
    with pytest.raises(Malformed, match=r"`\w+`|no name"):
        listed(answer(result))
