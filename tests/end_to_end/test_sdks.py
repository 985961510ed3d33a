"""The providers' own SDKs, unmodified, through the gateway: only the base URL differs."""

from __future__ import annotations

import asyncio

import anthropic
import openai
import pytest
from google.genai import _interactions_errors as interactions_errors
from google.genai import errors as genai_errors

from tests.end_to_end.running import Running, until
from tests.fakes.agents import AGENTS, GENAI_SUBCLASSES_AIOHTTP, Agent, status_of
from tests.fakes.script import Call, Fail, Say
from tests.fakes.talk import KEY, Heard, Talk, Turn, ask
from tests.fakes.upstream import Upstream

pytestmark = pytest.mark.filterwarnings(GENAI_SUBCLASSES_AIOHTTP)

WEATHER = Call("weather", '{"city": "Zürich", "days": 3}')
ASYNC_AGENTS = [agent for agent in AGENTS if agent.name.endswith("-async")]
FINISHED = {
    "chat": "stop",
    "responses": "completed",
    "messages": "end_turn",
    "gemini": "STOP",
    "interactions": "completed",
}
FINISHED_WITH_CALLS = {**FINISHED, "chat": "tool_calls", "messages": "tool_use", "interactions": "requires_action"}

TYPED_ERRORS: dict[int, tuple[type[Exception], ...]] = {
    400: (
        openai.BadRequestError,
        anthropic.BadRequestError,
        genai_errors.ClientError,
        interactions_errors.BadRequestError,
    ),
    401: (
        openai.AuthenticationError,
        anthropic.AuthenticationError,
        genai_errors.ClientError,
        interactions_errors.AuthenticationError,
    ),
    404: (openai.NotFoundError, anthropic.NotFoundError, genai_errors.ClientError, interactions_errors.NotFoundError),
    429: (
        openai.RateLimitError,
        anthropic.RateLimitError,
        genai_errors.ClientError,
        interactions_errors.RateLimitError,
    ),
    500: (
        openai.InternalServerError,
        anthropic.InternalServerError,
        genai_errors.ServerError,
        interactions_errors.InternalServerError,
    ),
}


@pytest.mark.parametrize("agent", AGENTS, ids=str)
async def test_chat(agent: Agent, gateway: Running, upstream: Upstream) -> None:
    upstream.script = Say('Grüße — and 再见, with "quotes" and\nlines.')
    heard = await agent.speak(gateway.of(agent), ask("hello"))
    finish = FINISHED[agent.name.partition("-")[0]]
    assert heard == Heard('Grüße — and 再见, with "quotes" and\nlines.', (), finish)
    record = await gateway.recorded()
    assert (record["upstream"], record["status"], record["streamed"]) == (agent.upstream, 200, agent.streamed)
    assert record["request"]["coverage"] == record["answer"]["coverage"] == "dialect"
    assert record["request"]["segments"] >= 1


@pytest.mark.parametrize("agent", AGENTS, ids=str)
async def test_tools(agent: Agent, gateway: Running, upstream: Upstream) -> None:
    """The model asks for a tool; its result goes back, marked as data; the model answers."""
    upstream.script = [Say("Looking.", calls=(WEATHER,)), Say("Rain, rain.")]
    url = gateway.of(agent)
    first = await agent.speak(url, Talk((Turn("weather?"),), system="Be brief.", with_tools=True))
    finish = FINISHED_WITH_CALLS[agent.name.partition("-")[0]]
    assert first == Heard("Looking.", (("weather", {"city": "Zürich", "days": 3}),), finish)
    turns = (Turn("weather?"), Turn(call=WEATHER, result="rain all day"))
    second = await agent.speak(url, Talk(turns, system="Be brief.", with_tools=True))
    assert second.text == "Rain, rain."
    assert "rain all day" in upstream.last.body.decode()
    assert (await gateway.recorded(2))["wrapped"] == 1


