"""The official MCP client and server, unmodified, with `lockgate mcp` between them: only the command differs."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from mcp import StdioServerParameters, types
from mcp.client.client import Client
from mcp.shared.exceptions import MCPError

from gateway.audit import files
from tests.end_to_end.running import CARD, PACK, SECRET, configured
from tests.end_to_end.test_mcp import LEGACY, MARK, MODERN
from tests.stdio.test_relay import WAITS

ROOT = Path(__file__).parents[2]
GATE = "from gateway.cli import main; main()"
SERVER = (sys.executable, "-m", "tests.fakes.mcp_server")
HELLO = {
    "protocolVersion": LEGACY,
    "capabilities": {},
    "clientInfo": {"name": "test", "version": "1"},
}


@dataclass(slots=True)
class Through:
    """A client with a server of its own, and the gateway between."""

    client: Client
    told: list[str | None] = field(default_factory=list)

    async def call(self, name: str, **arguments: Any) -> types.CallToolResult:
        async def on_progress(progress: float, total: float | None, message: str | None) -> None:
            self.told.append(message)

        return await self.client.call_tool(name, arguments, progress_callback=on_progress)

    async def text(self, name: str, **arguments: Any) -> str:
        result = await self.call(name, **arguments)
        assert isinstance(result.content[0], types.TextContent)
        return result.content[0].text


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "test.toml").write_text(PACK)
    path = tmp_path / "lockgate.toml"
    # A credential that this process does not have is none of its business.
    path.write_text(configured("http://127.0.0.1:1", '[mcp.other]\nurl = "http://h"\napi_key_env = "OTHER_KEY"\n'))
    return path


def command(config: Path, *server: str, options: tuple[str, ...] = ()) -> list[str]:
    return ["-c", GATE, "mcp", "--config", str(config), *options, "--", *server]


@asynccontextmanager
async def connected(config: Path, mode: str = "legacy", model_says: str = "hello") -> AsyncIterator[Through]:
    async def sampled(context: Any, params: types.CreateMessageRequestParams) -> types.CreateMessageResult:
        content = types.TextContent(type="text", text=model_says)
        return types.CreateMessageResult(role="assistant", content=content, model="m")

    args = command(config, *SERVER, options=("--name", "fake"))
    server = StdioServerParameters(command=sys.executable, args=args, cwd=ROOT)
    async with Client(server, mode=mode, sampling_callback=sampled) as client:
        yield Through(client)


def records(config: Path, name: str = "mcp-fake") -> list[dict[str, Any]]:
    """The exchanges in the audit of the process, oldest first."""
    folders = sorted((config.parent / "state" / "audit" / name).iterdir())
    lines = (line for folder in folders for path in files(folder) for line in path.read_bytes().splitlines())
    return [made for made in (json.loads(line)["record"] for line in lines) if "event" not in made]


@pytest.mark.parametrize("mode", ["legacy", MODERN])
async def test_a_session(config: Path, mode: str) -> None:
    async with connected(config, mode) as through:
        client = through.client
        assert (await through.call("add", a=1, b=2)).structured_content == {"result": 3}
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        assert tools["news"].description == f"Reads the news. {MARK} Then report."
        assert await through.text("news") == f"Rain today. {MARK} Sun tomorrow."
        (contents,) = (await client.read_resource("memo://today")).contents
        assert isinstance(contents, types.TextResourceContents)
        assert contents.text == f"Buy milk. {MARK} Call home."
        assert len((await client.get_prompt("greet", {"name": "Ada"})).messages) == 1
        assert await through.text("echo", text=f"charge {CARD}") == "charge [CARD]"
        refused = await through.call("echo", text=SECRET)
        assert refused.is_error
        assert "`test-secret`" in refused.model_dump_json()
        assert SECRET not in (await through.call("leak")).model_dump_json()
        with pytest.raises(MCPError, match="test-secret"):
            await client.get_prompt("greet", {"name": SECRET})
        assert await through.text("count", to=2) == "counted"
        assert await through.text("slip") == "slipped"
        assert through.told == ["step 1", "step 2", "done"]
    found = {made["operation"]: made for made in records(config)}
    assert found["tools/call add"]["upstream"] == "mcp/fake"
    assert (found["tools/call add"]["method"], found["tools/call add"]["outcome"]) == ("STDIO", "forwarded")
    assert (found["tools/call leak"]["effect"], found["tools/call leak"]["code"]) == ("block", "secret_blocked")
    assert {made["outcome"] for made in records(config)} >= {"forwarded", "edited", "refused"}


async def test_requests_of_the_server(config: Path) -> None:
    async with connected(config) as through:
        assert through.client.instructions == f"Adds numbers. {MARK} That is all."
        assert await through.text("ask", question="who?") == "it says hello"
        assert (await through.text("ask_secret")).startswith("no answer: Method not found")


async def test_a_secret_of_the_clients_model_does_not_reach_the_server(config: Path) -> None:
    async with connected(config, model_says=SECRET) as through:
        assert (await through.text("ask", question="who?")).startswith("no answer: the text holds a credential")


async def test_a_server_that_crashes(config: Path) -> None:
    async with connected(config) as through:
        with pytest.raises(MCPError, match="it ended with code 3"):
            await through.call("crash")
    assert records(config)[-1]["outcome"] == "failed"


async def test_a_call_that_is_cancelled(config: Path) -> None:
    async with connected(config) as through:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await through.call("sleep")
        assert await through.text("echo", text="next") == "next"
    assert "client_gone" in [made["outcome"] for made in records(config) if made["operation"] == "tools/call sleep"]


class Gate:
    """`lockgate mcp` in a process of its own, spoken to by hand."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def say(self, raw: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(raw)
        await self.process.stdin.drain()

    async def hear(self) -> Any:
        assert self.process.stdout is not None
        async with asyncio.timeout(20):
            return json.loads(await self.process.stdout.readline())

    async def end(self) -> tuple[int, bytes]:
        """Close its input, and wait; its exit code, and what it wrote to standard error."""
        async with asyncio.timeout(20):
            _, stderr = await self.process.communicate()
        assert self.process.returncode is not None
        return self.process.returncode, stderr


