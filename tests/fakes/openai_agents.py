"""An agent that uses the OpenAI SDK: Chat Completions and Responses."""

from __future__ import annotations

import json
from typing import Any

import openai

from tests.fakes.talk import DESCRIPTION, KEY, SCHEMA, Heard, Talk

# OpenAI Chat Completions


def _chat_request(talk: Talk) -> dict[str, Any]:
    messages: list[dict[str, Any]] = [{"role": "system", "content": talk.system}] if talk.system else []
    for turn in talk.turns:
        if turn.call is None:
            messages.append({"role": "user", "content": turn.text})
            continue
        function = {"name": turn.call.name, "arguments": turn.call.arguments}
        calls = [{"id": turn.call.id, "type": "function", "function": function}]
        messages.append({"role": "assistant", "content": None, "tool_calls": calls})
        messages.append({"role": "tool", "tool_call_id": turn.call.id, "content": turn.result})
    tool = {"type": "function", "function": {"name": "weather", "description": DESCRIPTION, "parameters": SCHEMA}}
    return {"model": "gpt", "messages": messages, **({"tools": [tool]} if talk.with_tools else {})}


def _heard_chat(completion: Any) -> Heard:
    choice = completion.choices[0]
    calls = tuple((c.function.name, json.loads(c.function.arguments)) for c in choice.message.tool_calls or ())
    return Heard(choice.message.content or "", calls, choice.finish_reason)


def chat(url: str, talk: Talk) -> Heard:
    with openai.OpenAI(api_key=KEY, base_url=f"{url}/v1") as client:
        return _heard_chat(client.chat.completions.create(**_chat_request(talk)))


def chat_stream(url: str, talk: Talk) -> Heard:
    """Through the chunks, not through the SDK's accumulator: that one raises on `content_filter`."""
    heard = _ChatChunks()
    with openai.OpenAI(api_key=KEY, base_url=f"{url}/v1") as client:
        for chunk in client.chat.completions.create(**_chat_request(talk), stream=True):
            heard.add(chunk)
    return heard.heard()


async def chat_async(url: str, talk: Talk) -> Heard:
    async with openai.AsyncOpenAI(api_key=KEY, base_url=f"{url}/v1") as client:
        return _heard_chat(await client.chat.completions.create(**_chat_request(talk)))


async def chat_stream_async(url: str, talk: Talk) -> Heard:
    heard = _ChatChunks()
    async with openai.AsyncOpenAI(api_key=KEY, base_url=f"{url}/v1") as client:
        async for chunk in await client.chat.completions.create(**_chat_request(talk), stream=True):
            heard.add(chunk)
    return heard.heard()


class _ChatChunks:
    """Joins the chunks of choice 0 as the API reference describes."""

    def __init__(self) -> None:
        self._text = ""
        self._calls: dict[int, list[str]] = {}
        self._finish = ""

    def add(self, chunk: Any) -> None:
        for choice in chunk.choices:
            self._text += choice.delta.content or ""
            self._finish = choice.finish_reason or self._finish
            for call in choice.delta.tool_calls or ():
                name, arguments = self._calls.setdefault(call.index, ["", ""])
                self._calls[call.index] = [call.function.name or name, arguments + call.function.arguments]

    def heard(self) -> Heard:
        """A call that was cut off before its end is none."""
        complete = () if self._finish == "content_filter" else self._calls.values()
        calls = tuple((name, json.loads(arguments)) for name, arguments in complete)
        return Heard(self._text, calls, self._finish)


# OpenAI Responses


def _responses_request(talk: Talk) -> dict[str, Any]:
    items: list[dict[str, Any]] = []
    for turn in talk.turns:
        if turn.call is None:
            items.append({"role": "user", "content": turn.text})
            continue
        call = {"call_id": turn.call.id, "name": turn.call.name, "arguments": turn.call.arguments}
        items.append({"type": "function_call", **call})
        items.append({"type": "function_call_output", "call_id": turn.call.id, "output": turn.result})
    tool = {"type": "function", "name": "weather", "description": DESCRIPTION, "parameters": SCHEMA, "strict": False}
    request: dict[str, Any] = {"model": "gpt", "input": items}
    if talk.system:
        request["instructions"] = talk.system
    return {**request, **({"tools": [tool]} if talk.with_tools else {})}


def _heard_response(response: Any) -> Heard:
    calls = [(item.name, json.loads(item.arguments)) for item in response.output if item.type == "function_call"]
    reason = response.incomplete_details.reason if response.incomplete_details else response.status
    return Heard(response.output_text, tuple(calls), reason)


def responses(url: str, talk: Talk) -> Heard:
    with openai.OpenAI(api_key=KEY, base_url=f"{url}/v1") as client:
        return _heard_response(client.responses.create(**_responses_request(talk)))


def responses_stream(url: str, talk: Talk) -> Heard:
    with openai.OpenAI(api_key=KEY, base_url=f"{url}/v1") as client:
        return _last_response(list(client.responses.create(**_responses_request(talk), stream=True)))


async def responses_async(url: str, talk: Talk) -> Heard:
    async with openai.AsyncOpenAI(api_key=KEY, base_url=f"{url}/v1") as client:
        return _heard_response(await client.responses.create(**_responses_request(talk)))


async def responses_stream_async(url: str, talk: Talk) -> Heard:
    async with openai.AsyncOpenAI(api_key=KEY, base_url=f"{url}/v1") as client:
        stream = await client.responses.create(**_responses_request(talk), stream=True)
        return _last_response([event async for event in stream])


def _last_response(events: list[Any]) -> Heard:
    """What the deltas said, and how the last event ended it: both ways in which clients read a stream."""
    heard = _heard_response(events[-1].response)
    text = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    return Heard(text, heard.calls, heard.finish)