@pytest.mark.parametrize("status", TYPED_ERRORS)
@pytest.mark.parametrize("agent", ASYNC_AGENTS, ids=str)
async def test_an_upstream_error_is_raised_as_the_sdks_own(
    agent: Agent, status: int, gateway: Running, upstream: Upstream
) -> None:
    upstream.script = Fail(status, "the upstream's own words", headers=(("x-should-retry", "false"),))
    with pytest.raises(TYPED_ERRORS[status]) as raised:
        await agent.speak(gateway.of(agent), ask("hello"))
    assert status_of(raised.value) == status
    assert "the upstream's own words" in str(raised.value)
    assert (await gateway.recorded())["outcome"] in {"forwarded", "edited"}


@pytest.mark.parametrize("agent", [agent for agent in ASYNC_AGENTS if agent.upstream != "gemini"], ids=str)
async def test_an_sdk_retries_what_its_provider_lets_it_retry(
    agent: Agent, gateway: Running, upstream: Upstream
) -> None:
    upstream.script = [Fail(500, headers=(("retry-after-ms", "10"),)), Say("at last")]
    assert (await agent.speak(gateway.of(agent), ask("hello"))).text == "at last"
    await gateway.recorded(2)
    assert [record["status"] for record in gateway.records()] == [500, 200]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_several_choices(stream: bool, gateway: Running, upstream: Upstream) -> None:
    upstream.script = Say("the first choice", others=("the second one",), step=3)
    texts = {0: "", 1: ""}
    async with openai.AsyncOpenAI(api_key=KEY, base_url=f"{gateway.url}/openai/v1") as client:
        if stream:
            async for chunk in await client.chat.completions.create(
                model="gpt", messages=[{"role": "user", "content": "hi"}], n=2, stream=True
            ):
                for piece in chunk.choices:
                    texts[piece.index] += piece.delta.content or ""
        else:
            whole = await client.chat.completions.create(model="gpt", messages=[{"role": "user", "content": "hi"}], n=2)
            texts = {choice.index: choice.message.content or "" for choice in whole.choices}
    assert texts == {0: "the first choice", 1: "the second one"}


async def test_a_stream_arrives_as_it_is_made(gateway: Running, upstream: Upstream) -> None:
    """The first words are there while the upstream is still silent about the rest."""
    upstream.script = Say("One two three four. And so on", step=4, pause_after=8)
    async with openai.AsyncOpenAI(api_key=KEY, base_url=f"{gateway.url}/openai/v1") as client:
        stream = await client.chat.completions.create(
            model="gpt", messages=[{"role": "user", "content": "hi"}], stream=True
        )
        text = ""
        async with asyncio.timeout(5):
            async for chunk in stream:
                text += chunk.choices[0].delta.content or ""
                if "three" in text:
                    break
        await stream.close()
    await upstream.departure()


async def test_a_client_that_closes_its_stream_ends_the_upstream_call(gateway: Running, upstream: Upstream) -> None:
    upstream.script = Say("never to be finished", pause_after=3)
    async with anthropic.AsyncAnthropic(api_key=KEY, base_url=f"{gateway.url}/anthropic") as client:
        stream = await client.messages.create(
            model="claude", max_tokens=9, messages=[{"role": "user", "content": "hi"}], stream=True
        )
        await anext(aiter(stream))
        await stream.close()
        await upstream.departure()
    assert (await gateway.recorded())["outcome"] == "client_gone"


async def test_a_client_that_times_out_raises_its_own_error_and_ends_the_upstream_call(
    gateway: Running, upstream: Upstream
) -> None:
    upstream.script = Say("too late", pause_after=0)
    async with openai.AsyncOpenAI(
        api_key=KEY, base_url=f"{gateway.url}/openai/v1", timeout=0.3, max_retries=0
    ) as client:
        stream = await client.chat.completions.create(
            model="gpt", messages=[{"role": "user", "content": "hi"}], stream=True
        )
        with pytest.raises(openai.APITimeoutError):
            await anext(aiter(stream))
    await upstream.departure()
    assert (await gateway.recorded())["outcome"] == "client_gone"


async def test_a_cancelled_call_ends_the_upstream_call(gateway: Running, upstream: Upstream) -> None:
    upstream.script = Say("never to be finished", pause_after=1)
    agent = next(agent for agent in AGENTS if agent.name == "chat-stream-async")
    call = asyncio.ensure_future(agent.speak(gateway.of(agent), ask("hello")))

    async def arrived() -> bool:
        return bool(upstream.requests)

    await until(arrived, 5)
    call.cancel()
    await upstream.departure()
