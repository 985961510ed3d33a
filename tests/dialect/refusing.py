"""Streams whose calls are refused: what an exchange does with a reader, with everything held to the end."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from itertools import pairwise

from hypothesis import strategies as st

from gateway.dialect.base import Payload, StreamReader
from gateway.errors import NotJson
from gateway.policy.call import Called, Change
from gateway.wire.document import Document, parse
from gateway.wire.frames import Frame, Framing, framer

REFUSAL = "refused: `send_mail` is not allowed here; do not try again"

type Decide = Callable[[Called], Change | None]


def pieces_of(raw: bytes, cuts: Sequence[int]) -> list[bytes]:
    """`raw` in network pieces, cut at these places."""
    at = [0, *sorted({cut % (len(raw) + 1) for cut in cuts}), len(raw)]
    return [raw[start:end] for start, end in pairwise(at)]


CUTS = st.lists(st.integers(0, 100_000), max_size=12)


def through(pieces: Sequence[bytes], reader: StreamReader, framing: Framing, decide: Decide) -> bytes:
    """The stream as it leaves, once it is decided for each call as it becomes complete what becomes of it."""
    cutter = framer(framing, 1_000_000)
    frames = [frame for piece in pieces for frame in cutter.feed(piece)] + cutter.finish()
    changes: dict[Hashable, Change] = {}
    seen: set[Hashable] = set()
    for frame in frames:
        if frame.data is None:
            continue
        reading = reader.read(frame.event, _document(frame), frame.data)
        assert {called.key for called in reading.called} <= set(reading.calling)
        for called in reading.called:
            assert called.key not in seen, "a call is told once"
            seen.add(called.key)
            change = decide(called)
            if change is not None:
                changes[called.key] = change
    return b"".join(_leave(frame, reader, changes) for frame in frames)


def _leave(frame: Frame, reader: StreamReader, changes: dict[Hashable, Change]) -> bytes:
    if frame.data is None:
        return frame.raw
    document = _document(frame)
    payloads: Sequence[Payload] = ((frame.event, frame.data),)
    if changes:
        payloads = reader.changed(frame.event, document, frame.data, changes)
    reader.sent(frame.event, document, frame.data)
    assert frame.framing is not Framing.ARRAY or len(payloads) == 1, "an item of an array has one place"
    return frame.raw if list(payloads) == [(frame.event, frame.data)] else b"".join(frame.replaced(payloads))


def _document(frame: Frame) -> Document | None:
    return None if frame.data is None else _parsed(frame.data)


def _parsed(data: bytes) -> Document | None:
    try:
        return parse(data)
    except NotJson:
        return None
