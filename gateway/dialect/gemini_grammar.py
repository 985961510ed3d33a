"""The grammar of Google's Gemini API: what each member of its bodies holds.

Source: the REST reference of generativelanguage.googleapis.com (v1beta) and the types of google-genai 3.4 (2026-11).
Members are written in camelCase here; proto3 JSON accepts the proto's own snake_case too, and so does every table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from msgspec.structs import replace

from gateway.dialect import grammar as g
from gateway.dialect.grammar import Rule, Sink
from gateway.dialect.plain import ANSWERED, Voice
from gateway.dialect.proto_json import fields, member, text_in
from gateway.segment import Kind, Path, Trust, Uninspected

type Spoken = Callable[[Voice], Rule]
"""How a text that may go on in later events is read."""

_asked: Final = g.opaque(g.UNKNOWN)
_answered: Final = g.opaque(ANSWERED)

_GROUND: Final = replace(g.RESULT_LABEL, kind=Kind.DOCUMENT)
FOUND: Final = g.opaque(_GROUND)
"""Reads what an answer quotes from searches and pages."""


def each(item: Rule) -> Rule:
    """A repeated field; the API takes a single item without its list, too."""
    return g.each(item, item)


def media(voice: Voice) -> Rule:
    """Bytes in the body, or the address of a file: named by what they are. An address is read, and bytes that are said
    to be text are."""
    address = replace(voice, kind=Kind.OPAQUE, wrappable=False)
    inside = fields(
        {"displayName": g.text(g.FILE_NAME), "fileUri": g.text(address), **g.skipped("mimeType"), **g.ignored("data")},
        g.unknown(voice),
    )

    def rule(sink: Sink, value: Any, path: Path) -> None:
        kind = member(value, "mimeType") if isinstance(value, dict) else None
        top = kind.partition("/")[0].lower() if isinstance(kind, str) else ""
        if top != "text" or not carried(sink, value, path, voice):
            sink.uninspected.append(Uninspected(top if top in ("image", "audio", "video") else "file", path))
        inside(sink, value, path)

    return rule


def carried(sink: Sink, value: dict[str, Any], path: Path, voice: Voice) -> bool:
    """Whether the `data` of a file is a text, which is read then. It cannot be edited within its base64."""
    text = text_in(value.get("data"))
    if text:
        file = Voice(voice.role, Trust.UNTRUSTED, Kind.DOCUMENT, editable=False)
        sink.segments.append(file.segment((*path, "data"), text))
    return text is not None


def function_call(spoken: Spoken) -> Rule:
    """A call. Where the model streams its arguments, they come as pieces of single values (`partialArgs`)."""
    piece = {"stringValue": spoken(g.CALL)}
    partial = fields({**piece, **g.skipped("jsonPath willContinue boolValue numberValue nullValue")}, g.unknown(g.CALL))
    table: dict[str, Rule] = {"args": g.opaque(g.CALL), "partialArgs": each(partial), **g.skipped("id willContinue")}
    # The name of a call that goes on must not leave before its arguments are judged.
    begun = fields({**table, "name": spoken(g.CALL_NAME)}, g.unknown(g.CALL))
    complete = fields({**table, "name": g.text(g.CALL_NAME)}, g.unknown(g.CALL))

    def rule(sink: Sink, value: Any, path: Path) -> None:
        (begun if isinstance(value, dict) and goes_on(value) else complete)(sink, value, path)

    return rule


def goes_on(call: dict[str, Any]) -> bool:
    """Whether more of a call is to come."""
    pieces = member(call, "partialArgs")
    open_ends = [call, *(pieces if isinstance(pieces, list) else [pieces])]
    return any(isinstance(end, dict) and member(end, "willContinue") is True for end in open_ends)


def _part(voice: Voice, spoken: Spoken) -> Rule:
    """One part of a content. Thoughts and signed texts go back to the API unchanged, or it refuses them."""
    unknown = g.unknown(voice)
    files = _files(voice)
    table: dict[str, Rule] = {
        **files,
        "functionCall": function_call(spoken),
        "functionResponse": function_response(files, unknown),
        "executableCode": fields({"code": g.text(g.CALL), **g.skipped("id language")}, unknown),
        "codeExecutionResult": fields({"output": g.text(g.RESULT_LABEL), **g.skipped("id outcome")}, unknown),
        "toolCall": fields({"args": g.opaque(g.CALL), **g.skipped("id toolType")}, g.unknown(g.CALL)),
        "toolResponse": fields({"response": g.opaque(g.RESULT_LABEL), **g.skipped("id toolType")}, g.unknown(g.RESULT)),
        **g.skipped("thought"),
        **g.ignored("thoughtSignature videoMetadata mediaResolution"),
    }
    signed = replace(voice, editable=False)
    reasoned = replace(signed, kind=Kind.REASONING, wrappable=False)

    def told(by: Voice) -> Rule:
        return fields({**table, "text": spoken(by)}, unknown)

    plain, kept, thought = told(voice), told(signed), told(reasoned)

    def rule(sink: Sink, value: Any, path: Path) -> None:
        if isinstance(value, dict) and value.get("thought") is True:
            thought(sink, value, path)
        elif isinstance(value, dict) and member(value, "thoughtSignature"):
            kept(sink, value, path)
        else:
            plain(sink, value, path)

    return rule


def _files(voice: Voice) -> dict[str, Rule]:
    return dict.fromkeys(("inlineData", "fileData"), media(voice))


def function_response(files: Mapping[str, Rule], unknown: Rule) -> Rule:
    """What a function returned; `files` reads those that it has beside its `response`."""
    result = {"name": g.skip, "response": g.structured(g.RESULT), "parts": each(fields(files, unknown))}
    return fields({**result, **g.skipped("id willContinue scheduling")}, g.unknown(g.RESULT))


FUNCTION_RESPONSE: Final[Rule] = function_response(_files(g.RESULT), g.unknown(g.RESULT))


def parts(voice: Voice, spoken: Spoken = g.text) -> Rule:
    return fields({"role": g.skip, "parts": each(_part(voice, spoken))}, g.unknown(voice))


_ROLES: Final[Mapping[Any, Rule]] = {
    None: parts(g.USER),
    "user": parts(g.USER),
    "model": parts(g.ASSISTANT),
    "function": parts(g.RESULT),
}
_any_role: Final = g.opaque(g.UNKNOWN_DATA)


def content(sink: Sink, value: Any, path: Path) -> None:
    """A turn. One without a role is the user's; a role that is not known may be anyone's."""
    role = value.get("role") if isinstance(value, dict) else None
    rule = _ROLES.get(role, _any_role) if role is None or isinstance(role, str) else _any_role
    rule(sink, value, path)


_DEFINED: Final = g.opaque(g.DEFINITION)
_SCHEMA_TYPES: Final = frozenset(name.upper() for name in g.JSON_TYPES)


def schema(voice: Voice) -> Rule:
    """A schema in JSON Schema or in the API's own form, whose type names are in capitals."""
    strings = g.schema(voice)

    def rule(sink: Sink, value: Any, path: Path) -> None:
        before = len(sink.segments)
        strings(sink, value, path)
        sink.segments[before:] = [part for part in sink.segments[before:] if part.text not in _SCHEMA_TYPES]

    return rule


