"""Calls in the answers of Bedrock's Converse API, and what is written in the place of one that was refused.

A refused call becomes a text in its block. Where no call is left, the model has ended its turn. A call is known by the
index of its block, whole and streamed. Source: "Use a tool to complete an Amazon Bedrock model response" in the user
guide of Bedrock, and the types of Converse in its API reference (2026-11).
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Any, Final

import orjson
from msgspec.structs import replace

from gateway.dialect.base import Payload
from gateway.dialect.containers import items_of, members_of
from gateway.dialect.grammar import inner_document
from gateway.errors import Malformed
from gateway.policy.call import Call, Called, Change
from gateway.segment import Path
from gateway.wire.document import Document, Patch, apply

CALL: Final = "toolUse"
_OF_THE_PROVIDER: Final = "server_tool_use"
"""The type of a call that Bedrock runs itself. A call of any other type the agent might run."""

_MESSAGE: Final[Path] = ("output", "message")
_CALLS_FOLLOW: Final = "tool_use"
_TURN_ENDED: Final = "end_turn"


def call_of(made: Mapping[str, Any]) -> Call:
    """The call that a `toolUse` is; `input` is an object, or whatever else stands in its place."""
    return Call(_text(made.get("name")), made.get("input", {}), _text(made.get("toolUseId")))


def calls(document: Document) -> tuple[Called, ...]:
    """The calls of an answer that the agent is to run, by the indices of their blocks."""
    return tuple(Called(index, call_of(made)) for index, made in _calls_in(document))


def changes_to(document: Document, changes: Mapping[Hashable, Change]) -> Iterator[Patch]:
    """The patches that make these changes to an answer."""
    found = dict(_calls_in(document))
    for index, made in found.items():
        change = changes.get(index)
        if change is not None:
            yield _changed_block(document, (*_MESSAGE, "content", index), made, change)
    if _none_is_left(found, changes) and document.get("stopReason") == _CALLS_FOLLOW:
        yield document.replace(("stopReason",), _TURN_ENDED)


def _calls_in(document: Document) -> Iterator[tuple[int, dict[str, Any]]]:
    members_of(members_of(document.get("output"), "output").get("message"), "message")
    for index, block in enumerate(items_of(document.get(*_MESSAGE, "content"), "content")):
        made = _made(block)
        if made is not None:
            yield index, made


def _made(union: Any) -> dict[str, Any] | None:
    """The call in a block, or in the start of one, if the agent is to run it."""
    made = members_of(union.get(CALL), CALL) if isinstance(union, dict) else {}
    return made if made and made.get("type") != _OF_THE_PROVIDER else None


def _changed_block(document: Document, path: Path, made: Mapping[str, Any], change: Change) -> Patch:
    if change.refusal is not None:
        return document.replace(path, {"text": change.refusal})
    if "input" in made:
        return document.replace((*path, CALL, "input"), change.arguments)
    return document.append_member((*path, CALL), "input", change.arguments)


def _none_is_left(found: Mapping[int, object], changes: Mapping[Hashable, Change]) -> bool:
    """Whether there were calls, and all are refused."""
    return bool(found) and all(
        (change := changes.get(index)) is not None and change.refusal is not None for index in found
    )


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _piece(value: Any) -> str:
    if not isinstance(value, str | None):
        raise Malformed("a piece of a call's arguments is no text")
    return value or ""


class StreamedCalls:
    """The calls of one stream: what was read of them, and the events that tell of them otherwise."""

    def __init__(self) -> None:
        self._begun: dict[int, Call] = {}  # every call of the stream, as its block started
        self._open: dict[int, list[str]] = {}  # the pieces of arguments of those that are not complete
        self._others: set[int] = set()  # blocks that started as calls that Bedrock makes

    def read(self, event: str, document: Document) -> tuple[tuple[int, ...], tuple[Called, ...]]:
        """The calls that an event holds a part of, and those that are complete with it, by the indices of their blocks.

        Raises Malformed for a piece of a call that never began, and for arguments that clients may read apart.
        """
        index = document.get("contentBlockIndex")
        match event:
            case "contentBlockStart":
                return self._begin(index, members_of(document.get("start"), "start")), ()
            case "contentBlockDelta":
                return self._read_piece(index, members_of(document.get("delta"), "delta"))
            case "contentBlockStop" if index in self._open:
                return (index,), (self._complete(index),)
            case "messageStop":
                return tuple(self._open), self.unfinished()
        return (), ()

    def _begin(self, index: int, start: Mapping[str, Any]) -> tuple[int, ...]:
        made = _made(start)
        if made is None:
            if start.get(CALL):
                self._others.add(index)
            return ()
        self._begun[index], self._open[index] = call_of(made), []
        return (index,)

    def unfinished(self) -> tuple[Called, ...]:
        """The calls that nothing stopped, now that the message is over: a client may run what it has of them."""
        return tuple(map(self._complete, tuple(self._open)))

    def _read_piece(self, index: int, delta: Mapping[str, Any]) -> tuple[tuple[int, ...], tuple[Called, ...]]:
        piece = members_of(delta.get(CALL), CALL)
        if index in self._open:
            self._open[index].append(_piece(piece.get("input")))
            return (index,), ()
        if piece and index not in self._others:
            raise Malformed("a piece of a call belongs to no call that began")
        return (), ()

    def _complete(self, index: int) -> Called:
        """What its block started with holds, unless pieces came. Raises Malformed for both, and for JSON that parsers
        read apart."""
        call, written = self._begun[index], "".join(self._open.pop(index))
        if written and call.arguments:
            raise Malformed("a call of the stream begins with arguments and goes on with others")
        if written:
            inner = inner_document(written)
            call = replace(call, arguments=written if inner is None else inner.value, is_readable=inner is not None)
        return Called(index, call)

    def changed(
        self, event: str, document: Document, data: bytes, changes: Mapping[Hashable, Change]
    ) -> Sequence[Payload]:
        """The events in place of this one."""
        index = document.get("contentBlockIndex")
        change = changes.get(index) if isinstance(index, int) and index in self._begun else None
        match event:
            case "contentBlockStart" if change is not None:
                return self._changed_start(event, index, data, change)
            case "contentBlockDelta" if change is not None:
                is_told = change.refusal is not None or document.get("delta", CALL) is not None
                return () if is_told else ((event, data),)
            case "messageStop" if document.get("stopReason") == _CALLS_FOLLOW:
                if _none_is_left(self._begun, changes):
                    data = apply(data, (document.replace(("stopReason",), _TURN_ENDED),))
        return ((event, data),)

    def _changed_start(self, event: str, index: Any, data: bytes, change: Change) -> Sequence[Payload]:
        """All that there is to a block in one delta. A text has no start of its own."""
        if change.refusal is not None:
            return (_delta(index, {"text": change.refusal}),)
        return (event, data), _delta(index, {CALL: {"input": orjson.dumps(change.arguments).decode()}})


def _delta(index: Any, delta: dict[str, Any]) -> Payload:
    return "contentBlockDelta", orjson.dumps({"contentBlockIndex": index, "delta": delta})
