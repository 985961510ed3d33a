"""Where an MCP server lists its tools: the answers to `tools/list`, told by their shape as all messages are.

Source: `ListToolsResult` and `PaginatedResult` in the schemas of 2024-11-05 to 2026-07-28. The tools that a server
brings along in a request for sampling are its own to run; they are no list.
"""

from __future__ import annotations

from typing import Any, Final

from gateway.dialect.jsonrpc import refuse_spelling
from gateway.dialect.message import Listing
from gateway.errors import Malformed
from gateway.segment import Path
from gateway.wire.document import Document

_LIST: Final = ("tools", "nextCursor")
_DEFINITION: Final = ("name", "title", "description", "inputSchema", "outputSchema", "annotations")


def listed(document: Document) -> tuple[Listing, ...]:
    """The lists of tools in a body. Raises Malformed for what a client could read as another list."""
    value = document.value
    bodies: list[tuple[Path, Any]] = [((), value)]
    if isinstance(value, list):
        bodies = [((number,), message) for number, message in enumerate(value)]
    return tuple(
        Listing((*at, "result", "tools"), _definitions(result["tools"]), _goes_on(result))
        for at, message in bodies
        if isinstance(message, dict) and (result := _result(message)) is not None
    )


def _result(message: dict[str, Any]) -> dict[str, Any] | None:
    """The result of a message, where it lists tools."""
    result = message.get("result")
    if not isinstance(result, dict):
        return None
    refuse_spelling(result, _LIST)
    # A null is no list to any client, and all other results have no such member.
    return result if result.get("tools") is not None else None


def _definitions(tools: Any) -> tuple[dict[str, Any], ...]:
    if not isinstance(tools, list):
        raise Malformed("the `tools` that a server lists are no array")
    for definition in tools:
        if not isinstance(definition, dict) or not isinstance(definition.get("name"), str):
            raise Malformed("a tool that a server lists has no name")
        refuse_spelling(definition, _DEFINITION)
    return tuple(tools)


def _goes_on(result: dict[str, Any]) -> bool:
    return result.get("nextCursor") is not None
