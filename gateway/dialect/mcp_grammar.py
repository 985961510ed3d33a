"""The grammar of MCP messages: who says what in requests, answers and notifications, in both directions.

Source: the schemas of the Model Context Protocol of 2025-11-25 and 2026-07-28, which between them also cover the older
ones. What a message holds is told by the names of its members, not by the method or by what was asked before: servers
add methods, and an answer on another connection names only an id. Members that are not known are read as text.

What a server says is untrusted data, its tool definitions and instructions included; what a client sends is what a
model made of everything it read.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from msgspec.structs import replace

from gateway.dialect import grammar as g
from gateway.dialect.grammar import Rule, Sink
from gateway.dialect.plain import Voice
from gateway.errors import Malformed
from gateway.segment import Direction, Kind, Path

SAID: Final = g.ASSISTANT
"""What a client sends: arguments, answers of its model, what its user put into a form."""

SERVED: Final = g.RESULT_LABEL
"""What a server answers. Nothing is wrapped: these bodies go to a program, and the hierarchy marks them in the chat."""

INSTRUCTIONS: Final = replace(g.DEFINITION, kind=Kind.TEXT)
"""What a server tells the model about itself (`instructions`); clients put it into the system message."""

_META: Final = g.skipped("progressToken io.modelcontextprotocol/protocolVersion io.modelcontextprotocol/logLevel")

_HINTS: Final[Rule] = g.members(
    {
        "title": g.text(g.DEFINITION),
        **g.skipped("readOnlyHint destructiveHint idempotentHint openWorldHint"),
    },
    g.opaque(g.DEFINITION),
)


def _meta(voice: Voice) -> Rule:
    return g.members(_META, g.unknown(voice))


def _icons(voice: Voice) -> Rule:
    # An icon may stand in its address (`data:`); like any other address it may also carry something out.
    icon = g.members({"src": g.address(voice), **g.skipped("mimeType sizes theme")}, g.unknown(voice))
    return g.each(icon, g.unknown(voice))


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
    return g.members(g.skipped("priority lastModified"), g.unknown(voice))


def _contents(voice: Voice) -> Rule:
    """The contents of a resource: a text, or a blob in base64, which is read where it decodes to text."""
    return g.members(
        {
            "uri": g.text(voice),
            "text": g.text(voice),
            "blob": g.opaque(voice),
            "mimeType": g.skip,
            "_meta": _meta(voice),
        },
        g.unknown(voice),
    )


def _resource(voice: Voice) -> dict[str, Rule]:
    return {
        **_named(voice),
        "uri": g.text(voice),
        "uriTemplate": g.text(voice),
        "annotations": _annotations(voice),
        **g.skipped("mimeType size type"),
    }


def _block(voice: Voice) -> Rule:
    """A block of content, in results, prompts and sampling."""
    unknown = g.unknown(voice)
    common = {"type": g.skip, "annotations": _annotations(voice), "_meta": _meta(voice), "mimeType": g.skip}

    def inner(sink: Sink, value: Any, path: Path) -> None:
        block(sink, value, path)

    results = {
        "content": g.each(inner, inner),
        "structuredContent": g.opaque(voice),
        **g.skipped("toolUseId isError"),
    }
    block = g.by(
        "type",
        {
            "text": g.members({**common, "text": g.text(voice)}, unknown),
            "image": g.members({**common, "data": g.uninspected("image")}, unknown),
            "audio": g.members({**common, "data": g.uninspected("audio")}, unknown),
            "resource": g.members({**common, "resource": _contents(voice)}, unknown),
            "resource_link": g.members(_resource(voice), unknown),
            "tool_use": g.members({**common, "name": g.text(voice), "input": g.opaque(voice), "id": g.skip}, unknown),
            "tool_result": g.members({**common, **results}, unknown),
        },
        unknown,
    )
    return block


def _content(voice: Voice) -> Rule:
    block = _block(voice)
    return g.each(block, block)


def _turns(voice: Voice) -> Rule:
    """The messages of a prompt, or of a request for sampling."""
    turn = g.members({"role": g.skip, "content": _content(voice), "_meta": _meta(voice)}, g.unknown(voice))
    return g.each(turn, g.unknown(voice))


_UNKNOWN_DEFINITION: Final = g.opaque(g.DEFINITION)

TOOLS: Final[Rule] = g.each(
    g.members(
        {
            **_named(g.DEFINITION),
            "name": g.text(g.DEFINITION_NAME),
            "inputSchema": g.schema(g.DEFINITION),
            "outputSchema": g.schema(g.DEFINITION),
            "annotations": _HINTS,
            "execution": g.members({"taskSupport": g.skip}, _UNKNOWN_DEFINITION),
        },
        _UNKNOWN_DEFINITION,
    ),
    _UNKNOWN_DEFINITION,
)
"""Tool definitions, which a model reads before any tool is called."""

_TASK: Final = "task taskId status ttl pollInterval createdAt lastUpdatedAt"
_PROGRESS: Final = "requestId progressToken progress total level"
_SAMPLING: Final = "maxTokens temperature includeContext"
_RESULT: Final = "isError resultType ttlMs cacheScope protocolVersion nextCursor role stopReason action"
_STATE: Final = g.uninspected("request_state")  # the server's own, which a client returns unread


def _capabilities(voice: Voice) -> dict[str, Rule]:
    implementation = g.members({**_named(voice), "websiteUrl": g.address(voice), "version": g.skip}, g.unknown(voice))
    return {
        "capabilities": g.opaque(voice),
        "clientInfo": implementation,
        "serverInfo": implementation,
        "protocolVersion": g.skip,
    }


def _error(voice: Voice) -> Rule:
    return g.members({"message": g.text(voice), "data": g.opaque(voice), "code": g.skip}, g.unknown(voice))


def _served_params() -> Rule:
    """What a server asks (sampling, elicitation) and tells (log messages, progress, changes)."""
    return g.members(
        {
            "messages": _turns(SERVED),
            "systemPrompt": g.text(SERVED),
            "tools": TOOLS,
            "message": g.text(SERVED),
            "requestedSchema": g.schema(SERVED),
            "url": g.address(SERVED),
            "uri": g.text(SERVED),
            "data": g.opaque(SERVED),
            "logger": g.text(SERVED),
            "reason": g.text(SERVED),
            "statusMessage": g.text(SERVED),
            "_meta": _meta(SERVED),
            **g.skipped(f"{_TASK} {_PROGRESS} {_SAMPLING} mode elicitationId"),
        },
        g.unknown(SERVED),
    )


def _served_result() -> Rule:
    label = g.members(_resource(SERVED), g.unknown(SERVED))
    prompt = g.members(
        {**_named(SERVED), "arguments": g.each(g.members(_named(SERVED), g.unknown(SERVED)), g.unknown(SERVED))},
        g.unknown(SERVED),
    )
    return g.members(
        {
            "content": _content(SERVED),
            "structuredContent": g.opaque(SERVED),
            "tools": TOOLS,
            "resources": g.each(label, g.unknown(SERVED)),
            "resourceTemplates": g.each(label, g.unknown(SERVED)),
            "contents": g.each(_contents(SERVED), g.unknown(SERVED)),
            "prompts": g.each(prompt, g.unknown(SERVED)),
            "messages": _turns(SERVED),
            "description": g.text(SERVED),
            "instructions": g.text(INSTRUCTIONS),
            "statusMessage": g.text(SERVED),
            "inputRequests": g.values(_asking(_served_params()), g.unknown(SERVED)),
            "requestState": _STATE,
            "_meta": _meta(SERVED),
            **_capabilities(SERVED),
            **g.skipped(f"{_TASK} {_RESULT}"),
        },
        g.unknown(SERVED),
    )


def _said_params() -> Rule:
    """What a client asks, and tells."""
    return g.members(
        {
            "name": g.text(g.CALL_NAME),
            "arguments": g.opaque(g.CALL),
            "uri": g.text(g.CALL_NAME),  # another address is another resource
            "inputResponses": g.values(_said_result(), g.unknown(SAID)),
            "requestState": _STATE,
            "message": g.text(SAID),
            "reason": g.text(SAID),
            "statusMessage": g.text(SAID),
            "_meta": _meta(SAID),
            **_capabilities(SAID),
            **g.skipped(f"{_TASK} {_PROGRESS} cursor"),
        },
        g.unknown(SAID),
    )


def _said_result() -> Rule:
    """The answer to a request for sampling (blocks), to a form (a member for each field), or to one for roots."""
    root = g.members({"uri": g.text(SAID), "name": g.text(SAID), "_meta": _meta(SAID)}, g.unknown(SAID))
    return g.members(
        {
            "content": _content(SAID),
            "roots": g.each(root, g.unknown(SAID)),
            "statusMessage": g.text(SAID),
            "_meta": _meta(SAID),
            **g.skipped(f"{_TASK} {_RESULT} model"),
        },
        g.unknown(SAID),
    )


def _asking(params: Rule) -> Rule:
    return g.members({"method": g.skip, "params": params}, g.unknown(SERVED))


def _message(voice: Voice, params: Rule, result: Rule) -> Rule:
    return _checked(
        g.members(
            {"params": params, "result": result, "error": _error(voice), **g.skipped("jsonrpc id method")},
            g.unknown(voice),
        )
    )


ENVELOPE: Final = frozenset({"jsonrpc", "id", "method", "params", "result", "error"})
TARGETS: Final[Mapping[str, str]] = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}
"""The member of `params` that says what a request is for, by method."""


def _checked(rule: Rule) -> Rule:
    """What `rule` reads of a message that every JSON-RPC library takes for the same kind of message."""

    def checked(sink: Sink, value: Any, path: Path) -> None:
        refuse_ambiguity(value)
        rule(sink, value, path)

    return checked


def refuse_ambiguity(message: Any) -> None:
    """Raise Malformed for what is no JSON-RPC 2.0 message, or would be different ones to different readers.

    Servers written in Go may find a member whatever the case of its letters (encoding/json), so what names the message
    or its target must be spelt as the protocol spells it.
    """
    if not isinstance(message, dict) or message.get("jsonrpc") != "2.0":
        raise Malformed('no JSON-RPC message: it must be an object with `"jsonrpc": "2.0"`')
    _refuse_spelling(message, ENVELOPE)
    kinds = [kind for kind in ("method", "result", "error") if kind in message]
    if len(kinds) != 1 or not isinstance(message.get("method", ""), str):
        raise Malformed("no JSON-RPC message: it must have one of `method`, `result` and `error`")
    if not isinstance(message.get("id"), str | int | None) or isinstance(message.get("id"), bool):
        raise Malformed("no JSON-RPC message: its `id` must be a string or a whole number")
    params = message.get("params")
    target = TARGETS.get(message.get("method", ""))
    if isinstance(params, dict) and target is not None:
        _refuse_spelling(params, frozenset({target, "arguments"}))


def _refuse_spelling(members: Mapping[str, Any], known: frozenset[str]) -> None:
    for key in members:
        if key not in known and key.casefold() in known:
            raise Malformed(f"`{key.casefold()}` is spelt in another case")


def _body(message: Rule) -> Rule:
    """A message, or a batch of them (JSON-RPC 2.0, section 6), which MCP had until 2025-03-26."""
    batch = g.each(message, message)

    def rule(sink: Sink, value: Any, path: Path) -> None:
        batch(sink, value, path)
        if isinstance(value, list) and len({"method" in one for one in value}) != 1:
            raise Malformed("a batch must be of requests and notifications, or of answers")

    return rule


MESSAGES: Final[Mapping[Direction, Rule]] = {
    Direction.REQUEST: _body(_message(SAID, _said_params(), _said_result())),
    Direction.ANSWER: _body(_message(SERVED, _served_params(), _served_result())),
}
"""What comes from a client, and what comes from a server."""
