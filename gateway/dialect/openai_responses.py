"""The grammar of the OpenAI Responses API: requests, the items they and answers are made of, and conversations.

Source: the API reference of responses and the types of openai-python 3.54. How an answer finds this grammar is told in
`openai.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from msgspec.structs import replace

from gateway.dialect import grammar as g
from gateway.dialect import openai_tools as tools
from gateway.dialect.grammar import Rule, Sink
from gateway.dialect.plain import Voice
from gateway.segment import Kind, Path
from gateway.wire.document import Document, Patch

_unknown: Final = g.opaque(g.UNKNOWN)
_called: Final = g.opaque(g.CALL)
_reported: Final = g.opaque(g.RESULT_LABEL)  # errors and attributes, which come from outside
_image: Final = g.uninspected("image")


def _annotation(voice: Voice) -> Rule:
    label = g.text(replace(voice, wrappable=False))
    labels = {"title": label, "url": label, "filename": label}
    return g.members(labels | g.skipped("type index start_index end_index file_id container_id"), g.unknown(voice))


def part(voice: Voice) -> Rule:
    """One part of a content, an output or a summary, spoken in `voice`."""
    unknown = g.unknown(voice)
    cache = g.skipped("type") | g.ignored("prompt_cache_breakpoint")
    said = g.members(
        {"text": g.text(voice), "annotations": g.each(_annotation(voice), unknown), "logprobs": g.logprobs, **cache},
        unknown,
    )
    address = g.address(voice)
    file = {
        "filename": g.text(g.FILE_NAME),
        "file_url": address,
        **g.skipped("file_id detail"),
        **g.ignored("file_data"),
        **cache,
    }
    image = g.both(_image, g.members({"image_url": address, **g.skipped("file_id detail"), **cache}, unknown))
    table: dict[str, Rule] = {
        **dict.fromkeys(("input_text", "output_text", "text", "summary_text", "reasoning_text"), said),
        "refusal": g.members({"refusal": g.text(replace(voice, kind=Kind.REFUSAL)), **cache}, unknown),
        "input_image": image,
        "computer_screenshot": image,
        "input_file": g.both(g.uninspected("file"), g.members(file, unknown)),
        "input_audio": g.both(g.uninspected("audio"), g.members({"input_audio": g.ignore, **cache}, unknown)),
    }
    return g.by("type", table, unknown)


def _content(voice: Voice) -> Rule:
    return g.either(voice, part(voice))


_COMMON: Final = g.skipped(
    "type id object call_id status created_by approval_request_id phase role async execution"
) | g.ignored("caller")
_NAME: Final[dict[str, Rule]] = {"name": g.text(g.CALL_NAME), "namespace": g.text(g.CALL_NAME)}
_RESULT_NAME: Final = dict.fromkeys(("name", "namespace"), g.text(g.RESULT_LABEL))
_RESULT: Final = _content(g.RESULT)


def _message(voice: Voice, unknown: Rule) -> Rule:
    return g.members({"content": _content(voice), **_COMMON}, unknown)


_ACTION: Final[Rule] = g.members(g.skipped("type button timeout_ms max_output_length"), _called)
_SCREEN: Final[dict[str, Rule]] = {"output": part(g.RESULT), "acknowledged_safety_checks": _reported}
_MCP_CALL: Final[dict[str, Rule]] = {
    **_NAME,
    "server_label": g.text(g.CALL_NAME),
    "arguments": g.arguments(g.CALL),
    "output": g.text(g.RESULT),
    "error": _reported,
}
_MCP_TOOL: Final[Rule] = g.members(
    {
        "name": g.text(g.DEFINITION_NAME),
        "description": g.text(g.DEFINITION),
        "input_schema": g.schema(g.DEFINITION),
        "annotations": tools.UNKNOWN,
    },
    tools.UNKNOWN,
)
_SHELL_OUTPUT: Final[Rule] = g.members(
    {"stdout": g.text(g.RESULT), "stderr": g.text(g.RESULT), "outcome": g.ignore, "created_by": g.skip}, _reported
)
_SEARCH_RESULT: Final[Rule] = g.members(
    {"text": g.text(g.RESULT), "filename": g.text(g.RESULT_LABEL), **g.skipped("file_id score vector_store_id")},
    _reported,
)
_CODE_OUTPUT: Final[Rule] = g.by(
    "type", {"logs": g.members({"type": g.skip, "logs": g.text(g.RESULT)}, _reported), "image": _image}, _reported
)

# Items by type: the members beyond those that all items have.
_ITEMS: Final[Mapping[str, Mapping[str, Rule]]] = {
    "function_call": {**_NAME, "arguments": g.arguments(g.CALL)},
    "function_call_output": {**_RESULT_NAME, "output": _RESULT},
    "custom_tool_call": {**_NAME, "input": g.text(g.CALL)},
    "custom_tool_call_output": {**_RESULT_NAME, "output": _RESULT},
    "computer_call": {
        "action": _ACTION,
        "actions": g.each(_ACTION, _called),
        "pending_safety_checks": _reported,
    },
    "computer_call_output": _SCREEN,
    "local_shell_call": {"action": _ACTION},
    "local_shell_call_output": {"output": g.text(g.RESULT)},
    "shell_call": {"action": _ACTION, "environment": tools.ENVIRONMENT},
    "shell_call_output": {"output": g.each(_SHELL_OUTPUT, _RESULT), "max_output_length": g.skip},
    "apply_patch_call": {"operation": _ACTION},
    "apply_patch_call_output": {"output": g.text(g.RESULT)},
    "mcp_call": _MCP_CALL,
    "mcp_list_tools": {
        "server_label": g.text(g.DEFINITION_NAME),
        "tools": g.each(_MCP_TOOL, tools.UNKNOWN),
        "error": _reported,
    },
    "mcp_approval_request": _MCP_CALL,
    "mcp_approval_response": {"reason": g.text(g.USER), "approve": g.skip},
    "web_search_call": {"action": g.members({"type": g.skip}, _called)},
    "file_search_call": {"queries": _called, "results": g.each(_SEARCH_RESULT, _reported)},
    "code_interpreter_call": {
        "code": g.text(g.CALL),
        "outputs": g.each(_CODE_OUTPUT, _reported),
        "container_id": g.skip,
    },
    "image_generation_call": {
        "result": _image,
        "revised_prompt": g.text(g.ASSISTANT),
        "error": _reported,
        **g.skipped("action background output_format quality size model"),
        **g.ignored("svg_usage"),
    },
    "compaction": {"encrypted_content": g.uninspected("encrypted_content")},
    "compaction_trigger": {},
    "tool_search_call": {"arguments": _called},
    "tool_search_output": {"tools": g.each(tools.tool, tools.UNKNOWN)},
    "additional_tools": {"tools": g.each(tools.tool, tools.UNKNOWN)},
    "configuration_update": {"reasoning": g.ignore, "text": g.opaque(g.FORMAT)},
    "program": {"code": g.text(g.CALL), "fingerprint": g.ignore},
    "program_output": {"result": g.text(g.RESULT)},
}

_UNNAMED: Final = frozenset(
    f"{tool}_call"
    for tool in (
        "apply_patch",
        "code_interpreter",
        "computer",
        "file_search",
        "image_generation",
        "local_shell",
        "shell",
        "tool_search",
        "web_search",
    )
)
"""Calls of tools that the API knows itself: their type is their only name."""


def _named(kind: str) -> Mapping[str, Rule]:
    """What names the tool of an unnamed call: its type, as the tool's definition spells it."""
    if kind not in _UNNAMED:
        return {}
    tool = kind.removesuffix("_call")

    def rule(sink: Sink, _: Any, path: Path) -> None:
        sink.segments.append(g.CALL_NAME.segment(path, tool))

    return {"type": rule}


