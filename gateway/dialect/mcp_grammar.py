"""The grammar of MCP messages: who says what in requests, answers and notifications, in both directions.

Source: the schemas of the Model Context Protocol of 2025-11-25 and 2026-07-28, which between them also cover the older
ones. What a message holds is told by the names of its members, not by the method or by what was asked before: servers
add methods, and an answer on another connection names only an id. Members that are not known are read as text.

Untrusted data of a server are its tool definitions and instructions too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from msgspec.structs import replace

from gateway.dialect import grammar as g
from gateway.dialect.grammar import Rule, Sink
from gateway.dialect.jsonrpc import refuse_ambiguity, refuse_spelling
from gateway.dialect.plain import Voice
from gateway.dialect.sides import SAID, SERVED, ids, listed, mapped, media, numbers, record, words
from gateway.errors import Malformed
from gateway.segment import Direction, Kind, Path

INSTRUCTIONS: Final = replace(g.DEFINITION, kind=Kind.TEXT)
"""What a server tells the model about itself (`instructions`); clients put it into the system message."""

_PROTOCOL: Final = "io.modelcontextprotocol"


def _meta(voice: Voice) -> Rule:
    about = (f"{_PROTOCOL}/{name}" for name in ("clientCapabilities", "clientInfo", "serverInfo"))
    return record(
        {
            **ids(voice, f"progressToken {_PROTOCOL}/subscriptionId"),
            **words(voice, f"{_PROTOCOL}/protocolVersion {_PROTOCOL}/logLevel"),
            **dict.fromkeys(about, g.opaque(voice)),
        },
        voice,
    )


def _icons(voice: Voice) -> Rule:
    icon = {"src": g.opaque(voice), "sizes": g.opaque(voice), **words(voice, "mimeType theme")}
    return listed(record(icon, voice), voice)


def _named(voice: Voice) -> dict[str, Rule]:
    """The members that everything with a name has (`BaseMetadata`, `Icons`, `_meta`)."""
    return {
        "name": g.text(voice),
        "title": g.text(voice),
        "description": g.text(voice),
        "icons": _icons(voice),
        "_meta": _meta(voice),
    }


def _annotations(voice: Voice) -> Rule:
    return record({**numbers(voice, "priority"), **words(voice, "lastModified")}, voice)


def _contents(voice: Voice) -> Rule:
    """The contents of a resource: a text, or a blob in base64, which is read where it decodes to text."""
    return record(
        {
            "uri": g.text(voice),
            "text": g.text(voice),
            "blob": g.opaque(voice),
            "_meta": _meta(voice),
            **words(voice, "mimeType"),
        },
        voice,
    )


def _resource(voice: Voice) -> dict[str, Rule]:
    return {
        **_named(voice),
        "uri": g.text(voice),
        "uriTemplate": g.text(voice),
        "annotations": _annotations(voice),
        **words(voice, "mimeType"),
        **numbers(voice, "size"),
    }


def _block(voice: Voice) -> Rule:
    """A block of content, in results, prompts and sampling."""
    # The type of a block is one of the table's, or the block is read as unknown.
    common = {
        "type": g.skip,
        "annotations": _annotations(voice),
        "_meta": _meta(voice),
        **words(voice, "mimeType"),
    }

    def inner(sink: Sink, value: Any, path: Path) -> None:
        block(sink, value, path)

    use = {"name": g.text(voice), "input": g.opaque(voice), **ids(voice, "id")}
    result = {
        "content": g.each(inner, inner),
        "structuredContent": g.opaque(voice),
        **ids(voice, "toolUseId"),
        **numbers(voice, "isError"),
    }
    block = g.by(
        "type",
        {
            "text": record({**common, "text": g.text(voice)}, voice),
            "image": record({**common, "data": media("image", voice)}, voice),
            "audio": record({**common, "data": media("audio", voice)}, voice),
            "resource": record({**common, "resource": _contents(voice)}, voice),
            "resource_link": record({**common, **_resource(voice)}, voice),
            "tool_use": record({**common, **use}, voice),
            "tool_result": record({**common, **result}, voice),
        },
        g.unknown(voice),
    )
    return block


def _content(voice: Voice) -> Rule:
    block = _block(voice)
    return g.each(block, block)


def _turns(voice: Voice) -> Rule:
    """The messages of a prompt, or of a request for sampling."""
    turn = {"content": _content(voice), "_meta": _meta(voice), **words(voice, "role")}
    return listed(record(turn, voice), voice)


_HINTS: Final = "readOnlyHint destructiveHint idempotentHint openWorldHint"

TOOLS: Final[Rule] = listed(
    record(
        {
            **_named(g.DEFINITION),
            "name": g.text(g.DEFINITION_NAME),
            "inputSchema": g.schema(g.DEFINITION),
            "outputSchema": g.schema(g.DEFINITION),
            "annotations": record({"title": g.text(g.DEFINITION), **numbers(g.DEFINITION, _HINTS)}, g.DEFINITION),
        },
        g.DEFINITION,
    ),
    g.DEFINITION,
)
"""Tool definitions, which a model reads before any tool is called."""

_IDS: Final = "taskId requestId progressToken elicitationId cursor nextCursor"
_WORDS: Final = "protocolVersion resultType cacheScope status createdAt lastUpdatedAt role stopReason action level"
_NUMBERS: Final = "progress total ttl ttlMs pollInterval isError maxTokens temperature"
_STATE: Final = g.uninspected("request_state")  # the server's own, which a client returns unread


def _in_all(voice: Voice) -> dict[str, Rule]:
    """What may stand in the parameters and in the result of many messages: progress, tasks, states, versions."""
    implementation = {**_named(voice), "websiteUrl": g.opaque(voice), **words(voice, "version")}
    return {
        "reason": g.text(voice),
        "message": g.text(voice),
        "statusMessage": g.text(voice),
        "capabilities": g.opaque(voice),
        "clientInfo": record(implementation, voice),
        "serverInfo": record(implementation, voice),
        "requestState": _STATE,
        "_meta": _meta(voice),
        **ids(voice, _IDS),
        **words(
            voice, "protocolVersion resultType cacheScope status createdAt lastUpdatedAt role stopReason action level"
        ),
        **numbers(voice, "progress total ttl ttlMs pollInterval isError maxTokens temperature"),
    }


def _error(voice: Voice) -> Rule:
    return record({"message": g.text(voice), "data": g.opaque(voice), **numbers(voice, "code")}, voice)


_SERVED_PARAMS: Final[Rule] = record(
    {
        **_in_all(SERVED),
        "messages": _turns(SERVED),
        "systemPrompt": g.text(SERVED),
        "tools": TOOLS,
        "requestedSchema": g.schema(SERVED),
        "url": g.opaque(SERVED),
        "uri": g.text(SERVED),
        "data": g.opaque(SERVED),
        "logger": g.text(SERVED),
        **words(SERVED, "mode includeContext"),
    },
    SERVED,
)
"""What a server asks (sampling, elicitation) and tells (log messages, progress, changes)."""

_ASKED_INPUT: Final[Rule] = record({"params": _SERVED_PARAMS, **words(SERVED, "method")}, SERVED)
_RESOURCES: Final[Rule] = listed(record(_resource(SERVED), SERVED), SERVED)
_PROMPT_ARGUMENTS: Final[Rule] = listed(record({**_named(SERVED), **numbers(SERVED, "required")}, SERVED), SERVED)

_SERVED_RESULT: Final[Rule] = record(
    {
        **_in_all(SERVED),
        "content": _content(SERVED),
        "structuredContent": g.opaque(SERVED),
        "tools": TOOLS,
        "resources": _RESOURCES,
        "resourceTemplates": _RESOURCES,
        "contents": listed(_contents(SERVED), SERVED),
        "prompts": listed(record({**_named(SERVED), "arguments": _PROMPT_ARGUMENTS}, SERVED), SERVED),
        "messages": _turns(SERVED),
        "description": g.text(SERVED),
        "instructions": g.text(INSTRUCTIONS),
        "inputRequests": mapped(_ASKED_INPUT, SERVED),
    },
    SERVED,
)

_ROOT: Final[Rule] = record({"uri": g.text(SAID), "name": g.text(SAID), "_meta": _meta(SAID)}, SAID)

_SAID_RESULT: Final[Rule] = record(
    {**_in_all(SAID), "content": _content(SAID), "roots": listed(_ROOT, SAID), "model": g.skip}, SAID
)
"""The answer to a request for sampling (blocks), to a form (a member for each field), or to one for roots."""

_SAID_PARAMS: Final[Rule] = record(
    {
        **_in_all(SAID),
        "name": g.text(g.CALL_NAME),
        "arguments": g.opaque(g.CALL),
        "uri": g.text(g.CALL_NAME),  # another address is another resource
        "inputResponses": mapped(_SAID_RESULT, SAID),
    },
    SAID,
)
"""What a client asks, and tells."""


def _message(voice: Voice, params: Rule, result: Rule) -> Rule:
    known = {"params": params, "result": result, "error": _error(voice), **g.skipped("jsonrpc id method")}
    return _checked(record(known, voice))


TARGETS: Final[Mapping[str, str]] = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}
"""The member of `params` that says what a request is for, by method."""


def _checked(rule: Rule) -> Rule:
    """What `rule` reads of a message that every JSON-RPC library takes for the same kind of message."""

    def checked(sink: Sink, value: Any, path: Path) -> None:
        refuse_ambiguity(value)
        _refuse_another_target(value)
        rule(sink, value, path)

    return checked


def _refuse_another_target(message: Mapping[str, Any]) -> None:
    """Raise Malformed where what names the target of a message is spelt so that some readers find it and others not.

    JSON-RPC has parameters by position as well (2.0, section 4.2), which MCP has not, and some libraries take them.
    """
    method = message.get("method", "")
    target = TARGETS.get(method)
    if target is None:
        if method.strip().casefold() in TARGETS:
            raise Malformed(f"the method `{method.strip().casefold()}` is spelt in another way")
        return
    params = message.get("params")
    if not isinstance(params, dict) or not isinstance(params.get(target, ""), str):
        raise Malformed(f"the `params` of `{method}` must be an object, and its `{target}` a text")
    refuse_spelling(params, (target, "arguments"))


def _body(message: Rule) -> Rule:
    """A message, or a batch of them (JSON-RPC 2.0, section 6), which MCP had until 2025-03-26."""
    batch = g.each(message, message)

    def rule(sink: Sink, value: Any, path: Path) -> None:
        batch(sink, value, path)
        if isinstance(value, list) and len({"method" in one for one in value}) != 1:
            raise Malformed("a batch must be of requests and notifications, or of answers")

    return rule


MESSAGES: Final[Mapping[Direction, Rule]] = {
    Direction.REQUEST: _body(_message(SAID, _SAID_PARAMS, _SAID_RESULT)),
    Direction.ANSWER: _body(_message(SERVED, _SERVED_PARAMS, _SERVED_RESULT)),
}
"""What comes from a client, and what comes from a server."""
