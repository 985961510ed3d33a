"""The grammar of tool definitions in the OpenAI APIs: functions, custom tools, and tools that the provider runs.

Source: the types of chat completions and Responses in openai-python 3.54.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from gateway.dialect import grammar as g
from gateway.dialect.grammar import Rule, Sink
from gateway.segment import Path

UNKNOWN: Final = g.opaque(g.DEFINITION)
"""What is not known in a definition."""

_NAMED: Final[dict[str, Rule]] = {"name": g.text(g.DEFINITION_NAME), "description": g.text(g.DEFINITION)}
_FUNCTION: Final[dict[str, Rule]] = {
    **_NAMED,
    "parameters": g.schema(g.DEFINITION),
    "output_schema": g.schema(g.DEFINITION),
    "strict": g.skip,
}

# The form of a custom tool's input: the grammar stands in a member of its own (chat) or beside the type (Responses).
_GRAMMAR: Final[dict[str, Rule]] = {"definition": g.text(g.DEFINITION), "syntax": g.skip}
_FORMAT: Final[Rule] = g.members({"type": g.skip, "grammar": g.members(_GRAMMAR, UNKNOWN), **_GRAMMAR}, UNKNOWN)
_CUSTOM: Final[dict[str, Rule]] = {**_NAMED, "format": _FORMAT}

CHAT_FUNCTION: Final[Rule] = g.members(_FUNCTION, UNKNOWN)
"""A function of the older `functions` list."""

CHAT_TOOL: Final[Rule] = g.by(
    "type",
    {
        "function": g.members({"type": g.skip, "cache_control": g.ignore, "function": CHAT_FUNCTION}, UNKNOWN),
        "custom": g.members({"type": g.skip, "custom": g.members(_CUSTOM, UNKNOWN)}, UNKNOWN),
    },
    g.both(g.uninspected("hosted_tool"), UNKNOWN),
)
"""A tool of a chat request. Types beyond the two are extensions that other servers run themselves."""

_COMMON: Final = g.skipped("type async defer_loading execution") | g.ignored("allowed_callers cache_control")


def _local(table: Mapping[str, Rule]) -> Rule:
    """A tool that the agent runs."""
    return g.members({**_COMMON, **table}, UNKNOWN)


def _hosted(table: Mapping[str, Rule], settings: str = "") -> Rule:
    """A tool that the provider runs: named as not inspected, with the texts that a model reads of it."""
    return g.both(g.uninspected("hosted_tool"), _local({**table, **g.ignored(settings)}))


def tool(sink: Sink, value: Any, path: Path) -> None:
    """A tool of a Responses request."""
    # A function and not a table entry, since a namespace holds tools again.
    _TOOL(sink, value, path)


# An inline skill is a zip archive in base64; of a skill that is kept by the provider there is only an id.
_SKILL: Final[Rule] = g.members(
    {
        **_NAMED,
        "path": g.text(g.DEFINITION_NAME),
        "source": g.uninspected("file"),
        **g.skipped("type skill_id version"),
    },
    UNKNOWN,
)

ENVIRONMENT: Final[Rule] = g.members(
    {
        "skills": g.each(_SKILL, UNKNOWN),
        **g.skipped("type container_id memory_limit"),
        **g.ignored("file_ids network_policy"),
    },
    UNKNOWN,
)
"""Where a shell runs."""

_WEB_SEARCH: Final = _hosted({}, "search_context_size search_content_types external_web_access filters")
_COMPUTER: Final = _hosted({}, "display_height display_width environment")
_IMAGE: Final = _hosted(
    {"input_image_mask": g.uninspected("image")},
    "action background complexity frame_count frame_duration_ms input_fidelity model moderation output_compression"
    " output_format partial_images quality size svg",
)

# Settings of hosted tools that are not read: addresses and ids, for which the `hosted_tool` entry stands, and
# credentials that are meant for the tool's server (`authorization`, `headers`, secrets in a network policy).
_TOOL: Final[Rule] = g.by(
    "type",
    {
        "function": _local(_FUNCTION),
        "custom": _local(_CUSTOM),
        "namespace": _local({**_NAMED, "tools": g.each(tool, UNKNOWN)}),
        "local_shell": _local({}),
        "apply_patch": _local({}),
        "shell": _hosted({"environment": ENVIRONMENT}),
        "tool_search": _hosted({"description": g.text(g.DEFINITION), "parameters": g.schema(g.DEFINITION)}),
        "mcp": _hosted(
            {"server_label": g.text(g.DEFINITION_NAME), "server_description": g.text(g.DEFINITION)},
            "server_url connector_id tunnel_id authorization headers allowed_tools require_approval",
        ),
        "file_search": _hosted({}, "vector_store_ids max_num_results ranking_options"),
        "code_interpreter": _hosted({}, "container"),
        "image_generation": _IMAGE,
        "computer": _COMPUTER,
        "computer_use_preview": _COMPUTER,
        "web_search": _WEB_SEARCH,
        "web_search_2025_08_26": _WEB_SEARCH,
        "web_search_preview": _WEB_SEARCH,
        "web_search_preview_2025_03_11": _WEB_SEARCH,
        "programmatic_tool_calling": _hosted({}),
    },
    g.both(g.uninspected("hosted_tool"), UNKNOWN),
)

_CHOSEN: Final[Rule] = g.members({"type": g.skip, "mode": g.skip}, g.opaque(g.DEFINITION_NAME))


def chosen(sink: Sink, value: Any, path: Path) -> None:
    """`tool_choice`: one of a few words, or an object that names tools."""
    if not isinstance(value, str):
        _CHOSEN(sink, value, path)


ANSWER_FORMAT: Final[Rule] = g.members(
    {
        "type": g.skip,
        "strict": g.skip,
        "name": g.text(g.FORMAT),
        "description": g.text(g.FORMAT),
        "schema": g.schema(g.FORMAT),
    },
    g.opaque(g.FORMAT),
)
"""The JSON Schema that an answer must follow."""