ITEM_TYPES: Final = frozenset((*_ITEMS, "message", "reasoning", "item_reference"))
"""The `type` of every item that is known."""


def _item(reasoning: Voice, strange: Voice) -> Rule:
    """An item. Reasoning in `reasoning`; members and types that are not known in `strange`."""
    unknown = g.opaque(strange)
    roles = {"system": g.SYSTEM, "developer": g.SYSTEM, "user": g.USER, "assistant": g.ASSISTANT}
    message = g.by("role", {role: _message(voice, g.unknown(voice)) for role, voice in roles.items()}, unknown)
    thoughts = g.each(part(reasoning), g.text(reasoning))
    thought: dict[str, Rule] = {
        "summary": thoughts,
        "content": thoughts,
        "encrypted_content": g.uninspected("encrypted_content"),
    }
    table: dict[str, Rule] = {
        kind: g.members({**_COMMON, **_named(kind), **extra}, unknown) for kind, extra in _ITEMS.items()
    }
    table |= {
        "message": message,
        "reasoning": g.members({**_COMMON, **thought}, unknown),
        "item_reference": g.uninspected("stored_context"),
    }
    typed = g.by("type", table, unknown)

    def rule(sink: Sink, value: Any, path: Path) -> None:
        if isinstance(value, dict) and value.get("type") is None:
            untyped = message if "role" in value else g.uninspected("stored_context") if set(value) <= _ID else typed
            untyped(sink, value, path)
        else:
            typed(sink, value, path)

    return rule


