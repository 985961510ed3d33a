"""What an operator relies on: limits, rules edited live, records, and traffic that is left alone."""

from __future__ import annotations

import asyncio

import aiohttp
import anthropic
import openai
import pytest
from google.genai import errors as genai_errors
from yarl import URL

from tests.end_to_end.conftest import Start
from tests.end_to_end.running import CARD, PACK, SECRET, Running, until
from tests.fakes.agents import AGENTS, GENAI_SUBCLASSES_AIOHTTP, Agent
from tests.fakes.script import Raw, Say, Seen
from tests.fakes.talk import KEY, ask
from tests.fakes.upstream import Upstream

pytestmark = pytest.mark.filterwarnings(GENAI_SUBCLASSES_AIOHTTP)

TIGHT = '[limits.tight]\nrequests = 1\nper = "60s"\n'


# Limits


@pytest.mark.parametrize("upstream_name", ["openai", "anthropic"])
async def test_a_used_up_limit_is_the_sdks_rate_limit_error_with_the_time_to_wait(
    upstream_name: str, start: Start, upstream: Upstream
) -> None:
    async with start(TIGHT) as gateway:
        await _say_hello(gateway, upstream_name)
        with pytest.raises((openai.RateLimitError, anthropic.RateLimitError)) as raised:
            await _say_hello(gateway, upstream_name)
        assert isinstance(raised.value, openai.RateLimitError | anthropic.RateLimitError)
        headers = raised.value.response.headers
        assert 0 < int(headers["retry-after"]) <= 60
        assert any(name.lower().startswith("ratelimit") for name in headers)
        assert headers["x-should-retry"] == "true"
        assert (await gateway.recorded(2))["code"] == "rate_limited"
    assert len(upstream.requests) == 1


async def _say_hello(gateway: Running, upstream_name: str) -> None:
    """One request, without the SDK's own retries, which would wait for a minute."""
    url = f"{gateway.url}/{upstream_name}"
    if upstream_name == "openai":
        async with openai.AsyncOpenAI(api_key=KEY, base_url=f"{url}/v1", max_retries=0) as client:
            await client.chat.completions.create(model="gpt", messages=[{"role": "user", "content": "hi"}])
    else:
        async with anthropic.AsyncAnthropic(api_key=KEY, base_url=url, max_retries=0) as claude:
            await claude.messages.create(model="c", max_tokens=9, messages=[{"role": "user", "content": "hi"}])


async def test_a_used_up_limit_is_geminis_own_error(start: Start) -> None:
    agent = next(agent for agent in AGENTS if agent.name == "gemini-async")
    async with start(TIGHT) as gateway:
        await agent.speak(gateway.of(agent), ask("hello"))
        with pytest.raises(genai_errors.ClientError) as raised:
            await agent.speak(gateway.of(agent), ask("hello"))
    assert (raised.value.code, raised.value.status) == (429, "RESOURCE_EXHAUSTED")


# Rules edited live


async def test_an_edited_pack_judges_the_next_request_and_not_the_running_stream(
    gateway: Running, upstream: Upstream
) -> None:
    """The stream says the newly forbidden word after the edit is live, and still ends on the rules it began with."""
    async with openai.AsyncOpenAI(api_key=KEY, base_url=f"{gateway.url}/openai/v1", max_retries=0) as client:

        async def forbidden() -> bool:
            try:
                await client.chat.completions.create(model="gpt", messages=[{"role": "user", "content": "NEWWORD"}])
            except openai.BadRequestError as error:
                return error.code == "secret_blocked"
            return False

        def script(seen: Seen) -> Say | Raw:
            return Say("quiet " * 40 + "NEWWORD at last.", step=3, gap=0.06) if b'"stream"' in seen.body else Say("ok")

        upstream.script = script
        stream = await client.chat.completions.create(
            model="gpt", messages=[{"role": "user", "content": "hi"}], stream=True
        )
        before = await anext(aiter(stream))
        assert not await forbidden()
        gateway.write_pack(PACK.replace("SEKRET-[0-9]{8}", "SEKRET-[0-9]{8}|NEWWORD"))
        await until(forbidden, 5)  # as long as the stream; it is far sooner where the machine has nothing else to do
        text = "".join([chunk.choices[0].delta.content or "" async for chunk in stream])
    assert before.id == "chatcmpl-1"
    assert text.endswith("NEWWORD at last.")
    digests = [record["ruleset"] for record in gateway.records()]
    assert digests[-1] == digests[0]  # the stream, recorded last, names the old set
    assert digests[-2] != digests[0]


