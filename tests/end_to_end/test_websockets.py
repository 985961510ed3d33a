"""Sessions over a WebSocket with real clients: the OpenAI SDK, unmodified; only the base URL differs."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import openai
import pytest
from openai.resources.realtime.realtime import AsyncRealtimeConnection
from openai.resources.responses.responses import AsyncResponsesConnection
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.end_to_end.conftest import Start
from tests.end_to_end.running import CARD, ORDER, SECRET, Running, configured, running
from tests.fakes.script import Call, Fail, Raw, Say
from tests.fakes.sockets import INSTRUCTIONS
from tests.fakes.talk import KEY
from tests.fakes.upstream import Upstream

PATIENCE = 15.0


@asynccontextmanager
async def speaking(gateway: Running, key: str = KEY) -> AsyncIterator[AsyncRealtimeConnection]:
    async with (
        openai.AsyncOpenAI(api_key=key, base_url=f"{gateway.url}/openai/v1", max_retries=0) as client,
        client.realtime.connect(model="gpt-realtime") as connection,
        asyncio.timeout(PATIENCE),
    ):
        yield connection


@asynccontextmanager
async def responding(gateway: Running) -> AsyncIterator[AsyncResponsesConnection]:
    async with (
        openai.AsyncOpenAI(api_key=KEY, base_url=f"{gateway.url}/openai/v1", max_retries=0) as client,
        client.responses.connect() as connection,
        asyncio.timeout(PATIENCE),
    ):
        yield connection


async def until(connection: Any, *kinds: str) -> list[Any]:
    """The events up to the first of one of these types."""
    events = []
    async for event in connection:
        events.append(event)
        if event.type in kinds:
            break
    return events


def joined(events: list[Any]) -> str:
    return "".join(event.delta for event in events if event.type == "response.output_text.delta")


async def test_a_realtime_session(gateway: Running, upstream: Upstream) -> None:
    upstream.script = [Say("Hello there.", (Call("weather", '{"city": "Zürich"}'),)), Say("Rain.")]
    async with speaking(gateway) as connection:
        assert (await connection.recv()).type == "session.created"
        await connection.session.update(session={"type": "realtime", "instructions": "Be brief."})
        await connection.response.create()
        events = await until(connection, "response.done")
        assert joined(events) == "Hello there."
        assert [item.type for item in events[-1].response.output] == ["message", "function_call"]
        output = {"type": "function_call_output", "call_id": "call_1", "output": f"Rain all day. {ORDER}! Wind."}
        await connection.conversation.item.create(item=output)  # type: ignore[arg-type]
        await connection.response.create()
        assert joined(await until(connection, "response.done")) == "Rain."
    update, _, item, create = upstream.messages
    told = update["session"]["instructions"]  # type: ignore[index]
    assert told.startswith("Be brief.\n\nSecurity rules")
    given = item["item"]["output"]  # type: ignore[index]
    assert given.startswith("<untrusted-data id=")
    assert "Rain all day." in given
    assert ORDER not in given
    assert "response" not in create
    record = await gateway.recorded()
    assert (record["dialect"], record["status"], record["outcome"], record["wrapped"]) == (
        "openai_realtime",
        101,
        "edited",
        1,
    )
    assert record["request"]["events"] == 4
    assert record["usage"] == {"input": 18, "output": 24}
    assert upstream.requests[0].header("authorization") == f"Bearer {KEY}"


async def test_instructions_of_a_session_that_the_client_never_set_are_lengthened(
    gateway: Running, upstream: Upstream
) -> None:
    async with speaking(gateway) as connection:
        await connection.recv()
        await connection.response.create()
        await until(connection, "response.done")
    told = upstream.messages[0]["response"]["instructions"]  # type: ignore[index]
    assert told.startswith(f"{INSTRUCTIONS}\n\nSecurity rules")


async def test_responses_over_a_websocket(gateway: Running, upstream: Upstream) -> None:
    upstream.script = [Say("Hello there."), Say("And again.")]
    async with responding(gateway) as connection:
        for said in ("Hello there.", "And again."):
            await connection.response.create(model="gpt", input="hi")
            events = await until(connection, "response.completed")
            assert joined(events) == said
            assert events[-1].response.status == "completed"
    assert "Security rules" in str(upstream.messages[0]["instructions"])
    record = await gateway.recorded()
    assert (record["dialect"], record["model"]) == ("openai_responses", "gpt")


@pytest.mark.parametrize("step", [1, 4, 100])
async def test_personal_data_is_redacted_across_messages(step: int, gateway: Running, upstream: Upstream) -> None:
    upstream.script = Say(f"Your card is {CARD}, keep it.", step=step)
    async with responding(gateway) as connection:
        await connection.response.create(model="gpt", input="hi")
        events = await until(connection, "response.completed")
    assert CARD not in joined(events)
    assert joined(events).endswith(", keep it.")
    assert CARD not in events[-1].response.output_text


async def test_a_secret_ends_the_answer_and_the_session(gateway: Running, upstream: Upstream) -> None:
    upstream.script = Say(f"It is {SECRET}.", step=3)
    async with responding(gateway) as connection:
        await connection.response.create(model="gpt", input="hi")
        events = await until(connection, "response.incomplete", "response.completed")
        assert events[-1].response.incomplete_details.reason == "content_filter"
        assert joined(events) == "It is "
        assert (await connection.recv()).type == "error"
        with pytest.raises(ConnectionClosed) as closed:
            await connection.recv()
    record = await gateway.recorded()
    assert closed.value.rcvd is not None
    assert (closed.value.rcvd.code, closed.value.rcvd.reason.partition(":")[0]) == (
        1008,
        f"secret_blocked, {record['id']}",
    )
    assert (record["outcome"], record["code"]) == ("cut", "secret_blocked")
    assert SECRET not in json.dumps(gateway.records())


async def test_a_refused_message_is_an_error_event_and_the_session_goes_on(
    gateway: Running, upstream: Upstream
) -> None:
    upstream.script = Say("Fine.")
    async with speaking(gateway) as connection:
        await connection.recv()
        content = [{"type": "input_text", "text": SECRET}]
        item: Any = {"type": "message", "role": "user", "content": content}
        await connection.conversation.item.create(item=item, event_id="mine")
        told = await connection.recv()
        assert (told.type, told.error.event_id, told.error.code) == ("error", "mine", "secret_blocked")  # type: ignore[union-attr]
        await connection.response.create()
        assert joined(await until(connection, "response.done")) == "Fine."
    assert [message["type"] for message in upstream.messages] == ["response.create"]
    assert (await gateway.recorded())["outcome"] == "refused"


@pytest.mark.parametrize("status", [401, 404, 426, 500])
async def test_an_upstream_without_websockets_says_so_at_once(
    status: int, gateway: Running, upstream: Upstream
) -> None:
    upstream.script = Fail(status, "the upstream's own words")
    with pytest.raises(InvalidStatus) as refused:
        async with responding(gateway):
            pass
    assert refused.value.response.status_code == status
    assert b"the upstream's own words" in refused.value.response.body
    assert (await gateway.recorded())["status"] == status


async def test_an_upstream_that_breaks_off_is_an_error_and_a_close(gateway: Running, upstream: Upstream) -> None:
    upstream.script = Raw((b'{"type": "response.created", "response": {"id": "r", "output": []}}',), cut=True)
    async with responding(gateway) as connection:
        await connection.response.create(model="gpt", input="hi")
        assert (await connection.recv()).type == "response.created"
        told = await connection.recv()
        assert (told.type, told.error.code) == ("error", "upstream_error")  # type: ignore[union-attr]
        with pytest.raises(ConnectionClosed):
            await connection.recv()
    assert (await gateway.recorded())["outcome"] == "failed"


async def test_garbage_of_the_upstream_is_an_error_and_a_close(gateway: Running, upstream: Upstream) -> None:
    upstream.script = Raw((b"unjudged words",))
    async with responding(gateway) as connection:
        await connection.response.create(model="gpt", input="hi")
        assert (await connection.recv()).type == "error"
    assert (await gateway.recorded())["code"] == "upstream_error"


async def test_rules_that_are_edited_hold_in_sessions_that_are_open(start: Start, upstream: Upstream) -> None:
    upstream.script = Say("Fine.")
    async with start() as gateway, speaking(gateway) as connection:
        await connection.recv()
        gateway.write_pack(
            '[[rule]]\nid = "test-word"\nwhy = "w"\ncategory = "secret.key"\nseverity = "critical"\n'
            'words = ["zebra"]\nhits = ["a zebra", "zebra"]\nmisses = ["horse", "cow"]\n'
        )
        content = [{"type": "input_text", "text": "zebra"}]
        item: Any = {"type": "message", "role": "user", "content": content}
        while True:
            await connection.conversation.item.create(item=item)
            event = await connection.recv()
            if event.type == "error":
                break
            await asyncio.sleep(0.02)
        assert event.error.code == "secret_blocked"


async def test_an_agent_that_is_taken_out_of_the_configuration_is_taken_out_of_its_session(
    upstream: Upstream, tmp_path: Path
) -> None:
    agent, key = '[agents.research]\nkey_env = "RESEARCH"\n', "a-gateway-key-of-research"
    async with running(configured(upstream.url, agent), tmp_path, {"RESEARCH": key}) as gateway:
        async with speaking(gateway, key) as connection:
            assert (await connection.recv()).type == "session.created"
            (tmp_path / "lockgate.toml").write_text(configured(upstream.url))
            error: Any = await connection.recv()
            assert (error.type, error.error.code) == ("error", "identity_required")
            with pytest.raises(ConnectionClosed) as closed:
                await connection.recv()
        record = await gateway.recorded()
    assert closed.value.rcvd is not None
    reason = f"identity_required, {record['id']}: there is no agent `research` any more"
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1008, reason)
    assert (record["outcome"], record["principal"]) == ("cut", "research")
