"""The grammar of OpenAI chat completions (and the older text completions): what each member of a body holds.

Source: the API reference of chat completions and the types of openai-python 3.54; members that other servers of this
API add (DeepSeek, vLLM, OpenRouter, Azure) are marked. How an answer finds this grammar is told in `openai.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from msgspec.structs import replace

from gateway.dialect import grammar as g
from gateway.dialect import openai_tools as tools
from gateway.dialect.grammar import Rule, Sink
from gateway.dialect.plain import Voice
from gateway.segment import Kind, Path
from gateway.wire.document import Document, Patch

_unknown: Final = g.opaque(g.UNKNOWN)


_REMOTE: Final[Mapping[str, str]] = {
    "video_url": "video",  # vLLM and others
    "audio_url": "audio",
    "file_url": "file",
    "document_url": "file",  # Mistral
}
"""Parts of other servers that are an address, and what it leads to."""


def _part(voice: Voice) -> Rule:
    """One part of a message's content, spoken in `voice`."""
    unknown = g.unknown(voice)
    cache = g.skipped("type") | g.ignored("prompt_cache_breakpoint cache_control")
    file = g.members({"filename": g.text(g.FILE_NAME), **g.skipped("file_id"), **g.ignored("file_data")}, unknown)
    image = g.members({"url": g.address(voice), "detail": g.skip}, unknown)
    table: dict[str, Rule] = {
        "text": g.members({"text": g.text(voice), **cache}, unknown),
        "refusal": g.members({"refusal": g.text(replace(voice, kind=Kind.REFUSAL)), **cache}, unknown),
        "image_url": g.both(g.uninspected("image"), g.members({"image_url": image, **cache}, unknown)),
        "input_audio": g.both(g.uninspected("audio"), g.members({"input_audio": g.ignore, **cache}, unknown)),
        "file": g.both(g.uninspected("file"), g.members({"file": file, **cache}, unknown)),
        **{kind: g.both(g.uninspected(what), unknown) for kind, what in _REMOTE.items()},
    }
    return g.by("type", table, unknown)


def _content(voice: Voice) -> Rule:
    return g.either(voice, _part(voice))


def _message(voice: Voice, **more: Rule) -> Rule:
    """A message of one role. Its name is a label; what the role does not know is read, and trusted as the role is."""
    table: dict[str, Rule] = {
        "role": g.skip,
        "content": _content(voice),
        "name": g.text(replace(voice, wrappable=False)),
        "cache_control": g.ignore,
    }
    return g.members({**table, **more}, g.unknown(voice))


_FUNCTION_CALL: Final[dict[str, Rule]] = {"name": g.text(g.CALL_NAME), "arguments": g.arguments(g.CALL)}
_CUSTOM_CALL: Final[dict[str, Rule]] = {"name": g.text(g.CALL_NAME), "input": g.text(g.CALL)}


def _tool_call(unknown: Rule) -> Rule:
    """A call; which of its two members is there depends on `type`, which some clients leave out."""
    table = {
        "function": g.members(_FUNCTION_CALL, unknown),
        "custom": g.members(_CUSTOM_CALL, unknown),
        **g.skipped("id type index"),
    }
    return g.members(table, unknown)


_unknown_answer: Final = g.opaque(g.UNKNOWN_ANSWER)

# OpenRouter's reasoning with the signatures of the models behind it, which an edit would break.
_DETAIL: Final[Rule] = g.members(
    g.skipped("type id index format") | g.ignored("signature"), g.opaque(replace(g.REASONED, editable=False))
)
_DETAILS: Final[Rule] = g.each(_DETAIL, _unknown_answer)

_ASSISTANT: Final[dict[str, Rule]] = {
    "refusal": g.text(g.REFUSED),
    "reasoning_content": g.text(g.REASONED),  # DeepSeek, vLLM
    "reasoning": g.text(g.REASONED),  # OpenRouter, Ollama
    "reasoning_details": _DETAILS,
    "tool_calls": g.each(_tool_call(_unknown_answer), _unknown_answer),
    "function_call": g.members(_FUNCTION_CALL, _unknown_answer),
}