async def test_a_broken_pack_changes_nothing(gateway: Running, upstream: Upstream) -> None:
    agent = next(agent for agent in AGENTS if agent.name == "chat-async")
    gateway.write_pack(PACK.replace("[0-9]{8}", "[0-9"))
    await asyncio.sleep(0.5)
    upstream.script = Say(f"Pay with {CARD}.")
    assert (await agent.speak(gateway.of(agent), ask("hello"))).text == "Pay with [CARD]."


# Traffic that is left alone


def typed(content_type: str) -> tuple[tuple[str, str], ...]:
    return (("Content-Type", content_type),)


UNTOUCHED: dict[str, tuple[str, str, bytes, Raw]] = {
    "a query": ("GET", "/v1/models?after=x%2Fy&limit=1", b"", Raw((b'{ "object":"list",\n "data":[] }',))),
    "no content": ("DELETE", "/v1/files/file-1", b"", Raw((b"",), status=204, headers=())),
    "odd JSON": (
        "POST",
        "/v1/embeddings",
        b'{ "model":"e","input":["caf\\u00e9", 1.0e0] }',
        Raw((b'{"data":[ ]}',)),
    ),
    "images": ("POST", "/v1/images/generations", b'{"prompt":"a cat"}', Raw((b'{"data":[{"b64_json":"AAAA"}]}',))),
    "audio": (
        "POST",
        "/v1/audio/speech",
        b'{"input":"hi"}',
        Raw((b"\x00\xff\xfe", b"\x01"), headers=typed("audio/mpeg")),
    ),
    "binary": ("PUT", "/v1/uploads/1", b"\x00\x01\xff", Raw((b"ok",), headers=typed("application/octet-stream"))),
    "a redirect": (
        "GET",
        "/v1/files/1",
        b"",
        Raw((b"{}",), status=307, headers=(("Location", "/x"), *typed("a/b"))),
    ),
}
"""Method, target and body as sent; the answer."""


@pytest.mark.parametrize("case", UNTOUCHED)
async def test_what_needs_no_edit_passes_byte_for_byte(case: str, gateway: Running, upstream: Upstream) -> None:
    method, target, body, answer = UNTOUCHED[case]
    upstream.script = answer
    url = URL(f"{gateway.url}/openai{target}", encoded=True)
    kind = "application/json" if body[:1] == b"{" else "application/octet-stream"
    headers = {"Authorization": "Bearer key", "X-Odd": "a  b", **({"Content-Type": kind} if body else {})}
    async with (
        aiohttp.ClientSession(auto_decompress=False) as session,
        session.request(method, url, data=body or None, headers=headers, allow_redirects=False) as got,
    ):
        received = await got.read()
    seen = upstream.last
    assert (seen.method, seen.target, seen.body) == (method, target, body)
    assert seen.header("authorization") == "Bearer key"
    assert seen.header("x-odd") == "a  b"
    assert got.status == answer.status
    assert received == b"".join(answer.chunks)
    for name, value in answer.headers:
        assert got.headers.getall(name) == [value]
    assert "x-lockgate-id" in got.headers


