"""JSON with addresses: a parsed body that knows where each value stands in its bytes.

Reading and editing meet here. The value tree comes from orjson, which refuses NaN, lone surrogates, invalid UTF-8 and
trailing text; a second pass over the tokens records the byte range of every value, so that an edit replaces just those
bytes and leaves key order, number spelling and white space as the client wrote them. Duplicate keys, which orjson
would silently resolve to the last one, are refused: another parser might take the first.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final

import orjson

from gateway.errors import Malformed, NotJson
from gateway.segment import Path, Place, Span
from gateway.verdict import Edit

MAX_DEPTH: Final = 64
"""Levels of nesting that are read. Chat bodies with deep tool schemas stay under 20; CPython's own parsers give out at
around 1,000, others much earlier, and a body that one parser can read and the next cannot is ambiguous."""

# A string (1) with the colon that makes it a key (2), an array of plain numbers, which is a leaf here, as embeddings
# hold thousands (3), an opening bracket (4), a closing bracket (5), any other scalar (6). Only for text that orjson
# accepted.
# Most strings end at their first quote, found without a look at the escapes on the way; only where a backslash stands
# before that quote is the string read again, escape by escape (measured: half the time on text with many `\n`).
_TOKEN: Final = re.compile(
    rb'("(?:[^"]*+(?<!\\)"|[^"\\]*+(?:\\.[^"\\]*+)*+"))([ \t\n\r]*+:)?'
    rb"|(\[[0-9eE+\-., \t\n\r]*+\])"
    rb"|([{\[])|([}\]])|([^\s,:\[\]{}\"]++)",
    re.DOTALL,
)
_KEY, _NUMBERS, _OPEN, _CLOSE = 2, 3, 4, 5

# One escape of a JSON string; a surrogate pair is one code point, so it is one unit.
_ESCAPE: Final = re.compile(rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4}|\\.")


@dataclass(frozen=True, slots=True)
class Patch:
    """Replace `raw[start:end]` (bytes) by `data`; an insertion has `start == end`."""

    start: int
    end: int
    data: bytes


class _Container:
    """An object or array: its byte range, and the nodes of its members by key or by index."""

    __slots__ = ("end", "members", "start")

    def __init__(self, start: int, members: dict[str, _Node] | list[_Node]) -> None:
        self.start = start
        self.end = start
        self.members = members


type _Node = _Container | tuple[int, int]
"""A container, or the byte range of a leaf: plain tuples, since bodies have many leaves and objects cost."""


class Document:
    """A JSON body: its bytes, its values, and where each value stands. Immutable; edits are `Patch` values."""

    __slots__ = ("_root", "raw", "value")

    def __init__(self, raw: bytes, value: Any, root: _Node) -> None:
        self.raw = raw
        self.value = value
        self._root = root

    def get(self, *path: str | int) -> Any:
        """The value at `path`, or None where there is none (or where it is null)."""
        value = self.value
        for step in path:
            if isinstance(value, dict) and isinstance(step, str):
                value = value.get(step)
            elif isinstance(value, list) and isinstance(step, int) and -len(value) <= step < len(value):
                value = value[step]
            else:
                return None
        return value

    def span(self, path: Path) -> tuple[int, int]:
        """Byte range of the value at `path`, quotes and brackets included. Raises KeyError where there is none."""
        node = self._node(path)
        return node if isinstance(node, tuple) else (node.start, node.end)

    def strings(self, path: Path = ()) -> Iterator[tuple[Path, str]]:
        """Every string value at or under `path`, in document order; keys are not values."""
        yield from _strings(self.get(*path), path)

    def edits(self, edits: Iterable[Edit]) -> tuple[Patch, ...]:
        """Patches for edits of texts; those of one text must not overlap. Raises KeyError for a place that is not."""
        patches: list[Patch] = []
        ordered = sorted(edits, key=lambda edit: _sort_key(edit.place.path))
        for path, same_leaf in groupby(ordered, key=lambda edit: edit.place.path):
            changes = [change for edit in same_leaf for change in self._changes(edit)]
            changes.sort(key=lambda change: (change[0].start, change[0].end))
            patches.extend(self._leaf_patches(path, changes))
        return tuple(patches)

    def replace(self, path: Path, value: Any) -> Patch:
        """The patch that puts another JSON value at `path`."""
        start, end = self.span(path)
        return Patch(start, end, orjson.dumps(value))

    def append_text(self, path: Path, text: str) -> Patch:
        """The patch that lengthens the string at `path`."""
        _, end = self.span(path)
        return Patch(end - 1, end - 1, orjson.dumps(text)[1:-1])

    def append_member(self, path: Path, key: str, value: Any) -> Patch:
        """The patch that adds a last member to the object at `path`, which must not have `key`."""
        _, end = self.span(path)
        comma = b"," if self.get(*path) else b""
        return Patch(end - 1, end - 1, comma + orjson.dumps(key) + b":" + orjson.dumps(value))

    def insert_item(self, path: Path, index: int, value: Any) -> Patch:
        """The patch that puts a new item before item `index` of the array at `path` (its length: after the last)."""
        data = orjson.dumps(value)
        length = len(self.get(*path))
        if index < length:
            start, _ = self.span((*path, index))
            return Patch(start, start, data + b",")
        _, end = self.span(path)
        return Patch(end - 1, end - 1, (b"," if length else b"") + data)

    def _node(self, path: Path) -> _Node:
        node = self._root
        for step in path:
            members = node.members if isinstance(node, _Container) else None
            if isinstance(members, dict) and isinstance(step, str):
                node = members[step]
            elif isinstance(members, list) and isinstance(step, int) and 0 <= step < len(members):
                node = members[step]
            else:
                raise KeyError(path)
        return node

    def _changes(self, edit: Edit) -> list[tuple[Span, str]]:
        """The edit in code points of the outer string: as it is, or carried over from the JSON inside the string."""
        place = edit.place
        if place.inner is None:
            return [(edit.span.shifted(place.offset), edit.replacement)]
        inner = parse(self.get(*place.path).encode())
        flat = Edit(Place(place.inner, None, place.offset), edit.span, edit.replacement)
        return [
            (Span(_code_points(inner.raw, patch.start), _code_points(inner.raw, patch.end)), patch.data.decode())
            for patch in inner.edits([flat])
        ]

    def _leaf_patches(self, path: Path, changes: Sequence[tuple[Span, str]]) -> Iterator[Patch]:
        start, end = self.span(path)
        body = self.raw[start + 1 : end - 1]
        points = sorted({point for span, _ in changes for point in (span.start, span.end)})
        at = dict(zip(points, _byte_offsets(body, points), strict=True))
        for span, text in changes:
            yield Patch(start + 1 + at[span.start], start + 1 + at[span.end], orjson.dumps(text)[1:-1])


def parse(raw: bytes) -> Document:
    """Read one JSON text. Raises NotJson for what is no JSON, Malformed for what is ambiguous or too deep."""
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise NotJson(f"the JSON cannot be read: {error.msg} at byte {error.pos}") from None
    return Document(raw, value, _index(raw))


def apply(raw: bytes, patches: Iterable[Patch]) -> bytes:
    """The bytes with all patches made. Insertions at one point keep their order. Raises ValueError on an overlap."""
    ordered = sorted(patches, key=lambda patch: (patch.start, patch.end))
    pieces: list[bytes] = []
    position = 0
    for patch in ordered:
        if patch.start < position:
            raise ValueError(f"patches overlap at byte {patch.start}")
        pieces += (raw[position : patch.start], patch.data)
        position = patch.end
    return b"".join((*pieces, raw[position:]))


def _index(raw: bytes) -> _Node:
    """The tree of byte ranges, refusing duplicate keys and too deep nesting. `raw` is JSON that orjson accepted."""
    top: list[_Node] = []
    members: dict[str, _Node] | list[_Node] = top
    enclosing: list[tuple[_Container, dict[str, _Node] | list[_Node]]] = []
    key = ""
    node: _Node
    for token in _TOKEN.finditer(raw):
        kind = token.lastindex
        if kind == _KEY:
            key = _key(token[1])
            if key in members:
                raise Malformed(f"the JSON has a key twice in one object, at byte {token.start()}")
            continue
        if kind == _CLOSE:
            container, members = enclosing.pop()
            container.end = token.end()
            continue
        node = _Container(token.start(), {} if token[4] == b"{" else []) if kind == _OPEN else token.span()
        if isinstance(members, dict):
            members[key] = node
        else:
            members.append(node)
        if isinstance(node, _Container):
            if len(enclosing) >= MAX_DEPTH:
                raise Malformed(f"the JSON nests deeper than {MAX_DEPTH} levels")
            enclosing.append((node, members))
            members = node.members
    return top[0]


def _key(token: bytes) -> str:
    if b"\\" in token:
        return str(orjson.loads(token))
    return token[1:-1].decode()


def _strings(value: Any, path: Path) -> Iterator[tuple[Path, str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for key, member in value.items():
            yield from _strings(member, (*path, key))
    elif isinstance(value, list):
        for index, member in enumerate(value):
            yield from _strings(member, (*path, index))


def _sort_key(path: Path) -> tuple[tuple[bool, str | int], ...]:
    """An order for paths, whose steps may be of both kinds."""
    return tuple((isinstance(step, str), step) for step in path)


def _code_points(raw: bytes, end: int) -> int:
    return len(raw[:end].decode())


def _byte_offsets(body: bytes, points: Sequence[int]) -> list[int]:
    """Byte offsets in the inside of a JSON string for ascending code point offsets."""
    if body.isascii() and b"\\" not in body:
        return list(points)
    offsets: list[int] = []
    wanted = iter(points)
    point = next(wanted, None)
    seen = 0
    for start, end, escaped in _runs(body):
        text = "?" if escaped else body[start:end].decode()
        while point is not None and point < seen + len(text):
            offsets.append(start + len(text[: point - seen].encode()))
            point = next(wanted, None)
        seen += len(text)
    if point is not None and point == seen:
        offsets.append(len(body))
        point = next(wanted, None)
    if point is not None:
        raise KeyError(f"offset {point} is beyond a text of {seen} code points")
    return offsets


def _runs(body: bytes) -> Iterator[tuple[int, int, bool]]:
    """The string's inside as plain runs and single escapes: start, end, whether an escape."""
    position = 0
    for escape in _ESCAPE.finditer(body):
        if escape.start() > position:
            yield position, escape.start(), False
        yield escape.start(), escape.end(), True
        position = escape.end()
    if position < len(body):
        yield position, len(body), False
