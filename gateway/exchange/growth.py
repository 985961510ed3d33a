"""Texts that grow over the events of a stream: what of them is decided, and what is replaced in them.

Model text is decided as it comes, as far as detection allows. A tool call, whose parts mean nothing alone, and text
that others wrote are decided when they are complete.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from itertools import islice
from typing import Final, Protocol

import orjson
from msgspec import Struct
from msgspec.structs import replace

from gateway.detect.rule import Scope
from gateway.dialect.base import Delta
from gateway.dialect.plain import Voice, leaves
from gateway.errors import NotJson, OverLimit
from gateway.exchange.gate import Gate
from gateway.exchange.judge import judge
from gateway.exchange.parted import judge_parted
from gateway.policy.decide import decide, merged
from gateway.segment import Direction, Kind, Place, Segment, Span, Trust
from gateway.verdict import Edit, Effect, Finding, Verdict
from gateway.wire.document import Document, apply, parse

MAX_HELD: Final = 256 * 1024
"""Code points of one tool call, or one piece of foreign text, that are held: well above the largest file that agents
write in one call, and little enough that a thousand streams fit in memory."""

_CLEAN: Final = Verdict(Effect.ALLOW, Effect.ALLOW)


class Piece(Struct, frozen=True):
    """A delta and where it lies in its growing text: code points `start` to `end`."""

    delta: Delta
    start: int
    end: int


class Step(Struct, frozen=True):
    """What came of one more delta, or of the end: a verdict on what became final, and where its refusal begins."""

    verdict: Verdict = _CLEAN
    findings: tuple[Finding, ...] = ()
    refused_at: int = 0


class Growing(Protocol):
    """A text that grows."""

    @property
    def undecided(self) -> int:
        """Code points that are held."""
        ...

    def add(self, delta: Delta) -> tuple[Piece, Step]: ...

    def close(self) -> Step:
        """The text is complete; everything in it is decided afterwards."""
        ...

    def decided(self, piece: Piece, /) -> bool: ...

    def edits(self, piece: Piece) -> list[Edit]:
        """The edits of a decided piece."""
        ...


def growing(gate: Gate, first: Delta) -> Growing:
    """The kind of text that a channel beginning with this delta holds."""
    if first.kind is Kind.TOOL_CALL or first.trust is Trust.UNTRUSTED:
        return Withheld(gate)
    return Flowing(gate, first)


class Flowing:
    """A model's text, released as it is decided."""

    def __init__(self, gate: Gate, first: Delta) -> None:
        self._profile = gate.profile
        self._text = gate.rules.growing(Scope(Direction.ANSWER, first.role, first.trust), gate.reporting)
        self._segment = _segment(first, "")
        self._regions = Regions()
        self._length = 0
        self._closed = False

    @property
    def undecided(self) -> int:
        return 0 if self._closed else self._length - self._text.decided

    def add(self, delta: Delta) -> tuple[Piece, Step]:
        piece = Piece(delta, self._length, self._length + len(delta.text))
        self._length = piece.end
        return piece, self._rule_on(self._text.feed(delta.text))

    def close(self) -> Step:
        if self._closed:
            return Step()
        findings = self._text.finish()
        self._closed = True
        return self._rule_on(findings)

    def decided(self, piece: Piece) -> bool:
        return self._closed or piece.end <= self._text.decided

    def edits(self, piece: Piece) -> list[Edit]:
        return self._regions.edits(piece)

    def _rule_on(self, findings: Sequence[Finding]) -> Step:
        if not findings:
            return Step()
        verdict = decide(self._profile, [(self._segment, findings)])
        refused = {
            finding
            for finding, reason in zip(findings, verdict.reasons, strict=True)
            if reason.effect >= Effect.ASK and not reason.shadow
        }
        edits = verdict.edits
        if refused:
            # A refusal makes no edits, but what stands before it still leaves.
            edits = decide(self._profile, [(self._segment, [one for one in findings if one not in refused])]).edits
        for edit in edits:
            self._regions.add(edit.span, edit.replacement)
        return Step(verdict, tuple(findings), min((finding.span.start for finding in refused), default=0))


