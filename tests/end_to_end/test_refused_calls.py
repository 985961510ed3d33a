"""What the providers' own SDKs make of answers in which calls were refused, over a real connection."""

from __future__ import annotations

import json
from collections.abc import Callable

import openai
import pytest
from google import genai
from google.genai import types as genai_types

from gateway.dialect.anthropic import MESSAGES
from gateway.dialect.base import Dialect
from gateway.dialect.gemini import GENERATE
from gateway.dialect.interactions import INTERACTIONS
from gateway.dialect.openai import CHAT, RESPONSES
from gateway.policy.call import Called, Change
from gateway.wire.document import parse
from gateway.wire.frames import Framing
from tests.dialect.refusing import REFUSAL, through
from tests.fakes import anthropic_messages, gemini, interactions, openai_chat, openai_responses
from tests.fakes.agents import AGENTS, GENAI_SUBCLASSES_AIOHTTP, Agent
from tests.fakes.script import Call, Raw, Say, Seen
from tests.fakes.talk import KEY, Heard, Talk, Turn
from tests.fakes.upstream import Upstream

pytestmark = pytest.mark.filterwarnings(GENAI_SUBCLASSES_AIOHTTP)

SEND = Call("send_mail", '{"to": "x@evil.example", "text": "Grüße"}', "call_1")
WEATHER = Call("weather", '{"city": "Zürich"}', "call_2")
REPORT = Call("send_mail", '{"to": "y@evil.example"}', "call_3")
SAY = Say("Looking.", calls=(SEND, WEATHER, REPORT), thinking="Hm.")
ONLY_SEND = Say("Looking.", calls=(SEND,))

MEDIA = {False: "application/json", True: "text/event-stream"}
DIALECTS: dict[str, tuple[Dialect, Callable[..., object], Callable[..., object]]] = {
    "messages": (MESSAGES, anthropic_messages.whole, anthropic_messages.events),
    "gemini": (GENERATE, gemini.whole, gemini.events),
    "interactions": (INTERACTIONS, interactions.whole, interactions.events),
    "chat": (CHAT, openai_chat.whole, openai_chat.events),
    "responses": (RESPONSES, openai_responses.whole, openai_responses.events),
}
LEFT = {
    "messages": "tool_use",
    "gemini": "STOP",
    "chat": "tool_calls",
    "responses": "completed",
    "interactions": "requires_action",
}
NONE_LEFT = {
    "messages": "end_turn",
    "gemini": "STOP",
    "chat": "stop",
    "responses": "completed",
    "interactions": "completed",
}
"""Why the model stopped, as each API says it: with calls, and where none is left."""

BETWEEN = {"chat": "\n\n"}
"""What stands between texts where all are one."""


def api_of(agent: Agent) -> str:
    return agent.name.partition("-")[0]


def refuse_mail(called: Called) -> Change | None:
    return Change(refusal=REFUSAL) if called.call.name == "send_mail" else None


def refusing(agent: Agent, say: Say) -> Callable[[Seen], Raw]:
    """What the provider says, with each call to send mail refused."""
    dialect, whole, events = DIALECTS[api_of(agent)]

    def answer(_seen: Seen) -> Raw:
        headers = (("Content-Type", MEDIA[agent.streamed]),)
        if agent.streamed:
            made = events(say, {})
            assert hasattr(made, "__iter__")
            return Raw((through(list(made), dialect.stream(Framing.SSE), Framing.SSE, refuse_mail),), headers=headers)
        document = parse(json.dumps(whole(say, {})).encode())
        changes = {one.key: change for one in dialect.calls(document) if (change := refuse_mail(one)) is not None}
        return Raw((dialect.changed(document, changes),), headers=headers)

    return answer


TALK = Talk((Turn("weather?"),), with_tools=True)


