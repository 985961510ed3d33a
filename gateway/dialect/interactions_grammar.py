"""The grammar of Google's Interactions API: what each member of its bodies and its events holds.

An interaction is a list of steps, each of a `type`: what the user gave, what the model put out, its thoughts, calls of
tools and their results. Earlier revisions have the contents themselves in place of steps (`outputs`), and turns with a
`role`; both are read alike here, so that no revision is read as less.

Source: `google.genai._gaos.types.interactions` of google-genai 3.6 and "Interactions API" in the Gemini API guides
(2026-11). Members are written in camelCase as in the other tables of Google's APIs; this one uses the proto's own
snake_case, and both are taken.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from msgspec.structs import replace

from gateway.dialect import grammar as g
from gateway.dialect.gemini_grammar import carried, schema
from gateway.dialect.grammar import Rule, Sink
from gateway.dialect.plain import ANSWERED, Voice
from gateway.dialect.proto_json import fields, member
from gateway.segment import Kind, Path, Uninspected

_asked: Final = g.opaque(g.UNKNOWN)
_given: Final = g.opaque(g.UNKNOWN_DATA)
_answered: Final = g.opaque(ANSWERED)
_stored: Final = g.uninspected("stored_context")
_hosted: Final = g.uninspected("hosted_tool")
_object: Final = g.structured(g.RESULT)
_ground: Final = g.opaque(replace(g.RESULT_LABEL, kind=Kind.DOCUMENT))

MEDIA: Final[Mapping[str, str]] = {"image": "image", "audio": "audio", "video": "video", "document": "file"}
"""Contents that are no text, by their type: what they are named as."""

CONTENTS: Final = frozenset({"text", *MEDIA})
"""Contents by their type. A list of the input holds either these or steps."""


# --- contents


def _media(kind: str, voice: Voice) -> Rule:
    """Bytes in the body, or the address of a file: named by what they are. An address is read, and bytes that are said
    to be text are."""
    members = fields(
        {
            "uri": g.address(voice),
            "name": g.text(g.FILE_NAME),
            **g.skipped("type mimeType resolution channels rate sampleRate"),
            **g.ignored("data processing"),
        },
        g.unknown(voice),
    )

    def rule(sink: Sink, value: Any, path: Path) -> None:
        said = member(value, "mimeType") if isinstance(value, dict) else None
        is_text = isinstance(said, str) and said[:5].lower() == "text/"
        if not is_text or not carried(sink, value, path, voice):
            sink.uninspected.append(Uninspected(MEDIA[kind], path))
        members(sink, value, path)

    return rule


ANNOTATIONS: Final[Rule] = g.each(g.by("type", {"word_info": g.uninspected("word_info")}, _ground), _ground)
"""Where the pieces of a text come from. What spells it again, word by word, is named: an edit empties it."""


def contents(voice: Voice) -> dict[str, Rule]:
    """The contents that a message is made of, by their type."""
    text = fields({"text": g.text(voice), "annotations": ANNOTATIONS, "type": g.skip}, g.unknown(voice))
    return {"text": text, **{kind: _media(kind, voice) for kind in MEDIA}}


def _content(voice: Voice, unknown: Rule) -> Rule:
    return g.either(voice, g.by("type", contents(voice), unknown))


def _result(sink: Sink, value: Any, path: Path) -> None:
    """What a tool returned: a text, an object of the client's, or a list of contents."""
    (_RESULTS if isinstance(value, list) else _object)(sink, value, path)


# --- definitions

DEFINED: Final[Rule] = fields(
    {
        "name": g.text(g.DEFINITION_NAME),
        "description": g.text(g.DEFINITION),
        "shortDescription": g.text(g.DEFINITION),
        "parameters": schema(g.DEFINITION),
        **g.skipped("type deferLoading"),
    },
    g.opaque(g.DEFINITION),
)
"""A function of the agent."""

_TOOL_SEARCH: Final = fields(
    {
        "name": g.text(g.DEFINITION_NAME),
        "description": g.text(g.DEFINITION),
        "parameters": schema(g.DEFINITION),
        **g.skipped("type execution"),
    },
    g.opaque(g.DEFINITION),
)
_MCP_SERVER: Final = g.both(
    _hosted,
    fields(
        {"url": g.address(g.UNKNOWN), **g.skipped("type name deferLoading"), **g.ignored("allowedTools headers")},
        _asked,
    ),
)
TOOL: Final[Rule] = g.by(
    "type",
    {"function": DEFINED, "tool_search": g.both(_hosted, _TOOL_SEARCH), "mcp_server": _MCP_SERVER},
    _hosted,
)

