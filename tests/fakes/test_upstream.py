"""The fake upstream is held against the real SDKs: what it says, their typed clients read as the real API's."""

from __future__ import annotations

import asyncio
import gzip
import io
import json
from collections.abc import AsyncIterator

import aiohttp
import anthropic
import openai
import pytest
from anthropic.types import Message, RawMessageStreamEvent
from anthropic.types.messages import MessageBatch
from google.genai import _interactions_errors as interactions_errors
from google.genai import errors as genai_errors
from openai.types import CreateEmbeddingResponse
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import BaseModel, TypeAdapter
from yarl import URL

from tests.fakes import anthropic_messages, openai_chat, openai_responses
from tests.fakes.agents import AGENTS, GENAI_SUBCLASSES_AIOHTTP, Agent, status_of
from tests.fakes.script import Call, Fail, Raw, Say, Seen
from tests.fakes.talk import KEY, Heard, Talk, Turn, ask
from tests.fakes.upstream import Upstream, fake_upstream

pytestmark = pytest.mark.filterwarnings(GENAI_SUBCLASSES_AIOHTTP)

WEATHER = Call("weather", '{"city": "Zürich", "days": 3}')
BOTH = Say("Let me look that up.", calls=(WEATHER,), thinking="Look it up.")
"""An answer with a text and a call (and reasoning, where the API has a place for it)."""


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    async with fake_upstream() as running:
        running.script = BOTH
        yield running


def sse_payloads(events: list[bytes]) -> list[object]:
    return [json.loads(event.partition(b"data: ")[2]) for event in events if not event.endswith(b"[DONE]\n\n")]


# The documented types, validated strictly (the SDKs themselves accept almost anything).


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (ChatCompletion, openai_chat.whole(BOTH, {"n": 2, "logprobs": True})),
        (Response, openai_responses.whole(BOTH, {})),
        (CreateEmbeddingResponse, openai_chat.embeddings({"input": ["a", "b"]})),
        (Message, anthropic_messages.whole(BOTH, {})),
        (MessageBatch, anthropic_messages.batch("b", "ended")),
    ],
)
def test_whole_answers_have_the_documented_types(kind: type[BaseModel], value: object) -> None:
    assert kind.model_validate(value)


def test_chat_chunks_have_the_documented_type() -> None:
    asked = {"n": 2, "stream_options": {"include_usage": True}}
    payloads = sse_payloads(list(openai_chat.events(BOTH, asked)))
    chunks = [ChatCompletionChunk.model_validate(payload) for payload in payloads]
    assert [choice.index for choice in chunks[0].choices + chunks[1].choices] == [0, 1]
    assert chunks[-1].usage is not None


def test_responses_events_have_the_documented_type_and_are_numbered_without_a_gap() -> None:
    adapter: TypeAdapter[ResponseStreamEvent] = TypeAdapter(ResponseStreamEvent)
    events = [adapter.validate_python(event) for event in sse_payloads(list(openai_responses.events(BOTH, {})))]
    assert [getattr(event, "sequence_number", None) for event in events] == list(range(len(events)))


def test_anthropic_events_have_the_documented_type() -> None:
    adapter: TypeAdapter[RawMessageStreamEvent] = TypeAdapter(RawMessageStreamEvent)
    events = [event for event in anthropic_messages.events(BOTH, {}) if b"event: ping" not in event]
    assert [adapter.validate_python(event) for event in sse_payloads(events)]


# The SDKs, synchronous and asynchronous, whole and streamed.

FINISHED_WITH_CALLS = {
    "chat": "tool_calls",
    "responses": "completed",
    "messages": "tool_use",
    "gemini": "STOP",
    "interactions": "requires_action",
}