@pytest.mark.parametrize("agent", AGENTS, ids=str)
async def test_the_agent_hears_the_refusals_and_only_the_calls_that_are_left(agent: Agent, upstream: Upstream) -> None:
    upstream.script = refusing(agent, SAY)
    finish = LEFT[api_of(agent)]
    text = BETWEEN.get(api_of(agent), "").join(("Looking.", REFUSAL, REFUSAL))
    expected = Heard(text, (("weather", {"city": "Zürich"}),), finish)
    assert await agent.speak(upstream.url, TALK) == expected


@pytest.mark.parametrize("agent", AGENTS, ids=str)
async def test_an_agent_whose_only_call_is_refused_has_an_answer(agent: Agent, upstream: Upstream) -> None:
    upstream.script = refusing(agent, ONLY_SEND)
    finish = NONE_LEFT[api_of(agent)]
    text = BETWEEN.get(api_of(agent), "").join(("Looking.", REFUSAL))
    assert await agent.speak(upstream.url, TALK) == Heard(text, (), finish)


async def test_a_chat_of_google_keeps_a_turn_whose_call_was_refused_in_pieces(upstream: Upstream) -> None:
    """Its history drops a turn of which any event has no parts; the refusal must be told on the next turn."""

    def event(part: object, **members: object) -> bytes:
        candidate = {"content": {"role": "model", "parts": [part]}, **members}
        return b"data: " + json.dumps({"candidates": [candidate]}).encode() + b"\r\n\r\n"

    value = {"jsonPath": "$.to", "stringValue": "x@evil.example"}
    pieces = [{"name": "send_mail", "willContinue": True}, {"partialArgs": [value], "willContinue": True}, {}]
    events = [event({"functionCall": piece}) for piece in pieces]
    events.append(event({"text": ""}, finishReason="STOP"))
    refused = through(events, GENERATE.stream(Framing.SSE), Framing.SSE, refuse_mail)
    upstream.script = Raw((refused,), headers=(("Content-Type", MEDIA[True]),))
    options = genai_types.HttpOptions(base_url=upstream.url, timeout=20_000)
    async with genai.Client(api_key=KEY, http_options=options).aio as client:
        chat = client.chats.create(model="gemini")
        async for _ in await chat.send_message_stream("weather?"):
            pass
        history = chat.get_history(curated=True)
    said = [part.text for turn in history if turn.role == "model" for part in turn.parts or ()]
    assert "".join(filter(None, said)) == REFUSAL


def streamed(api: str, say: Say) -> Raw:
    """What the provider streams, with each call to send mail refused."""
    dialect, _, events = DIALECTS[api]
    made = events(say, {})
    assert hasattr(made, "__iter__")
    refused = through(list(made), dialect.stream(Framing.SSE), Framing.SSE, refuse_mail)
    return Raw((refused,), headers=(("Content-Type", MEDIA[True]),))


async def test_the_sdks_own_accumulator_of_chat_takes_what_is_left(upstream: Upstream) -> None:
    upstream.script = streamed("chat", SAY)
    async with (
        openai.AsyncOpenAI(api_key=KEY, base_url=f"{upstream.url}/v1") as client,
        client.chat.completions.stream(model="gpt", messages=[{"role": "user", "content": "hi"}]) as stream,
    ):
        told = [event.type async for event in stream]
        (choice,) = (await stream.get_final_completion()).choices
    assert choice.message.content == f"Looking.\n\n{REFUSAL}\n\n{REFUSAL}"
    assert [call.function.name for call in choice.message.tool_calls or ()] == ["weather"]
    assert told.count("tool_calls.function.arguments.done") == 1


async def test_the_sdks_own_accumulator_of_responses_takes_what_is_left(upstream: Upstream) -> None:
    upstream.script = streamed("responses", SAY)
    async with (
        openai.AsyncOpenAI(api_key=KEY, base_url=f"{upstream.url}/v1") as client,
        client.responses.stream(model="gpt", input="hi") as stream,
    ):
        numbers = [event.sequence_number async for event in stream]
        final = await stream.get_final_response()
    assert [item.type for item in final.output] == ["message", "message", "function_call", "message"]
    assert final.output_text == f"Looking.{REFUSAL}{REFUSAL}"
    assert numbers == list(range(len(numbers)))
