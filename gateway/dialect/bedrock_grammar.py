"""The grammar of Bedrock's Converse API: what each member of its bodies holds.

Source: "Converse" and "ConverseStream" in the API reference of Bedrock Runtime, and the model of the service in
botocore 1.44 (2026-11). A content block is a union: an object with one member, whose name is the block's type. One of a
type that is not known is read as untrusted text.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from typing import Any, Final

from msgspec.structs import replace

from gateway.dialect import grammar as g
from gateway.dialect.anthropic_grammar import QUOTED, RAN, THOUGHT, data, tool
from gateway.dialect.grammar import Rule, Sink
from gateway.dialect.plain import ANSWERED, Voice
from gateway.segment import Kind, Path, Role, Trust, Uninspected

_unknown_block: Final = g.opaque(ANSWERED)
_asked: Final = g.opaque(g.UNKNOWN)
_answered: Final = g.opaque(ANSWERED)

PADDED: Final = g.skipped("p")
"""Members of every event of a stream: letters, so that its length tells nothing."""


def settings(unknown: Rule) -> dict[str, Rule]:
    """Members that requests and answers have in common."""
    return {
        "performanceConfig": g.members(g.skipped("latency"), unknown),
        "serviceTier": g.members(g.skipped("type"), unknown),
    }


def _blob(sink: Sink, value: Any, path: Path) -> None:
    """Bytes in base64: whoever knows what they are reads or names them."""
    if not isinstance(value, str):
        _unknown_block(sink, value, path)


def _stored(unknown: Rule) -> Rule:
    """A file that Bedrock takes from S3, with the rights of the caller."""
    return g.members({"uri": unknown, **g.skipped("bucketOwner")}, unknown)


def media(kind: str) -> Rule:
    """An image, a video or a sound, which is named and not read."""
    source = g.members({"bytes": _blob, "s3Location": _stored(_unknown_block)}, _unknown_block)
    return g.both(g.uninspected(kind), g.members({"source": source, **g.skipped("format")}, _unknown_block))


_TEXTS: Final = frozenset({"txt", "md", "csv", "html"})
"""Formats of documents whose bytes are a text."""


def _document(voice: Voice) -> Rule:
    """A document; its name and context are too short to be marked."""
    unknown = g.unknown(voice)
    label = g.text(replace(voice, wrappable=False))
    passage = g.members({"text": g.text(voice)}, unknown)
    sources: dict[str, Rule] = {
        "text": g.text(voice),
        "content": g.each(passage, unknown),
        "bytes": _blob,
        "s3Location": g.both(g.uninspected("file"), _stored(unknown)),
    }
    table: dict[str, Rule] = {"name": label, "context": label, "source": g.members(sources, unknown)}
    block = g.members({**table, **g.skipped("format"), **g.ignored("citations")}, unknown)
    return g.both(block, _file(replace(voice, editable=False, wrappable=False)))


def _file(voice: Voice) -> Rule:
    """The bytes of a document: a text, which cannot be edited within its base64, or named."""

    def rule(sink: Sink, value: Any, path: Path) -> None:
        source = value.get("source") if isinstance(value, dict) else None
        carried = source.get("bytes") if isinstance(source, dict) else None
        if not isinstance(carried, str):
            return
        place = (*path, "source", "bytes")
        text = _decoded(carried) if str(value.get("format")) in _TEXTS else None
        if text is None:
            sink.uninspected.append(Uninspected("file", place))
        elif text:
            sink.segments.append(voice.segment(place, text))

    return rule


def _decoded(carried: str) -> str | None:
    try:
        return base64.b64decode(carried, validate=True).decode("utf-8-sig")
    except ValueError:
        return None


def _search_result(voice: Voice) -> Rule:
    unknown = g.unknown(voice)
    label = g.text(replace(voice, wrappable=False))
    content = g.each(g.members({"text": g.text(voice)}, unknown), unknown)
    return g.members({"source": label, "title": label, "content": content, **g.ignored("citations")}, unknown)


def _guarded(voice: Voice) -> Rule:
    """A text that a guardrail of Bedrock is to look at. What it is to hold answers against is data from elsewhere."""
    unknown = g.unknown(voice)
    source = Voice(voice.role, Trust.UNTRUSTED, Kind.DOCUMENT, wrappable=True)
    said, grounding = (g.members({"text": g.text(by), **g.ignored("qualifiers")}, unknown) for by in (voice, source))

    def text(sink: Sink, value: Any, path: Path) -> None:
        qualifiers = value.get("qualifiers") if isinstance(value, dict) else None
        is_source = isinstance(qualifiers, list) and "grounding_source" in qualifiers
        (grounding if is_source else said)(sink, value, path)

    return g.members({"text": text, "image": media("image")}, unknown)


_POINT: Final = g.members(g.skipped("type ttl"), _unknown_block)
"""Up to here a prompt is cached."""

_NAMED_TOOL: Final = g.members({"tool": g.members(g.skipped("type name serverName"), _unknown_block)}, _unknown_block)
"""A tool of the request that is given to the model from here on, or taken from it."""


def _result(voice: Voice) -> Rule:
    """The result of a call; `voice` is RAN where Bedrock ran the tool and the model has read it unmarked."""
    unknown = g.unknown(voice)
    content = g.members(
        {
            "text": g.text(voice),
            "json": g.structured(voice),
            "image": media("image"),
            "video": media("video"),
            "document": data(Role.TOOL, _document),
            "searchResult": data(Role.TOOL, _search_result),
        },
        unknown,
    )
    return g.members({"content": g.each(content, unknown), **g.skipped("toolUseId status type")}, unknown)


def _call(spoken: Callable[[Voice], Rule]) -> Rule:
    table: dict[str, Rule] = {"name": spoken(g.CALL_NAME), "input": g.opaque(g.CALL)}
    return g.members({**table, **g.skipped("toolUseId type")}, g.unknown(g.CALL))


def _block(voice: Voice, result: Voice) -> Rule:
    """A content block of a message by `voice`."""
    unknown = g.unknown(voice)
    thought = g.members({"text": g.text(THOUGHT), **g.ignored("signature")}, unknown)
    cited = g.each(g.members({"text": g.text(voice)}, unknown), unknown)
    return g.members(
        {
            "text": g.text(voice),
            "image": media("image"),
            "video": media("video"),
            "audio": media("audio"),
            "document": data(voice.role, _document),
            "searchResult": data(voice.role, _search_result),
            "toolUse": _call(g.text),
            "toolResult": _result(result),
            "guardContent": _guarded(voice),
            "cachePoint": _POINT,
            "reasoningContent": g.members(
                {"reasoningText": thought, "redactedContent": g.uninspected("encrypted")}, _unknown_block
            ),
            "citationsContent": g.members({"content": cited, "citations": g.opaque(QUOTED)}, unknown),
            "toolAddition": _NAMED_TOOL,
            "toolRemoval": _NAMED_TOOL,
        },
        _unknown_block,
    )


def _turn(voice: Voice, result: Voice = g.RESULT) -> Rule:
    content = g.each(_block(voice, result), g.unknown(voice))
    return g.members({"content": content, **g.skipped("role")}, g.unknown(voice))


_MESSAGE: Final = g.by(
    "role",
    {"user": _turn(g.USER), "assistant": _turn(g.ASSISTANT, RAN), "system": _turn(g.SYSTEM)},
    g.opaque(g.UNKNOWN_DATA),
)

_SYSTEM: Final = g.members(
    {"text": g.text(g.SYSTEM), "guardContent": _guarded(g.SYSTEM), "cachePoint": _POINT}, g.unknown(g.SYSTEM)
)

_DEFINITION: Final = g.members(
    {
        "name": g.text(g.DEFINITION_NAME),
        "description": g.text(g.DEFINITION),
        "inputSchema": g.members({"json": g.schema(g.DEFINITION)}, g.opaque(g.DEFINITION)),
        **g.skipped("strict"),
    },
    g.opaque(g.DEFINITION),
)

_TOOL: Final = g.members(
    {
        "toolSpec": _DEFINITION,
        "systemTool": g.both(g.uninspected("hosted_tool"), g.opaque(g.DEFINITION_NAME)),
        "cachePoint": _POINT,
    },
    g.both(g.uninspected("hosted_tool"), g.opaque(g.DEFINITION)),
)

_TOOLS: Final = g.members(
    {"tools": g.independent(_TOOL, g.opaque(g.DEFINITION)), **g.ignored("toolChoice")}, g.opaque(g.DEFINITION)
)

_ADDITIONAL: Final = g.members(
    {"tools": g.each(tool, g.opaque(g.DEFINITION)), "mcp_servers": g.uninspected("hosted_tool")}, _asked
)
"""Members of the model's own request; Anthropic's models are given tools of theirs there ("Computer use" in the user
guide of Bedrock)."""


def _lead(_messages: Sequence[Any]) -> int:
    """The rules of the hierarchy go to `system`, whatever the messages are."""
    return 0


REQUEST: Final[Rule] = g.members(
    {
        "system": g.each(_SYSTEM, g.unknown(g.SYSTEM)),
        "messages": g.independent(_MESSAGE, g.opaque(g.UNKNOWN_DATA), _lead),
        "toolConfig": _TOOLS,
        "inferenceConfig": g.members(g.skipped("maxTokens temperature topP"), _asked),
        "guardrailConfig": g.members(
            g.skipped("guardrailIdentifier guardrailVersion trace streamProcessingMode"), _asked
        ),
        "additionalModelRequestFields": _ADDITIONAL,
        "promptVariables": g.both(
            g.uninspected("stored_context"), g.values(g.members({"text": g.text(g.USER)}, _asked), _asked)
        ),
        "outputConfig": g.schema(g.FORMAT),
        **settings(_asked),
        **g.skipped("projectIdentifier"),
    },
    _asked,
)

ANSWER: Final[Rule] = g.members(
    {
        "output": g.members({"message": _turn(g.ASSISTANT, RAN)}, _answered),
        **settings(_answered),
        **g.skipped("stopReason"),
        **g.ignored("usage metrics"),
    },
    _answered,
)
