"""The grammar of the Agent2Agent protocol: what a client sends to another agent, and what that agent says.

Source: the specifications 0.2.6, 0.3.0 and 1.0.1 of a2aproject/A2A, and the proto of 0.3, whose HTTP binding has names
of its own. One grammar reads them all: what an object is, is told by the names of its members. They stand in camelCase
here, and either spelling is read. Members that are not known are read as text.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from msgspec.structs import replace

from gateway.dialect import grammar as g
from gateway.dialect.grammar import Rule, Sink
from gateway.dialect.jsonrpc import refuse_spelling
from gateway.dialect.plain import Voice
from gateway.dialect.proto_json import refuse_both_spellings, snake
from gateway.dialect.sides import SAID, SERVED, ids, listed, media, numbers, record, words
from gateway.segment import Path

_FIXED: Final = replace(g.DEFINITION, editable=False)
"""What names an address or a skill: with other words it would be another one."""


_OF_ONE_TEXT: Final = frozenset({"parts", "content", "text"})
"""Members by which texts are found to be one, so nobody may find them under another name."""


def _object(table: Mapping[str, Rule], voice: Voice) -> Rule:
    """A record, with its members in either spelling."""
    known = record({**table, **{snake(key): rule for key, rule in table.items()}}, voice)

    def rule(sink: Sink, value: Any, path: Path) -> None:
        refuse_both_spellings(value)
        if isinstance(value, dict):
            refuse_spelling(value, _OF_ONE_TEXT)
        known(sink, value, path)

    return rule


def _address(voice: Voice) -> Rule:
    """An address. What a client names is fetched or called by the other agent, so it is that one or none."""
    return g.unknown(replace(voice, editable=False) if voice == SAID else voice)


def _part(voice: Voice) -> Rule:
    """A part of a message: a text, data, or a file by its bytes or its address."""
    named = {"name": g.text(voice), "filename": g.text(voice), **words(voice, "mimeType mediaType")}
    files = {
        **dict.fromkeys(("bytes", "fileWithBytes"), media("file", voice)),
        **dict.fromkeys(("uri", "fileWithUri"), _address(voice)),
    }
    return _object(
        {
            **named,
            "text": g.text(voice),
            "data": g.opaque(voice),
            "raw": media("file", voice),
            "url": _address(voice),
            "file": _object({**named, **files}, voice),
            "metadata": g.opaque(voice),
            **words(voice, "kind type"),
        },
        voice,
    )


def _parts(voice: Voice) -> Rule:
    """The parts of a message or an artifact, whose texts together are one."""
    each = listed(_part(voice), voice)

    def rule(sink: Sink, value: Any, path: Path) -> None:
        before = len(sink.segments)
        each(sink, value, path)
        found = sink.segments[before:]
        texts = [one for one in found if len(one.place.path) == len(path) + 2 and one.place.path[-1] == "text"]
        if len(texts) > 1:
            sink.parted.append(tuple(texts))
            sink.segments[before:] = [one for one in found if one not in texts]

    return rule


def _message(voice: Voice) -> dict[str, Rule]:
    parts = _parts(voice)
    return {
        "parts": parts,
        "content": parts,  # as the proto of 0.3 calls them
        "metadata": g.opaque(voice),
        "extensions": g.opaque(voice),
        "referenceTaskIds": g.opaque(voice),
        **ids(voice, "messageId contextId taskId"),
        **words(voice, "kind role"),
    }


def _push(voice: Voice) -> dict[str, Rule]:
    """Where the other agent reports to, and what it shows there."""
    credential = g.text(replace(voice, editable=False))
    shown = {"credentials": credential, "schemes": g.opaque(voice), **words(voice, "scheme")}
    config = {
        "url": _address(voice),
        "token": credential,
        "authentication": _object(shown, voice),
        **ids(voice, "id taskId tenant pushNotificationConfigId configId"),
    }
    return {**config, "pushNotificationConfig": _object(config, voice)}


def _params() -> Rule:
    """What a client sends: a message with how it is to be answered, or the name of a task."""
    push = _push(SAID)
    message = _object(_message(SAID), SAID)
    configuration = _object(
        {
            "acceptedOutputModes": g.opaque(SAID),
            "pushNotificationConfig": _object(push, SAID),
            "taskPushNotificationConfig": _object(push, SAID),
            **numbers(SAID, "historyLength blocking returnImmediately"),
        },
        SAID,
    )
    return _object(
        {
            **push,
            "message": message,
            "request": message,  # as the proto of 0.3 calls it
            "configuration": configuration,
            "config": _object(push, SAID),
            "metadata": g.opaque(SAID),
            **ids(SAID, "contextId pageToken name parent"),
            **words(SAID, "status statusTimestampAfter"),
            **numbers(SAID, "historyLength pageSize includeArtifacts"),
        },
        SAID,
    )


def _task() -> dict[str, Rule]:
    """The members of a task and of the events that tell how it goes on."""
    message = _object(_message(SERVED), SERVED)
    status = {"message": message, "update": message, **words(SERVED, "state timestamp")}
    artifact = _object(
        {
            **{name: rule for name, rule in _message(SERVED).items() if name in ("parts", "metadata", "extensions")},
            "name": g.text(SERVED),
            "description": g.text(SERVED),
            **ids(SERVED, "artifactId"),
        },
        SERVED,
    )
    return {
        "status": _object(status, SERVED),
        "artifacts": listed(artifact, SERVED),
        "history": listed(message, SERVED),
        "artifact": artifact,
        "metadata": g.opaque(SERVED),
        **ids(SERVED, "id contextId taskId"),
        **words(SERVED, "kind"),
        **numbers(SERVED, "append lastChunk final"),
    }


def _card() -> dict[str, Rule]:
    """The members of an agent card, which a model reads before it speaks with the agent, as it reads a tool's."""
    card = g.DEFINITION
    interface = dict.fromkeys(("url", "tenant", "transport", "protocolBinding", "protocolVersion"), g.text(_FIXED))
    skill = {
        "id": g.text(_FIXED),
        "name": g.text(card),
        "description": g.text(card),
        **dict.fromkeys(("tags", "examples", "inputModes", "outputModes"), g.opaque(card)),
        **dict.fromkeys(("security", "securityRequirements"), g.opaque(_FIXED)),
    }
    signature = {**dict.fromkeys(("protected", "signature"), media("signature", _FIXED)), "header": g.opaque(_FIXED)}
    return {
        "name": g.text(card),
        "description": g.text(card),
        "url": g.text(_FIXED),
        **dict.fromkeys(("supportedInterfaces", "additionalInterfaces"), listed(_object(interface, _FIXED), _FIXED)),
        "provider": g.opaque(card),
        "capabilities": g.opaque(card),
        "skills": listed(_object(skill, card), card),
        "signatures": listed(_object(signature, _FIXED), _FIXED),
        **dict.fromkeys(("iconUrl", "documentationUrl"), g.opaque(card)),
        **dict.fromkeys(("defaultInputModes", "defaultOutputModes"), g.opaque(card)),
        **dict.fromkeys(("securitySchemes", "security", "securityRequirements"), g.opaque(_FIXED)),
        **words(_FIXED, "preferredTransport protocolVersion version"),
        **numbers(card, "supportsAuthenticatedExtendedCard"),
    }


