"""An agent that uses the Google Gen AI SDK."""

from __future__ import annotations

from typing import Any

from google import genai
from google.genai import types as genai_types

from tests.fakes.talk import DESCRIPTION, KEY, SCHEMA, Heard, Talk


def _gemini_client(url: str) -> genai.Client:
    return genai.Client(api_key=KEY, http_options=genai_types.HttpOptions(base_url=url, timeout=20_000))


def _gemini_request(talk: Talk) -> dict[str, Any]:
    contents: list[genai_types.Content] = []
    for turn in talk.turns:
        if turn.call is None:
            contents.append(genai_types.Content(role="user", parts=[genai_types.Part(text=turn.text)]))
            continue
        call = genai_types.FunctionCall(name=turn.call.name, args=turn.call.parsed())
        result = genai_types.FunctionResponse(name=turn.call.name, response={"result": turn.result})
        contents.append(genai_types.Content(role="model", parts=[genai_types.Part(function_call=call)]))
        contents.append(genai_types.Content(role="user", parts=[genai_types.Part(function_response=result)]))
    declaration = genai_types.FunctionDeclaration(
        name="weather", description=DESCRIPTION, parameters_json_schema=SCHEMA
    )
    tools: list[Any] = [genai_types.Tool(function_declarations=[declaration])] if talk.with_tools else []
    config = genai_types.GenerateContentConfig(
        system_instruction=talk.system,
        tools=tools or None,
        automatic_function_calling=genai_types.AutomaticFunctionCallingConfig(disable=True),
    )
    return {"model": "gemini", "contents": contents, "config": config}


def _heard_gemini(answers: list[Any]) -> Heard:
    candidates = [candidate for answer in answers for candidate in answer.candidates or ()]
    parts = [part for one in candidates if one.content for part in one.content.parts or ()]
    text = "".join(part.text for part in parts if part.text and not part.thought)
    calls = tuple((part.function_call.name, part.function_call.args) for part in parts if part.function_call)
    finish = next((one.finish_reason.value for one in reversed(candidates) if one.finish_reason), "")
    return Heard(text, calls, finish)


def gemini(url: str, talk: Talk) -> Heard:
    with _gemini_client(url) as client:
        return _heard_gemini([client.models.generate_content(**_gemini_request(talk))])


def gemini_stream(url: str, talk: Talk) -> Heard:
    with _gemini_client(url) as client:
        return _heard_gemini(list(client.models.generate_content_stream(**_gemini_request(talk))))


async def gemini_async(url: str, talk: Talk) -> Heard:
    async with _gemini_client(url).aio as client:
        return _heard_gemini([await client.models.generate_content(**_gemini_request(talk))])


async def gemini_stream_async(url: str, talk: Talk) -> Heard:
    async with _gemini_client(url).aio as client:
        stream = await client.models.generate_content_stream(**_gemini_request(talk))
        return _heard_gemini([answer async for answer in stream])
