"""Agents: one conversation, spoken by each provider's own SDK, unmodified; only the base URL is given.

`AGENTS` has a row for each SDK, synchronous and asynchronous, whole and streamed. A row takes a `Talk` and gives back
what the agent heard; what the SDK raises, it raises.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import anthropic
import openai
from google.genai import _interactions_errors as interactions_errors
from google.genai import errors as genai_errors

from tests.fakes import anthropic_agents, gemini_agents, interactions_agents, openai_agents
from tests.fakes.talk import Heard, Talk

GENAI_SUBCLASSES_AIOHTTP = "ignore:Inheritance class AiohttpClientSession:DeprecationWarning"
"""A warning filter: google-genai's own client session, not the gateway's."""


def _threaded(speak: Callable[[str, Talk], Heard]) -> Callable[[str, Talk], Awaitable[Heard]]:
    """A synchronous SDK call, in a thread of its own, as the event loop serves the other side."""
    return lambda url, talk: asyncio.to_thread(speak, url, talk)


@dataclass(frozen=True, slots=True)
class Agent:
    """One way of speaking. `upstream` is the name under which the gateway knows the provider."""

    name: str
    upstream: str
    streamed: bool
    speak: Callable[[str, Talk], Awaitable[Heard]]

    def __str__(self) -> str:
        return self.name


AGENTS = (
    Agent("chat", "openai", False, _threaded(openai_agents.chat)),
    Agent("chat-async", "openai", False, openai_agents.chat_async),
    Agent("chat-stream", "openai", True, _threaded(openai_agents.chat_stream)),
    Agent("chat-stream-async", "openai", True, openai_agents.chat_stream_async),
    Agent("responses", "openai", False, _threaded(openai_agents.responses)),
    Agent("responses-async", "openai", False, openai_agents.responses_async),
    Agent("responses-stream", "openai", True, _threaded(openai_agents.responses_stream)),
    Agent("responses-stream-async", "openai", True, openai_agents.responses_stream_async),
    Agent("messages", "anthropic", False, _threaded(anthropic_agents.messages)),
    Agent("messages-async", "anthropic", False, anthropic_agents.messages_async),
    Agent("messages-stream", "anthropic", True, _threaded(anthropic_agents.messages_stream)),
    Agent("messages-stream-async", "anthropic", True, anthropic_agents.messages_stream_async),
    Agent("gemini", "gemini", False, _threaded(gemini_agents.gemini)),
    Agent("gemini-async", "gemini", False, gemini_agents.gemini_async),
    Agent("gemini-stream", "gemini", True, _threaded(gemini_agents.gemini_stream)),
    Agent("gemini-stream-async", "gemini", True, gemini_agents.gemini_stream_async),
    Agent("interactions", "gemini", False, _threaded(interactions_agents.interactions)),
    Agent("interactions-async", "gemini", False, interactions_agents.interactions_async),
    Agent("interactions-stream", "gemini", True, _threaded(interactions_agents.interactions_stream)),
    Agent("interactions-stream-async", "gemini", True, interactions_agents.interactions_stream_async),
)

SDK_ERRORS = (openai.APIError, anthropic.APIError, genai_errors.APIError, interactions_errors.APIError)
"""The roots of the SDKs' own errors."""


def status_of(error: BaseException) -> int:
    """The HTTP status that an SDK's typed error carries."""
    match error:
        case openai.APIStatusError() | anthropic.APIStatusError():
            return error.status_code
        case interactions_errors.APIStatusError():
            return error.response.status_code
        case genai_errors.APIError():
            return error.code
    raise TypeError(f"not a status error of an SDK: {error!r}")


def code_of(error: BaseException) -> str:
    """The gateway's `code`, from where each SDK's typed error keeps it."""
    match error:
        case openai.APIError():
            return error.code or ""
        case anthropic.APIStatusError():
            assert isinstance(error.body, dict)
            return str(error.body["error"]["code"])
        case interactions_errors.APIStatusError():
            body = error.body if isinstance(error.body, dict) else json.loads(str(error.body))
            return str(body["error"]["code"])
        case genai_errors.APIError():
            return str(error.details["error"]["details"][0]["reason"])
    raise TypeError(f"not an error of an SDK: {error!r}")
