"""The grammar of MCP messages: who says what in requests, answers and notifications, in both directions.

Source: the schemas of the Model Context Protocol of 2025-11-25 and 2026-07-28, which between them also cover the older
ones. What a message holds is told by the names of its members, not by the method or by what was asked before: servers
add methods, and an answer on another connection names only an id. Members that are not known are read as text.

What a server says is untrusted data, its tool definitions and instructions included; what a client sends is what a
model made of everything it read.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from typing import Any, Final

from msgspec.structs import replace

from gateway.dialect import grammar as g
from gateway.dialect.grammar import Rule, Sink
from gateway.dialect.plain import Voice, is_plain_key
from gateway.errors import Malformed
from gateway.segment import Direction, Kind, Path, Uninspected

SAID: Final = g.ASSISTANT
"""What a client sends: arguments, answers of its model, what its user put into a form."""

SERVED: Final = g.RESULT_LABEL
"""What a server answers. Nothing is wrapped: these bodies go to a program, and the hierarchy marks them in the chat."""

INSTRUCTIONS: Final = replace(g.DEFINITION, kind=Kind.TEXT)
"""What a server tells the model about itself (`instructions`); clients put it into the system message."""


_ID: Final = re.compile(r"\S{0,256}")
_BASE64: Final = re.compile(r"(?:[A-Za-z0-9+/]{60,}+\r?\n)*+[A-Za-z0-9+/]*+={0,2}\s?")  # lines as in RFC 2045, 6.8
_FEW: Final = 60
_HEAD: Final = 4096  # characters of media that are decoded: headers of images and sounds are no text


def _object(table: Mapping[str, Rule], voice: Voice) -> Rule:
    """An object with these members. What else is in it is read as unknown, keys that are no plain names included."""
    read = g.members(table, g.unknown(voice))
    fixed = replace(voice, kind=Kind.OPAQUE, editable=False, wrappable=False)

    def rule(sink: Sink, value: Any, path: Path) -> None:
        read(sink, value, path)
        if isinstance(value, dict):
            odd = (key for key in value if key not in table and not is_plain_key(key))
            sink.segments.extend(fixed.segment((*path, key), key) for key in odd)

    return rule


def _list(item: Rule, voice: Voice) -> Rule:
    return g.each(item, g.unknown(voice))


def _map(member: Rule, voice: Voice) -> Rule:
    """Names that the sender chose, each with a value."""
    both = g.values(member, g.unknown(voice))
    names = replace(voice, kind=Kind.OPAQUE, editable=False, wrappable=False)

    def rule(sink: Sink, value: Any, path: Path) -> None:
        both(sink, value, path)
        if isinstance(value, dict):
            sink.segments.extend(names.segment((*path, key), key) for key in value if not is_plain_key(key))

    return rule


def _ids(voice: Voice, names: str) -> dict[str, Rule]:
    """Ids and cursors, which no model reads, as long as they are none of several words."""
    otherwise = g.unknown(voice)

    def rule(sink: Sink, value: Any, path: Path) -> None:
        if isinstance(value, list | dict) or (isinstance(value, str) and not _ID.fullmatch(value)):
            otherwise(sink, value, path)

    return dict.fromkeys(names.split(), rule)


def _media(what: str, voice: Voice) -> Rule:
    """An image or a sound in base64, which is named; what is text all the same is read as well."""
    text = g.unknown(voice)

    def rule(sink: Sink, value: Any, path: Path) -> None:
        if value is not None:
            sink.uninspected.append(Uninspected(what, path))
        if not (isinstance(value, str) and _is_base64_of_bytes(value)):
            text(sink, value, path)

    return rule


def _is_base64_of_bytes(text: str) -> bool:
    """Whether it is base64, in lines or not, of something that begins as no text does. A few words are never that."""
    if len(text) < _FEW or not _BASE64.fullmatch(text):
        return False
    head = "".join(text[:_HEAD].split())
    try:
        base64.b64decode(head[: len(head) // 4 * 4]).decode()
    except UnicodeDecodeError:
        return True
    return False


def _words(voice: Voice, names: str) -> dict[str, Rule]:
    """Enumerations, types, dates and versions. A server could write anything there, and a model read it."""
    return g.skipped(names) if voice == SAID else dict.fromkeys(names.split(), g.text(voice))


def _numbers(voice: Voice, names: str) -> dict[str, Rule]:
    """Numbers and switches; anything else in their place is read as unknown."""
    otherwise = g.unknown(voice)

    def rule(sink: Sink, value: Any, path: Path) -> None:
        if isinstance(value, str | list | dict):
            otherwise(sink, value, path)

    return dict.fromkeys(names.split(), rule)


_PROTOCOL: Final = "io.modelcontextprotocol"


def _meta(voice: Voice) -> Rule:
    about = (f"{_PROTOCOL}/{name}" for name in ("clientCapabilities", "clientInfo", "serverInfo"))
    return _object(
        {
            **_ids(voice, f"progressToken {_PROTOCOL}/subscriptionId"),
            **_words(voice, f"{_PROTOCOL}/protocolVersion {_PROTOCOL}/logLevel"),
            **dict.fromkeys(about, g.opaque(voice)),
        },
        voice,
    )


def _icons(voice: Voice) -> Rule:
    icon = {"src": g.opaque(voice), "sizes": g.opaque(voice), **_words(voice, "mimeType theme")}
    return _list(_object(icon, voice), voice)


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
    return _object({**_numbers(voice, "priority"), **_words(voice, "lastModified")}, voice)


def _contents(voice: Voice) -> Rule:
    """The contents of a resource: a text, or a blob in base64, which is read where it decodes to text."""
    return _object(
        {
            "uri": g.text(voice),
            "text": g.text(voice),
            "blob": g.opaque(voice),
            "_meta": _meta(voice),
            **_words(voice, "mimeType"),
        },
        voice,
    )


def _resource(voice: Voice) -> dict[str, Rule]:
    return {
        **_named(voice),
        "uri": g.text(voice),
        "uriTemplate": g.text(voice),
        "annotations": _annotations(voice),
        **_words(voice, "mimeType"),
        **_numbers(voice, "size"),
    }


def _block(voice: Voice) -> Rule:
    """A block of content, in results, prompts and sampling."""
    # The type of a block is one of the table's, or the block is read as unknown.
    common = {
        "type": g.skip,
        "annotations": _annotations(voice),
        "_meta": _meta(voice),
        **_words(voice, "mimeType"),
    }

    def inner(sink: Sink, value: Any, path: Path) -> None:
        block(sink, value, path)

    use = {"name": g.text(voice), "input": g.opaque(voice), **_ids(voice, "id")}
    result = {
        "content": g.each(inner, inner),
        "structuredContent": g.opaque(voice),
        **_ids(voice, "toolUseId"),
        **_numbers(voice, "isError"),
    }
    block = g.by(
        "type",
        {
            "text": _object({**common, "text": g.text(voice)}, voice),
            "image": _object({**common, "data": _media("image", voice)}, voice),
            "audio": _object({**common, "data": _media("audio", voice)}, voice),
            "resource": _object({**common, "resource": _contents(voice)}, voice),
            "resource_link": _object({**common, **_resource(voice)}, voice),
            "tool_use": _object({**common, **use}, voice),
            "tool_result": _object({**common, **result}, voice),
        },
        g.unknown(voice),
    )
    return block


def _content(voice: Voice) -> Rule:
    block = _block(voice)
    return g.each(block, block)


def _turns(voice: Voice) -> Rule:
    """The messages of a prompt, or of a request for sampling."""
    turn = {"content": _content(voice), "_meta": _meta(voice), **_words(voice, "role")}
    return _list(_object(turn, voice), voice)


_HINTS: Final = "readOnlyHint destructiveHint idempotentHint openWorldHint"

TOOLS: Final[Rule] = _list(
    _object(
        {
            **_named(g.DEFINITION),
            "name": g.text(g.DEFINITION_NAME),
            "inputSchema": g.schema(g.DEFINITION),
            "outputSchema": g.schema(g.DEFINITION),
            "annotations": _object({"title": g.text(g.DEFINITION), **_numbers(g.DEFINITION, _HINTS)}, g.DEFINITION),
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
    implementation = {**_named(voice), "websiteUrl": g.opaque(voice), **_words(voice, "version")}
    return {
        "reason": g.text(voice),
        "message": g.text(voice),
        "statusMessage": g.text(voice),
        "capabilities": g.opaque(voice),
        "clientInfo": _object(implementation, voice),
        "serverInfo": _object(implementation, voice),
        "requestState": _STATE,
        "_meta": _meta(voice),
        **_ids(voice, _IDS),
        **_words(
            voice, "protocolVersion resultType cacheScope status createdAt lastUpdatedAt role stopReason action level"
        ),
        **_numbers(voice, "progress total ttl ttlMs pollInterval isError maxTokens temperature"),
    }


def _error(voice: Voice) -> Rule:
    return _object({"message": g.text(voice), "data": g.opaque(voice), **_numbers(voice, "code")}, voice)


_SERVED_PARAMS: Final[Rule] = _object(
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
        **_words(SERVED, "mode includeContext"),
    },
    SERVED,
)
"""What a server asks (sampling, elicitation) and tells (log messages, progress, changes)."""

_ASKED_INPUT: Final[Rule] = _object({"params": _SERVED_PARAMS, **_words(SERVED, "method")}, SERVED)
_RESOURCES: Final[Rule] = _list(_object(_resource(SERVED), SERVED), SERVED)
_PROMPT_ARGUMENTS: Final[Rule] = _list(_object({**_named(SERVED), **_numbers(SERVED, "required")}, SERVED), SERVED)

_SERVED_RESULT: Final[Rule] = _object(
    {
        **_in_all(SERVED),
        "content": _content(SERVED),
        "structuredContent": g.opaque(SERVED),
        "tools": TOOLS,
        "resources": _RESOURCES,
        "resourceTemplates": _RESOURCES,
        "contents": _list(_contents(SERVED), SERVED),
        "prompts": _list(_object({**_named(SERVED), "arguments": _PROMPT_ARGUMENTS}, SERVED), SERVED),
        "messages": _turns(SERVED),
        "description": g.text(SERVED),
        "instructions": g.text(INSTRUCTIONS),
        "inputRequests": _map(_ASKED_INPUT, SERVED),
    },
    SERVED,
)

_ROOT: Final[Rule] = _object({"uri": g.text(SAID), "name": g.text(SAID), "_meta": _meta(SAID)}, SAID)

_SAID_RESULT: Final[Rule] = _object(
    {**_in_all(SAID), "content": _content(SAID), "roots": _list(_ROOT, SAID), "model": g.skip}, SAID
)
"""The answer to a request for sampling (blocks), to a form (a member for each field), or to one for roots."""

_SAID_PARAMS: Final[Rule] = _object(
    {
        **_in_all(SAID),
        "name": g.text(g.CALL_NAME),
        "arguments": g.opaque(g.CALL),
        "uri": g.text(g.CALL_NAME),  # another address is another resource
        "inputResponses": _map(_SAID_RESULT, SAID),
    },
    SAID,
)
"""What a client asks, and tells."""


def _message(voice: Voice, params: Rule, result: Rule) -> Rule:
    known = {"params": params, "result": result, "error": _error(voice), **g.skipped("jsonrpc id method")}
    return _checked(_object(known, voice))


ENVELOPE: Final = frozenset({"jsonrpc", "id", "method", "params", "result", "error"})
MAX_ID: Final = 256
"""Characters of an id: clients count, or take a UUID; ids are kept while an answer is waited for."""

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
    id_ = message.get("id")
    if not isinstance(id_, str | int | None) or isinstance(id_, bool) or len(str(id_)) > MAX_ID:
        raise Malformed(
            f"no JSON-RPC message: its `id` must be a whole number, or a string of up to {MAX_ID} characters"
        )
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
    Direction.REQUEST: _body(_message(SAID, _SAID_PARAMS, _SAID_RESULT)),
    Direction.ANSWER: _body(_message(SERVED, _SERVED_PARAMS, _SERVED_RESULT)),
}
"""What comes from a client, and what comes from a server."""