_FUNCTION: Final = fields(
    {
        "name": g.text(g.DEFINITION_NAME),
        "description": g.text(g.DEFINITION),
        **dict.fromkeys(("parameters", "parametersJsonSchema", "response", "responseJsonSchema"), schema(g.DEFINITION)),
        "behavior": g.skip,
    },
    _DEFINED,
)

TOOL: Final = fields({"functionDeclarations": each(_FUNCTION)}, g.uninspected("hosted_tool"))

CONFIG: Final = fields(
    {
        "responseSchema": schema(g.FORMAT),
        "responseJsonSchema": schema(g.FORMAT),
        **g.skipped("responseMimeType"),
        **g.ignored("responseModalities mediaResolution thinkingConfig"),
    },
    _asked,
)


NESTED_REQUESTS: Final = ("requests", "request", "generateContentRequest", "batch", "inputConfig")
"""Members under which a request holds others."""

NESTED_ANSWERS: Final = ("response", "responses", "inlinedResponses", "metadata", "output", "dest")
"""Members under which an answer holds others."""


def request(sink: Sink, value: Any, path: Path) -> None:
    """A request of any method: those for many (embeddings, batches) hold those for one, under the names below."""
    _BODY(sink, value, path)


_BODY: Final = fields(
    {
        "contents": g.independent(content, content),
        "content": content,
        "systemInstruction": parts(g.SYSTEM),
        "tools": g.independent(TOOL, TOOL),
        "generationConfig": CONFIG,
        "cachedContent": g.uninspected("stored_context"),
        **dict.fromkeys(NESTED_REQUESTS, each(request)),
        **g.skipped("model taskType serviceTier"),
        **g.ignored("toolConfig safetySettings"),
    },
    _asked,
)


def answer(spoken: Spoken = g.text) -> Rule:
    """An answer of any method; a batch's holds many, under the names below."""

    def itself(sink: Sink, value: Any, path: Path) -> None:
        body(sink, value, path)

    candidate = fields(
        {
            "content": parts(g.ASSISTANT, spoken),
            "logprobsResult": g.uninspected("logprobs"),
            **dict.fromkeys(("groundingMetadata", "citationMetadata", "urlContextMetadata"), FOUND),
            **g.skipped("finishReason"),
            **g.ignored("safetyRatings continuationToken"),
        },
        _answered,
    )
    feedback = fields(g.skipped("blockReason") | g.ignored("safetyRatings"), _answered)
    one = fields(
        {
            "candidates": each(candidate),
            "promptFeedback": feedback,
            **dict.fromkeys(NESTED_ANSWERS, itself),
            **g.skipped("modelVersion responseId createTime"),
            **g.ignored("usageMetadata"),
        },
        _answered,
    )
    body = each(one)
    return itself


ANSWER: Final[Rule] = answer()


def candidate_path(path: Path) -> Path:
    """The path of the candidate that holds what is at `path`: an item of a list, or a single one without it."""
    at = path.index("candidates") + 1
    return path[: at + 1] if isinstance(path[at], int) else path[:at]