@pytest.mark.parametrize("agent", AGENTS, ids=str)
async def test_an_sdk_hears_the_text_and_the_calls(agent: Agent, upstream: Upstream) -> None:
    heard = await agent.speak(upstream.url, Talk((Turn("weather?"),), system="Be brief.", with_tools=True))
    finish = FINISHED_WITH_CALLS[agent.name.partition("-")[0]]
    assert heard == Heard(BOTH.text, (("weather", {"city": "Zürich", "days": 3}),), finish)
    assert b"weather?" in upstream.last.body
    assert b"Be brief." in upstream.last.body


@pytest.mark.parametrize("agent", AGENTS, ids=str)
async def test_an_sdk_carries_a_tool_result_back(agent: Agent, upstream: Upstream) -> None:
    upstream.script = Say("Rain.")
    turns = (Turn("weather?"), Turn(call=WEATHER, result="rain all day"))
    assert (await agent.speak(upstream.url, Talk(turns, with_tools=True))).text == "Rain."
    assert b"rain all day" in upstream.last.body


@pytest.mark.parametrize("agent", AGENTS, ids=str)
async def test_an_sdk_raises_its_own_error(agent: Agent, upstream: Upstream) -> None:
    upstream.script = Fail(404, "no such model")
    missing = (
        openai.NotFoundError,
        anthropic.NotFoundError,
        genai_errors.ClientError,
        interactions_errors.NotFoundError,
    )
    with pytest.raises(missing) as raised:
        await agent.speak(upstream.url, ask("hi"))
    assert status_of(raised.value) == 404
    assert "no such model" in str(raised.value)


# The rest of the APIs.


async def test_several_choices_are_interleaved(upstream: Upstream) -> None:
    upstream.script = Say("first", others=("second",), step=2)
    texts = {0: "", 1: ""}
    order = []
    async with openai.AsyncOpenAI(api_key=KEY, base_url=f"{upstream.url}/v1") as client:
        async for chunk in await client.chat.completions.create(
            model="gpt", messages=[{"role": "user", "content": "hi"}], n=2, stream=True
        ):
            order.append(chunk.choices[0].index)
            texts[chunk.choices[0].index] += chunk.choices[0].delta.content or ""
    assert texts == {0: "first", 1: "second"}
    assert order[:4] == [0, 1, 0, 1]


async def test_openai_files_batches_models_and_embeddings(upstream: Upstream) -> None:
    line = json.dumps({"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": {"model": "gpt"}})
    async with openai.AsyncOpenAI(api_key=KEY, base_url=f"{upstream.url}/v1") as client:
        file = await client.files.create(file=io.BytesIO(line.encode()), purpose="batch")
        batch = await client.batches.create(
            input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h"
        )
        assert (await client.batches.retrieve(batch.id)).status == "completed"
        output = await client.files.content(batch.output_file_id or "")
        assert (await client.files.delete(file.id)).deleted
        assert [model.id async for model in client.models.list()] == ["gpt"]
        assert (await client.models.retrieve("gpt")).owned_by == "fake"
        embedded = await client.embeddings.create(model="e", input=["a", "b"], encoding_format="float")
        assert (await client.responses.retrieve("resp_1")).output_text == BOTH.text
    assert json.loads(output.text)["response"]["body"]["choices"][0]["message"]["content"] == BOTH.text
    assert len(embedded.data) == 2


async def test_anthropic_batches_and_token_counts(upstream: Upstream) -> None:
    async with anthropic.AsyncAnthropic(api_key=KEY, base_url=upstream.url) as client:
        counted = await client.messages.count_tokens(model="claude", messages=[{"role": "user", "content": "hi"}])
        params = {"model": "claude", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}
        batch = await client.messages.batches.create(requests=[{"custom_id": "a", "params": params}])  # type: ignore[typeddict-item]  # a plain dict
        results = [result async for result in await client.messages.batches.results(batch.id)]
    assert counted.input_tokens == 9
    assert results[0].custom_id == "a"
    assert results[0].result.type == "succeeded"