_ID: Final = {"id", "type"}  # of a reference, whose `type` may be left out

# The provider may hold reasoning against its own copy, so it goes back as it came.
ITEM: Final[Rule] = _item(replace(g.REASONED, editable=False), g.UNKNOWN_DATA)
"""An item of a request."""

ANSWER_ITEM: Final[Rule] = _item(g.REASONED, g.UNKNOWN_ANSWER)
"""An item of an answer."""


ANSWER_PART: Final[Rule] = part(g.ASSISTANT)
"""A part of an answer's message."""

SUMMARY_PART: Final[Rule] = part(g.REASONED)
"""A part of an answer's reasoning."""

ANNOTATION: Final[Rule] = _annotation(g.ASSISTANT)
"""Where a piece of an answer comes from."""

_STORED: Final = g.uninspected("stored_context")
_VARIABLES: Final[Rule] = g.values(_content(g.USER), _unknown)
_TEXT: Final[Rule] = g.members({"format": tools.ANSWER_FORMAT, "verbosity": g.skip}, g.opaque(g.FORMAT))

# Not text that a model reads, or words of a fixed list.
_SETTINGS: Final = g.skipped(
    "model stream background max_output_tokens max_tool_calls parallel_tool_calls prompt_cache_retention"
    " service_tier store temperature top_p top_logprobs truncation"
) | g.ignored(
    "stream_options background_options context_management include moderation prompt_cache_options"
    " reasoning access_programs image"
)

PROMPT: Final[Rule] = g.both(_STORED, g.members({"variables": _VARIABLES, **g.skipped("id version")}, _unknown))
"""A prompt that the provider keeps, with what the client puts in it."""

_REQUEST: Final[dict[str, Rule]] = {
    "instructions": g.either(g.SYSTEM, ITEM),
    "input": g.either(g.USER, ITEM, g.independent),
    "items": g.each(ITEM, _unknown),
    "previous_response_id": _STORED,
    "conversation": _STORED,
    "prompt": PROMPT,
    "tools": g.independent(tools.tool, tools.UNKNOWN),
    "tool_choice": tools.chosen,
    "text": _TEXT,
    **_SETTINGS,
}

REQUEST: Final[Rule] = g.members(_REQUEST, _unknown)
"""The body of POST /responses and its relatives (`input_tokens`, `compact`), and of /conversations (`items`)."""

CLIENT_EVENT: Final[Rule] = g.members({**_REQUEST, **g.skipped("type stream_id generate")}, _unknown)
"""A message over a WebSocket: `response.create` and `response.steer` hold the members of a body beside their `type`."""

# What the answer repeats of its request is not read a second time.
_ECHO: Final = g.skipped("previous_response_id user safety_identifier prompt_cache_key") | g.ignored(
    "instructions input tools tool_choice text metadata prompt conversation"
)

ANSWER: Final[Rule] = g.members(
    {
        "output": g.each(ANSWER_ITEM, g.opaque(g.UNKNOWN_ANSWER)),
        **_ECHO,
        **_SETTINGS,
        **g.skipped("id object created_at completed_at status"),
        **g.ignored(
            "usage incomplete_details prompt_cache_diagnostics tool_usage input_transformations content_filters"
        ),
    },
    g.opaque(g.UNKNOWN_ANSWER),
)
"""A `response`, or what a compaction made of one."""


def instruct(document: Document, rules: str, root: Path = ()) -> tuple[Patch, ...]:
    """Append `rules` to `instructions`, which stand before all items, or add that member."""
    return g.lengthen(document, root, "instructions", rules)