MESSAGE: Final[Rule] = g.by(
    "role",
    {
        "system": _message(g.SYSTEM),
        "developer": _message(g.SYSTEM),
        "user": _message(g.USER),
        "assistant": _message(g.ASSISTANT, **_ASSISTANT, audio=g.uninspected("stored_context")),
        "tool": _message(g.RESULT, tool_call_id=g.skip),
        "function": _message(g.RESULT),
    },
    g.opaque(g.UNKNOWN_DATA),
)
"""A message of a request. A role that is not known may be anyone: its texts are read and not trusted."""

_PREDICTION: Final[Rule] = g.members({"type": g.skip, "content": _content(g.USER)}, _unknown)

# Azure searches these itself; the key in `authentication` is meant for the search service.
_SOURCE: Final[Rule] = g.members(
    {
        "type": g.skip,
        "parameters": g.members({"authentication": g.ignore, "role_information": g.text(g.SYSTEM)}, _unknown),
    },
    _unknown,
)

# Not text that a model reads, or words of a fixed list; `stop` is compared with the answer and shown to nobody.
_SETTINGS: Final = g.skipped(
    "model stream n seed temperature top_p top_k top_logprobs logprobs max_tokens max_completion_tokens"
    " frequency_penalty presence_penalty reasoning_effort verbosity store service_tier parallel_tool_calls"
    " prompt_cache_retention"
) | g.ignored("stream_options stop logit_bias modalities audio prompt_cache_options moderation")

_SYSTEM_ROLES: Final = ("system", "developer")


def lead(messages: Sequence[Any]) -> int:
    """How many of the first messages `instruct` looks at: the leading ones and the one that ends them.

    Where none leads, it asks whether any message is a developer's.
    """
    roles = _roles(messages)
    leading = _leading(roles)
    if not leading and "developer" in roles:
        return roles.index("developer") + 1
    return leading + 1


def _roles(messages: Sequence[Any]) -> list[Any]:
    return [message.get("role") if isinstance(message, dict) else None for message in messages]


def _leading(roles: Sequence[Any]) -> int:
    """How many messages of the operator come first."""
    return next((index for index, role in enumerate(roles) if role not in _SYSTEM_ROLES), len(roles))


REQUEST: Final[Rule] = g.members(
    {
        "messages": g.independent(MESSAGE, _unknown, lead),
        "tools": g.independent(tools.CHAT_TOOL, tools.UNKNOWN),
        "functions": g.each(tools.CHAT_FUNCTION, tools.UNKNOWN),
        "tool_choice": tools.chosen,
        "function_call": tools.chosen,
        "response_format": g.members({"type": g.skip, "json_schema": tools.ANSWER_FORMAT}, g.opaque(g.FORMAT)),
        "prediction": _PREDICTION,
        "web_search_options": g.both(g.uninspected("hosted_tool"), _unknown),
        "data_sources": g.both(g.uninspected("hosted_tool"), g.each(_SOURCE, _unknown)),
        **_SETTINGS,
    },
    _unknown,
)
"""The body of POST /chat/completions."""


_TOKENS: Final = g.uninspected("tokens")
_INPUT: Final = g.either(g.USER, _content(g.USER))


def input_text(sink: Sink, value: Any, path: Path) -> None:
    """A prompt or input: strings, parts, or token numbers, which only the model's own tokeniser could read."""
    numbers = isinstance(value, list) and any(isinstance(item, int | list) for item in value)
    (_TOKENS if numbers else _INPUT)(sink, value, path)


COMPLETION_REQUEST: Final[Rule] = g.members(
    {
        "prompt": input_text,
        "suffix": g.text(g.USER),
        **g.skipped("best_of echo"),
        **_SETTINGS,
    },
    _unknown,
)
"""The body of POST /completions (legacy)."""

# Azure's filter results hold words of fixed lists (category, severity) and, beside them, no text of the answer.
_FILTERED: Final = g.ignored("content_filter_results content_filter_offsets content_filter_result")

