"""Agents on Amazon Bedrock: one conversation, spoken by Amazon's SDK and by Anthropic's, unmodified."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from traceback import clear_frames
from typing import Any

import anthropic
import boto3
import httpx2
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.fakes.anthropic_agents import heard_message, messages_request
from tests.fakes.talk import DESCRIPTION, SCHEMA, Heard, Talk

REGION = "us-east-1"
NAMED = "us.anthropic.claude-sonnet-4-5-v1:0"
PROFILE = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/a1b2c3"
"""A model of Anthropic's by its name, and by the ARN of a profile, which does not tell whose it is."""

SIGNING = {"aws_access_key_id": "AKIDEXAMPLE", "aws_secret_access_key": "not-a-secret", "aws_session_token": "session"}


@dataclass(frozen=True, slots=True)
class Way:
    """Where Bedrock is, and how an agent comes there: by the proxy, whose authority it trusts, if there is one.

    `key` is its gateway key: the id of the key that Amazon's client signs with, and the API key of Anthropic's. Without
    it, it signs as somebody of Amazon's, or has an API key in AWS_BEARER_TOKEN_BEDROCK.
    """

    url: str
    model: str = NAMED
    key: str | None = None
    signed: bool = False
    proxy: str | None = None
    bundle: str | None = None


@contextmanager
def client(way: Way) -> Iterator[Any]:
    """Amazon's client. It shows an API key to nobody without TLS."""
    credentials = SIGNING if way.signed else {}
    if way.key is not None:
        credentials = {"aws_access_key_id": way.key, "aws_secret_access_key": "unused"}
    made = boto3.client(
        "bedrock-runtime",
        region_name=REGION,
        endpoint_url=way.url,
        verify=way.bundle,
        config=Config(proxies={"https": way.proxy} if way.proxy else {}, retries={"total_max_attempts": 3}),
        **credentials,
    )
    try:
        yield made
    except ClientError as error:
        clear_frames(error.__traceback__)  # which refer to the connections; urllib3 closes them once nothing does
        raise
    finally:
        made.close()


def _converse_request(way: Way, talk: Talk) -> dict[str, Any]:
    messages: list[dict[str, Any]] = []
    for turn in talk.turns:
        if turn.call is None:
            messages.append({"role": "user", "content": [{"text": turn.text}]})
            continue
        use = {"toolUseId": turn.call.id, "name": turn.call.name, "input": turn.call.parsed()}
        result = {"toolUseId": turn.call.id, "content": [{"text": turn.result}]}
        messages.append({"role": "assistant", "content": [{"toolUse": use}]})
        messages.append({"role": "user", "content": [{"toolResult": result}]})
    spec = {"name": "weather", "description": DESCRIPTION, "inputSchema": {"json": SCHEMA}}
    request: dict[str, Any] = {"modelId": way.model, "messages": messages, "inferenceConfig": {"maxTokens": 100}}
    if talk.system:
        request["system"] = [{"text": talk.system}]
    return {**request, **({"toolConfig": {"tools": [{"toolSpec": spec}]}} if talk.with_tools else {})}


def converse(way: Way, talk: Talk) -> Heard:
    with client(way) as amazon:
        answer = amazon.converse(**_converse_request(way, talk))
    blocks = answer["output"]["message"]["content"]
    calls = tuple((block["toolUse"]["name"], block["toolUse"]["input"]) for block in blocks if "toolUse" in block)
    return Heard("".join(block.get("text", "") for block in blocks), calls, answer["stopReason"])


def converse_stream(way: Way, talk: Talk) -> Heard:
    text, finish = "", ""
    calls: dict[int, list[str]] = {}
    for event in _events(way, "converse_stream", "stream", _converse_request(way, talk)):
        ((name, value),) = event.items()
        if name == "contentBlockStart":
            calls[value["contentBlockIndex"]] = [value["start"]["toolUse"]["name"]]
        elif name == "contentBlockDelta" and "toolUse" in value["delta"]:
            calls[value["contentBlockIndex"]].append(value["delta"]["toolUse"]["input"])
        elif name == "contentBlockDelta":
            text += value["delta"].get("text", "")
        elif name == "messageStop":
            finish = value["stopReason"]
    return Heard(text, tuple((name, json.loads("".join(parts) or "{}")) for name, *parts in calls.values()), finish)


