"""Calls of real MCP tools that take too long, return too much, or come too often."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from mcp import StdioServerParameters, types
from mcp.client.client import Client
from mcp.client.sse import sse_client
from mcp.shared.exceptions import MCPError

from tests.end_to_end.running import configured, running
from tests.end_to_end.test_mcp_stdio import ROOT, SERVER, command
from tests.fakes import mcp_server
from tests.fakes.mcp_server import serving
from tests.services import redis as services

TOOLS = """
[tools."*"]
tier = 0
[tools.sleep]
timeout = "1s"
[tools.echo]
result = { max_size = "200B" }
[tools.weather]
result = { schema = { required = ["temperature"] } }
"""


@asynccontextmanager
async def over_http(folder: Path, tables: str = TOOLS, **settings: Any) -> AsyncIterator[Client]:
    with serving("http", **settings) as url:
        text = configured("http://127.0.0.1:1", f'[mcp.fake]\nurl = "{url}"\n{tables}')
        async with running(text, folder) as gate, Client(f"{gate.url}/mcp/fake", mode="legacy") as client:
            yield client


@asynccontextmanager
async def over_pipes(folder: Path, tables: str = TOOLS) -> AsyncIterator[Client]:
    config = folder / "lockgate.toml"
    config.write_text(configured("http://127.0.0.1:1", tables).replace('folders = ["rules"]', ""))
    args = command(config, *SERVER, options=("--name", "fake"))
    async with Client(StdioServerParameters(command=sys.executable, args=args, cwd=ROOT), mode="legacy") as client:
        yield client


@asynccontextmanager
async def over_sse(folder: Path, tables: str = TOOLS) -> AsyncIterator[Client]:
    with serving("sse") as url:
        text = configured("http://127.0.0.1:1", f'[mcp.fake]\nurl = "{url}"\n{tables}')
        async with (
            running(text, folder) as gate,
            Client(sse_client(f"{gate.url}/mcp/fake"), mode="legacy") as client,
        ):
            yield client


WAYS = {
    "sse": over_sse,
    "streams": over_http,
    "whole": lambda folder: over_http(folder, json_response=True),
    "pipes": over_pipes,
}


def lines(folder: Path) -> list[dict[str, Any]]:
    """The lines of all audits."""
    found = [line for path in sorted(folder.rglob("*.jsonl")) for line in path.read_bytes().splitlines()]
    return [json.loads(line)["record"] for line in found]


def calls(folder: Path) -> dict[str, dict[str, Any]]:
    """The lines of calls, by tool."""
    return {one["tool"]: one for one in lines(folder) if one.get("event") == "call"}


async def said(client: Client, name: str, **arguments: Any) -> tuple[bool, str]:
    result = await client.call_tool(name, arguments)
    assert isinstance(result.content[0], types.TextContent)
    return bool(result.is_error), result.content[0].text


@pytest.mark.parametrize("way", WAYS)
async def test_what_a_tool_may_not_return_or_take_is_a_failure_of_the_tool(way: str, tmp_path: Path) -> None:
    mcp_server.cancelled.clear()
    async with WAYS[way](tmp_path) as client:
        assert await said(client, "echo", text="short") == (False, "short")
        failed, words = await said(client, "echo", text="long " * 100)
        assert failed
        assert "[tools.echo.result] allows 200" in words
        failed, words = await said(client, "weather", city="Rome")
        assert failed
        assert "of [tools.weather.result]" in words
        failed, words = await said(client, "sleep")
        assert failed
        assert "has not answered within the 1 seconds" in words
        assert await said(client, "echo", text="go on") == (False, "go on")
    found = calls(tmp_path)
    if way == "sse":  # results come after the record of who asked for them, on a stream with one of its own
        results = {one["tool"]: one for one in lines(tmp_path) if one.get("event") == "call_result"}
        assert {name: (one["result"], one["id"]) for name, one in results.items()} == {
            name: (result, found[name]["id"])
            for name, result in {"echo": "returned", "weather": "unfit", "sleep": "overdue"}.items()
        }
        assert "result" not in found["weather"]
        (stream,) = [one for one in lines(tmp_path) if one.get("method") == "GET"]
        assert [reason["rule"] for reason in stream["reasons"]] == ["test-order", "tool-timeout"]
        return
    assert (found["weather"]["result"], found["sleep"]["result"]) == ("unfit", "overdue")
    assert found["sleep"]["duration_ms"] >= 1000


TWICE = '[tools."*"]\ntier = 0\n[tools.echo]\nrequests_per_minute = 2\n'


@pytest.mark.parametrize("way", [over_http, over_pipes])
async def test_a_tool_that_is_called_too_often_is_refused(way: Any, tmp_path: Path) -> None:
    async with way(tmp_path, TWICE) as client:
        for _ in range(2):
            assert await said(client, "echo", text="a") == (False, "a")
        with pytest.raises(MCPError, match=r"tools\.echo"):
            await client.call_tool("echo", {"text": "a"})
        assert (await said(client, "add", a=1, b=2))[0] is False


async def test_calls_over_pipes_are_counted_together_where_a_store_is_shared(tmp_path: Path) -> None:
    with services.single(tmp_path / "redis") as server:
        tables = f'{TWICE}[store]\nurl = "redis://127.0.0.1:{server.port}"\n'
        for _ in range(2):
            async with over_pipes(tmp_path, tables) as client:
                assert await said(client, "echo", text="a") == (False, "a")
        async with over_pipes(tmp_path, tables) as client:
            with pytest.raises(MCPError, match=r"tools\.echo"):
                await client.call_tool("echo", {"text": "a"})
