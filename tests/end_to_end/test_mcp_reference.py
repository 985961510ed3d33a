"""The reference MCP servers, unmodified, with `lockgate mcp` before them: what they offer is pinned and can be used."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from mcp import StdioServerParameters, types
from mcp.client.client import Client

from tests.end_to_end.running import configured
from tests.end_to_end.test_mcp_pins import pins
from tests.end_to_end.test_mcp_stdio import ROOT, command


@asynccontextmanager
async def session(config: Path, name: str, *server: str) -> AsyncIterator[Client]:
    args = command(config, sys.executable, "-m", *server, options=("--name", name))
    async with Client(StdioServerParameters(command=sys.executable, args=args, cwd=ROOT), mode="legacy") as client:
        yield client


def config_in(folder: Path, tables: str = "") -> Path:
    path = folder / "lockgate.toml"
    path.write_text(configured("http://127.0.0.1:1", tables).replace('folders = ["rules"]', ""))
    return path


async def names(client: Client) -> set[str]:
    return {tool.name for tool in (await client.list_tools()).tools}


async def said(client: Client, name: str, /, **arguments: object) -> tuple[bool, str]:
    result = await client.call_tool(name, dict(arguments))
    assert isinstance(result.content[0], types.TextContent)
    return bool(result.is_error), result.content[0].text


async def test_the_time_server_tells_the_time(tmp_path: Path) -> None:
    config = config_in(tmp_path)
    for _ in range(2):
        async with session(config, "time", "mcp_server_time", "--local-timezone", "UTC") as client:
            assert await names(client) == {"get_current_time", "convert_time"}
            failed, words = await said(client, "get_current_time", timezone="Europe/Rome")
            assert not failed
            assert "Europe/Rome" in words
    assert (await pins(config, "list"))[1] == "no tool waits for a decision\n"
    assert "time  get_current_time  accepted" in (await pins(config, "list", "--all"))[1]


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    subprocess.run(["git", "init", "-q", str(folder)], check=True)
    (folder / "a.txt").write_text("a\n")
    return folder


async def test_the_git_server_does_what_it_may_and_nothing_else(repository: Path, tmp_path: Path) -> None:
    config = config_in(tmp_path, "[tools.git_reset]\nenabled = false\n")
    async with session(config, "git", "mcp_server_git", "--repository", str(repository)) as client:
        offered = await names(client)
        assert {"git_status", "git_add"} <= offered
        assert "git_reset" not in offered
        failed, words = await said(client, "git_status", repo_path=str(repository))
        assert not failed
        assert "a.txt" in words
        failed, words = await said(client, "git_reset", repo_path=str(repository))
        assert failed
        assert "switched off" in words
