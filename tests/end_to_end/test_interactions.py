"""Interactions that their provider keeps, as Google's own SDK has them: going on, coming back, being asked about."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from google.genai import _interactions_errors as interactions_errors
from google.genai.client import AsyncClient

from tests.end_to_end.conftest import Start
from tests.end_to_end.running import ORDER, Running
from tests.end_to_end.test_approvals import ASK, PATIENCE, SEND, pending
from tests.end_to_end.test_firewall import PAGE, READ, STOLEN, calls
from tests.end_to_end.test_stop import lockgate
from tests.fakes import interactions as fake
from tests.fakes.agents import GENAI_SUBCLASSES_AIOHTTP
from tests.fakes.interactions_agents import client_of, heard, heard_of
from tests.fakes.script import Answer, Fail, Say, Seen
from tests.fakes.talk import Heard
from tests.fakes.upstream import Upstream

pytestmark = pytest.mark.filterwarnings(GENAI_SUBCLASSES_AIOHTTP)

SENDING = Say("I will write to them.", calls=(SEND,))
LOOP: list[Any] = [
    {"type": "user_input", "content": [{"type": "text", "text": "Summarise the minutes."}]},
    {"type": "function_call", "id": "call_0", "name": READ.name, "arguments": READ.parsed()},
    {"type": "function_result", "call_id": "call_0", "result": PAGE},
]


async def create(client: AsyncClient, *, stream: bool, **asked: Any) -> Heard:
    made: Any = await client.interactions.create(model="gemini", stream=stream, **asked)
    return heard_of([event async for event in made]) if stream else heard(made)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("given", ["And in short?", [{"type": "text", "text": "And in short?"}]])
async def test_a_kept_conversation_goes_on_after_a_call_of_it_was_refused(
    gateway: Running, upstream: Upstream, given: Any, stream: bool
) -> None:
    """The provider takes no further turn unless each of its calls has a result."""

    def answer(seen: Seen) -> Answer:
        asked = seen.json()
        if "previous_interaction_id" not in asked:
            return Say("Writing to them.", calls=(STOLEN,))
        waiting = fake.waits_for(asked, (STOLEN,))
        return Fail(400, f"no result for {waiting}") if waiting else Say("Sales rose, costs fell.")

    upstream.script = answer
    async with client_of(f"{gateway.url}/gemini").aio as client:
        first = await create(client, stream=stream, input=LOOP)
        second = await create(client, stream=stream, input=given, previous_interaction_id="int_1")
    assert first.calls == ()
    assert first.finish == "completed"
    assert "[The security gateway refused the call of `send_email`: " in first.text
    assert second == Heard("Sales rose, costs fell.", (), "completed")
    supplied: Any = upstream.last.json()["input"]
    result, turn = supplied
    assert (result["call_id"], result["is_error"]) == (STOLEN.id, True)
    assert turn == {"type": "user_input", "content": [{"type": "text", "text": "And in short?"}]}
    await gateway.recorded(2)
    (call,) = calls(gateway)
    assert (call["tool"], call["effect"]) == ("send_email", "block")


async def test_an_order_in_a_result_is_cut_out_and_the_rest_is_marked(gateway: Running, upstream: Upstream) -> None:
    upstream.script = Say("Sales rose.")
    async with client_of(f"{gateway.url}/gemini").aio as client:
        await create(client, stream=False, input=LOOP)
    asked = upstream.last.json()
    result = asked["input"][2]["result"]  # type: ignore[index]
    assert result.startswith("<untrusted-data id=")
    assert ORDER not in result
    assert str(asked["system_instruction"]).startswith("Security rules")


async def test_a_streamed_call_is_held_until_it_is_approved(start: Start, upstream: Upstream) -> None:
    upstream.script = SENDING
    async with start() as gateway, client_of(f"{gateway.url}/gemini").aio as client:
        held = asyncio.create_task(create(client, stream=True, input=ASK))
        ticket = await pending(gateway)
        assert (ticket["tool"], ticket["arguments"]) == ("send_mail", SEND.parsed())
        edited = {**SEND.parsed(), "text": "hi"}
        await lockgate(gateway, "approvals", "approve", ticket["id"], "--arguments", json.dumps(edited))
        left = await asyncio.wait_for(held, PATIENCE)
    assert left == Heard(SENDING.text, (("send_mail", edited),), "requires_action")


async def test_a_call_in_a_whole_answer_passes_once_its_ticket_is_approved(start: Start, upstream: Upstream) -> None:
    upstream.script = SENDING
    async with start() as gateway, client_of(f"{gateway.url}/gemini").aio as client:
        first = await create(client, stream=False, input=ASK)
        ticket = await pending(gateway)
        assert (first.calls, first.finish) == ((), "completed")
        assert f"(ticket {ticket['id']})" in first.text
        await lockgate(gateway, "approvals", "approve", ticket["id"])
        again = await create(client, stream=False, input=ASK)
    assert again == Heard(SENDING.text, (("send_mail", SEND.parsed()),), "requires_action")


async def test_an_interaction_in_the_background_is_ruled_on_when_it_is_fetched(
    start: Start, upstream: Upstream
) -> None:
    upstream.script = SENDING
    async with (
        start("[tools.send_mail]\nenabled = false\n") as gateway,
        client_of(f"{gateway.url}/gemini").aio as client,
    ):
        fetched: Any = await client.interactions.get(id="int_7")
        stream: Any = await client.interactions.get(id="int_7", stream=True)
        streamed = heard_of([event async for event in stream])
        cancelled: Any = await client.interactions.cancel(id="int_7")
        await client.interactions.delete(id="int_7")
        assert heard(fetched) == heard(cancelled)
        assert (streamed.calls, streamed.finish) == (heard(fetched).calls, heard(fetched).finish) == ((), "completed")
        assert "[The security gateway refused the call of `send_mail`: " in streamed.text
        assert [seen.method for seen in upstream.requests] == ["GET", "GET", "POST", "DELETE"]
        await create(client, stream=False, input="on", previous_interaction_id="int_7")
    assert upstream.last.json()["input"][0]["type"] == "function_result"  # type: ignore[index]


@pytest.mark.parametrize(
    ("asked", "kind"),
    [
        ({"tools": [{"type": "url_context"}]}, "web_fetch"),
        ({"tools": [{"type": "mcp_server", "name": "x", "url": "https://mcp.evil.example/"}]}, "mcp"),
        ({"environment": {"type": "remote"}}, "code"),
    ],
)
async def test_what_the_provider_would_run_is_judged_in_the_request(
    gateway: Running, upstream: Upstream, asked: Any, kind: str
) -> None:
    async with client_of(f"{gateway.url}/gemini").aio as client:
        with pytest.raises(interactions_errors.BadRequestError) as raised:
            await create(client, stream=False, input="hi", **asked)
        assert f"`{kind}`" in str(raised.value)
        assert upstream.requests == []
        await create(client, stream=False, input="hi", tools=[{"type": "code_execution"}, {"type": "google_search"}])
