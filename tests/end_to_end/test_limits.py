"""Limits on what LLM use costs, with real SDKs: what is refused, what they are told, and what is counted."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import aiohttp
import anthropic
import openai
import pytest
from openai.types.chat import ChatCompletion

from tests.end_to_end.conftest import Start
from tests.end_to_end.running import SECRET, Running
from tests.end_to_end.test_websockets import speaking, until
from tests.fakes.script import Fail, Raw, Say
from tests.fakes.talk import KEY
from tests.fakes.upstream import Upstream

PRICES = """
[prices."gpt-5"]
input = 1.25
output = 10.0
[prices."gpt-5-mini"]
input = 0.25
output = 2.0
[prices."claude-*"]
input = 3.0
output = 15.0
"""


def chat(gateway: Running) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(api_key=KEY, base_url=f"{gateway.url}/openai/v1", max_retries=0)


def claude(gateway: Running) -> anthropic.AsyncAnthropic:
    return anthropic.AsyncAnthropic(api_key=KEY, base_url=f"{gateway.url}/anthropic", max_retries=0)


async def say(client: openai.AsyncOpenAI, text: str = "hi", model: str = "gpt-5", most: int = 50) -> ChatCompletion:
    return await client.chat.completions.create(
        model=model, messages=[{"role": "user", "content": text}], max_completion_tokens=most
    )


async def left(client: openai.AsyncOpenAI) -> int:
    """The tokens that are left behind the reservation of one more request."""
    answer = await client.chat.completions.with_raw_response.create(
        model="gpt-5", messages=[{"role": "user", "content": "hi"}], max_completion_tokens=50
    )
    return int(answer.headers["x-ratelimit-remaining-tokens"])


BUDGET = '[limits.budget]\ntokens = 1000\nper = "month"\n'


async def test_tokens_are_reserved_and_come_to_what_the_provider_counted(start: Start, upstream: Upstream) -> None:
    async with start(BUDGET) as gateway, chat(gateway) as client:
        used = (await say(client)).usage
        assert used is not None
        first = await gateway.recorded()
        reserved = sum(first["reserved"].values())
        assert (first["counted"], first["usage"]["output"]) == ("provider", used.completion_tokens)
        # The second finds what the first used gone, and takes its own reservation.
        assert await left(client) == 1000 - used.prompt_tokens - used.completion_tokens - reserved


@pytest.mark.parametrize("answer", [Fail(500), Fail(429, headers=(("retry-after", "1"),))])
async def test_what_an_upstream_turned_down_is_given_back(answer: Fail, start: Start, upstream: Upstream) -> None:
    async with start(BUDGET) as gateway, chat(gateway) as client:
        whole = await left(client)
        spent = (await gateway.recorded())["usage"]
        upstream.script = [answer, Say("x")]
        with pytest.raises(openai.APIStatusError):
            await say(client)
        assert await left(client) == whole - sum(spent.values())
        assert gateway.records()[1]["counted"] == "nobody"


async def test_a_request_refused_for_its_content_takes_nothing(start: Start, upstream: Upstream) -> None:
    async with start(BUDGET) as gateway, chat(gateway) as client:
        with pytest.raises(openai.BadRequestError):
            await say(client, SECRET)
        record = await gateway.recorded()
        assert (record["reserved"], record["counted"], record["usage"]) == ({}, "nobody", {})


async def test_a_stream_without_counts_is_counted_by_its_text(start: Start, upstream: Upstream) -> None:
    upstream.script = Say("word " * 40)
    async with start(BUDGET) as gateway, chat(gateway) as client:
        stream = await client.chat.completions.create(
            model="gpt-5", messages=[{"role": "user", "content": "hi"}], max_completion_tokens=300, stream=True
        )
        async for _ in stream:
            pass
        record = await gateway.recorded()
    assert (record["counted"], record["usage"]["output"]) == ("estimate", 50)
    assert record["reserved"]["output"] == 300


async def test_a_client_that_leaves_a_stream_is_charged_for_what_came(start: Start, upstream: Upstream) -> None:
    upstream.script = Say("word " * 40, pause_after=20)
    async with start(BUDGET) as gateway, chat(gateway) as client:
        stream = await client.chat.completions.create(
            model="gpt-5", messages=[{"role": "user", "content": "hi"}], max_completion_tokens=300, stream=True
        )
        async for _ in stream:
            break
        await stream.close()
        record = await gateway.recorded()
        assert (record["outcome"], record["counted"]) == ("client_gone", "estimate")
        assert 0 < record["usage"]["output"] <= 50
        upstream.script = Say("x")
        then = await left(client)
        reserved = (await gateway.recorded(2))["reserved"]
        assert then == 1000 - sum(record["usage"].values()) - sum(reserved.values())


async def test_a_client_that_leaves_before_a_whole_answer_is_charged_what_was_reserved(
    start: Start, upstream: Upstream
) -> None:
    """Nothing tells whether the provider went on, and it charges for what it writes."""
    upstream.script = Raw((b"{}",), delay=30)
    async with start(BUDGET) as gateway:
        async with chat(gateway) as client:
            with pytest.raises(openai.APITimeoutError):
                await client.with_options(timeout=0.2).chat.completions.create(
                    model="gpt-5", messages=[{"role": "user", "content": "hi"}], max_completion_tokens=50
                )
        record = await gateway.recorded()
    assert (record["counted"], record["usage"]) == ("reservation", record["reserved"])


async def test_more_than_a_limit_ever_has_is_refused_for_good(start: Start, upstream: Upstream) -> None:
    async with start(BUDGET) as gateway, chat(gateway) as client:
        with pytest.raises(openai.RateLimitError) as raised:
            await say(client, most=10_000)
        headers = raised.value.response.headers
        assert headers["x-should-retry"] == "false"
        assert "retry-after" not in headers
        assert "more than the limit `budget` ever allows" in str(raised.value)
        record = await gateway.recorded()
        assert (record["limit"], record["code"]) == ("budget", "rate_limited")
    assert upstream.requests == []


async def test_the_openai_sdk_sees_its_own_fields(start: Start, upstream: Upstream) -> None:
    limits = '[limits.minute]\ntokens = 75\noutput_tokens = 75\nper = "1m"\n[limits.calls]\nrequests = 9\n'
    async with start(limits) as gateway, chat(gateway) as client:
        await say(client)
        with pytest.raises(openai.RateLimitError) as raised:
            await say(client)
        headers = raised.value.response.headers
        assert headers["x-ratelimit-limit-tokens"] == "75"
        assert headers["x-ratelimit-limit-requests"] == "9"
        assert headers["x-ratelimit-reset-tokens"].endswith("s")
        assert '"minute";q=75;qu="tokens";w=60' in headers["ratelimit-policy"]
        assert headers["x-should-retry"] == "true"
        assert "`minute` is used up; it frees again in" in str(raised.value)


async def test_the_anthropic_sdk_sees_its_own_fields(start: Start, upstream: Upstream) -> None:
    async with start("[limits.minute]\ninput_tokens = 500\ntokens = 60\n") as gateway, claude(gateway) as client:

        async def ask() -> None:
            await client.messages.create(model="claude-x", max_tokens=40, messages=[{"role": "user", "content": "hi"}])

        await ask()
        with pytest.raises(anthropic.RateLimitError) as raised:
            await ask()
        headers = raised.value.response.headers
        assert headers["anthropic-ratelimit-tokens-limit"] == "60"
        assert headers["anthropic-ratelimit-input-tokens-limit"] == "500"
        assert headers["anthropic-ratelimit-tokens-reset"].endswith("Z")


async def test_what_the_upstream_says_stays_unless_ours_is_tighter(start: Start, upstream: Upstream) -> None:
    theirs = (("Content-Type", "application/json"), ("x-ratelimit-remaining-tokens", "3"), ("x-ratelimit-x", "y"))
    body = json.dumps({"object": "chat.completion", "choices": [], "usage": {"prompt_tokens": 1}}).encode()
    upstream.script = [Raw((body,), headers=theirs), Raw((body,), headers=(theirs[0], (theirs[1][0], "90000")))]
    async with start(BUDGET) as gateway, chat(gateway) as client:
        assert await left(client) == 3
        assert await left(client) < 1000


async def test_cost_is_kept_and_a_model_without_a_price_is_refused_with_the_line_to_add(
    start: Start, upstream: Upstream
) -> None:
    async with start('[limits.money]\ncost = 0.002\nper = "day"\n' + PRICES) as gateway, chat(gateway) as client:
        used = (await say(client)).usage
        assert used is not None
        record = await gateway.recorded()
        assert record["cost"] == pytest.approx((used.prompt_tokens * 1.25 + used.completion_tokens * 10) / 1e6)
        with pytest.raises(openai.RateLimitError) as raised:
            await say(client, model="gpt-6")
        assert '[prices."gpt-6"]\ninput = ' in str(raised.value.body["message"] if raised.value.body else "")  # type: ignore[index]
        assert raised.value.response.headers["x-should-retry"] == "false"
        async with aiohttp.ClientSession() as session, session.get(f"{gateway.admin}/metrics") as got:
            metrics = await got.text()
    assert 'lockgate_limit_denied_total{limit="money"} 1.0' in metrics
    assert 'lockgate_tokens_total{kind="output",model="gpt-5",upstream="openai"}' in metrics
    assert 'lockgate_cost_total{model="gpt-5",upstream="openai"}' in metrics


SWITCH = """
[limits.dear]
output_tokens = 60
per = "day"
models = ["gpt-5"]
at_limit = "switch"
switch_to = "gpt-5-mini"
"""


async def test_a_used_up_limit_may_switch_to_another_model(start: Start, upstream: Upstream) -> None:
    async with start(SWITCH) as gateway, chat(gateway) as client:
        await say(client)
        await say(client)
        assert [json.loads(seen.body)["model"] for seen in upstream.requests] == ["gpt-5", "gpt-5-mini"]
        assert upstream.last.body == upstream.requests[0].body.replace(b'"gpt-5"', b'"gpt-5-mini"')
        record = await gateway.recorded(2)
        assert (record["model"], record["switched_from"], record["outcome"]) == ("gpt-5-mini", "gpt-5", "edited")


async def test_gemini_is_switched_in_its_path(start: Start, upstream: Upstream) -> None:
    limit = SWITCH.replace('"gpt-5"', '"gemini-pro"').replace("gpt-5-mini", "gemini-flash")
    body = {"contents": [{"role": "user", "parts": [{"text": "hi"}]}], "generationConfig": {"maxOutputTokens": 50}}
    async with start(limit) as gateway, aiohttp.ClientSession() as session:
        for _ in range(2):
            url = f"{gateway.url}/gemini/v1beta/models/gemini-pro:generateContent?x=1"
            async with session.post(url, json=body) as got:
                assert got.status == 200
    assert upstream.last.target.endswith("/v1beta/models/gemini-flash:generateContent?x=1")


async def test_a_switch_never_loops(start: Start, upstream: Upstream) -> None:
    limit = SWITCH.replace('["gpt-5"]', '["gpt-*"]')
    async with start(limit) as gateway, chat(gateway) as client:
        await say(client)
        with pytest.raises(openai.RateLimitError):
            await say(client)
        assert (await gateway.recorded(2))["limit"] == "dear"


async def test_a_limit_may_ask_for_a_person(start: Start, upstream: Upstream) -> None:
    limit = '[limits.some]\noutput_tokens = 60\nat_limit = "ask"\n'
    async with start(limit) as gateway, chat(gateway) as client:
        await say(client)
        with pytest.raises(openai.BadRequestError) as raised:
            await say(client)
        assert raised.value.code == "approval_required"


async def test_so_many_requests_at_once(start: Start, upstream: Upstream) -> None:
    upstream.script = [Say("word " * 9, pause_after=3), Say("x"), Say("y")]
    async with start("[limits.once]\nconcurrency = 1\n") as gateway, chat(gateway) as client:
        stream = await client.chat.completions.create(
            model="gpt-5", messages=[{"role": "user", "content": "hi"}], stream=True
        )
        async for _ in stream:
            break
        with pytest.raises(openai.RateLimitError):
            await say(client)
        await stream.close()
        await gateway.recorded(2)
        assert (await say(client)).choices[0].message.content == "x"


async def test_what_cannot_be_counted_is_refused_where_tokens_are(start: Start, upstream: Upstream) -> None:
    async with start(BUDGET) as gateway, chat(gateway) as client:
        with pytest.raises(openai.RateLimitError) as raised:
            await client.images.generate(prompt="a cat", model="gpt-image-1")
        assert "nothing tells how much of it this request takes" in str(raised.value)
        await client.models.list()
    assert [seen.method for seen in upstream.requests] == ["GET"]


async def test_each_answer_of_a_session_takes_and_settles(start: Start, upstream: Upstream) -> None:
    upstream.script = [Say("one"), Say("two")]
    limit = '[limits.budget]\noutput_tokens = 5000\nper = "month"\n'
    async with start(limit) as gateway:
        async with speaking(gateway) as connection:
            for _ in range(2):
                await connection.response.create()
                await until(connection, "response.done")
            await connection.response.create(response={"max_output_tokens": 4990})
            (event,) = (await until(connection, "error"))[-1:]
            assert event.error.code == "rate_limited"
        record = await gateway.recorded()
        assert record["usage"] == {"input": 18, "output": 24}
        assert record["counted"] == "provider"


async def test_no_name_that_a_client_makes_up_is_kept(start: Start, upstream: Upstream) -> None:
    """Neither in the store nor in the metrics: a hundred thousand would fill both."""
    limit = '[limits.each]\ntokens = 100000\nby = ["agent", "model"]\n'
    async with start(limit + PRICES) as gateway, chat(gateway) as client:
        await asyncio.gather(*(say(client, model=f"made-up-{number}") for number in range(20)))
        await say(client, model="x" * 10_000)
        async with aiohttp.ClientSession() as session, session.get(f"{gateway.admin}/metrics") as got:
            metrics = await got.text()
    assert "made-up" not in metrics
    assert 'model="other"' in metrics


@pytest.mark.parametrize("most", [-1, 0, 10**30, 1.5, "many", True, None, [5]])
async def test_a_bound_that_is_none_reserves_what_answers_stay_under(
    most: Any, start: Start, upstream: Upstream
) -> None:
    body = {"model": "gpt-5", "messages": [{"role": "user", "content": "hi"}], "max_tokens": most}
    async with start("[limits.all]\ntokens = 100000000\n") as gateway, aiohttp.ClientSession() as session:
        async with session.post(f"{gateway.url}/openai/v1/chat/completions", json=body) as got:
            assert got.status == 200
        reserved = (await gateway.recorded())["reserved"]["output"]
    assert reserved == (10_000_000 if most == 10**30 else 4096)


async def test_two_models_in_one_body_are_refused(start: Start, upstream: Upstream) -> None:
    body = b'{"model": "cheap", "model": "dear", "messages": []}'
    async with (
        start(BUDGET) as gateway,
        aiohttp.ClientSession() as session,
        session.post(f"{gateway.url}/openai/v1/chat/completions", data=body) as got,
    ):
        assert got.status == 400
    assert upstream.requests == []
