"""Plays transcripts to the readers of dialects: a minimal cutter of streams, and what a player noted."""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path as File
from typing import Any

from gateway.dialect.base import Delta, EventReading, Reading, StreamReader
from gateway.errors import Code
from gateway.segment import Path, Span
from gateway.verdict import Edit, Refusal
from gateway.wire.document import Document, Patch, apply, parse

TRANSCRIPTS = File(__file__).parent.parent / "transcripts"
REFUSAL = Refusal(Code.CONTENT, 400, "the answer was cut by rule `r1`", "req-1", ("r1", "r2"), 7)

type StreamEvent = tuple[str | None, Document | None, bytes]


def document(*steps: str) -> Document:
    """The JSON file of a transcript."""
    return parse(TRANSCRIPTS.joinpath(*steps).read_bytes())


def made(value: Any) -> Document:
    """A document with this value."""
    return parse(json.dumps(value).encode())


def lines(*steps: str) -> list[StreamEvent]:
    """The lines of an NDJSON or JSON Lines file as events."""
    return [line_event(line) for line in TRANSCRIPTS.joinpath(*steps).read_bytes().splitlines()]


def line_event(line: bytes) -> StreamEvent:
    return None, parse(line), line


def events(*steps: str) -> list[StreamEvent]:
    """The events of a transcript with server-sent events."""
    return list(cut(TRANSCRIPTS.joinpath(*steps).read_bytes()))


def cut(stream: bytes) -> Iterator[StreamEvent]:
    """Server-sent events with one `data` line each, as the transcripts have them."""
    for block in stream.split(b"\n\n")[:-1]:
        fields = dict(line.split(b": ", 1) for line in block.split(b"\n"))
        name, data = fields.get(b"event"), fields[b"data"]
        yield name.decode() if name else None, None if data == b"[DONE]" else parse(data), data


@dataclass
class Played:
    """What a reader said of a stream."""

    texts: dict[Hashable, str] = field(default_factory=dict)  # growing texts, joined
    wholes: list[Delta] = field(default_factory=list)
    closed: list[Hashable] = field(default_factory=list)
    ended: bool = False
    usage: dict[str, int] = field(default_factory=dict)
    readings: list[EventReading] = field(default_factory=list)


def play(reader: StreamReader, stream: Iterable[StreamEvent]) -> Played:
    """Read all events, each of which then leaves for the client."""
    played = Played()
    for event in stream:
        reading = reader.read(*event)
        reader.sent(*event)
        played.readings.append(reading)
        for delta in reading.deltas:
            if delta.whole:
                played.wholes.append(delta)
            else:
                played.texts[delta.channel] = played.texts.get(delta.channel, "") + delta.text
        played.closed += reading.closes
        played.ended = played.ended or reading.closes_all
        played.usage |= reading.usage
    return played


def event(value: Any) -> StreamEvent:
    """An event with this JSON payload."""
    data = json.dumps(value).encode()
    return None, parse(data), data


def where(path: Path) -> str:
    return ".".join(map(str, path))


def rows(reading: Reading) -> list[tuple[str, str, str]]:
    """Segments shortly: where, text, and role/trust/kind with `!` for fixed and `w` for wrappable."""
    return [
        (
            where(s.place.path) + ("" if s.place.inner is None else ">" + where(s.place.inner)),
            s.text,
            f"{s.role}/{s.trust.name.lower()}/{s.kind}" + ("" if s.editable else "!") + ("w" if s.wrappable else ""),
        )
        for s in reading.segments
    ]


def not_read(reading: Reading) -> list[tuple[str, str]]:
    return [(part.what, where(part.path)) for part in reading.uninspected]


def assert_edits_touch_only_their_leaf(reading: Reading, body: Document, reread: Callable[[Document], Reading]) -> None:
    """Replacing the first character of any editable text changes that text, and no other.

    `reread` is the dialect's method that made the reading.
    """
    assert reading.segments
    for index, segment in enumerate(reading.segments):
        if not segment.editable:
            continue
        patches = body.edits([Edit(segment.place, Span(0, 1), "§")])
        again = reread(parse(apply(body.raw, patches)))
        texts = [s.text for s in reading.segments]
        texts[index] = "§" + segment.text[1:]
        assert [s.text for s in again.segments] == texts


def patched(body: Document, patches: Iterable[Patch]) -> Any:
    """The value after the patches."""
    return parse(apply(body.raw, patches)).value
