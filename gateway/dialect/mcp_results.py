"""The results of calls in MCP messages, and the progress that a server reports on the way to them.

Source: `CallToolResult`, `ProgressNotificationParams` and `RequestMetaObject` in the schemas of 2025-11-25 and
2026-07-28.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import Any, Final

from gateway.dialect.jsonrpc import correlated
from gateway.dialect.message import Returned
from gateway.segment import Direction, Path
from gateway.wire.document import Document, Patch

_ASKING: Final = frozenset({"resultType", "inputRequests", "requestState", "_meta"})
"""Of a server that asks before it goes on (`InputRequiredResult`): the result is still to come, of another request."""

_TOLD: Final = frozenset({"content", "structuredContent"})


def returned(document: Document) -> tuple[Returned, ...]:
    """What may be results of calls in a body: whatever is answered, but for questions. One that is not readable has its
    content elsewhere, as in 2024-10-07 (`toolResult`), or will be fetched apart (`task`)."""
    return tuple(
        _returned((*at, "result"), message)
        for at, message in _placed(document)
        if isinstance(result := message.get("result"), dict) and not result.keys() <= _ASKING
    )


def _returned(at: Path, message: dict[str, Any]) -> Returned:
    result = message["result"]
    content = result.get("content")
    blocks = content if isinstance(content, list) else []
    texts = (block.get("text") for block in blocks if isinstance(block, dict) and block.get("type") == "text")
    return Returned(
        at,
        str(correlated(message.get("id"))),
        tuple(text for text in texts if isinstance(text, str)),
        result.get("structuredContent"),
        has_structure=result.get("structuredContent") is not None,
        is_error=result.get("isError") is True,
        is_readable=not _TOLD.isdisjoint(result),
    )


def failed(document: Document, result: Returned, words: str) -> Patch:
    """The patch that puts a failure in the place of a result."""
    value: dict[str, Any] = {
        "content": [{"type": "text", "text": f"withheld by the security gateway: {words}"}],
        "isError": True,
    }
    if "resultType" in document.get(*result.at):
        value = {"resultType": "complete", **value}
    return document.replace(result.at, value)


def progress_tokens(document: Document, direction: Direction) -> tuple[Hashable, ...]:
    """The progress tokens of requests, or of reports."""
    found = []
    for _, message in _placed(document):
        params = message.get("params")
        if not isinstance(params, dict):
            continue
        if direction is Direction.REQUEST:
            meta = params.get("_meta")
            token = meta.get("progressToken") if isinstance(meta, dict) else None
        else:
            token = params.get("progressToken") if message.get("method") == "notifications/progress" else None
        if isinstance(token, str | int):
            found.append(token)
    return tuple(found)


def _placed(document: Document) -> Iterator[tuple[Path, dict[str, Any]]]:
    value = document.value
    messages = enumerate(value) if isinstance(value, list) else [(None, value)]
    for number, message in messages:
        if isinstance(message, dict):
            yield () if number is None else (number,), message
