"""Streams of the Agent2Agent protocol: a task as it goes on, event by event, with artifacts that grow.

An artifact comes in chunks: one with `append` adds its parts to those before, and `lastChunk` ends it. All its texts
are one, as are those of a message. Another agent's words are judged when they are complete, so a growing text ends with
its artifact, or where the client has to be told something: when the task is over, or waits for the client.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final, override

from msgspec.structs import replace

from gateway.dialect.base import Delta, EventReading, Reading, StreamReader
from gateway.dialect.jsonrpc import refuse_spelling
from gateway.dialect.plain import wholes
from gateway.dialect.proto_json import member, spelt
from gateway.errors import Malformed
from gateway.segment import Path
from gateway.verdict import Refusal
from gateway.wire.document import Document

_STATES: Final = "completed canceled cancelled failed rejected input-required auth-required"
_SETTLED: Final = frozenset(_STATES.split())
_SETTLED_NUMBERS: Final = range(3, 9)
"""States in which an agent is done, or waits for its client: by name, or as ProtoJSON takes them too, by number."""

_MEMBERS: Final = """
artifact artifactId artifactUpdate artifacts append final lastChunk parts state status statusUpdate task taskId text
"""
_STRUCTURE: Final = frozenset(_MEMBERS.split())
"""Members that say what an event is, and what in it goes on."""


class TaskStream(StreamReader):
    """What the events of one stream hold: `read` finds it, below `root`. `end` gives the last bytes after a cut."""

    def __init__(self, read: Callable[[Document], Reading], root: Path, end: Callable[[Refusal], bytes]) -> None:
        self._read = read
        self._root = root
        self._end = end
        self._count = 0
        self._growing: dict[Artifact, int] = {}  # the text of each artifact that may go on
        self._finished: set[Artifact] = set()

    @override
    def read(self, event: str | None, document: Document | None, data: bytes) -> EventReading:
        if document is None:
            if data.strip():
                raise Malformed("an event of the stream is not JSON")
            return EventReading()
        found = self._read(document)
        reading = wholes([*found.segments, *chain(*found.parted), *found.uninspected])
        pieces: dict[Path, int] = {}
        closes: list[int] = []
        for path, told in _told(document, self._root):
            for chunk in _chunks(told, path):
                self._take(chunk, pieces, closes)
            if _is_settled(told):
                self._finished.update(self._growing)
                closes += self._growing.values()
                self._growing.clear()
        for texts in found.parted:
            if texts[0].place.path not in pieces:
                closes.append(self._number())
                pieces.update((text.place.path, self._count) for text in texts)
        return replace(reading, deltas=tuple(_piece(delta, pieces) for delta in reading.deltas), closes=tuple(closes))

    def _take(self, chunk: _Chunk, pieces: dict[Path, int], closes: list[int]) -> None:
        """Number the texts that go on from other events or into them, and add the numbers of those that end."""
        name, texts = chunk.artifact, chunk.texts
        if chunk.appends and name in self._finished:
            raise Malformed("an artifact of the stream goes on after its end")
        self._finished.discard(name)
        growing = self._growing.pop(name, None)
        if growing is not None and not chunk.appends:
            closes.append(growing)
            growing = None
        if growing is None and texts:
            growing = self._number()
        if growing is not None:
            pieces.update(dict.fromkeys(texts, growing))
            if chunk.is_last:
                closes.append(growing)
            else:
                self._growing[name] = growing
        if chunk.is_last:
            self._finished.add(name)

    def _number(self) -> int:
        """A number for another growing text."""
        self._count += 1
        return self._count

    @override
    def sent(self, event: str | None, document: Document | None, data: bytes) -> None:
        """Nothing to remember: whatever a client has seen, an error ends it."""

    @override
    def ending(self, refusal: Refusal) -> bytes:
        return self._end(refusal)


type Artifact = tuple[str, str]
"""The ids of a task and of an artifact in it."""


@dataclass(frozen=True, slots=True)
class _Chunk:
    """What an event says of an artifact; `texts` are the paths of the texts in it."""

    artifact: Artifact
    texts: tuple[Path, ...]
    appends: bool
    is_last: bool


def _told(document: Document, root: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """What an event tells: a task or a change of one, bare (0.3) or as the one member of an object (1.0)."""
    outer = document.get(*root)
    if not isinstance(outer, dict):
        return
    refuse_spelling(outer, _STRUCTURE)
    yield root, outer
    for name in ("task", "statusUpdate", "artifactUpdate"):
        key = spelt(outer, name)
        inner = outer[key] if key is not None else None
        if key is not None and isinstance(inner, dict):
            refuse_spelling(inner, _STRUCTURE)
            yield (*root, key), inner


def _chunks(told: dict[str, Any], path: Path) -> Iterator[_Chunk]:
    """A chunk of an artifact, or the artifacts of a task, which may go on while it does."""
    task = str(member(told, "taskId") or told.get("id"))
    artifact = told.get("artifact")
    if isinstance(artifact, dict):
        appends = told.get("append")
        if not isinstance(appends, bool | None):
            raise Malformed("`append` of an artifact is neither true nor false")
        is_last = member(told, "lastChunk") is True
        yield _chunk(artifact, (*path, "artifact"), task, appends=appends is True, is_last=is_last)
    artifacts = told.get("artifacts")
    for index, one in enumerate(artifacts if isinstance(artifacts, list) else ()):
        if isinstance(one, dict):
            yield _chunk(one, (*path, "artifacts", index), task, appends=False, is_last=_is_settled(told))


def _chunk(artifact: dict[str, Any], path: Path, task: str, *, appends: bool, is_last: bool) -> _Chunk:
    refuse_spelling(artifact, _STRUCTURE)
    name = (task, str(member(artifact, "artifactId")))
    return _Chunk(name, tuple(_texts(artifact, path)), appends, is_last)


def _texts(artifact: dict[str, Any], path: Path) -> Iterator[Path]:
    parts = artifact.get("parts")
    for index, part in enumerate(parts if isinstance(parts, list) else ()):
        if isinstance(part, dict):
            refuse_spelling(part, _STRUCTURE)
            if isinstance(part.get("text"), str) and part["text"]:
                yield (*path, "parts", index, "text")


def _is_settled(told: dict[str, Any]) -> bool:
    """Whether the client has to be told now: the task is over, or it is the client's turn."""
    status = told.get("status")
    state = status.get("state") if isinstance(status, dict) else None
    word = str(state).lower().removeprefix("task_state_").replace("_", "-")
    return told.get("final") is True or state in _SETTLED_NUMBERS or word in _SETTLED


def _piece(delta: Delta, pieces: dict[Path, int]) -> Delta:
    number = pieces.get(delta.place.path)
    return delta if number is None else replace(delta, channel=number, whole=False, apart=True)