def _result() -> Rule:
    """What an agent answers: a task, a message, an event, a card, or a list of some."""
    task, message = _task(), _message(SERVED)
    event = _object(task, SERVED)
    push = _object(_push(SERVED), SERVED)
    one = _object(
        {
            **_push(SERVED),
            **message,
            **task,
            **_card(),
            **dict.fromkeys(("task", "statusUpdate", "artifactUpdate"), event),
            **dict.fromkeys(("message", "msg"), _object(message, SERVED)),
            "tasks": listed(event, SERVED),
            "configs": listed(push, SERVED),
            "error": ERROR,
            **ids(SERVED, "nextPageToken"),
            **numbers(SERVED, "pageSize totalSize"),
        },
        SERVED,
    )
    return g.each(one, one)


ERROR: Final[Rule] = record(
    {"message": g.text(SERVED), "data": g.opaque(SERVED), "details": g.opaque(SERVED), **numbers(SERVED, "code")},
    SERVED,
)
"""An error of JSON-RPC, or a `google.rpc.Status`."""

PARAMS: Final[Rule] = _params()
"""`params` of a JSON-RPC request, and the body of a request of the HTTP binding."""

RESULT: Final[Rule] = _result()
"""`result` of a JSON-RPC answer, and the body of an answer of the HTTP binding."""
