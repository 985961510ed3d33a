"""Calls in the answers of the Gemini API, and what is written in the place of one that was refused.

A refused call becomes a text at its part: agents that go through the parts find the reason where the call was, and
nothing to run. `finishReason` is STOP with and without calls. A call is known by its candidate and its number there,
whole and streamed, so the reader of a stream and that of the array which a stream is when it is read whole are one.

Thought signatures: a text may carry one as well, so that of a refused call stays at its place. But the API answers 400
on the next turn where the first call of a step has none, and only the first gets one; so the first call that is left
gets it too. Source: "Thought signatures" in the Gemini API guides (2026-11).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Iterator, Mapping
from typing import Any, Final

from msgspec import Struct

from gateway.dialect.containers import members_of
from gateway.dialect.gemini_grammar import NESTED_ANSWERS
from gateway.dialect.gemini_pieces import Pieces
from gateway.dialect.proto_json import camel, member, spelt
from gateway.errors import Malformed
from gateway.policy.call import Called, Change
from gateway.segment import Path
from gateway.wire.document import Document, Patch

_SIGNATURE: Final = "thoughtSignature"


class CallPart(Struct, frozen=True):
    """A part of an answer that tells of a call: the first of it, the last, or one between."""

    path: Path
    key: Hashable
    candidate: int
    is_first: bool
    is_last: bool


class Reading(Struct, frozen=True):
    """What an answer, or one event of a stream, tells of calls. `calling` are those that it holds a part of or ends."""

    parts: tuple[CallPart, ...] = ()
    calling: tuple[Hashable, ...] = ()
    called: tuple[Called, ...] = ()


class Calls:
    """The calls of one answer, event by event; `name` tells it from others in the same body."""

    def __init__(self, name: Path = ()) -> None:
        self._name = name
        self._begun: dict[int, int] = {}  # how many, of each candidate
        self._open: dict[int, tuple[Hashable, Pieces]] = {}  # the one that goes on, of each candidate

    def read(self, document: Document, root: Path = ()) -> Reading:
        """The calls in the event at `root`, of which each stands in one part or in several, one behind the other."""
        parts: list[CallPart] = []
        called: list[Called] = []
        for path, index, candidate in candidates(document, root):
            for at, part in parts_of(candidate, path):
                call = member(part, "functionCall") if isinstance(part, dict) else None
                members_of(call, "functionCall")
                if isinstance(call, dict):
                    parts.append(self._take(at, index, call, called))
            if is_last(candidate) and index in self._open:
                called.append(self._broken_off(index))
        calling = dict.fromkeys((*(part.key for part in parts), *(one.key for one in called)))
        return Reading(tuple(parts), tuple(calling), tuple(called))

    def unfinished(self) -> tuple[Called, ...]:
        """The calls that go on, now that nothing follows."""
        return tuple(map(self._broken_off, tuple(self._open)))

    def _broken_off(self, index: int) -> Called:
        key, pieces = self._open.pop(index)
        return Called(key, pieces.call(is_complete=False))

    def _take(self, path: Path, index: int, call: dict[str, Any], called: list[Called]) -> CallPart:
        is_first = index not in self._open
        if is_first:
            number = self._begun.get(index, 0)
            self._begun[index] = number + 1
            self._open[index] = ((*self._name, index, number), Pieces())
        key, pieces = self._open[index]
        is_complete = pieces.add(call)
        if is_complete:
            del self._open[index]
            called.append(Called(key, pieces.call(is_complete=True)))
        return CallPart(path, key, index, is_first, is_complete)


class Rewriting:
    """The parts of one answer as they leave; the signature of a refused call is kept for the first that is left."""

    def __init__(self) -> None:
        self._signatures: dict[int, Any] = {}  # of each candidate

    def patches(
        self, document: Document, parts: tuple[CallPart, ...], changes: Mapping[Hashable, Change]
    ) -> Iterator[Patch]:
        for place in parts:
            part = document.get(*place.path)
            change = changes.get(place.key)
            if change is not None and change.refusal is not None:
                yield self._refused(document, place, part, change.refusal)
                continue
            if change is not None:
                yield _with_arguments(document, place, part, change.arguments)
            if place.is_first:
                yield from self._signed(document, place, part)

    def _refused(self, document: Document, place: CallPart, part: dict[str, Any], words: str) -> Patch:
        """The words are in the first part. Others go on with an empty text: clients of Google take an answer without
        parts for a broken one."""
        signature = {key: value for key, value in part.items() if camel(key) == _SIGNATURE}
        for value in signature.values():
            self._signatures.setdefault(place.candidate, value)
        return document.replace(place.path, {"text": words if place.is_first else "", **signature})

    def _signed(self, document: Document, place: CallPart, part: dict[str, Any]) -> Iterator[Patch]:
        signature = self._signatures.pop(place.candidate, None)
        if signature is not None and spelt(part, _SIGNATURE) is None:
            yield document.append_member(place.path, _SIGNATURE, signature)


def _with_arguments(document: Document, place: CallPart, part: dict[str, Any], arguments: Any) -> Patch:
    """Other arguments, all in the first part of the call."""
    key = spelt(part, "functionCall")
    assert key is not None
    path: Path = (*place.path, key)
    call = part[key]
    if place.is_first and place.is_last and member(call, "partialArgs") is None:
        return (
            document.replace((*path, "args"), arguments)
            if "args" in call
            else (document.append_member(path, "args", arguments))
        )
    if not place.is_first:
        return document.replace(place.path, {"text": ""})
    kept = {name: call[name] for name in ("id", "name") if name in call}
    return document.replace(path, {**kept, "args": arguments})


class WholeAnswer:
    """A body that is read whole: an answer, the array that a stream is, or a batch that holds many answers."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._answers = [self._read(name, roots) for name, roots in _answers(document.value)]

    def _read(self, name: Path, roots: list[Path]) -> list[Reading]:
        calls = Calls(name)
        return [calls.read(self._document, root) for root in roots]

    @property
    def called(self) -> tuple[Called, ...]:
        return tuple(one for answer in self._answers for reading in answer for one in reading.called)

    def patches(self, changes: Mapping[Hashable, Change]) -> Iterator[Patch]:
        for answer in self._answers:
            rewriting = Rewriting()
            for reading in answer:
                yield from rewriting.patches(self._document, reading.parts, changes)