class Withheld:
    """A text that is judged when it is complete: a tool call's arguments, or what others wrote."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._parts: list[str] = []
        self._length = 0
        self._last: Delta | None = None
        self._closed = False
        self._regions = Regions()

    @property
    def undecided(self) -> int:
        return 0 if self._closed else self._length

    def add(self, delta: Delta) -> tuple[Piece, Step]:
        piece = Piece(delta, self._length, self._length + len(delta.text))
        self._length = piece.end
        if self._length > MAX_HELD:
            raise OverLimit(f"a tool call or a quoted text of the stream is longer than {MAX_HELD} characters")
        self._parts.append(delta.text)
        self._last = delta
        return piece, Step()

    def close(self) -> Step:
        if self._closed or self._last is None:
            self._closed = True
            return Step()
        self._closed = True
        step, changes = self._judged(self._last)
        for span, replacement in changes:
            self._regions.add(span, replacement)
        return step

    def _judged(self, last: Delta) -> tuple[Step, list[tuple[Span, str]]]:
        if not last.apart:
            return judge_complete(self._gate, last, "".join(self._parts))
        parted = judge_parted(self._gate, Direction.ANSWER, _segment(last, ""), self._parts)
        return Step(parted.verdict, parted.findings), parted.changes

    def decided(self, _: Piece) -> bool:
        return self._closed

    def edits(self, piece: Piece) -> list[Edit]:
        return self._regions.edits(piece)


def judge_complete(gate: Gate, delta: Delta, text: str) -> tuple[Step, list[tuple[Span, str]]]:
    """Judge a text that is complete, and give the changes to it. Tool arguments are judged as the JSON they are."""
    arguments = _arguments(text) if delta.kind is Kind.TOOL_CALL else None
    if arguments is not None:
        voice = Voice(delta.role, delta.trust, delta.kind, delta.editable)
        segments = [part for part in leaves(arguments, (), voice) if isinstance(part, Segment)]
    elif delta.kind is Kind.TOOL_CALL and "\\" in text:
        # Broken JSON, as a call has that ran into the token limit: a lenient client may still undo the escapes.
        segments = [_segment(delta, text), replace(_segment(delta, _unescaped(text)), editable=False)]
    else:
        segments = [_segment(delta, text)]
    judgement = judge(gate, Direction.ANSWER, segments)
    edits = judgement.verdict.edits
    findings = tuple(finding for findings in judgement.findings for finding in findings)
    changes = [(edit.span, edit.replacement) for edit in edits]
    if arguments is not None and edits:
        changes = [(Span(0, len(text)), apply(arguments.raw, arguments.edits(edits)).decode())]
    return Step(judgement.verdict, findings), changes


def _arguments(text: str) -> Document | None:
    """The arguments as JSON, or None where the model wrote something else. Ambiguous JSON is Malformed."""
    if text.lstrip()[:1] not in ("{", "["):
        return None
    try:
        return parse(text.encode())
    except NotJson:
        return None


def _unescaped(text: str) -> str:
    """The text with its JSON escapes undone (RFC 8259, 7); half a surrogate pair stays as it is."""
    return _ESCAPES.sub(_character, text)


def _character(escape: re.Match[str]) -> str:
    try:
        return str(orjson.loads(f'"{escape[0]}"'))
    except orjson.JSONDecodeError:
        return escape[0]


_ESCAPES: Final = re.compile(r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4}|\\.")


def _segment(delta: Delta, text: str) -> Segment:
    return Segment(Place(()), text, delta.role, delta.trust, delta.kind, delta.editable)


class Regions:
    """Replaced ranges of a growing text, in order, none touching into the next.

    Ranges may come out of order, as rules on different views decide at different points, but none comes that starts
    before what is decided; so what was given out for a piece stays true.
    """

    def __init__(self) -> None:
        self._regions: list[tuple[Span, str]] = []

    def add(self, span: Span, replacement: str) -> None:
        later = bisect_right(self._regions, span.start, key=_start)
        self._regions[later:] = merged([*self._regions[later:], (span, replacement)])
        if later and self._regions[later][0].start < self._regions[later - 1][0].end:
            self._regions[later - 1 :] = merged(self._regions[later - 1 :])

    def edits(self, piece: Piece) -> list[Edit]:
        """The piece's share: the replacement goes where a range starts, its other pieces lose their part."""
        edits: list[Edit] = []
        first = max(0, bisect_right(self._regions, piece.start, key=_start) - 1)
        for span, replacement in islice(self._regions, first, None):
            if span.start >= piece.end:
                break
            if piece.start < span.end:
                share = Span(max(span.start, piece.start) - piece.start, min(span.end, piece.end) - piece.start)
                edits.append(Edit(piece.delta.place, share, replacement if span.start >= piece.start else ""))
        return edits


def _start(region: tuple[Span, str]) -> int:
    return region[0].start
