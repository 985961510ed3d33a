"""The official MCP client and server by proxy: what is configured is read as MCP, what is not as plain HTTP."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from mcp import types
from mcp.client.client import Client
from mcp.client.sse import sse_client

from tests.end_to_end.proxy.proxied import HOST, Authorities, Proxied, opened, proxied
from tests.end_to_end.running import CARD, SECRET
from tests.fakes.mcp_server import serving

pytestmark = pytest.mark.filterwarnings("ignore:.*deprecated as of 2026-07-28")

MARK = "[removed by the security gateway: text that addressed the assistant]"
LEGACY, MODERN = "2025-11-25", "2026-07-28"
WAYS = [("http", LEGACY, {}), ("http", MODERN, {}), ("http", LEGACY, {"json_response": True}), ("sse", LEGACY, {})]


@asynccontextmanager
async def connected(
    server: str, version: str, proxy: Proxied, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Client]:
    with monkeypatch.context() as patched:
        for name, value in proxy.environ.items():
            patched.setenv(name, value)
        target: Any = sse_client(server) if server.endswith("/sse") else server
        async with Client(target, mode="legacy" if version == LEGACY else version) as client:
            yield client


def configured(server: str, transport: str) -> str:
    """The tables for a server. In HTTP+SSE messages go to another path than its own, which an entry has to allow."""
    port = urlsplit(server).port
    assert port is not None
    return f'[mcp.fake]\nurl = "{server}"\n' + (opened(port) if transport == "sse" else "")


async def text(client: Client, name: str, **arguments: Any) -> str:
    result = await client.call_tool(name, arguments)
    assert isinstance(result.content[0], types.TextContent)
    return result.content[0].text


@pytest.mark.parametrize("is_secure", [True, False], ids=["https", "http"])
@pytest.mark.parametrize(("transport", "version", "settings"), WAYS, ids=str)
async def test_a_configured_server_is_read_as_mcp(
    transport: str,
    version: str,
    settings: dict[str, Any],
    is_secure: bool,
    authorities: Authorities,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with serving(transport, authorities.context() if is_secure else None, **settings) as url:
        server = url.replace("127.0.0.1", HOST)
        async with (
            proxied(configured(server, transport), tmp_path) as proxy,
            asyncio.timeout(20),
            connected(server, version, proxy, monkeypatch) as client,
        ):
            assert (await client.call_tool("add", {"a": 1, "b": 2})).structured_content == {"result": 3}
            assert await text(client, "news") == f"Rain today. {MARK} Sun tomorrow."
            tools = {tool.name: tool for tool in (await client.list_tools()).tools}
            assert tools["news"].description == f"Reads the news. {MARK} Then report."
            assert await text(client, "echo", text=f"charge {CARD} now") == "charge [CARD] now"
            refused = await client.call_tool("echo", {"text": f"my key is {SECRET}"})
            assert refused.is_error
            assert "`test-secret`" in refused.model_dump_json()
            assert (await client.call_tool("leak", {})).is_error
            assert await text(client, "count", to=3) == "counted"
        calls = [record for record in proxy.gate.records() if record["operation"] == "tools/call add"]
        assert [(record["upstream"], record["dialect"], record["host"]) for record in calls] == [
            ("mcp/fake", "mcp", HOST)
        ]
        assert SECRET not in str(proxy.gate.records())


async def test_a_call_that_is_refused_is_answered_on_the_stream_without_its_server(
    authorities: Authorities, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """HTTP+SSE: the answer to a message comes on the stream that named its address, and so does the refusal."""
    with serving("sse", authorities.context()) as url:
        server = url.replace("127.0.0.1", HOST)
        async with (
            proxied(configured(server, "sse"), tmp_path) as proxy,
            asyncio.timeout(20),
            connected(server, LEGACY, proxy, monkeypatch) as client,
        ):
            refused = await client.call_tool("echo", {"text": f"my key is {SECRET}"})
            assert refused.is_error
            assert "`test-secret`" in refused.model_dump_json()
            assert await text(client, "echo", text="again") == "again"
        posted = [record for record in proxy.gate.records() if record["operation"] == "tools/call echo"]
        assert {record["dialect"] for record in posted} == {"mcp"}
        assert SECRET not in str(proxy.gate.records())


async def test_a_result_that_comes_on_the_stream_is_held_to_what_is_configured(
    authorities: Authorities, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tables = '[tools.echo]\ntier = 0\nresult = { max_size = "200B" }\n[tools.sleep]\ntier = 0\ntimeout = "1s"\n'
    with serving("sse", authorities.context()) as url:
        server = url.replace("127.0.0.1", HOST)
        async with (
            proxied(configured(server, "sse") + tables, tmp_path) as proxy,
            asyncio.timeout(20),
            connected(server, LEGACY, proxy, monkeypatch) as client,
        ):
            assert "allows 200" in await text(client, "echo", text="long " * 100)
            assert "has not answered within the 1 seconds" in await text(client, "sleep")
            assert await text(client, "echo", text="again") == "again"


async def test_any_other_server_is_plain_http(
    authorities: Authorities, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving("http", authorities.context(), json_response=True) as url:
        server = url.replace("127.0.0.1", HOST)
        port = urlsplit(server).port
        assert port is not None
        async with (
            proxied(opened(port), tmp_path) as proxy,
            connected(server, LEGACY, proxy, monkeypatch) as client,
        ):
            assert (await client.call_tool("add", {"a": 1, "b": 2})).structured_content == {"result": 3}
            assert MARK in await text(client, "news")
        dialects = {(record["upstream"], record["dialect"]) for record in proxy.gate.records()}
        assert dialects == {("egress.local", "plain")}


@pytest.fixture(scope="module", autouse=True)
def quiet() -> Iterator[None]:
    """The SDK sets up a log of its own."""
    level = logging.getLogger("mcp").level
    logging.getLogger("mcp").setLevel(logging.CRITICAL)
    yield
    logging.getLogger("mcp").setLevel(level)