class StreamedCalls:
    """The calls of one stream. An event leaves as one event, so those that have left are counted."""

    def __init__(self) -> None:
        self._calls = Calls()
        self._rewriting = Rewriting()
        self._waiting: deque[tuple[CallPart, ...]] = deque()  # what is in the events that have not left

    def read(self, document: Document | None) -> Reading:
        reading = Reading() if document is None else self._calls.read(document)
        self._waiting.append(reading.parts)
        return reading

    def patches(self, document: Document, changes: Mapping[Hashable, Change]) -> Iterator[Patch]:
        """The patches of the event that leaves next."""
        return self._rewriting.patches(document, self._waiting[0], changes)

    def unfinished(self) -> tuple[Called, ...]:
        return self._calls.unfinished()

    def left(self) -> None:
        if self._waiting:
            self._waiting.popleft()


def _answers(value: Any) -> Iterator[tuple[Path, list[Path]]]:
    """The answers in a body: what names each in keys, and where its events stand."""
    if isinstance(value, list):
        yield (), [(index,) for index in range(len(value))]
    else:
        yield from ((path, [path]) for path in _responses(value, ()))


def _responses(value: Any, path: Path) -> Iterator[Path]:
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from _responses(item, (*path, index))
    elif isinstance(value, dict):
        if "candidates" in value:
            yield path
        for key, item in value.items():
            if camel(key) in NESTED_ANSWERS:
                yield from _responses(item, (*path, key))


def candidates(document: Document, root: Path = ()) -> Iterator[tuple[Path, int, dict[str, Any]]]:
    """Each candidate in the answer at `root`: where it stands, its index, and what it is."""
    found = document.get(*root, "candidates")
    listed = enumerate(found) if isinstance(found, list) else [(None, found)]
    for number, candidate in listed:
        if isinstance(candidate, dict):
            path: Path = (*root, "candidates")
            yield path if number is None else (*path, number), index_of(candidate), candidate


def index_of(candidate: dict[str, Any]) -> int:
    """proto3 JSON leaves out a zero."""
    index = candidate.get("index")
    if index is None:
        return 0
    if not isinstance(index, int):
        raise Malformed("the `index` of a candidate is not a number")
    return index


def is_last(candidate: dict[str, Any]) -> bool:
    """Whether a candidate ends with this event."""
    return bool(member(candidate, "finishReason"))


def parts_of(candidate: dict[str, Any], path: Path) -> list[tuple[Path, Any]]:
    """The parts of a candidate at `path`; a single one may stand without its list."""
    parts = members_of(candidate.get("content"), "content").get("parts")
    at: Path = (*path, "content", "parts")
    return [((*at, number), part) for number, part in enumerate(parts)] if isinstance(parts, list) else [(at, parts)]