_RESULTS: Final = g.each(
    g.by("type", {**contents(g.RESULT), "function": DEFINED}, _object),
    _object,
)


# --- steps

AGENTS: Final = frozenset({"function_call"})
"""Calls that the agent runs. Those of a computer are functions too."""

HOSTED: Final = frozenset(
    f"{tool}_call"
    for tool in (
        "code_execution",
        "file_search",
        "google_maps",
        "google_search",
        "mcp_server_tool",
        "processing",
        "retrieval",
        "tool_search",
        "url_context",
    )
)
"""Calls that the provider has run, or that only look up which functions there are."""

_OF_RESULTS: Final = tuple(kind.removesuffix("_call") + "_result" for kind in sorted(AGENTS | HOSTED))
_IDS: Final = g.skipped("type id callId isError searchType retrievalType") | g.ignored("signature")


_CALL: Final = fields(
    {
        "name": g.text(g.CALL_NAME),
        "serverName": g.text(g.CALL_NAME),
        "arguments": g.opaque(g.CALL),
        **_IDS,
    },
    g.opaque(g.CALL),
)
_UNNAMED: Final = HOSTED - {"mcp_server_tool_call"}


def _named(sink: Sink, value: Any, path: Path) -> None:
    """A call of a tool that the API knows itself: its type is its only name."""
    sink.segments.append(g.CALL_NAME.segment((*path, "type"), value["type"].removesuffix("_call")))
    _CALL(sink, value, path)


_FOUND: Final = fields({"result": g.opaque(g.RESULT_LABEL), **_IDS}, g.opaque(g.RESULT_LABEL))
_RETURNED: Final = fields(
    {"result": _result, **g.skipped("name serverName"), **_IDS},
    g.opaque(g.RESULT_LABEL),
)
_LISTED: Final = fields({"result": g.each(DEFINED, g.opaque(g.DEFINITION)), **_IDS}, g.opaque(g.DEFINITION))


def _step(thoughts: Voice, unknown: Rule, voice: Voice) -> Rule:
    """A step, or a content that stands in its place, in `voice`; what the provider thought in `thoughts`."""
    status = fields({"message": g.text(g.RESULT_LABEL), "code": g.skip}, g.opaque(g.RESULT_LABEL))

    def said(by: Voice) -> Rule:
        return fields({"content": _content(by, g.unknown(by)), "error": status, "type": g.skip}, g.unknown(by))

    thought = g.by("type", contents(thoughts), g.unknown(thoughts))
    table: dict[str, Rule] = {
        **contents(voice),
        "user_input": said(g.USER),
        "model_output": said(g.ASSISTANT),
        "thought": fields(
            {"summary": g.each(thought, g.text(thoughts)), **_IDS},
            g.unknown(thoughts),
        ),
        **dict.fromkeys(AGENTS | HOSTED, _CALL),
        **dict.fromkeys(_UNNAMED, _named),
        **dict.fromkeys(_OF_RESULTS, _FOUND),
        **dict.fromkeys(("function_result", "mcp_server_tool_result"), _RETURNED),
        "code_execution_result": _RETURNED,
        "tool_search_result": _LISTED,
    }
    return g.by("type", table, unknown)


_THOUGHT: Final = replace(g.REASONED, editable=False)  # signed, and refused where it comes back otherwise


def _item(voice: Voice) -> Rule:
    return _step(_THOUGHT, _given, voice)


def _turn(voice: Voice) -> Rule:
    """A turn of an earlier revision: its contents are those of its role, with calls and results among them."""
    return fields({"content": g.either(voice, _item(voice)), "role": g.skip}, g.unknown(voice))


_TURNS: Final = g.by("role", {"user": _turn(g.USER), "model": _turn(g.ASSISTANT)}, _given)
_STEP: Final = _item(g.USER)


def _input(sink: Sink, value: Any, path: Path) -> None:
    is_turn = isinstance(value, dict) and value.get("type") is None and "role" in value
    (_TURNS if is_turn else _STEP)(sink, value, path)


ANSWER_STEP: Final[Rule] = _step(g.REASONED, g.opaque(g.UNKNOWN_ANSWER), g.ASSISTANT)
"""A step of an answer."""


# --- bodies