_URL_CITATION: Final[Rule] = g.members(
    {"title": g.text(g.ASSISTANT), "url": g.text(g.ASSISTANT), **g.skipped("start_index end_index")}, _unknown_answer
)
_ANNOTATION: Final[Rule] = g.members({"type": g.skip, "url_citation": _URL_CITATION}, _unknown_answer)
_CONTEXT: Final = g.opaque(g.RESULT_LABEL)  # Azure: what was found in the caller's own data
_AUDIO: Final[dict[str, Rule]] = {"data": g.uninspected("audio"), **g.skipped("id expires_at")}

ANSWER_MESSAGE: Final[Rule] = _message(
    g.ASSISTANT,
    **_ASSISTANT,
    annotations=g.each(_ANNOTATION, _unknown_answer),
    context=_CONTEXT,
    audio=g.members({"transcript": g.text(g.ASSISTANT), **_AUDIO}, _unknown_answer),
    id=g.skip,
)
"""The message of a choice."""

_CHOICE: Final = {"logprobs": g.logprobs, **g.skipped("index finish_reason stop_reason"), **_FILTERED}
_HEAD: Final = g.skipped("id object created model service_tier system_fingerprint") | g.ignored(
    "usage moderation obfuscation prompt_filter_results"
)

ANSWER: Final[Rule] = g.members(
    {
        "choices": g.each(
            g.members({"message": ANSWER_MESSAGE, "text": g.text(g.ASSISTANT), **_CHOICE}, _unknown_answer),
            _unknown_answer,
        ),
        **_HEAD,
    },
    _unknown_answer,
)
"""A `chat.completion` or `text_completion`."""

# What is not known in a delta may be a piece of a text, too.
_unknown_piece: Final = g.growing(_unknown_answer)

# In a stream, `arguments` reads the piece as it is (see `Sink.joined`).
_FUNCTION_PIECE: Final[Rule] = g.growing(g.members(_FUNCTION_CALL, _unknown_answer))
_TOOL_PIECE: Final[Rule] = g.members(
    {
        "function": _FUNCTION_PIECE,
        "custom": g.members(
            {"name": g.growing(g.text(g.CALL_NAME)), "input": g.growing(g.text(g.CALL))}, _unknown_piece
        ),
        **g.skipped("id type index"),
    },
    _unknown_piece,
)
_DELTA: Final[Rule] = g.members(
    {
        "role": g.skip,
        "content": g.growing(g.text(g.ASSISTANT)),
        "refusal": g.growing(g.text(g.REFUSED)),
        "reasoning_content": g.growing(g.text(g.REASONED)),
        "reasoning": g.growing(g.text(g.REASONED)),
        "reasoning_details": g.growing(_DETAILS),
        "context": _CONTEXT,
        "tool_calls": g.each(_TOOL_PIECE, _unknown_answer),
        "function_call": _FUNCTION_PIECE,
        "annotations": g.each(_ANNOTATION, _unknown_answer),
        "audio": g.members({"transcript": g.growing(g.text(g.ASSISTANT)), **_AUDIO}, _unknown_piece),
    },
    _unknown_piece,
)

CHUNK: Final[Rule] = g.members(
    {
        "choices": g.each(
            g.members({"delta": _DELTA, "text": g.growing(g.text(g.ASSISTANT)), **_CHOICE}, _unknown_answer),
            _unknown_answer,
        ),
        **_HEAD,
    },
    _unknown_answer,
)
"""A `chat.completion.chunk`, or the `text_completion` of a stream."""


def instruct(document: Document, rules: str, root: Path = ()) -> tuple[Patch, ...]:
    """Append `rules` to the last leading system or developer message, or put a message of their own before all.

    The role of a new message is the one that the request itself uses: models that know `developer` read `system` as
    the same, but older ones do not know `developer`.
    """
    messages = document.get(*root, "messages")
    if not isinstance(messages, list):
        return ()
    roles = _roles(messages)
    leading = _leading(roles)
    if leading:
        path: Path = (*root, "messages", leading - 1, "content")
        content = document.get(*path)
        if isinstance(content, str):
            return (document.append_text(path, "\n\n" + rules),)
        if isinstance(content, list):
            return (document.insert_item(path, len(content), {"type": "text", "text": rules}),)
    message = {"role": "developer" if "developer" in roles else "system", "content": rules}
    return (document.insert_item((*root, "messages"), 0, message),)