async def test_head_has_the_upstreams_head_and_no_body(gateway: Running, upstream: Upstream) -> None:
    upstream.script = Raw((), headers=(("X-Here", "yes"), ("Content-Length", "5")))
    async with aiohttp.ClientSession() as session, session.head(f"{gateway.url}/openai/v1/models") as got:
        assert (got.status, got.headers["X-Here"], await got.read()) == (200, "yes", b"")
    assert upstream.last.method == "HEAD"


# Files and batches


async def test_batch_files_are_read_line_by_line_on_their_way_up(gateway: Running, upstream: Upstream) -> None:
    line = '{"custom_id":"a","method":"POST","url":"/v1/chat/completions","body":{"model":"gpt","messages":[%s]}}\n'
    clean = line % '{"role":"user","content":"hello"}'
    poisoned = line % f'{{"role":"user","content":"{SECRET}"}}'
    async with openai.AsyncOpenAI(api_key=KEY, base_url=f"{gateway.url}/openai/v1") as client:
        file = await client.files.create(file=("b.jsonl", clean.encode()), purpose="batch")
        with pytest.raises(openai.BadRequestError) as raised:
            await client.files.create(file=("b.jsonl", (clean + poisoned).encode()), purpose="batch")
    assert file.id == "file-1"
    assert raised.value.code == "secret_blocked"
    assert len(upstream.requests) == 1


async def test_batch_results_are_read_line_by_line_on_their_way_down(gateway: Running, upstream: Upstream) -> None:
    upstream.script = Say(f"Pay with {CARD}.")
    line = '{"custom_id":"a","method":"POST","url":"/v1/chat/completions","body":{"model":"gpt","messages":[]}}\n'
    async with openai.AsyncOpenAI(api_key=KEY, base_url=f"{gateway.url}/openai/v1") as client:
        file = await client.files.create(file=("b.jsonl", line.encode()), purpose="batch")
        batch = await client.batches.create(
            input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h"
        )
        output = await client.files.content(batch.output_file_id or "")
    assert "[CARD]" in output.text
    assert CARD not in output.text


async def test_an_answer_fetched_later_is_read_as_an_answer(gateway: Running, upstream: Upstream) -> None:
    upstream.script = Say(f"Pay with {CARD}.")
    async with openai.AsyncOpenAI(api_key=KEY, base_url=f"{gateway.url}/openai/v1") as client:
        assert (await client.responses.retrieve("resp_1")).output_text == "Pay with [CARD]."


# Dialects without an SDK here


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "lines"])
async def test_ollama(stream: bool, gateway: Running, upstream: Upstream) -> None:
    upstream.script = Say(f"Pay with {CARD}.", step=3)
    body = {"model": "llama", "messages": [{"role": "user", "content": "hi"}], "stream": stream}
    async with aiohttp.ClientSession() as session, session.post(f"{gateway.url}/ollama/api/chat", json=body) as got:
        lines = (await got.text()).splitlines()
    assert (CARD in "".join(lines), len(lines) > 1) == (False, stream)
    assert "Security rules" in upstream.last.body.decode()


async def test_geminis_array_stream(gateway: Running, upstream: Upstream) -> None:
    upstream.script = Say(f"Pay with {CARD}.", step=3)
    body = {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}
    url = f"{gateway.url}/gemini/v1beta/models/gemini:streamGenerateContent"
    async with aiohttp.ClientSession() as session, session.post(url, json=body) as got:
        items = await got.json()
    texts = [part["text"] for item in items for part in item["candidates"][0]["content"]["parts"]]
    assert "".join(texts) == "Pay with [CARD]."


@pytest.mark.parametrize("agent", [agent for agent in AGENTS if agent.name == "messages-stream-async"], ids=str)
async def test_signed_thinking_passes_unchanged(agent: Agent, gateway: Running, upstream: Upstream) -> None:
    upstream.script = Say("Done.", thinking="Let me think.")
    assert (await agent.speak(gateway.of(agent), ask("hello"))).text == "Done."
