"""The grammar of Anthropic's Messages API: what each member of its bodies holds.

Source: the API reference of Messages, count_tokens and message batches, and the types of anthropic-sdk-python 2.12
(2026-11), beta types included. A block of a type that is not known is read as untrusted text.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from msgspec.structs import replace

from gateway.dialect import grammar as g
from gateway.dialect.grammar import Rule, Sink
from gateway.dialect.plain import ANSWERED, Voice
from gateway.segment import Kind, Path, Role, Trust

THOUGHT: Final = replace(g.REASONED, editable=False)
"""Thinking is signed: a changed block is refused by the API on the next turn."""

QUOTED: Final = Voice(Role.TOOL, Trust.UNTRUSTED, Kind.DOCUMENT)
"""What a citation repeats of its source."""

RAN: Final = g.RESULT_LABEL
"""Results of tools that the provider ran. They are not marked as data: the model has read them unmarked in the turn in
which they came, and some are bound to encrypted twins."""

_unknown_block: Final = g.opaque(ANSWERED)
_asked: Final = g.opaque(g.UNKNOWN)
_answered: Final = g.opaque(ANSWERED)

CITATION: Final[Rule] = g.members(g.skipped("type file_id") | g.ignored("encrypted_index"), g.opaque(QUOTED))
"""A citation: the text it repeats, and title and address of its source."""


def _text(voice: Voice, spoken: Callable[[Voice], Rule] = g.text) -> Rule:
    table: dict[str, Rule] = {"text": spoken(voice), "citations": g.each(CITATION, g.opaque(QUOTED))}
    return g.members({**table, **g.skipped("type"), **g.ignored("cache_control")}, g.unknown(voice))


def _source(kind: str, voice: Voice) -> dict[str, Rule]:
    """Sources that the gateway does not read: bytes, stored files, and URLs, which the provider fetches."""
    unknown = g.unknown(voice)
    named = g.uninspected(kind)
    return {
        "base64": g.both(named, g.members(g.skipped("type media_type") | g.ignored("data"), unknown)),
        "file": g.both(named, g.members(g.skipped("type file_id"), unknown)),
        "url": g.both(named, g.members({"type": g.skip, "url": unknown}, unknown)),
    }


def _image(voice: Voice) -> Rule:
    source = g.by("type", _source("image", voice), g.both(g.uninspected("image"), g.unknown(voice)))
    return g.members(
        {"source": source, **g.skipped("type"), **g.ignored("cache_control transformations")}, g.unknown(voice)
    )


def _document(voice: Voice) -> Rule:
    """A document whose text `voice` speaks; its title and context are too short to be marked."""
    unknown = g.unknown(voice)
    label = g.text(replace(voice, wrappable=False))
    block = g.by("type", {"text": _text(voice), "image": _image(voice)}, unknown)
    sources: dict[str, Rule] = {
        "text": g.members({"data": g.text(voice), **g.skipped("type media_type")}, unknown),
        "content": g.members({"type": g.skip, "content": g.either(voice, block)}, unknown),
        **_source("file", voice),
    }
    table: dict[str, Rule] = {"title": label, "context": label, "source": g.by("type", sources, unknown)}
    return g.members({**table, **g.skipped("type"), **g.ignored("cache_control citations")}, unknown)


def _search_result(voice: Voice) -> Rule:
    unknown = g.unknown(voice)
    label = g.text(replace(voice, wrappable=False))
    content = g.either(voice, g.by("type", {"text": _text(voice)}, unknown))
    table: dict[str, Rule] = {"source": label, "title": label, "content": content}
    return g.members({**table, **g.skipped("type"), **g.ignored("cache_control citations")}, unknown)


def data(role: Role, of: Callable[[Voice], Rule]) -> Rule:
    """A block of data from elsewhere. With citations on it is not marked: those count the characters of its text."""
    voice = Voice(role, Trust.UNTRUSTED, Kind.DOCUMENT)
    marked, bare = of(replace(voice, wrappable=True)), of(voice)

    def rule(sink: Sink, value: Any, path: Path) -> None:
        settings = value.get("citations") if isinstance(value, dict) else None
        cited = isinstance(settings, dict) and settings.get("enabled") is True
        (bare if cited else marked)(sink, value, path)

    return rule


def _nested(role: Role) -> dict[str, Rule]:
    return {"document": data(role, _document), "search_result": data(role, _search_result)}


def _call(spoken: Callable[[Voice], Rule]) -> Rule:
    """A call. Its name is read as what is spoken: in a stream it must not leave before the arguments are judged."""
    table: dict[str, Rule] = {"name": spoken(g.CALL_NAME), "input": g.opaque(g.CALL)}
    return g.members(
        {**table, **g.skipped("type id toolset_name server_name"), **g.ignored("caller cache_control")},
        g.unknown(g.CALL),
    )


_IN_RESULT: Final = g.by(
    "type",
    {
        "text": _text(g.RESULT),
        "image": _image(g.RESULT),
        "tool_reference": g.members(g.skipped("type tool_name") | g.ignored("cache_control"), g.unknown(g.RESULT)),
        **_nested(Role.TOOL),
    },
    g.unknown(g.RESULT),
)

_RESULT: Final = g.members(
    {
        "content": g.either(g.RESULT, _IN_RESULT),
        **g.skipped("type tool_use_id is_error toolset_name"),
        **g.ignored("cache_control"),
    },
    g.unknown(g.RESULT),
)


def _ran_content(sink: Sink, value: Any, path: Path) -> None:
    """The content of a result of the provider's own tools: one item, a list of them, or a text; items may nest."""
    g.each(_RAN_ITEM, _RAN_ITEM)(sink, value, path)