@asynccontextmanager
async def gate(config: Path, *server: str, **variables: str) -> AsyncIterator[Gate]:
    pipe = asyncio.subprocess.PIPE
    environ = {"PATH": "/usr/bin:/bin", "HOME": str(config.parent), **variables}
    process = await asyncio.create_subprocess_exec(
        sys.executable, *command(config, *server), cwd=ROOT, env=environ, stdin=pipe, stdout=pipe, stderr=pipe
    )
    try:
        yield Gate(process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


def python(program: str) -> tuple[str, str, str]:
    return sys.executable, "-c", program


async def test_standard_error_and_the_exit_code_are_the_servers(config: Path) -> None:
    async with gate(config, *python("import sys; sys.stderr.write('my log\\n'); sys.exit(7)")) as one:
        code, stderr = await one.end()
    assert code == 7
    assert b"my log\n" in stderr


async def test_broken_lines_are_told_and_recorded(config: Path) -> None:
    async with gate(config, *python("print('noise', flush=True); input(); input()")) as one:
        assert (await one.hear())["error"]["data"]["code"] == "upstream_error"
        await one.say(b"garbage\n")
        assert (await one.hear())["error"]["code"] == -32600
        await one.say(b"\n\n")
        assert (await one.end())[0] == 0
    (name,) = (config.parent / "state" / "audit").iterdir()
    assert [made["code"] for made in records(config, name.name)] == ["upstream_error", "unreadable_body"]


async def test_a_signal_reaches_the_server(config: Path) -> None:
    async with gate(config, *python(WAITS)) as one:
        assert (await one.hear())["method"] == "up"
        one.process.send_signal(signal.SIGTERM)
        assert (await one.end())[0] == 9


async def test_the_server_does_not_get_the_gateways_credentials(config: Path) -> None:
    program = "import json, os; print(json.dumps({'jsonrpc': '2.0', 'method': ' '.join(sorted(os.environ))}))"
    async with gate(config, *python(program), OTHER_KEY="k", MINE="m") as one:
        names = (await one.hear())["method"].split()
        assert "MINE" in names
        assert "OTHER_KEY" not in names
        await one.end()


async def test_what_cannot_be_started_is_said(config: Path) -> None:
    async with gate(config, "no-such-server") as one:
        code, stderr = await one.end()
    assert code == 2
    assert b"error: `no-such-server` cannot be run" in stderr


async def test_a_wrong_configuration_is_said(config: Path) -> None:
    with config.open("a") as file:
        file.write("[nonsense]\n")
    async with gate(config, *python("")) as one:
        code, stderr = await one.end()
    assert code == 2
    assert b"unknown key" in stderr


async def test_two_processes_for_one_server_have_an_audit_each(config: Path) -> None:
    reads = python("input()")
    async with gate(config, *reads) as one, gate(config, *reads) as other:
        for each in (one, other):
            await each.say(b"garbage\n")
            await each.hear()
        await one.end()
        await other.end()
    (folder,) = (config.parent / "state" / "audit").iterdir()
    assert sorted(path.name for path in folder.iterdir()) == ["1", "2"]
