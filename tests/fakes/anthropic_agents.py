"""An agent that uses the Anthropic SDK."""

from __future__ import annotations

from typing import Any

import anthropic

from tests.fakes.talk import DESCRIPTION, KEY, SCHEMA, Heard, Talk


def messages_request(talk: Talk) -> dict[str, Any]:
    messages: list[dict[str, Any]] = []
    for turn in talk.turns:
        if turn.call is None:
            messages.append({"role": "user", "content": turn.text})
            continue
        use = {"type": "tool_use", "id": turn.call.id, "name": turn.call.name, "input": turn.call.parsed()}
        result = {"type": "tool_result", "tool_use_id": turn.call.id, "content": turn.result}
        messages.extend(({"role": "assistant", "content": [use]}, {"role": "user", "content": [result]}))
    tool = {"name": "weather", "description": DESCRIPTION, "input_schema": SCHEMA}
    request: dict[str, Any] = {"model": "claude", "max_tokens": 100, "messages": messages}
    if talk.system:
        request["system"] = talk.system
    return {**request, **({"tools": [tool]} if talk.with_tools else {})}


def heard_message(message: Any) -> Heard:
    text = "".join(block.text for block in message.content if block.type == "text")
    calls = tuple((block.name, block.input) for block in message.content if block.type == "tool_use")
    return Heard(text, calls, message.stop_reason)


def messages(url: str, talk: Talk) -> Heard:
    with anthropic.Anthropic(api_key=KEY, base_url=url) as client:
        return heard_message(client.messages.create(**messages_request(talk)))


def messages_stream(url: str, talk: Talk) -> Heard:
    with (
        anthropic.Anthropic(api_key=KEY, base_url=url) as client,
        client.messages.stream(**messages_request(talk)) as stream,
    ):
        return heard_message(stream.get_final_message())


async def messages_async(url: str, talk: Talk) -> Heard:
    async with anthropic.AsyncAnthropic(api_key=KEY, base_url=url) as client:
        return heard_message(await client.messages.create(**messages_request(talk)))


async def messages_stream_async(url: str, talk: Talk) -> Heard:
    async with (
        anthropic.AsyncAnthropic(api_key=KEY, base_url=url) as client,
        client.messages.stream(**messages_request(talk)) as stream,
    ):
        return heard_message(await stream.get_final_message())
