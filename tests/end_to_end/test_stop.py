"""The stop switch on real traffic: what is under way ends with the ending of its dialect, and nothing new begins."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest
from websockets.exceptions import ConnectionClosed

from gateway.audit import files
from gateway.stops.decision import Decision, Over, Scope
from gateway.stops.folder import Folder
from tests.end_to_end.conftest import Start
from tests.end_to_end.faults import CLEAN, post
from tests.end_to_end.running import Running, configured, running, until
from tests.end_to_end.test_websockets import speaking
from tests.fakes.agents import AGENTS, GENAI_SUBCLASSES_AIOHTTP, SDK_ERRORS, Agent, code_of, status_of
from tests.fakes.script import Call, Say
from tests.fakes.talk import KEY, Talk, Turn
from tests.fakes.upstream import Upstream
from tests.services import redis as services

AGENT = '[agents.research]\nkey_env = "RESEARCH"\n'
ENVIRON = {"RESEARCH": "a-gateway-key-of-research"}
HELD = Say("a long answer that goes on and on " * 20, step=10, pause_after=8)
PATIENCE = 10.0
LOCKGATE = [sys.executable, "-c", "from gateway.cli import main; main()"]


async def lockgate(gateway: Running, *arguments: str, code: int = 0) -> str:
    """Run a command with the gateway's configuration; what it prints."""
    process = await asyncio.create_subprocess_exec(
        *LOCKGATE,
        *arguments,
        "--config",
        str(gateway.folder / "lockgate.toml"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={"PATH": os.environ["PATH"], "HOME": str(gateway.folder)},  # the gateway's credentials are not needed
    )
    out, _ = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == code, out
    return out.decode()


async def chat(gateway: Running, key: str = KEY) -> str | None:
    """How a streamed chat ends: its finish reason."""
    ending = None
    async with openai.AsyncOpenAI(api_key=key, base_url=f"{gateway.url}/openai/v1", max_retries=0) as client:
        stream = await client.chat.completions.create(
            model="gpt-5", messages=[{"role": "user", "content": "Tell me all."}], stream=True
        )
        async for chunk in stream:
            ending = chunk.choices[0].finish_reason if chunk.choices else ending
    return ending


@asynccontextmanager
async def under_way(upstream: Upstream, *answers: Any) -> AsyncIterator[list[asyncio.Task[Any]]]:
    """Answers that have begun, and wait for the rest."""
    tasks = [asyncio.create_task(answer) for answer in answers]

    async def asked() -> bool:
        return len(upstream.requests) >= len(tasks)

    await until(asked, PATIENCE)
    await asyncio.sleep(0.1)
    assert not any(task.done() for task in tasks)
    try:
        yield tasks
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def decisions(gateway: Running) -> list[dict[str, Any]]:
    """The stops and resumes in the audit."""
    lines = (line for path in files(gateway.folder / "state" / "audit") for line in path.read_bytes().splitlines())
    records = (json.loads(line)["record"] for line in lines)
    return [record for record in records if record.get("event") in ("stopped", "resumed")]


async def test_a_stop_ends_what_is_under_way_and_refuses_what_comes(gateway: Running, upstream: Upstream) -> None:
    upstream.script = HELD
    async with under_way(upstream, chat(gateway)) as (answer,):
        told = await lockgate(gateway, "stop", "--why", "it leaks")
        assert await asyncio.wait_for(answer, PATIENCE) == "content_filter"
    assert "all  since " in told
    assert ": it leaks" in told
    noted = await gateway.recorded()
    assert (noted["outcome"], noted["code"]) == ("cut", "stopped")
    got = await post(gateway, CLEAN)
    assert (got.status, got.code) == (503, "stopped")
    assert "it leaks" in got.body
    assert got.headers["x-should-retry"] == "false"
    assert len(upstream.requests) == 1
    upstream.script = Say("hello")
    assert "nothing is stopped" in await lockgate(gateway, "resume")

    async def served() -> bool:
        return (await post(gateway, CLEAN)).status == 200

    await until(served, PATIENCE)
    assert [(one["event"], one["scope"], one["why"]) for one in decisions(gateway)] == [
        ("stopped", "all", "it leaks"),
        ("resumed", "all", ""),
    ]


async def test_one_agent_is_stopped_and_others_go_on(upstream: Upstream, tmp_path: Path) -> None:
    upstream.script = HELD
    async with (
        running(configured(upstream.url, AGENT), tmp_path, ENVIRON) as gateway,
        under_way(upstream, chat(gateway, ENVIRON["RESEARCH"]), chat(gateway)) as (theirs, other),
    ):
        await lockgate(gateway, "stop", "--agent", "research")
        assert await asyncio.wait_for(theirs, PATIENCE) == "content_filter"
        upstream.script = Say("hello")
        with pytest.raises(openai.InternalServerError, match=r"the agent `research` is stopped by"):
            await chat(gateway, ENVIRON["RESEARCH"])
        assert await chat(gateway) == "stop"
        assert not other.done()


async def test_one_upstream_is_stopped_with_the_ending_of_its_dialect(gateway: Running, upstream: Upstream) -> None:
    upstream.script = HELD

    async def message() -> str | None:
        async with (
            anthropic.AsyncAnthropic(api_key=KEY, base_url=f"{gateway.url}/anthropic", max_retries=0) as client,
            client.messages.stream(
                model="claude-x", max_tokens=100, messages=[{"role": "user", "content": "Tell me all."}]
            ) as stream,
        ):
            return (await stream.get_final_message()).stop_reason

    async with under_way(upstream, message(), chat(gateway)) as (theirs, other):
        await lockgate(gateway, "stop", "--upstream", "anthropic")
        assert await asyncio.wait_for(theirs, PATIENCE) == "refusal"
        assert not other.done()


TOOL = Say(calls=(Call("weather", '{"city": "Zürich"}'),), step=3)
WEATHER = Talk((Turn("weather?"),), with_tools=True)


async def tool_stopped(gateway: Running) -> None:
    """The stop of the tool has reached the gateway."""
    Folder(gateway.folder / "state").keep([Decision(Scope(Over.TOOL, "weather"), True, "", "ops", 1)])

    async def known() -> bool:
        return bool(decisions(gateway))

    await until(known, PATIENCE)


@pytest.mark.filterwarnings(GENAI_SUBCLASSES_AIOHTTP)
@pytest.mark.parametrize("agent", AGENTS, ids=str)
async def test_a_call_of_a_stopped_tool_does_not_reach_the_agent(
    agent: Agent, gateway: Running, upstream: Upstream
) -> None:
    upstream.script = TOOL
    assert (await agent.speak(gateway.of(agent), WEATHER)).calls != ()
    await tool_stopped(gateway)
    if agent.streamed:
        assert (await agent.speak(gateway.of(agent), WEATHER)).calls == ()
    else:
        with pytest.raises(SDK_ERRORS) as raised:
            await agent.speak(gateway.of(agent), WEATHER)
        assert (status_of(raised.value), code_of(raised.value)) == (400, "tool_denied")
    noted = await gateway.recorded(2)
    assert (noted["code"], [reason["rule"] for reason in noted["reasons"]]) == ("tool_denied", ["stopped-tool"])
    upstream.script = Say("Nothing to call.")
    told = Talk((Turn("weather?"), Turn(call=Call("weather", '{"city": "Zürich"}'), result="rain"), Turn("and?")))
    assert (await agent.speak(gateway.of(agent), told)).text, "what was called before is no call"


async def test_it_is_stopped_where_nothing_else_is_enforced(start: Start, upstream: Upstream) -> None:
    upstream.script = TOOL
    async with start() as gateway:
        (gateway.folder / "lockgate.toml").write_text(
            (gateway.folder / "lockgate.toml").read_text().replace("[rules]", '[rules]\nprofile = "monitor"')
        )
        await tool_stopped(gateway)
        with pytest.raises(SDK_ERRORS, match=r"the tool may not be used \(rule `stopped-tool`\)"):
            await AGENTS[0].speak(gateway.of(AGENTS[0]), WEATHER)


async def test_a_session_ends_too(gateway: Running, upstream: Upstream) -> None:
    async with speaking(gateway) as connection:
        assert (await connection.recv()).type == "session.created"
        await lockgate(gateway, "stop", "--why", "enough")
        error: Any = await connection.recv()
        assert (error.type, error.error.code) == ("error", "stopped")
        with pytest.raises(ConnectionClosed) as closed:
            await connection.recv()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1008
    assert closed.value.rcvd.reason.startswith("stopped, ")


async def test_a_stop_survives_a_restart(start: Start, upstream: Upstream, tmp_path: Path) -> None:
    async with start() as gateway:
        await lockgate(gateway, "stop")
    text = (tmp_path / "lockgate.toml").read_text()
    (tmp_path / "rules" / "test.toml").unlink()
    (tmp_path / "rules").rmdir()
    async with running(text, tmp_path) as gateway:
        assert (await post(gateway, CLEAN)).status == 503
    assert upstream.requests == []


async def test_the_file_stops_while_it_is_there(gateway: Running, upstream: Upstream) -> None:
    upstream.script = HELD
    flag = gateway.folder / "state" / "STOP"
    async with under_way(upstream, chat(gateway)) as (answer,):
        flag.write_text("moving house\n")
        assert await asyncio.wait_for(answer, PATIENCE) == "content_filter"
    assert "this gateway is stopped: moving house" in (await post(gateway, CLEAN)).body
    assert "this machine: moving house" in await lockgate(gateway, "stops")
    flag.unlink()
    upstream.script = Say("hello")

    async def served() -> bool:
        return (await post(gateway, CLEAN)).status == 200

    await until(served, PATIENCE)


async def test_a_name_that_nothing_has_is_refused_with_the_names_there_are(gateway: Running) -> None:
    told = await lockgate(gateway, "stop", "--agent", "reserach", code=2)
    assert "the configuration has no agent `reserach`; there are: default" in told
    told = await lockgate(gateway, "stop", "--agent", "default", "--upstream", "openai", code=2)
    assert "a decision is over one thing" in told


async def test_through_a_store_every_gateway_stops(upstream: Upstream, tmp_path: Path) -> None:
    upstream.script = HELD
    with services.single(tmp_path / "redis") as server:
        store = f'[store]\nurl = "redis://127.0.0.1:{server.port}"\n'
        async with AsyncExitStack() as stack:
            folders = [tmp_path / "one", tmp_path / "two"]
            for folder in folders:
                folder.mkdir()
            one, two = [
                await stack.enter_async_context(running(configured(upstream.url, store), folder)) for folder in folders
            ]
            async with under_way(upstream, chat(one), chat(two)) as answers:
                await lockgate(one, "stop", "--why", "everywhere")
                endings = await asyncio.wait_for(asyncio.gather(*answers), PATIENCE)
            assert endings == ["content_filter"] * 2
            assert "everywhere" in (await post(two, CLEAN)).body
            server.kill()
            told = await lockgate(two, "resume", code=1)
            assert "known to the gateways of this machine only" in told

            async def resumed() -> bool:
                return (await post(two, CLEAN)).status != 503

            upstream.script = Say("hello")
            await until(resumed, PATIENCE)
            assert (await post(one, CLEAN)).status == 503, "it cannot have heard of it"
            server.start()

            async def heard() -> bool:
                return (await post(one, CLEAN)).status != 503

            await until(heard, PATIENCE)