def _events(way: Way, operation: str, member: str, request: dict[str, Any]) -> Iterator[dict[str, Any]]:
    with client(way) as amazon, closing(getattr(amazon, operation)(**request)[member]) as stream:
        yield from stream


def _invoke_request(way: Way, talk: Talk) -> dict[str, Any]:
    body = {"anthropic_version": "bedrock-2023-05-31", **messages_request(talk)}
    del body["model"]
    return {"modelId": way.model, "body": json.dumps(body)}


def invoke(way: Way, talk: Talk) -> Heard:
    with client(way) as amazon:
        body = amazon.invoke_model(**_invoke_request(way, talk))["body"].read()
    return heard_message(anthropic.types.Message.model_validate_json(body))


def invoke_stream(way: Way, talk: Talk) -> Heard:
    text, finish = "", ""
    calls: dict[int, list[str]] = {}
    for part in _events(way, "invoke_model_with_response_stream", "body", _invoke_request(way, talk)):
        event = json.loads(part["chunk"]["bytes"])
        block, delta = event.get("content_block", {}), event.get("delta", {})
        if block.get("type") == "tool_use":
            calls[event["index"]] = [block["name"]]
        text += delta.get("text", "")
        if "partial_json" in delta:
            calls[event["index"]].append(delta["partial_json"])
        finish = delta.get("stop_reason", finish)
    return Heard(text, tuple((name, json.loads("".join(parts) or "{}")) for name, *parts in calls.values()), finish)


def _anthropic(way: Way) -> dict[str, Any]:
    names = {"aws_access_key": "aws_access_key_id", "aws_secret_key": "aws_secret_access_key"}
    signing = {ours: SIGNING[theirs] for ours, theirs in {**names, "aws_session_token": "aws_session_token"}.items()}
    shown = signing if way.signed else {"api_key": way.key}
    return {"aws_region": REGION, "base_url": way.url, **shown}


def _tls(way: Way) -> dict[str, Any]:
    if way.proxy is None:
        return {}
    return {"proxy": way.proxy, "verify": ssl.create_default_context(cafile=way.bundle)}


def messages(way: Way, talk: Talk) -> Heard:
    with (
        httpx2.Client(**_tls(way)) as http,
        anthropic.AnthropicBedrock(**_anthropic(way), http_client=http) as bedrock,
    ):
        return heard_message(bedrock.messages.create(**{**messages_request(talk), "model": way.model}))


async def messages_stream(way: Way, talk: Talk) -> Heard:
    async with (
        httpx2.AsyncClient(**_tls(way)) as http,
        anthropic.AsyncAnthropicBedrock(**_anthropic(way), http_client=http) as bedrock,
        bedrock.messages.stream(**{**messages_request(talk), "model": way.model}) as stream,
    ):
        return heard_message(await stream.get_final_message())


@dataclass(frozen=True, slots=True)
class Agent:
    """One way of speaking; `dialect` is what the gateway calls it."""

    name: str
    dialect: str
    streamed: bool
    speak: Callable[[Way, Talk], Awaitable[Heard]]

    def __str__(self) -> str:
        return self.name


def _threaded(speak: Callable[[Way, Talk], Heard]) -> Callable[[Way, Talk], Awaitable[Heard]]:
    return lambda way, talk: asyncio.to_thread(speak, way, talk)


AGENTS = (
    Agent("converse", "bedrock_converse", False, _threaded(converse)),
    Agent("converse-stream", "bedrock_converse", True, _threaded(converse_stream)),
    Agent("invoke", "bedrock_messages", False, _threaded(invoke)),
    Agent("invoke-stream", "bedrock_messages", True, _threaded(invoke_stream)),
    Agent("anthropic", "bedrock_messages", False, _threaded(messages)),
    Agent("anthropic-stream", "bedrock_messages", True, messages_stream),
)
