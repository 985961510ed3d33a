"""How many tokens an answer took, in one normal form, from the many in which APIs write it.

`input` is all that the model read and `output` all that it wrote. Of the input, `cached` came from the provider's cache
and `written` went into it; of the output, `reasoning` was thought and not said. A part that is 0 is left out.

Source: the types of openai-python 3.54, anthropic-sdk-python 2.12 and google-genai 3.6, "TokenUsage" in the API
reference of Bedrock Runtime, and docs/api.md of Ollama (all 2026-11).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct

type Usage = dict[str, int]
"""Counts of tokens by `input`, `output`, `cached`, `written` and `reasoning`."""

MOST: Final = 100_000_000
"""Tokens that one count may say: no model reads or writes a tenth of it, and what a server says beyond is no count."""

type _Members = tuple[str, ...]
"""Names of members, `outer.inner` for one that is a level down. Their numbers are added up."""


class Shape(Struct, frozen=True):
    """How one API writes its counts: which members of its object make which of ours."""

    input: _Members
    output: _Members
    cached: _Members = ()
    written: _Members = ()
    reasoning: _Members = ()

    def read(self, told: Any) -> Usage:
        """The counts in such an object, as far as it has them; empty for anything else."""
        if not isinstance(told, dict):
            return {}
        found: Usage = {}
        for name, members in (("input", self.input), ("output", self.output)):
            counts = [count for count in (_count(told, member) for member in members) if count is not None]
            if counts:
                found[name] = sum(counts)
        for name, members in (("cached", self.cached), ("written", self.written), ("reasoning", self.reasoning)):
            part = sum(_count(told, member) or 0 for member in members)
            if part:
                found[name] = part
        return found


def _count(told: Mapping[str, Any], member: str) -> int | None:
    outer, _, inner = member.partition(".")
    value = told.get(outer)
    if inner:
        value = value.get(inner) if isinstance(value, dict) else None
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST else None


CHAT: Final = Shape(
    ("prompt_tokens",),
    ("completion_tokens",),
    ("prompt_tokens_details.cached_tokens",),
    ("prompt_tokens_details.cache_write_tokens",),
    ("completion_tokens_details.reasoning_tokens",),
)
"""OpenAI's chat, its older completions and its embeddings, which have no output; Azure and all that speak alike."""

RESPONSES: Final = Shape(
    ("input_tokens",),
    ("output_tokens",),
    ("input_tokens_details.cached_tokens", "input_token_details.cached_tokens"),
    ("input_tokens_details.cache_write_tokens",),
    ("output_tokens_details.reasoning_tokens",),
)
"""OpenAI's Responses, images and transcriptions, and Realtime, which leaves the `s` out."""

ANTHROPIC: Final = Shape(
    ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"),  # the first is what no cache supplied
    ("output_tokens",),
    ("cache_read_input_tokens",),
    ("cache_creation_input_tokens",),
    ("output_tokens_details.thinking_tokens",),
)

GEMINI: Final = Shape(
    ("promptTokenCount", "toolUsePromptTokenCount"),  # the first holds what is cached
    ("candidatesTokenCount", "thoughtsTokenCount"),
    ("cachedContentTokenCount",),
    (),
    ("thoughtsTokenCount",),
)

INTERACTIONS: Final = Shape(
    ("total_input_tokens", "total_tool_use_tokens"),
    ("total_output_tokens", "total_thought_tokens"),
    ("total_cached_tokens",),
    (),
    ("total_thought_tokens",),
)
"""Google's Interactions, whose counts are those of its other API under other names."""

GEMINI_LIVE: Final = Shape(
    GEMINI.input,
    ("responseTokenCount", "thoughtsTokenCount"),
    GEMINI.cached,
    (),
    GEMINI.reasoning,
)

OLLAMA: Final = Shape(("prompt_eval_count",), ("eval_count",))

CONVERSE: Final = Shape(
    ("inputTokens", "cacheReadInputTokens", "cacheWriteInputTokens"),
    ("outputTokens",),
    ("cacheReadInputTokens",),
    ("cacheWriteInputTokens",),
)
"""Bedrock's Converse. As in the bodies of Anthropic behind it, what the cache supplied is no part of `inputTokens`."""
