"""Laws that hold for every dialect's reading of a body, and the small tools that dialect tests are written with."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path as File
from typing import Any

from gateway.dialect.base import Delta, EventReading, Reading, StreamReader
from gateway.errors import Code
from gateway.segment import Path, Segment, Span
from gateway.verdict import Edit, Refusal
from gateway.wire.document import Document, apply, parse

TRANSCRIPTS = File(__file__).parent.parent / "transcripts"
REFUSAL = Refusal(Code.SECRET, 400, "rule `secret.key` found a key; take it out", "lg-1", ("secret.key",))
MARK = "a member that no API has"

type Read = Callable[[Document], Reading]


def doc(value: Any) -> Document:
    return parse(json.dumps(value).encode())


def texts(reading: Reading) -> dict[Path, str]:
    return {segment.place.path: segment.text for segment in reading.segments}


def at(reading: Reading, *path: str | int) -> Segment:
    """The one segment at `path`."""
    (found,) = [segment for segment in reading.segments if segment.place.path == path]
    return found


def unread(reading: Reading) -> list[tuple[str, Path]]:
    return [(part.what, part.path) for part in reading.uninspected]


def assert_edits_stay_in_place(value: Any, read: Read) -> None:
    """Editing an editable segment changes that string and nothing else."""
    document = doc(value)
    for segment in read(document).segments:
        if segment.editable:
            edit = Edit(segment.place, Span(0, len(segment.text)), "edited")
            changed = json.loads(apply(document.raw, document.edits([edit])))
            assert changed == _with(value, segment.place.path, "edited")


def assert_unknown_members_are_read(value: Any, read: Read, skipped: tuple[str, ...]) -> None:
    """A member that no API has, put into any object, is a segment, or stands in a part that is named or `skipped`."""
    for path in _objects(value, ()):
        place = (*path, "x_new")
        reading = read(doc(_with(value, place, MARK)))
        seen = MARK in texts(reading).values()
        named = any(place[: len(part.path)] == part.path for part in reading.uninspected)
        assert seen or named or any(step in skipped for step in path), f"not read: {path}"


def _objects(value: Any, path: Path) -> Iterator[Path]:
    if isinstance(value, dict):
        yield path
        for key, member in value.items():
            yield from _objects(member, (*path, key))
    elif isinstance(value, list):
        for index, member in enumerate(value):
            yield from _objects(member, (*path, index))


def _with(value: Any, path: Path, text: str) -> Any:
    """A copy of `value` with `text` at `path`. Not a deep copy: that would keep parts shared which JSON does not."""
    if not path:
        return text
    changed = json.loads(json.dumps(value))
    parent = changed
    for step in path[:-1]:
        parent = parent[step]
    parent[path[-1]] = text
    return changed


def play(reader: StreamReader, events: list[dict[str, Any]], *, named: bool = False) -> list[EventReading]:
    """Read and send each event, as an exchange does; `named` gives each its type as SSE event name."""
    out = []
    for event in events:
        document = doc(event)
        name = event["type"] if named else None
        out.append(reader.read(name, document, document.raw))
        reader.sent(name, document, document.raw)
    return out


def joined(readings: list[EventReading]) -> dict[Any, str]:
    """Each growing text of a stream, by channel."""
    out: dict[Any, str] = {}
    for delta in deltas(readings):
        if not delta.whole:
            out[delta.channel] = out.get(delta.channel, "") + delta.text
    return out


def wholes(readings: list[EventReading]) -> list[str]:
    return [delta.text for delta in deltas(readings) if delta.whole]


def deltas(readings: list[EventReading]) -> list[Delta]:
    return [delta for reading in readings for delta in reading.deltas]


def sse_payloads(raw: bytes) -> list[dict[str, Any]]:
    """The JSON payloads of a well-formed event stream with one `data:` line an event."""
    lines = raw.decode().replace("\r\n", "\n").split("\n")
    return [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: ")]
