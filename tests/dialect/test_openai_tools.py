"""Tool definitions: what a model reads of a tool is text, what the provider runs is named."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.dialect import grammar as g
from gateway.dialect import openai_tools as tools
from tests.dialect.replay import made, not_read, rows

TEXT = "system/untrusted/tool_definition"
NAME = TEXT + "!"


@pytest.mark.parametrize(
    ("tool", "found"),
    [
        (
            {"type": "function", "name": "n", "description": "d", "strict": True, "parameters": {"title": "p"}},
            [("name", "n", NAME), ("description", "d", TEXT), ("parameters.title", "p", TEXT)],
        ),
        ({"type": "function", "output_schema": {"description": "o"}}, [("output_schema.description", "o", TEXT)]),
        ({"type": "custom", "name": "n", "format": {"type": "text"}}, [("name", "n", NAME)]),
        (
            {"type": "namespace", "name": "n", "tools": [{"type": "custom", "description": "d"}]},
            [("name", "n", NAME), ("tools.0.description", "d", TEXT)],
        ),
        ({"type": "namespace", "tools": "odd"}, [("tools", "odd", TEXT)]),
        ({"type": "local_shell"}, []),
        ({"type": "apply_patch"}, []),
        ({"type": "apply_patch", "new": "x"}, [("new", "x", TEXT)]),
    ],
)
def test_tools_that_the_agent_runs(tool: Any, found: list[tuple[str, str, str]]) -> None:
    reading = g.read(tools.tool, made(tool))
    assert rows(reading) == found
    assert not_read(reading) == []


@pytest.mark.parametrize(
    ("tool", "found"),
    [
        ({"type": "mcp", "server_url": "https://x", "authorization": "a", "headers": {"k": "v"}}, []),
        ({"type": "mcp", "server_label": "l", "allowed_tools": ["t"]}, [("server_label", "l", NAME)]),
        ({"type": "web_search", "filters": {"allowed_domains": ["x"]}}, []),
        ({"type": "web_search_preview_2025_03_11", "search_context_size": "low"}, []),
        ({"type": "file_search", "vector_store_ids": ["v"], "filters": {"value": "x"}}, [("filters.value", "x", TEXT)]),
        ({"type": "code_interpreter", "container": {"file_ids": ["f"]}}, []),
        ({"type": "image_generation", "quality": "low"}, []),
        ({"type": "computer"}, []),
        ({"type": "programmatic_tool_calling"}, []),
        ({"type": "tool_search", "parameters": {"description": "d"}}, [("parameters.description", "d", TEXT)]),
        ({"type": "shell", "environment": {"type": "container_reference", "container_id": "c"}}, []),
        ({"type": "quite_new", "x": "y"}, [("type", "quite_new", TEXT), ("x", "y", TEXT)]),
        ("odd", [("", "odd", TEXT)]),
    ],
)
def test_tools_that_the_provider_runs_are_named(tool: Any, found: list[tuple[str, str, str]]) -> None:
    reading = g.read(tools.tool, made(tool))
    assert rows(reading) == found
    assert not_read(reading) == [("hosted_tool", "")]


@pytest.mark.parametrize(
    ("choice", "found"),
    [
        ("auto", []),
        ({"type": "function", "function": {"name": "n"}}, [("function.name", "n", NAME)]),
        ({"type": "allowed_tools", "mode": "auto", "tools": [{"name": "n"}]}, [("tools.0.name", "n", NAME)]),
    ],
)
def test_the_choice_of_a_tool(choice: Any, found: list[tuple[str, str, str]]) -> None:
    assert rows(g.read(tools.chosen, made(choice))) == found