_FORMAT: Final = fields({"schema": schema(g.FORMAT), **g.skipped("type mimeType")}, schema(g.FORMAT))
_CONFIG: Final = fields(
    {
        "transcriptionConfig": g.opaque(g.SYSTEM),
        **g.skipped("maxOutputTokens seed temperature topP thinkingLevel thinkingSummaries"),
        **g.ignored("imageConfig speechConfig videoConfig toolChoice"),
    },
    _asked,
)

REQUEST: Final[Rule] = fields(
    {
        "input": g.either(g.USER, _input, g.independent),
        "systemInstruction": g.text(g.SYSTEM),
        "tools": g.independent(TOOL, TOOL),
        "generationConfig": _CONFIG,
        "responseFormat": g.each(_FORMAT, _FORMAT),
        "previousInteractionId": _stored,
        "continuationToken": _stored,
        "cachedContent": _stored,
        "agent": _hosted,
        "agentConfig": _given,
        "environment": g.both(_hosted, _given),
        "webhookConfig": g.both(_hosted, _asked),
        **g.skipped("model background store stream serviceTier responseMimeType"),
        **g.ignored("safetySettings responseModalities"),
    },
    _asked,
)
"""The body of POST /interactions."""

# What an answer repeats of its request is not read a second time.
_ECHO: Final = g.ignored(
    "input systemInstruction tools agentConfig environment generationConfig responseFormat labels webhookConfig"
    " responseModalities safetySettings cachedContent continuationToken continuationIds usage"
)

ANSWER: Final[Rule] = fields(
    {
        "steps": g.each(ANSWER_STEP, g.opaque(g.UNKNOWN_ANSWER)),
        "outputs": g.each(ANSWER_STEP, g.opaque(g.UNKNOWN_ANSWER)),
        "outputText": g.text(g.ASSISTANT),
        "outputAudio": _media("audio", g.ASSISTANT),
        "outputImage": _media("image", g.ASSISTANT),
        "outputVideo": _media("video", g.ASSISTANT),
        "errors": g.opaque(g.RESULT_LABEL),
        **_ECHO,
        **g.skipped(
            "id object status model agent created updated role environmentId previousInteractionId responseMimeType"
            " serviceTier"
        ),
    },
    _answered,
)
"""An interaction, or an error in its place."""


# --- events

_grown: Final = g.growing(g.opaque(g.UNKNOWN_ANSWER))
_GROUND_PIECE: Final = g.growing(g.opaque(g.RESULT_LABEL))
_CALL_PIECE: Final = fields(
    {
        "name": g.text(g.CALL_NAME),
        "serverName": g.text(g.CALL_NAME),
        "arguments": g.growing(g.opaque(g.CALL)),
        **_IDS,
    },
    g.growing(g.opaque(g.CALL)),
)
_RESULT_PIECE: Final = fields({"result": g.growing(_result), **g.skipped("name serverName"), **_IDS}, _GROUND_PIECE)

DELTA: Final[Rule] = g.by(
    "type",
    {
        "text": fields({"text": g.growing(g.text(g.ASSISTANT)), "annotations": ANNOTATIONS, "type": g.skip}, _grown),
        **{kind: _media(kind, g.ASSISTANT) for kind in MEDIA},
        "text_annotation_delta": fields({"annotations": ANNOTATIONS, "type": g.skip}, _answered),
        "thought_summary": fields(
            {
                "content": g.growing(g.by("type", contents(g.REASONED), g.unknown(g.REASONED))),
                "type": g.skip,
            },
            _grown,
        ),
        "thought_signature": fields(_IDS, _grown),
        "arguments_delta": fields(
            {"arguments": g.growing(g.text(g.CALL)), "type": g.skip}, g.growing(g.opaque(g.CALL))
        ),
        "function_call": _CALL,
        **dict.fromkeys(HOSTED, _CALL_PIECE),
        **dict.fromkeys(_OF_RESULTS, _RESULT_PIECE),
    },
    _grown,
)
"""A piece of a step. One of a type that is not known may be a piece of a text."""

BEGUN: Final[Rule] = g.growing(ANSWER_STEP)
"""A step as it begins: its texts may go on."""

EVENT: Final[Rule] = fields(
    {
        "delta": DELTA,
        "step": BEGUN,
        "content": BEGUN,
        "interaction": ANSWER,
        "error": fields({"message": g.text(g.RESULT_LABEL), "code": g.skip}, g.opaque(g.RESULT_LABEL)),
        **g.skipped("eventType eventId index interactionId status"),
        **g.ignored("usage stepUsage metadata continuationToken"),
    },
    _grown,
)
"""An event of any type."""
