"""The official MCP client and server, unmodified, through the gateway over HTTP: only the URL differs."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from mcp import types
from mcp.client.client import Client
from mcp.client.sse import sse_client
from mcp.shared.auth import ProtectedResourceMetadata
from mcp.shared.auth_utils import check_resource_allowed
from mcp.shared.exceptions import MCPError

from tests.end_to_end.conftest import Start
from tests.end_to_end.running import CARD, SECRET, Running, configured, running
from tests.fakes import mcp_server
from tests.fakes.mcp_server import EventMemory, serving
from tests.fakes.script import Raw, Seen
from tests.fakes.upstream import Upstream

pytestmark = pytest.mark.filterwarnings("ignore:.*deprecated as of 2026-07-28")

MARK = "[removed by the security gateway: text that addressed the assistant]"
LEGACY, MODERN = "2025-11-25", "2026-07-28"


@dataclass(slots=True)
class Way:
    """One transport in one version of the protocol."""

    transport: str
    version: str
    settings: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.transport}-{self.version}" + "-json" * bool(self.settings)


WAYS = [
    Way("http", LEGACY),
    Way("http", LEGACY, {"json_response": True}),
    Way("http", MODERN),
    Way("http", MODERN, {"json_response": True}),
    Way("sse", LEGACY),
]
LEGACY_WAYS = [way for way in WAYS if way.version == LEGACY and not way.settings]
STREAMED_WAYS = [way for way in WAYS if not way.settings]


@dataclass(slots=True)
class Through:
    """A client with a session through the gateway."""

    client: Client
    gate: Running
    model_says: str = "hello"
    told: list[str | None] = field(default_factory=list)  # progress messages

    async def call(self, name: str, **arguments: Any) -> types.CallToolResult:
        async def on_progress(progress: float, total: float | None, message: str | None) -> None:
            self.told.append(message)

        return await self.client.call_tool(name, arguments, progress_callback=on_progress)

    async def text(self, name: str, **arguments: Any) -> str:
        result = await self.call(name, **arguments)
        assert isinstance(result.content[0], types.TextContent)
        return result.content[0].text


@pytest.fixture(params=STREAMED_WAYS, ids=str)
def way(request: pytest.FixtureRequest) -> Way:
    found: Way = request.param
    return found


type Connect = Callable[[], AbstractAsyncContextManager[Through]]
"""Connects a client, which must be left in the task that it was connected in."""


@pytest.fixture
def connect(way: Way, tmp_path: Path) -> Connect:
    return lambda: connected(way, tmp_path)


@asynccontextmanager
async def connected(way: Way, folder: Path, tables: str = "") -> AsyncIterator[Through]:
    with serving(way.transport, **way.settings) as url:
        text = configured("http://127.0.0.1:1", f'[mcp.fake]\nurl = "{url}"\n{tables}')
        async with running(text, folder) as gate:
            through: list[Through] = []

            async def sampled(context: Any, params: types.CreateMessageRequestParams) -> types.CreateMessageResult:
                content = types.TextContent(type="text", text=through[0].model_says)
                return types.CreateMessageResult(role="assistant", content=content, model="m")

            async def elicited(context: Any, params: types.ElicitRequestParams) -> types.ElicitResult:
                return types.ElicitResult(action="accept", content={"city": through[0].model_says})

            address = f"{gate.url}/mcp/fake"
            target: Any = sse_client(address) if way.transport == "sse" else address
            mode = "legacy" if way.version == LEGACY else way.version
            async with Client(target, mode=mode, sampling_callback=sampled, elicitation_callback=elicited) as client:
                through.append(Through(client, gate))
                yield through[0]


@pytest.mark.parametrize("way", WAYS, ids=str, indirect=True)
async def test_what_is_clean_works_as_without_a_gateway(connect: Connect, way: Way) -> None:
    async with connect() as through:
        client = through.client
        assert client.protocol_version == way.version
        assert (await through.call("add", a=1, b=2)).structured_content == {"result": 3}
        assert "add" in [tool.name for tool in (await client.list_tools()).tools]
        assert [str(resource.uri) for resource in (await client.list_resources()).resources] == ["memo://today"]
        assert [prompt.name for prompt in (await client.list_prompts()).prompts] == ["greet"]
        assert (await client.list_resource_templates()).resource_templates == []
        reference = types.PromptReference(type="ref/prompt", name="greet")
        completed = await client.complete(reference, {"name": "name", "value": "A"})
        assert completed.completion.values == ["A-one", "A-two"]


@pytest.mark.parametrize("way", WAYS, ids=str, indirect=True)
async def test_instructions_are_cut_out_of_everything_that_a_server_says(connect: Connect, way: Way) -> None:
    async with connect() as through:
        client = through.client
        if way.version == LEGACY:
            assert client.instructions == f"Adds numbers. {MARK} That is all."
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        assert tools["news"].description == f"Reads the news. {MARK} Then report."
        assert await through.text("news") == f"Rain today. {MARK} Sun tomorrow."
        weather = (await through.call("weather", city="Oslo")).structured_content or {}
        assert weather["note"] == f"Rain. {MARK} Wind."
        parts = (await through.call("parts")).content
        assert isinstance(parts[2], types.EmbeddedResource)
        assert isinstance(parts[2].resource, types.TextResourceContents)
        assert parts[2].resource.text == f"Memo. {MARK} End."
        (contents,) = (await client.read_resource("memo://today")).contents
        assert isinstance(contents, types.TextResourceContents)
        assert contents.text == f"Buy milk. {MARK} Call home."
        (message,) = (await client.get_prompt("greet", {"name": "Ada"})).messages
        assert isinstance(message.content, types.TextContent)
        assert message.content.text == f"Say hello to Ada. {MARK} Thanks."


@pytest.mark.parametrize("way", WAYS, ids=str, indirect=True)
async def test_a_secret_in_a_call_is_answered_by_an_error_that_the_model_can_read(connect: Connect) -> None:
    async with connect() as through:
        result = await through.call("echo", text=f"my key is {SECRET}")
        assert result.is_error
        assert isinstance(result.content[0], types.TextContent)
        assert "`test-secret`" in result.content[0].text
        assert "do not retry" in result.content[0].text
        assert await through.text("echo", text="next") == "next"


@pytest.mark.parametrize("way", WAYS, ids=str, indirect=True)
async def test_a_secret_in_a_result_does_not_arrive(connect: Connect) -> None:
    async with connect() as through:
        result = await through.call("leak")
        assert result.is_error
        assert SECRET not in result.model_dump_json()
        assert await through.text("echo", text="next") == "next"


async def test_a_secret_in_any_other_request_is_an_error(connect: Connect) -> None:
    async with connect() as through:
        with pytest.raises(MCPError, match="test-secret"):
            await through.client.get_prompt("greet", {"name": SECRET})
        assert await through.text("echo", text="next") == "next"


async def test_personal_data_is_redacted_on_the_way(connect: Connect) -> None:
    async with connect() as through:
        assert await through.text("echo", text=f"charge {CARD} now") == "charge [CARD] now"


async def test_progress_comes_while_it_is_made(connect: Connect) -> None:
    async with connect() as through:
        assert await through.text("count", to=3) == "counted"
        assert through.told == ["step 1", "step 2", "step 3"]


async def test_a_refused_notification_does_not_end_the_call(connect: Connect) -> None:
    async with connect() as through:
        assert await through.text("slip") == "slipped"
        assert through.told == ["done"]


@pytest.mark.parametrize("way", LEGACY_WAYS, ids=str, indirect=True)
class TestRequestsOfTheServer:
    async def test_the_clients_model_answers(self, connect: Connect) -> None:
        async with connect() as through:
            assert await through.text("ask", question="who?") == "it says hello"
            assert await through.text("form") == "accept hello"

    async def test_a_secret_in_the_question_does_not_arrive(self, connect: Connect) -> None:
        async with connect() as through:
            assert (await through.text("ask_secret")).startswith("no answer: Method not found")

    async def test_a_secret_in_the_answer_does_not_leave(self, connect: Connect) -> None:
        async with connect() as through:
            through.model_says = SECRET
            answer = await through.text("ask", question="who?")
            assert answer.startswith("no answer: the text holds a credential")
            assert SECRET not in answer


@pytest.mark.parametrize("way", [Way("http", MODERN)], ids=str, indirect=True)
async def test_an_argument_that_a_field_repeats_may_be_edited(connect: Connect) -> None:
    """The client sends `Mcp-Param-City`; the server holds it against the body."""
    async with connect() as through:
        await through.client.list_tools()
        assert (await through.call("forecast", city=CARD)).structured_content == {"result": "sun in [CARD]"}


async def test_a_call_can_be_cancelled(connect: Connect) -> None:
    async with connect() as through:
        mcp_server.cancelled.clear()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await through.call("sleep")
        assert await asyncio.to_thread(mcp_server.cancelled.wait, 5)
        assert await through.text("echo", text="next") == "next"


async def test_the_record_tells_what_was_asked_for(connect: Connect, way: Way) -> None:
    async with connect() as through:
        await through.call("add", a=1, b=2)
        await through.call("echo", text=SECRET)

        async def found(operation: str) -> dict[str, Any]:
            async with asyncio.timeout(5):
                while True:
                    for record in through.gate.records():
                        if record["operation"] == operation:
                            return record
                    await asyncio.sleep(0.02)

        clean, refused = await found("tools/call add"), await found("tools/call")
        assert (clean["upstream"], clean["dialect"], clean["outcome"]) == ("mcp/fake", "mcp", "forwarded")
        assert (refused["effect"], refused["code"]) == ("block", "secret_blocked")


FIELDS = {"Accept": "application/json, text/event-stream", "Mcp-Protocol-Version": LEGACY}


async def test_a_stream_can_be_taken_up_again(tmp_path: Path) -> None:
    """A server that keeps its events gives each an id; who comes back with the last one gets what followed."""
    hello = {"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}
    with serving("http", event_store=EventMemory()) as server:
        async with (
            running(configured("http://127.0.0.1:1", f'[mcp.fake]\nurl = "{server}"\n'), tmp_path) as gate,
            aiohttp.ClientSession(headers=FIELDS) as http,
        ):
            url = f"{gate.url}/mcp/fake"

            async def post(message: dict[str, Any], session: str = "") -> tuple[str, bytes]:
                fields = {"Mcp-Session-Id": session} if session else {}
                async with http.post(url, json={"jsonrpc": "2.0", **message}, headers=fields) as answer:
                    return answer.headers.get("Mcp-Session-Id", ""), await answer.read()

            session, _ = await post({"id": 0, "method": "initialize", "params": hello})
            await post({"method": "notifications/initialized"}, session)
            params = {"name": "slip", "arguments": {}, "_meta": {"progressToken": "p"}}
            _, stream = await post({"id": 1, "method": "tools/call", "params": params}, session)
            ids = re.findall(rb"^id: (\d+)", stream, re.MULTILINE)
            assert len(ids) == 4  # an empty event that gives the first id, two of progress, the result
            assert b"a notification was held back" in stream
            fields = {"Mcp-Session-Id": session, "Last-Event-ID": ids[0].decode(), "Accept": "text/event-stream"}
            again = b""
            async with http.get(url, headers=fields) as answer:
                while b'"id":1' not in again:
                    again += await answer.content.readany()
            assert re.findall(rb"^id: (\d+)", again, re.MULTILINE)[:3] == ids[1:]
            assert SECRET.encode() not in again
            assert b"a notification was held back" in again


JSON = (("Content-Type", "application/json"),)
CALL = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "echo", "arguments": {}}}


class TestAgainstAFake:
    """Servers that no SDK would make."""

    @pytest.fixture
    async def url(self, upstream: Upstream, tmp_path: Path) -> AsyncIterator[str]:
        tables = f'[mcp.fake]\nurl = "{upstream.url}/mcp"\n[mcp.gone]\nurl = "http://127.0.0.1:1/mcp"\n'
        async with running(configured(upstream.url, tables), tmp_path) as gate:
            yield f"{gate.url}/mcp"

    async def post(self, url: str, value: Any = None, **fields: str) -> tuple[int, Any]:
        async with aiohttp.ClientSession() as http, http.post(url, json=value or CALL, headers=fields) as answer:
            return answer.status, await answer.json()

    async def test_one_that_cannot_be_reached(self, url: str) -> None:
        status, body = await self.post(f"{url}/gone")
        assert (status, body["id"], body["error"]["code"]) == (502, 1, -32603)

    async def test_one_that_is_not_configured(self, url: str) -> None:
        status, body = await self.post(f"{url}/other")
        assert status == 404
        assert "NAME one of: fake, gone" in body["error"]["message"]

    async def test_fields_that_do_not_repeat_the_body(self, url: str, upstream: Upstream) -> None:
        status, body = await self.post(f"{url}/fake", None, **{"Mcp-Method": "tools/call", "Mcp-Name": "y"})
        assert (status, body["id"], body["error"]["code"]) == (400, 1, -32020)
        assert upstream.requests == []

    async def test_an_address_that_nobody_gave_out(self, url: str, upstream: Upstream) -> None:
        status, body = await self.post(f"{url}/fake/~{'0' * 32}/admin")
        assert (status, body["error"]["code"]) == (404, "unknown_upstream")
        assert upstream.requests == []


class TestProtected:
    """A server that wants a token (RFC 9728)."""

    def answer(self, seen: Seen) -> Raw:
        base = f"http://{seen.header('Host')}"
        if seen.path == "/.well-known/oauth-protected-resource/mcp":
            metadata = {"resource": f"{base}/mcp", "authorization_servers": ["https://login.example/"]}
            return Raw((json.dumps(metadata).encode(),))
        if seen.header("Authorization") != "Bearer good":
            where = f'Bearer error="invalid_token", resource_metadata="{base}/.well-known/oauth-protected-resource/mcp"'
            return Raw((b'{"error": "invalid_token"}',), 401, (*JSON, ("WWW-Authenticate", where)))
        return Raw((b'{"jsonrpc": "2.0", "id": 1, "result": {}}',))

    async def test_a_client_finds_the_metadata_and_may_use_them(self, start: Start, upstream: Upstream) -> None:
        upstream.script = self.answer
        async with start(f'[mcp.fake]\nurl = "{upstream.url}/mcp"\n') as gate, aiohttp.ClientSession() as http:
            url = f"{gate.url}/mcp/fake"
            async with http.post(url, json=CALL) as answer:
                assert answer.status == 401
                assert await answer.json() == {"error": "invalid_token"}
                named = re.search(r'resource_metadata="([^"]*)"', answer.headers["WWW-Authenticate"])
            assert named is not None
            assert named[1].startswith(f"{url}/~")
            for found in (named[1], f"{gate.url}/.well-known/oauth-protected-resource/mcp/fake"):
                async with http.get(found) as answer:
                    metadata = ProtectedResourceMetadata.model_validate(await answer.json())
                assert str(metadata.resource) == url
                assert check_resource_allowed(requested_resource=url, configured_resource=str(metadata.resource))
                assert [str(server) for server in metadata.authorization_servers] == ["https://login.example/"]
            async with http.post(url, json=CALL, headers={"Authorization": "Bearer good"}) as answer:
                assert answer.status == 200

    async def test_the_gateways_own_token_is_shown_for_a_gateway_key(self, upstream: Upstream, tmp_path: Path) -> None:
        upstream.script = self.answer
        environ = {"TOKEN": "good", "KEY": "agent-key"}
        tables = f'[mcp.fake]\nurl = "{upstream.url}/mcp"\napi_key_env = "TOKEN"\n[agents.a]\nkey_env = "KEY"\n'
        async with (
            running(configured(upstream.url, tables), tmp_path, environ) as gate,
            aiohttp.ClientSession() as http,
        ):
            url = f"{gate.url}/mcp/fake"
            async with http.post(url, json=CALL) as answer:
                body = await answer.json()
                assert (answer.status, body["id"], body["error"]["code"]) == (401, None, -32010)
            async with http.post(url, json=CALL, headers={"Authorization": "Bearer agent-key"}) as answer:
                assert answer.status == 200
            assert upstream.last.header("Authorization") == "Bearer good"


@pytest.fixture(scope="module", autouse=True)
def quiet() -> Iterator[None]:
    """The SDK sets up a log of its own."""
    level = logging.getLogger("mcp").level
    logging.getLogger("mcp").setLevel(logging.CRITICAL)
    yield
    logging.getLogger("mcp").setLevel(level)