async def test_gemini_array_stream_is_one_json_array(upstream: Upstream) -> None:
    async with aiohttp.ClientSession() as session:
        async with session.post(f"{upstream.url}/v1/models/g:streamGenerateContent", json={"contents": []}) as answer:
            items = await answer.json()
        async with session.post(f"{upstream.url}/v1/models/g:batchEmbedContents", json={"requests": [{}]}) as answer:
            assert len((await answer.json())["embeddings"]) == 1
    texts = [part.get("text", "") for item in items for part in item["candidates"][0]["content"]["parts"]]
    assert BOTH.text in "".join(texts)
    assert items[-1]["candidates"][0]["finishReason"] == "STOP"


@pytest.mark.parametrize("path", ["chat", "generate"])
async def test_ollama_answers_whole_and_in_lines(path: str, upstream: Upstream) -> None:
    def text(answer: dict[str, object]) -> object:
        message = answer.get("message")
        return message["content"] if isinstance(message, dict) else answer["response"]

    async with aiohttp.ClientSession(upstream.url) as session:
        async with session.post(f"/api/{path}", json={"model": "m", "stream": False}) as answer:
            assert text(await answer.json()) == BOTH.text
        async with session.post(f"/api/{path}", json={"model": "m"}) as answer:
            lines = [json.loads(line) async for line in answer.content]
    assert "".join(str(text(line)) for line in lines) == BOTH.text
    assert [line["done"] for line in lines] == [False] * (len(lines) - 1) + [True]


# The script and what is recorded.


async def test_a_script_is_played_in_turn_and_can_look_at_the_request(upstream: Upstream) -> None:
    async with aiohttp.ClientSession(upstream.url) as session:

        async def status() -> int:
            async with session.post("/v1/chat/completions", json={}) as answer:
                return answer.status

        upstream.script = [Fail(500), Say("ok")]
        assert [await status(), await status(), await status()] == [500, 200, 200]
        upstream.script = lambda seen: Fail(418) if seen.method == "POST" else Say()
        assert await status() == 418


async def test_a_request_is_recorded_as_it_came(upstream: Upstream) -> None:
    squeezed = gzip.compress(b"{}")
    headers = {"X-Twice": "a", "Content-Encoding": "gzip"}
    async with (
        aiohttp.ClientSession() as session,
        session.put(URL(f"{upstream.url}/nowhere?a=%2F", encoded=True), data=squeezed, headers=headers) as answer,
    ):
        assert answer.status == 404
        assert (await answer.json())["error"]["message"] == "no such path: /nowhere"
    seen = upstream.last
    assert (seen.method, seen.target, seen.body) == ("PUT", "/nowhere?a=%2F", squeezed)
    assert ("X-Twice", "a") in seen.headers
    assert seen.header("x-twice") == "a"


async def test_raw_bytes_go_out_as_scripted_and_may_be_cut_off(upstream: Upstream) -> None:
    async with aiohttp.ClientSession(upstream.url) as session:
        upstream.script = Raw((b"ab", b"", b"c"), status=207, headers=(("X-A", "1"), ("X-A", "2")), delay=0.01)
        async with session.get("/any") as answer:
            assert (answer.status, await answer.read(), answer.headers.getall("X-A")) == (207, b"abc", ["1", "2"])
        upstream.script = Raw((b"ab",), cut=True)
        with pytest.raises(aiohttp.ClientPayloadError):
            async with session.get("/any") as answer:
                await answer.read()


async def test_a_paused_stream_notes_when_its_client_goes(upstream: Upstream) -> None:
    upstream.script = Say("never ends", pause_after=2)
    async with aiohttp.ClientSession(upstream.url) as session, session.post("/api/chat", json={}) as answer:
        await answer.content.readline()
        answer.close()
    await upstream.departure()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(upstream.departure(0.01), 1)


def test_seen_has_no_header_that_did_not_come() -> None:
    assert Seen("GET", "/", (("A", "b"),), b"").header("c") is None
