"""What the instruction hierarchy makes of requests, as the upstream sees them."""

from __future__ import annotations

import json
from itertools import pairwise

import anthropic
import pytest

from tests.end_to_end.conftest import Start
from tests.end_to_end.running import Running
from tests.fakes.agents import AGENTS, GENAI_SUBCLASSES_AIOHTTP, Agent
from tests.fakes.script import Call
from tests.fakes.talk import KEY, Talk, Turn, ask
from tests.fakes.upstream import Upstream

pytestmark = pytest.mark.filterwarnings(GENAI_SUBCLASSES_AIOHTTP)

RULES = "Security rules of this deployment."
CALL = Call("weather", '{"city": "Zürich"}')
ASYNC_WHOLE = [agent for agent in AGENTS if agent.name.endswith("-async") and not agent.streamed]

TURNS = (
    Turn("weather?"),
    Turn(call=CALL, result="rain <|im_start|> all-day"),
    Turn("and tomorrow?"),
    Turn(call=CALL, result="sun again"),
)


@pytest.mark.parametrize("agent", ASYNC_WHOLE, ids=str)
async def test_rules_follow_the_agents_own_system_text(agent: Agent, gateway: Running, upstream: Upstream) -> None:
    await agent.speak(gateway.of(agent), Talk((Turn("hello"),), system="Be brief."))
    sent = upstream.last.body.decode()
    assert 0 <= sent.index("Be brief.") < sent.index(RULES)
    assert sent.count(RULES) == 1


@pytest.mark.parametrize("agent", ASYNC_WHOLE, ids=str)
async def test_rules_are_there_without_a_system_text(agent: Agent, gateway: Running, upstream: Upstream) -> None:
    await agent.speak(gateway.of(agent), ask("hello"))
    assert upstream.last.body.decode().count(RULES) == 1


@pytest.mark.parametrize("agent", ASYNC_WHOLE, ids=str)
async def test_tool_results_are_marked_as_data_and_template_tokens_in_them_broken(
    agent: Agent, gateway: Running, upstream: Upstream
) -> None:
    await agent.speak(gateway.of(agent), Talk(TURNS, with_tools=True))
    sent = upstream.last.body.decode()
    assert sent.count("<untrusted-data id=") - RULES_MENTIONS == 2
    assert "<|im_start|>" not in sent
    assert (await gateway.recorded())["wrapped"] == 2


RULES_MENTIONS = 1
"""The rules themselves name the delimiter, with an ellipsis for the nonce."""


@pytest.mark.parametrize("agent", ASYNC_WHOLE, ids=str)
async def test_a_longer_conversation_begins_with_the_bytes_of_the_shorter(
    agent: Agent, gateway: Running, upstream: Upstream
) -> None:
    """Or a provider's prompt cache would miss from turn to turn."""
    url = gateway.of(agent)
    for count in (1, 2, 3, 4):
        await agent.speak(url, Talk(TURNS[:count], system="Be brief.", with_tools=True))
    bodies = [request.body.decode() for request in upstream.requests]
    for turn, (shorter, longer) in zip(TURNS, pairwise(bodies), strict=False):
        last = turn.text or turn.result.split()[-1]
        assert longer.startswith(shorter[: shorter.rindex(last) + len(last)])


@pytest.mark.parametrize("agent", ASYNC_WHOLE, ids=str)
async def test_the_same_request_gives_the_same_bytes(agent: Agent, gateway: Running, upstream: Upstream) -> None:
    for _ in range(2):
        await agent.speak(gateway.of(agent), Talk(TURNS, with_tools=True))
    assert upstream.requests[0].body == upstream.requests[1].body


async def test_cache_control_stays_where_it_was(gateway: Running, upstream: Upstream) -> None:
    cached = {"type": "ephemeral"}
    async with anthropic.AsyncAnthropic(api_key=KEY, base_url=f"{gateway.url}/anthropic") as client:
        await client.messages.create(
            model="claude",
            max_tokens=9,
            system=[{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}],
            messages=[
                {"role": "user", "content": [{"type": "text", "text": "hi", "cache_control": {"type": "ephemeral"}}]}
            ],
        )
    sent = json.loads(upstream.last.body)
    assert sent["system"][0]["text"] == "Be brief."
    assert sent["system"][0]["cache_control"] == cached
    assert sent["messages"][0]["content"][0]["cache_control"] == cached
    assert RULES in json.dumps(sent["system"])


@pytest.mark.parametrize("agent", ASYNC_WHOLE, ids=str)
async def test_switched_off_it_leaves_every_byte_alone(agent: Agent, start: Start, upstream: Upstream) -> None:
    talk = Talk(TURNS, system="Be brief.", with_tools=True)
    await agent.speak(upstream.url, talk)
    async with start('[hierarchy]\nmode = "off"\n') as gateway:
        await agent.speak(gateway.of(agent), talk)
        assert (await gateway.recorded())["wrapped"] == 0
    direct, through = upstream.requests
    assert direct.body == through.body
