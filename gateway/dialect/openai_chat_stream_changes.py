"""The events of a stream of chat completions with some calls changed.

A refused call leaves no piece. The words in its place are a piece of the content where the call began, and the calls
behind it move up, since clients put a call into a list at its `index`.
"""

from __future__ import annotations

from collections.abc import Iterator

from gateway.dialect import openai_chat_calls as whole
from gateway.dialect.openai_calls import put, written
from gateway.dialect.openai_chat_stream_calls import Changes, Found, Piece, StreamedCall, is_refused
from gateway.policy.call import Change
from gateway.segment import Path
from gateway.wire.document import Document, Patch, apply, parse


def changed(document: Document, found: Found, changes: Changes) -> bytes:
    """The event's payload with these changes; `found` is what was found in it."""
    out = _changed(document, found, changes) if found.pieces or found.finished else document.raw
    own: Changes = {path: changes[called.key] for path, called in found.whole.items() if called.key in changes}
    return whole.changed(parse(out), own) if own else out


def _changed(document: Document, found: Found, changes: Changes) -> bytes:
    """The same for the pieces.

    A delta that holds nothing any more stays: clients know empty ones from the event that says why a model stopped.
    """
    patches: list[Patch] = []
    refused: dict[Path, list[Path]] = {}
    words: dict[Path, str] = {}
    touched: dict[Path, None] = {}
    for path, piece in found.pieces.items():
        delta, change = path[:3], changes.get(piece.call.key)
        if change is None:
            patches += _moved(document, path, piece.call, changes)
            continue
        touched[delta[:2]] = None
        if change.refusal is None:
            patches += (*_moved(document, path, piece.call, changes), *_rewritten(document, path, piece, change))
            continue
        refused.setdefault(delta, []).append(path)
        if piece.number == 0:
            piece.call.row.index_of(piece.call, changes)
            words[delta] = _behind(document, delta, piece.call, words.get(delta, "")) + change.refusal
    for delta, told in words.items():
        patches += whole.told(document, delta, told)
    for choice in touched:
        patches += whole.emptied(document, choice)
    patches += _stopped(document, found, changes)
    grown = parse(apply(document.raw, patches)) if patches else document
    return apply(
        grown.raw, (patch for delta, paths in refused.items() for patch in whole.taken_out(grown, delta, paths))
    )


def _behind(document: Document, delta: Path, call: StreamedCall, words: str) -> str:
    """What stands in a delta before the words of a call that begins in it, of `words` so far; the content of the delta
    itself aside, which `told` minds."""
    if words:
        return words + whole.BETWEEN
    follows = call.follows_text or call.row.has_refused
    return whole.BETWEEN if follows and not document.get(*delta, "content") else ""


def _moved(document: Document, path: Path, call: StreamedCall, changes: Changes) -> Iterator[Patch]:
    index = call.row.index_of(call, changes)
    if path[3] == "tool_calls" and index != call.index:
        yield put(document, path, "index", index)


def _rewritten(document: Document, path: Path, piece: Piece, change: Change) -> Iterator[Patch]:
    """The first piece of arguments gets all of them; where there is none, the first piece of the call."""
    has_none = not piece.call.arguments and piece.number == 0
    if piece.arguments is None and not has_none:
        return
    above, member = whole.holder(document, path)
    value = written(change, is_free=member == "input") if has_none or piece.arguments == 0 else ""
    yield put(document, above, member, value)


def _stopped(document: Document, found: Found, changes: Changes) -> Iterator[Patch]:
    """The patches for choices that no call is left in."""
    for choice, made in found.finished.items():
        path = (*choice, "finish_reason")
        if document.get(*path) in whole.CALLING and all(is_refused(call, changes) for call in made):
            yield document.replace(path, whole.STOPPED)