_RAN_ITEM: Final = g.by(
    "type",
    {"document": _document(Voice(Role.TOOL, Trust.UNTRUSTED, Kind.DOCUMENT))},
    g.members(
        {
            "content": _ran_content,
            "encrypted_content": g.uninspected("encrypted"),
            "encrypted_stdout": g.uninspected("encrypted"),
            **g.skipped("type file_id error_code tool_name"),
        },
        g.opaque(RAN),
    ),
)

_RAN: Final = g.members(
    {"content": _ran_content, **g.skipped("type tool_use_id is_error"), **g.ignored("caller cache_control")},
    g.opaque(RAN),
)

_ANY_ROLE: Final[dict[str, Rule]] = {
    "tool_result": _RESULT,
    **dict.fromkeys(
        (
            "mcp_tool_result",
            "web_search_tool_result",
            "web_fetch_tool_result",
            "code_execution_tool_result",
            "bash_code_execution_tool_result",
            "text_editor_code_execution_tool_result",
            "tool_search_tool_result",
            "advisor_tool_result",
        ),
        _RAN,
    ),
    "redacted_thinking": g.members({"type": g.skip, "data": g.uninspected("encrypted")}, _unknown_block),
    "container_upload": g.both(
        g.uninspected("file"), g.members(g.skipped("type file_id") | g.ignored("cache_control"), _unknown_block)
    ),
}


def block(voice: Voice, spoken: Callable[[Voice], Rule] = g.text) -> Rule:
    """A content block of a message by `voice`; `spoken` reads its text, which in a stream goes on in later events."""
    table = {
        **_ANY_ROLE,
        **dict.fromkeys(("tool_use", "server_tool_use", "mcp_tool_use"), _call(spoken)),
        **_nested(voice.role),
        "text": _text(voice, spoken),
        "image": _image(voice),
        "thinking": g.members(
            {"thinking": spoken(THOUGHT), **g.skipped("type"), **g.ignored("signature")}, _unknown_block
        ),
    }
    return g.by("type", table, _unknown_block)


def _turn(voice: Voice) -> Rule:
    table: dict[str, Rule] = {"role": g.skip, "content": g.either(voice, block(voice))}
    return g.members(table, g.unknown(voice))


_MESSAGE: Final = g.by(
    "role",
    {"user": _turn(g.USER), "assistant": _turn(g.ASSISTANT), "system": _turn(g.SYSTEM)},
    g.opaque(g.UNKNOWN_DATA),
)

_DEFINED: Final = g.members(
    {
        "name": g.text(g.DEFINITION_NAME),
        "description": g.text(g.DEFINITION),
        "input_schema": g.schema(g.DEFINITION),
        **g.skipped("type defer_loading strict eager_input_streaming"),
        **g.ignored("cache_control allowed_callers"),
    },
    g.opaque(g.DEFINITION),
)

CLIENT_RUN: Final = ("custom", "bash_", "text_editor_", "memory_", "computer_", "browser_toolset_")
"""Beginnings of the types of tools that the client runs; of all others the provider does."""


def tool(sink: Sink, value: Any, path: Path) -> None:
    kind = value.get("type") if isinstance(value, dict) else None
    if kind is not None and not str(kind).startswith(CLIENT_RUN):
        g.uninspected("hosted_tool")(sink, value, path)
    _DEFINED(sink, value, path)


def _lead(_messages: Sequence[Any]) -> int:
    """The rules of the hierarchy go to `system`, whatever the messages are."""
    return 0


REQUEST: Final[Rule] = g.members(
    {
        "system": g.either(g.SYSTEM, g.by("type", {"text": _text(g.SYSTEM)}, g.unknown(g.SYSTEM))),
        "messages": g.independent(_MESSAGE, g.opaque(g.UNKNOWN_DATA), _lead),
        "tools": g.independent(tool, g.opaque(g.DEFINITION)),
        "mcp_servers": g.each(g.uninspected("hosted_tool"), g.uninspected("hosted_tool")),
        "container": g.uninspected("stored_context"),
        "thread": g.uninspected("stored_context"),
        **g.skipped("model stream max_tokens service_tier speed inference_geo"),
        **g.ignored("cache_control thinking tool_choice"),
        **g.skipped("anthropic_version"),
        **g.ignored("anthropic_beta betas diagnostics"),
    },
    _asked,
)


def message(spoken: Callable[[Voice], Rule] = g.text) -> Rule:
    """A message of an answer."""
    table: dict[str, Rule] = {"content": g.each(block(g.ASSISTANT, spoken), _answered)}
    return g.members(
        {**table, **g.skipped("id type role model stop_reason"), **g.ignored("usage container")}, _answered
    )


ANSWER: Final[Rule] = g.by("type", {"message": message()}, _answered)

BATCH: Final[Rule] = g.members({"requests": g.each(g.members({"params": REQUEST}, _asked), _asked)}, _asked)

RESULT_LINE: Final[Rule] = g.members(
    {"result": g.by("type", {"succeeded": g.members({"type": g.skip, "message": message()}, _answered)}, _answered)},
    _answered,
)
