"""The events of a stream of the Responses API with some calls changed: in pieces, in items and in restated responses.

A refused call becomes a message, told in the events of one where the call began; its other events are gone. Events are
numbered, so those behind them get new numbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from gateway.dialect import openai_responses_calls as whole
from gateway.dialect.base import Payload
from gateway.dialect.openai_calls import put, text_of, written
from gateway.dialect.openai_event_calls import ADDED, DONE, PIECES, Changes, Found, StreamedCall
from gateway.dialect.refusals import encode
from gateway.policy.call import Change
from gateway.wire.document import Document, Patch, apply

NUMBER: Final = "sequence_number"
_KEPT: Final = ("stream_id", "response_id")
"""What all events of an answer have alike."""


def changed(event: str | None, document: Document, found: Found, changes: Changes, shift: int) -> list[Payload]:
    """The events in place of one; `shift` is by how much the numbers of the events are off already."""
    call = found.of
    change = None if call is None else changes.get(call.key)
    if call is None or change is None:
        return [(event, _patched(document, _restated(document, found, changes), shift))]
    if change.refusal is None:
        patches = _rewritten(document, found, call, change)
        return [] if patches is None else [(event, _patched(document, patches, shift))]
    if found.number:
        return []
    told = _message(document, call, change.refusal)
    return [
        (None if event is None else one["type"], encode(_numbered(document, one, place, shift)))
        for place, one in enumerate(told)
    ]


def _patched(document: Document, patches: Iterator[Patch], shift: int) -> bytes:
    number = document.get(NUMBER)
    moved = [document.replace((NUMBER,), number + shift)] if shift and isinstance(number, int) else []
    return apply(document.raw, (*patches, *moved))


def _restated(document: Document, found: Found, changes: Changes) -> Iterator[Patch]:
    for path, call in found.restated.items():
        change = changes.get(call.key)
        if change is not None and call.call is not None:
            yield from whole.patches(document, path, call.call, change)


def _rewritten(document: Document, found: Found, call: StreamedCall, change: Change) -> Iterator[Patch] | None:
    """The patches for an event of a call with other arguments; None where the event is to go.

    The first piece of the arguments gets all of them. Pieces of other forms go: the item tells what they come to.
    """
    if isinstance(document.get("item"), dict):
        return _rewritten_item(document, change)
    stem, _, step = text_of(document.get("type")).rpartition(".")
    if stem not in PIECES:
        return None if step in ("added", "delta", "done") else iter(())
    kind, member = PIECES[stem]
    if step != "delta":
        return iter((put(document, (), member, written(change, is_free=kind == "custom_tool_call")),))
    if found.piece or call.is_begun_whole:
        return None
    return iter((document.replace(("delta",), written(change, is_free=kind == "custom_tool_call")),))


def _rewritten_item(document: Document, change: Change) -> Iterator[Patch]:
    item = document.get("item")
    is_empty = document.get("type") == ADDED and not any(item.get(member) for member in whole.members(item))
    return iter(()) if is_empty else whole.rewritten(document, ("item",), change)


def _message(document: Document, call: StreamedCall, words: str) -> list[dict[str, Any]]:
    """The events of a message that says `words`."""
    assert call.call is not None
    item = call.item
    index = {key: document.get(key) for key in ("output_index",) if document.get(key) is not None}
    place = {"item_id": whole.message_id(item, call.call), **index, "content_index": 0}
    part = _spoken if "object" in item else whole.part
    return [
        {"type": ADDED, **index, "item": whole.begun(item, call.call)},
        {"type": "response.content_part.added", **place, "part": part("")},
        {"type": "response.output_text.delta", **place, "delta": words, "logprobs": []},
        {"type": "response.output_text.done", **place, "text": words, "logprobs": []},
        {"type": "response.content_part.done", **place, "part": part(words)},
        {"type": DONE, **index, "item": whole.refused(item, call.call, words)},
    ]


def _spoken(words: str) -> dict[str, Any]:
    """A part of a message of Realtime, as the events of the part name it."""
    return {"type": "text", "text": words}


def _numbered(document: Document, event: dict[str, Any], place: int, shift: int) -> Mapping[str, Any]:
    """An event that stands at `place` among those in place of the document's."""
    number, identity = document.get(NUMBER), document.get("event_id")
    numbered = {NUMBER: number + shift + place} if isinstance(number, int) else {}
    named = {"event_id": f"{identity}_{place}" if place else identity} if isinstance(identity, str) else {}
    return {**event, **numbered, **named, **{key: document.get(key) for key in _KEPT if document.get(key) is not None}}
