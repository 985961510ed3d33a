"""JSON with addresses: a parsed body that finds where each value stands in its bytes.

Reading and editing meet here. The value tree comes from orjson, which refuses NaN, lone surrogates, invalid UTF-8 and
trailing text. Duplicate keys, which orjson would silently resolve to the last one, are refused by a second reading:
another parser might take the first. Addresses are looked up only where an edit asks for one: msgspec skips over values
at memory speed and gives the slices of one object or array at a time. An edit replaces just its bytes and leaves key
order, number spelling and white space as the client wrote them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec
import orjson
from msgspec import Struct

from gateway.errors import Malformed, NotJson
from gateway.segment import Path, Place, Span
from gateway.verdict import Edit

MAX_DEPTH: Final = 64
"""Levels of nesting that are read. Chat bodies with deep tool schemas stay under 20; CPython's own parsers give out at
around 1,000, others much earlier, and a body that one parser can read and the next cannot is ambiguous."""

_OBJECT: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ARRAY: Final = msgspec.json.Decoder(list[msgspec.Raw])

# What stands before a member's value, in text that orjson accepted: a comma, the key (1), the colon.
_KEY: Final = re.compile(rb'[,\s]*+("[^"\\]*+(?:\\.[^"\\]*+)*+")\s*+:\s*+', re.DOTALL)
# What stands before an item.
_SEPARATOR: Final = re.compile(rb"[,\s]*+")

# One escape of a JSON string; a surrogate pair is one code point, so it is one unit.
_ESCAPE: Final = re.compile(rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4}|\\.")


class Patch(Struct, frozen=True):
    """Replace `raw[start:end]` (bytes) by `data`; an insertion has `start == end`."""

    start: int
    end: int
    data: bytes


class Document:
    """A JSON body: its bytes, its values, and where each value stands. Immutable; edits are `Patch` values."""

    __slots__ = ("_members", "raw", "value")

    def __init__(self, raw: bytes, value: Any) -> None:
        self.raw = raw
        self.value = value
        self._members: dict[Path, Mapping[str | int, tuple[int, int]]] = {}

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
        if path:
            return self.members(path[:-1])[path[-1]]
        start = len(self.raw) - len(self.raw.lstrip())
        return start, len(self.raw.rstrip())

    def refuse_ambiguity(self, apart: Iterable[Path] = ()) -> None:
        """Raise Malformed for duplicate keys anywhere but in the arrays at the paths `apart`.

        What is left out is for the caller to read by itself, item by item.
        """
        if not isinstance(self.value, dict | list):
            return
        left_out = [Patch(*self.span(path), b"[]") for path in apart]
        if left_out:
            rest = apply(self.raw, left_out)
            _refuse_twice(rest, orjson.loads(rest))
        else:
            _refuse_twice(self.raw, self.value)

    def strings(self, path: Path = ()) -> Iterator[tuple[Path, str]]:
        """Every string value at or under `path`, in document order; keys are not values."""
        yield from _strings(self.get(*path), path)

    def edits(self, edits: Iterable[Edit]) -> tuple[Patch, ...]:
        """Patches for edits of texts; those of one text must not overlap. Raises KeyError for a place that is not."""
        leaves: dict[Path, list[Edit]] = {}
        for edit in edits:
            leaves.setdefault(edit.place.path, []).append(edit)
        return tuple(patch for path, some in leaves.items() for patch in self._leaf_patches(path, some))

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

    def without(self, path: Path, keys: Collection[str | int]) -> tuple[Patch, ...]:
        """The patches that take the members `keys` out of the object or array at `path`, each with a comma.

        They cannot be made together with patches that add a member to it. Raises KeyError where one is not there.
        """
        members = self.members(path)
        if missing := [key for key in keys if key not in members]:
            raise KeyError((*path, missing[0]))
        start, end = self.span(path)
        patches: list[Patch] = []
        position = first = start + 1
        is_led = False  # by a member that stays
        for key, (_, after) in members.items():
            if key not in keys:
                is_led = True
            elif is_led:
                patches.append(Patch(position, after, b""))
            else:
                # What leads takes the comma behind it along; between a value and its comma stand blanks alone.
                is_last = len(patches) + 1 == len(members)
                close = end - 1 if is_last else self.raw.index(b",", after) + 1
                patches.append(Patch(first, close, b""))
                first = close
            position = after
        return tuple(patches)

    def members(self, path: Path) -> Mapping[str | int, tuple[int, int]]:
        """Byte ranges of the members of the object or array at `path`, by key or index, in order; found once.

        Raises KeyError where there is neither.
        """
        members = self._members.get(path)
        if members is None:
            start, end = self.span(path)
            value = self.get(*path)
            if not isinstance(value, dict | list):
                raise KeyError(path)
            find = _object_ranges if isinstance(value, dict) else _array_ranges
            members = self._members[path] = find(self.raw, start, end)
        return members

    def _changes(self, path: Path, edits: Sequence[Edit]) -> list[tuple[Span, str]]:
        """Edits in code points of the string at `path`: as they are, or carried over from the JSON inside the string.

        In order of their places.
        """
        changes: list[tuple[Span, str]] = []
        inside: list[Edit] = []
        for edit in edits:
            if edit.place.inner is None:
                offset = edit.place.offset
                changes.append((edit.span.shifted(offset) if offset else edit.span, edit.replacement))
            else:
                place = Place(edit.place.inner, None, edit.place.offset)
                inside.append(Edit(place, edit.span, edit.replacement))
        if inside:
            inner = parse(self.get(*path).encode())
            patches = inner.edits(inside)
            at = _code_points(inner.raw, {point for patch in patches for point in (patch.start, patch.end)})
            changes += [(Span(at[patch.start], at[patch.end]), patch.data.decode()) for patch in patches]
        changes.sort(key=lambda change: (change[0].start, change[0].end))
        return changes

    def _leaf_patches(self, path: Path, edits: Sequence[Edit]) -> Iterator[Patch]:
        changes = self._changes(path, edits)
        start, end = self.span(path)
        body = self.raw[start + 1 : end - 1]
        points = sorted({point for span, _ in changes for point in (span.start, span.end)})
        length = len(self.get(*path))
        if points[0] == 0 and points[-1] == length and len(points) <= 2:
            at = {0: 0, length: len(body)}  # marks around a whole text, by far the most common edit
        else:
            at = dict(zip(points, _byte_offsets(body, points), strict=True))
        for span, text in changes:
            yield Patch(start + 1 + at[span.start], start + 1 + at[span.end], orjson.dumps(text)[1:-1])


def parse(raw: bytes) -> Document:
    """Read one JSON text. Raises NotJson for what is no JSON, Malformed for what is ambiguous or too deep."""
    document = glance(raw)
    document.refuse_ambiguity()
    return document


def glance(raw: bytes) -> Document:
    """Read one JSON text that may have keys twice: `refuse_ambiguity` is still owed.

    Raises NotJson, and Malformed for what nests too deep: whatever walks the values, this reader's own second reading
    too, may go down as deep as they do.
    """
    try:
        document = Document(raw, orjson.loads(raw))
    except orjson.JSONDecodeError as error:
        raise NotJson(f"the JSON cannot be read: {error.msg} at byte {error.pos}") from None
    _refuse_depth(raw, document.value)
    return document


_CONTAINERS: Final = frozenset({dict, list})
"""The types of orjson's containers, which it never subclasses: each value of each body is asked for its type."""


