"""One answer stream: frames in, frames out, in the same order, none released before all its text is decided.

Frames wait in one queue. A frame leaves when everything in it is decided (see `growth.py`), as the bytes that came or
with only the edited texts replaced. Nothing is released by a clock, and the cut of the network does not matter, since
frames are taken one by one as they complete.

Where something must not pass, the stream is cut at the frame in which it begins: what stands before and is decided
leaves, the rest does not, and the dialect's own ending follows.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from gateway.dialect.base import Delta, Denials, Dialect, EventReading
from gateway.dialect.estimate import eighths
from gateway.dialect.usage import Usage
from gateway.errors import InternalError, Malformed, NotJson, OverLimit
from gateway.exchange.calls import Calls
from gateway.exchange.gate import Gate
from gateway.exchange.growth import Growing, Piece, Step, Withheld, growing, judge_complete
from gateway.exchange.whole import repairs
from gateway.policy.call import Answer, Change, Question
from gateway.segment import Uninspected
from gateway.verdict import Edit, Effect, Finding, Reason, Refusal, Verdict
from gateway.wire.document import Document, apply, parse
from gateway.wire.frames import Frame, Framing, framer

QUEUED_EVENTS: Final = 2
"""How many events of the greatest size may wait: one that is held, and what comes behind it."""

KEPT: Final = 10_000
"""Findings of one stream that are kept for its record, which counts them by rule: a stream may go on for days."""


@dataclass(slots=True)
class _Held:
    """A frame that waits, the pieces of growing texts in it, the edits of texts that stand whole in it, and the calls
    of which it holds a part."""

    number: int
    frame: Frame
    document: Document | None
    pieces: list[tuple[Growing, Piece]] = field(default_factory=list)
    edits: list[Edit] = field(default_factory=list)
    calls: tuple[Hashable, ...] = ()

    @property
    def decided(self) -> bool:
        return all(text.decided(piece) for text, piece in self.pieces)


@dataclass(slots=True)
class StreamTotals:
    """What the record needs of a stream, growing with it."""

    effect: Effect = Effect.ALLOW
    would_be: Effect = Effect.ALLOW
    reasons: list[Reason] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    uninspected: dict[Uninspected, None] = field(default_factory=dict)
    usage: Usage = field(default_factory=dict)
    written: int = 0  # the estimate for the texts that grew, in eighths of a token
    bytes: int = 0
    events: int = 0
    held_max: int = 0
    edited: bool = False

    def add(self, step: Step) -> None:
        verdict = step.verdict
        self.effect = max(self.effect, verdict.effect)
        self.would_be = max(self.would_be, verdict.would_be)
        if len(self.reasons) < KEPT or verdict.effect >= Effect.ASK:
            self.reasons += verdict.reasons
            self.findings += step.findings


class AnswerStream:
    """Takes the bytes of a stream and gives the bytes that may leave.

    Feed bytes, and `drain` what may leave. `cut` is the verdict that ends the stream early, once there is one; nothing
    more may be fed then, and `ending` gives the last bytes. Raises Malformed and OverLimit for what cannot be read;
    `drain` then still gives what was decided.

    `calls` rules on the calls of tools in it; None where nobody does. What holds a part of a call waits until that is
    settled, so `answered` must be told what was said to the questions that `ask` gave.
    """

    def __init__(self, gate: Gate, dialect: Dialect, framing: Framing, calls: Calls | None = None) -> None:
        self._calls = calls
        self._gate = gate
        self._dialect = dialect
        self._framer = framer(framing, gate.limits.event)
        self._reader = dialect.stream(framing)
        self._texts: dict[Hashable, Growing] = {}  # those that still grow
        self._ended: set[Hashable] = set()
        self._queue: deque[_Held] = deque()
        self._queued = 0  # bytes
        self._out: list[bytes] = []
        self._number = 0
        self._cut_at: int | None = None
        self.cut: Verdict | None = None
        self.totals = StreamTotals()

    def feed(self, data: bytes) -> None:
        self.totals.bytes += len(data)
        self._take_all(self._framer.feed(data))

    def finish(self) -> None:
        """The stream is over: everything is decided and leaves, an event that nothing ended included."""
        self._take_all(self._framer.finish())
        if self._calls is not None and self.cut is None:
            self._calls.take(self._reader.unfinished())
        self.break_off()

    def break_off(self) -> None:
        """The upstream stopped in the middle: what came whole is decided and leaves; half an event, or a part of a
        call, does not."""
        if self.cut is None:
            self._close(tuple(self._texts))
            self._release()

    @property
    def waits(self) -> bool:
        """Whether something waits."""
        return bool(self._queue)

    @property
    def is_asking(self) -> bool:
        """Whether somebody is asked about a call, so that what waits for it may leave later."""
        return self._calls is not None and self.cut is None and self._calls.is_open

    def ask(self) -> tuple[Question, ...]:
        """What is to be asked about calls, before what waits for them may leave; each question once."""
        return () if self._calls is None or self.cut is not None else self._calls.ask()

    @property
    def keepalive(self) -> bytes:
        """What may be sent to the client while it waits."""
        return self._reader.keepalive

    def answered(self, answers: Sequence[Answer]) -> None:
        """Take the answers to what was asked."""
        assert self._calls is not None, "something was asked"
        self._calls.answered(answers)
        self._release()

    def denials(self) -> tuple[Denials, ...]:
        """What later requests must bring along that lean on this answer, as far as it came."""
        changes = self._calls.changes if self._calls is not None else {}
        return self._reader.denials(changes) if changes else ()

    def ending(self, refusal: Refusal) -> bytes:
        """The dialect's own ending, for what the client has seen; empty where the framing has none."""
        return self._reader.ending(refusal)

    @property
    def unread(self) -> int:
        """Bytes of an event that has not come whole."""
        return self._framer.unread

    def drain(self) -> bytes:
        """The bytes that have left the queue and were not given yet."""
        return b"".join(self.departed())

    def departed(self) -> list[bytes]:
        """The same, frame by frame."""
        out, self._out = self._out, []
        return out

    @property
    def at_rest(self) -> bool:
        """Whether nothing waits and no text grows."""
        return not self._queue and not self._texts

    def _release(self) -> None:
        """Let the frames at the head of the queue leave that are decided and stand before a cut."""
        queue = self._queue
        while queue and self._may_leave(queue[0]):
            held = queue.popleft()
            self._queued -= len(held.frame.raw)
            self._out += self._leave(held)

    def _may_leave(self, held: _Held) -> bool:
        if self._cut_at is not None and held.number >= self._cut_at:
            return False
        calls = self._calls
        return held.decided and (calls is None or all(map(calls.is_settled, held.calls)))

    def _take_all(self, frames: Iterable[Frame]) -> None:
        for frame in frames:
            self._take(frame)
            self._release()
            if self.cut is not None:
                self._queue.clear()
                break

    def _take(self, frame: Frame) -> None:
        self._number += 1
        held = _Held(self._number, frame, _document(frame))
        self._queue.append(held)
        self._queued += len(frame.raw)
        if self._queued > QUEUED_EVENTS * self._gate.limits.event:
            raise OverLimit("too much of the stream waits for a text or a tool call that does not end")
        if frame.data is None:
            return
        self.totals.events += 1
        reading = self._reader.read(frame.event, held.document, frame.data)
        for delta in reading.deltas:
            self._add(held, delta)
        self._close(tuple(self._texts) if reading.closes_all else reading.closes)
        if self._calls is not None:
            held.calls = reading.calling
            self._calls.take(reading.called)
        self._note(reading)

    def _add(self, held: _Held, delta: Delta) -> None:
        if delta.whole:
            step, changes = judge_complete(self._gate, delta, delta.text)
            held.edits += (Edit(delta.place, span, text) for span, text in changes)
            self._count(step, held.number)
            return
        self.totals.written += eighths(delta.text)
        text = self._texts.get(delta.channel)
        if text is None and delta.channel in self._ended:
            if delta.text:
                # It was judged as complete. Only empty pieces may follow (final usage events).
                raise Malformed("a text of the stream goes on after its end")
            return
        if text is None:
            text = self._texts[delta.channel] = growing(self._gate, delta)
        piece, step = text.add(delta)
        held.pieces.append((text, piece))
        self._count(step, self._frame_of(text, step))

    def _close(self, channels: Iterable[Hashable]) -> None:
        for channel in channels:
            text = self._texts.pop(channel, None)
            self._ended.add(channel)
            if text is not None:
                step = text.close()
                self._count(step, self._frame_of(text, step))

    def _count(self, step: Step, number: int) -> None:
        """Add up a step; a refusal cuts the stream at that frame, or where it was cut before if that is earlier."""
        self.totals.add(step)
        if step.verdict.effect < Effect.ASK:
            return
        if self._cut_at is None or number < self._cut_at:
            self._cut_at, self.cut = number, step.verdict

    def _frame_of(self, text: Growing, step: Step) -> int:
        """The frame that holds the point at which a step refuses."""
        if step.verdict.effect < Effect.ASK:
            return self._number
        for held in self._queue:
            for grown, piece in held.pieces:
                # Of a call nothing may leave, its name included; that may stand in a frame of its own.
                if isinstance(text, Withheld) and isinstance(grown, Withheld):
                    return held.number
                if grown is text and piece.start <= step.refused_at < piece.end:
                    return held.number
        raise InternalError("a refused text has left already")

    def _note(self, reading: EventReading) -> None:
        totals = self.totals
        totals.usage.update(reading.usage)
        totals.uninspected.update(dict.fromkeys(reading.uninspected))
        totals.held_max = max(totals.held_max, sum(text.undecided for text in self._texts.values()))

    def _leave(self, held: _Held) -> list[bytes]:
        """What leaves in place of a frame: itself, or what became of it."""
        frame = held.frame
        if frame.data is None:
            return [frame.raw]
        edited = self._edited(held)
        changes = self._calls.changes if self._calls is not None else {}
        if changes:
            out = self._changed(held, edited or frame.data, changes)
        else:
            out = [frame.raw if edited is None else frame.with_data(edited)]
        self._reader.sent(frame.event, held.document, frame.data)
        return out

    def _edited(self, held: _Held) -> bytes | None:
        """The payload with the edits of its texts; None where there are none."""
        edits = held.edits + [edit for text, piece in held.pieces for edit in text.edits(piece)]
        if not edits:
            return None
        self.totals.edited = True
        if held.document is None:
            raise InternalError("an event that is not JSON cannot be edited")
        patches = [*held.document.edits(edits), *repairs(self._dialect, held.document, edits)]
        return apply(held.document.raw, patches)

    def _changed(self, held: _Held, data: bytes, changes: Mapping[Hashable, Change]) -> list[bytes]:
        """The events in place of one, in a stream in which something became of a call."""
        frame = held.frame
        document = None if held.document is None else parse(data)
        payloads = self._reader.changed(frame.event, document, data, changes)
        if list(payloads) == [(frame.event, frame.data)]:
            return [frame.raw]
        self.totals.edited = True
        return frame.replaced(payloads)


def _document(frame: Frame) -> Document | None:
    """The event's payload as JSON; None where it is something else, which the dialect knows or refuses."""
    if frame.data is None:
        return None
    try:
        return parse(frame.data)
    except NotJson:
        return None
