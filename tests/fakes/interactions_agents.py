"""An agent that uses the interactions of the Google Gen AI SDK."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from google import genai
from google.genai import types as genai_types

from tests.fakes.talk import DESCRIPTION, KEY, SCHEMA, Heard, Talk


def client_of(url: str) -> genai.Client:
    once = genai_types.HttpRetryOptions(attempts=1)  # otherwise five times, over seconds
    return genai.Client(
        api_key=KEY, http_options=genai_types.HttpOptions(base_url=url, timeout=20_000, retry_options=once)
    )


def _request(talk: Talk) -> dict[str, Any]:
    steps: list[dict[str, Any]] = []
    for number, turn in enumerate(talk.turns):
        if turn.call is None:
            steps.append({"type": "user_input", "content": [{"type": "text", "text": turn.text}]})
            continue
        named = {"id": f"call_{number}", "name": turn.call.name}
        steps.append({"type": "function_call", **named, "arguments": turn.call.parsed()})
        steps.append({"type": "function_result", "call_id": f"call_{number}", "result": turn.result})
    tool = {"type": "function", "name": "weather", "description": DESCRIPTION, "parameters": SCHEMA}
    asked: dict[str, Any] = {"model": "gemini", "input": steps, "store": False}
    if talk.with_tools:
        asked["tools"] = [tool]
    return asked if talk.system is None else {**asked, "system_instruction": talk.system}


def heard(interaction: Any) -> Heard:
    steps = interaction.steps or ()
    said = [part.text for step in steps if step.type == "model_output" for part in step.content or ()]
    calls = tuple((step.name, step.arguments) for step in steps if step.type == "function_call")
    return Heard("".join(said), calls, interaction.status)


def heard_of(events: Iterable[Any]) -> Heard:
    """What a client puts together of the events of a stream."""
    text, status = "", ""
    calls: dict[int, tuple[str, str]] = {}
    for event in events:
        if event.event_type == "step.start" and event.step.type == "function_call":
            calls[event.index] = (event.step.name, "")
        elif event.event_type == "step.delta" and event.delta.type == "text":
            text += event.delta.text
        elif event.event_type == "step.delta" and event.delta.type == "arguments_delta":
            name, before = calls[event.index]
            calls[event.index] = (name, before + event.delta.arguments)
        elif event.event_type == "interaction.completed":
            status = event.interaction.status
    return Heard(text, tuple((name, json.loads(arguments)) for name, arguments in calls.values()), status)


def interactions(url: str, talk: Talk) -> Heard:
    with client_of(url) as client:
        return heard(client.interactions.create(**_request(talk)))


def interactions_stream(url: str, talk: Talk) -> Heard:
    with client_of(url) as client:
        return heard_of(client.interactions.create(**_request(talk), stream=True))


async def interactions_async(url: str, talk: Talk) -> Heard:
    async with client_of(url).aio as client:
        return heard(await client.interactions.create(**_request(talk)))


async def interactions_stream_async(url: str, talk: Talk) -> Heard:
    async with client_of(url).aio as client:
        stream = await client.interactions.create(**_request(talk), stream=True)
        return heard_of([event async for event in stream])
