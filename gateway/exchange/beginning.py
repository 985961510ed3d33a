"""How far a body is one that came before: an agent's next turn begins with the bytes of its last.

JSON is read from the left, so where a body stands after its first bytes follows from these bytes alone. Once a body was
judged that goes on from there, another one that begins alike needs not be read up to that byte again: what came of the
items there is remembered, and they are left out of what is read. Some items stay: those that the dialect looks at
together with others (`Parts.lead`), and one at least, so that what is read is the same JSON but for some items.

Keyed hashes of the beginnings are the names, as they are for parts; no text is kept.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterator
from threading import Lock
from typing import Final

from msgspec import Struct

from gateway.exchange import part
from gateway.segment import Path

LEAST: Final = 2048
"""Bytes that must be left out to be worth it; the first mark of a trail."""

HEAVIEST: Final = 1024
"""Patches, findings and parts not read of one beginning above which it is not remembered: some 100 kilobytes, most of
which it shares with the turn before."""

_CAPACITY: Final = 1_000
"""Beginnings remembered: the last turns of so many conversations."""

_FORKS: Final = 8
"""Ends that are known for one mark: turns of a conversation, and conversations that began alike."""

_MARKS: Final = tuple(int(LEAST * 2 ** (half / 2)) for half in range(32))
"""Bytes after which a trail is marked: close enough for conversations that begin alike to part soon after."""


class Beginning(Struct, frozen=True):
    """The first `end` bytes of a body, which end with an item of the array at `path`.

    Of the items that end there, the first `kept` are to be read, up to byte `cut`; `items` more are left out, and
    `outcome` is what came of them, with patches in bytes of the body.
    """

    path: Path
    kept: int
    cut: int
    end: int
    items: int
    outcome: part.Outcome

    def shortened(self, body: bytes) -> bytes:
        """The body without the items that are known."""
        return body[: self.cut] + body[self.end :]


class Trail:
    """The names of a body's beginnings, hashed as far as the marks once."""

    def __init__(self, namer: part.Namer, body: bytes) -> None:
        self.length = len(body)
        self._body = memoryview(body)
        self._marks: list[tuple[int, hashlib._Hash]] = [(0, namer.begun())]
        state, position = namer.begun(), 0
        for mark in _MARKS[: bisect_right(_MARKS, self.length)]:
            state.update(self._body[position:mark])
            self._marks.append((mark, state.copy()))
            position = mark

    def names(self) -> Iterator[bytes]:
        """The names of the beginnings that end at a mark, the longest first."""
        return (state.digest() for _, state in reversed(self._marks))

    def name(self, end: int) -> bytes:
        """The name of the beginning that ends there."""
        mark, state = self._last_mark(end)
        state = state.copy()
        state.update(self._body[mark:end])
        return state.digest()

    def mark(self, end: int) -> bytes:
        """The name of the last mark before that end."""
        return self._last_mark(end)[1].digest()

    def _last_mark(self, end: int) -> tuple[int, hashlib._Hash]:
        return next(found for found in reversed(self._marks) if found[0] <= end)


class Beginnings:
    """The beginnings that are known, least recently used ones forgotten first. Several threads may ask at once."""

    def __init__(self, capacity: int = _CAPACITY) -> None:
        self._capacity = capacity
        self._known: OrderedDict[bytes, Beginning] = OrderedDict()
        self._ends: OrderedDict[bytes, tuple[int, ...]] = OrderedDict()
        """Where beginnings end that have a mark in common: what is hashed to find them out."""
        self._turn = Lock()

    def recall(self, trail: Trail) -> Beginning | None:
        """The longest known beginning of a body."""
        for mark in trail.names():
            for end in sorted(self._ends.get(mark, ()), reverse=True):
                name = trail.name(end) if end <= trail.length else b""
                with self._turn:
                    known = self._known.get(name)
                    if known is not None:
                        self._known.move_to_end(name)
                        if mark in self._ends:
                            self._ends.move_to_end(mark)
                        return known
        return None

    def remember(self, trail: Trail, beginning: Beginning) -> None:
        end, mark, name = beginning.end, trail.mark(beginning.end), trail.name(beginning.end)
        with self._turn:
            self._known[name] = beginning
            others = (other for other in self._ends.get(mark, ()) if other != end)
            self._ends[mark] = (end, *others)[:_FORKS]
            self._ends.move_to_end(mark)
            for memory in (self._known, self._ends):
                if len(memory) > self._capacity:
                    memory.popitem(last=False)
