"""Calls in the answers of Anthropic's Messages API, and what is written in the place of one that was refused.

A refused call becomes a block of text at its index: agents that go through the blocks find the reason where the call
was, and nothing to run. Where no call is left, the model has ended its turn: the loops of agents end there and show the
text, and the model reads it as its own words with what the user says next. A call is known by the index of its block,
whole and streamed. Source: "Tool use" and "Streaming messages" in Anthropic's API guides, and `lib/streaming` of
anthropic-sdk-python 2.12 (2026-11).
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Any, Final

import orjson
from msgspec.structs import replace

from gateway.dialect.anthropic_transcript import call_of
from gateway.dialect.base import Payload
from gateway.dialect.containers import items_of, members_of
from gateway.dialect.grammar import inner_document
from gateway.policy.call import Call, Called, Change
from gateway.segment import Path
from gateway.wire.document import Document, Patch, apply

_CALL: Final = "tool_use"
_OF_THE_PROVIDER: Final = ("server_tool_use", "mcp_tool_use")
"""Types of blocks that end in `tool_use` and that the agent does not run. One that is not known it might."""

_CALLS_FOLLOW: Final = "tool_use"
_TURN_ENDED: Final = "end_turn"


def is_call(block: Any) -> bool:
    """Whether an agent is to run what this block asks for."""
    kind = block.get("type") if isinstance(block, dict) else None
    return isinstance(kind, str) and kind.endswith(_CALL) and kind not in _OF_THE_PROVIDER


def calls(document: Document, root: Path = ()) -> tuple[Called, ...]:
    """The calls of the message at `root`, by the indices of their blocks."""
    return tuple(Called(index, call_of(block)) for index, block in _calls_in(document, root))


def changes_to(document: Document, changes: Mapping[Hashable, Change], root: Path = ()) -> Iterator[Patch]:
    """The patches that make these changes to the message at `root`."""
    found = dict(_calls_in(document, root))
    for index, block in found.items():
        change = changes.get(index)
        if change is not None:
            yield _changed_block(document, (*root, "content", index), block, change)
    if _none_is_left(found, changes) and document.get(*root, "stop_reason") == _CALLS_FOLLOW:
        yield document.replace((*root, "stop_reason"), _TURN_ENDED)


def _calls_in(document: Document, root: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    for index, block in enumerate(items_of(document.get(*root, "content"), "content")):
        if is_call(block):
            yield index, block


def _changed_block(document: Document, path: Path, block: dict[str, Any], change: Change) -> Patch:
    if change.refusal is not None:
        return document.replace(path, {"type": "text", "text": change.refusal})
    if "input" in block:
        return document.replace((*path, "input"), change.arguments)
    return document.append_member(path, "input", change.arguments)


def _none_is_left(found: Mapping[int, object], changes: Mapping[Hashable, Change]) -> bool:
    """Whether there were calls, and all are refused."""
    return bool(found) and all(_is_refused(changes.get(index)) for index in found)


def _is_refused(change: Change | None) -> bool:
    return change is not None and change.refusal is not None


class StreamedCalls:
    """The calls of one stream: what was read of them, and the events that tell of them otherwise."""

    def __init__(self) -> None:
        self._begun: dict[int, Call] = {}  # every call of the stream, as its block started
        self._open: dict[int, list[str]] = {}  # the pieces of arguments of those that are not complete

    def read(self, kind: Any, document: Document) -> tuple[tuple[int, ...], tuple[Called, ...]]:
        """The calls that an event holds a part of, and those that are complete with it, by their indices."""
        index = document.get("index")
        members_of(document.get("content_block"), "content_block")
        match kind:
            case "message_start":
                begun = [self._begin(number, block) for number, block in _calls_in(document, ("message",))]
                return tuple(begun), ()
            case "content_block_start" if is_call(document.get("content_block")):
                return (self._begin(index, document.get("content_block")),), ()
            case "content_block_delta" if index in self._open:
                self._take_piece(index, document)
                return (index,), ()
            case "content_block_stop" if index in self._open:
                return (index,), (self._complete(index),)
            case "message_stop" | "error":
                left = tuple(self._open)
                return left, self.unfinished()
        return (), ()

    def unfinished(self) -> tuple[Called, ...]:
        """The calls that nothing stopped, now that the message is over: a client may run what it has of them."""
        return tuple(map(self._complete, tuple(self._open)))

    def _begin(self, index: int, block: dict[str, Any]) -> int:
        self._begun[index] = call_of(block)
        self._open[index] = []
        return index

    def _take_piece(self, index: int, document: Document) -> None:
        piece = document.get("delta", "partial_json")
        if isinstance(piece, str):
            self._open[index].append(piece)

    def _complete(self, index: int) -> Called:
        """What its block started with holds, unless pieces came. Raises Malformed for JSON that parsers read apart."""
        call, written = self._begun[index], "".join(self._open.pop(index))
        if written:
            inner = inner_document(written)
            call = replace(call, arguments=written if inner is None else inner.value, is_readable=inner is not None)
        return Called(index, call)

    def changed(
        self, event: str | None, document: Document, data: bytes, changes: Mapping[Hashable, Change]
    ) -> Sequence[Payload]:
        """The events in place of this one."""
        kind = document.get("type")
        match kind:
            case "message_start":
                patches = changes_to(document, changes, ("message",))
                return ((event, apply(data, patches)),)
            case "content_block_start":
                return self._changed_start(event, document, data, changes.get(document.get("index")))
            case "content_block_delta":
                return () if self._is_replaced(document, changes.get(document.get("index"))) else ((event, data),)
            case "message_delta" if document.get("delta", "stop_reason") == _CALLS_FOLLOW:
                if _none_is_left(self._begun, changes):
                    data = apply(data, (document.replace(("delta", "stop_reason"), _TURN_ENDED),))
        return ((event, data),)

    def _changed_start(
        self, event: str | None, document: Document, data: bytes, change: Change | None
    ) -> Sequence[Payload]:
        """A block that starts empty, and all that there is to it in one delta."""
        block = document.get("content_block")
        if change is None or not is_call(block):
            return ((event, data),)
        if change.refusal is not None:
            empty = document.replace(("content_block",), {"type": "text", "text": ""})
            delta = {"type": "text_delta", "text": change.refusal}
        else:
            empty = _changed_block(document, ("content_block",), block, Change(arguments={}))
            delta = {"type": "input_json_delta", "partial_json": orjson.dumps(change.arguments).decode()}
        told = {"type": "content_block_delta", "index": document.get("index"), "delta": delta}
        name = None if event is None else "content_block_delta"
        return ((event, apply(data, (empty,))), (name, orjson.dumps(told)))

    def _is_replaced(self, document: Document, change: Change | None) -> bool:
        """Whether a delta tells of what another one has told in its place."""
        if change is None or document.get("index") not in self._begun:
            return False
        return change.refusal is not None or document.get("delta", "type") == "input_json_delta"