_SHORT: Final = 4096
"""Bytes up to which counting brackets takes less time than a walk through the containers (measured)."""


def _refuse_depth(raw: bytes, value: Any) -> None:
    if len(raw) <= _SHORT and raw.count(b"{") + raw.count(b"[") <= MAX_DEPTH:
        return
    level = [value] if type(value) in _CONTAINERS else []
    for _ in range(MAX_DEPTH):
        level = [
            member
            for container in level
            for member in (container.values() if type(container) is dict else container)
            if type(member) in _CONTAINERS
        ]
        if not level:
            return
    raise Malformed(f"the JSON nests deeper than {MAX_DEPTH} levels")


def _refuse_twice(raw: bytes, value: Any) -> None:
    """Raise Malformed where a key stands twice in an object of `raw`, of which `value` are the values.

    What the values are written as again has each key once. Where that is what came, spaces aside, as it is from most
    clients, nothing was dropped, and the slow reading is not needed.
    """
    if msgspec.json.format(raw, indent=-1) != orjson.dumps(value):
        _UNIQUE.decode(raw.decode())


def _unique(pairs: list[tuple[str, Any]]) -> None:
    """Refuse an object in which a key stands twice; the values of this reading are not used."""
    if len({key for key, _ in pairs}) != len(pairs):
        raise Malformed(_TWICE)


_TWICE: Final = "the JSON has a key twice in one object"
_UNIQUE: Final = json.JSONDecoder(object_pairs_hook=_unique)


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


def _object_ranges(raw: bytes, start: int, end: int) -> dict[str | int, tuple[int, int]]:
    """Ranges of the members. Where a key stands twice, the slices do not line up with the text: Malformed."""
    ranges: dict[str | int, tuple[int, int]] = {}
    position = start + 1
    for key, value in _OBJECT.decode(raw[start:end]).items():
        before = _KEY.match(raw, position)
        if before is None or _decoded(before[1]) != key or not raw.startswith(value, before.end()):
            raise Malformed(_TWICE)
        at = before.end()
        position = at + len(value)
        ranges[key] = (at, position)
    if raw[position:end].strip() != b"}":
        raise Malformed(_TWICE)
    return ranges


def _decoded(key: bytes) -> str:
    return str(orjson.loads(key)) if b"\\" in key else key[1:-1].decode()


def _array_ranges(raw: bytes, start: int, end: int) -> dict[str | int, tuple[int, int]]:
    ranges: dict[str | int, tuple[int, int]] = {}
    position = start + 1
    for index, value in enumerate(_ARRAY.decode(raw[start:end])):
        before = _SEPARATOR.match(raw, position)
        assert before is not None
        position = before.end() + len(value)
        ranges[index] = (before.end(), position)
    return ranges


def _strings(value: Any, path: Path) -> Iterator[tuple[Path, str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for key, member in value.items():
            yield from _strings(member, (*path, key))
    elif isinstance(value, list):
        for index, member in enumerate(value):
            yield from _strings(member, (*path, index))


def _code_points(raw: bytes, points: Iterable[int]) -> dict[int, int]:
    """The code point offset for each of the byte offsets."""
    offsets: dict[int, int] = {}
    position = seen = 0
    for point in sorted(points):
        seen += len(raw[position:point].decode())
        offsets[point] = seen
        position = point
    return offsets


def _byte_offsets(body: bytes, points: Sequence[int]) -> list[int]:
    """Byte offsets in the inside of a JSON string for ascending code point offsets."""
    if body.isascii() and b"\\" not in body and points[-1] <= len(body):
        return list(points)
    offsets: list[int] = []
    wanted = iter(points)
    point = next(wanted, None)
    seen = 0
    for start, end, escaped in _runs(body):
        text = "?" if escaped else body[start:end].decode()
        done, offset = 0, start  # how far this run is counted, in code points and in bytes
        while point is not None and point < seen + len(text):
            offset += len(text[done : point - seen].encode())
            done = point - seen
            offsets.append(offset)
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
