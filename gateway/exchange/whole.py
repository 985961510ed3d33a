"""A whole body, request or answer, from bytes to bytes: read it, judge it, and make the edits.

The same path for both directions. What differs is a table row: which method of the dialect reads, and whether the
instruction hierarchy marks the result (requests that a model will read) or the dialect repairs what an edit broke.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from gateway.dialect.base import Coverage, Dialect, Reading
from gateway.dialect.route import Endpoint, Form
from gateway.exchange.body import Unit, edited_text, form_units, json_unit, line_units, read_text
from gateway.exchange.events import Inspected
from gateway.exchange.gate import Gate
from gateway.exchange.judge import Judgement, judge
from gateway.policy.hierarchy import Mode
from gateway.segment import Direction
from gateway.verdict import Edit, Effect, Finding, Reason, Verdict
from gateway.wire.document import Patch, apply
from gateway.wire.media import MediaType


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a body: `body` is what came unless `edited`, and is not for use where the verdict refuses."""

    verdict: Verdict
    body: bytes
    edited: bool
    inspected: Inspected
    findings: tuple[Finding, ...] = ()
    wrapped: int = 0
    model: str | None = None
    streaming: bool = False


@dataclass(slots=True)
class _Sum:
    """What the units of one body add up to."""

    effect: Effect = Effect.ALLOW
    would_be: Effect = Effect.ALLOW
    worst: Verdict = field(default_factory=lambda: Verdict(Effect.ALLOW, Effect.ALLOW))
    reasons: list[Reason] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    segments: int = 0

    def add(self, judgement: Judgement) -> None:
        verdict = judgement.verdict
        if verdict.effect > self.worst.effect:
            self.worst = verdict
        self.would_be = max(self.would_be, verdict.would_be)
        self.reasons += (
            Reason(reason.effect, reason.rule, reason.category, reason.segment + self.segments, reason.shadow)
            for reason in verdict.reasons
        )
        self.findings += (finding for findings in judgement.findings for finding in findings)
        self.segments += len(judgement.segments)

    @property
    def verdict(self) -> Verdict:
        return Verdict(self.worst.effect, self.would_be, tuple(self.reasons), self.worst.edits, self.worst.code)


def readable(endpoint: Endpoint, form: Form, media: MediaType) -> bool:
    """Whether a body with that content type is read at all; what is not passes in pieces, recorded as not inspected."""
    if endpoint.coverage is Coverage.PASS or form is Form.BYTES:
        return False
    if endpoint.coverage is Coverage.DIALECT or form is not Form.JSON:
        return True
    return media.is_json or media.is_lines or media.is_text or not media.type


def inspect(gate: Gate, endpoint: Endpoint, direction: Direction, body: bytes, media: MediaType) -> Outcome:
    """Judge a decoded body. Raises Malformed where it cannot be read as what it should be."""
    if not body.strip():
        verdict = Verdict(Effect.ALLOW, Effect.ALLOW)
        return Outcome(verdict, body, edited=False, inspected=Inspected(len(body), coverage=endpoint.coverage))
    form = endpoint.request_form if direction is Direction.REQUEST else endpoint.answer_form
    if _is_plain_text(endpoint, form, media):
        return _inspect_text(gate, direction, body, media)
    return _inspect_units(gate, endpoint, direction, body, _units(form, body, media))


def _is_plain_text(endpoint: Endpoint, form: Form, media: MediaType) -> bool:
    return (
        endpoint.coverage is Coverage.TEXT
        and form is Form.JSON
        and media.is_text
        and not (media.is_json or media.is_lines)
    )


def _units(form: Form, body: bytes, media: MediaType) -> tuple[Unit, ...]:
    if form is Form.MULTIPART and media.is_multipart:
        return form_units(body, media.raw)
    if form is Form.LINES or media.is_lines:
        return line_units(body)
    return json_unit(body)


def _inspect_text(gate: Gate, direction: Direction, body: bytes, media: MediaType) -> Outcome:
    reading = read_text(body, media, direction)
    judgement = judge(gate, direction, reading.segments)
    edits = judgement.verdict.edits
    return Outcome(
        judgement.verdict,
        edited_text(body, media, edits) if edits else body,
        edited=bool(edits),
        inspected=Inspected(len(body), 1, 0, Coverage.TEXT),
        findings=tuple(finding for findings in judgement.findings for finding in findings),
    )


def _inspect_units(gate: Gate, endpoint: Endpoint, direction: Direction, body: bytes, units: Sequence[Unit]) -> Outcome:
    total = _Sum()
    patches: list[Patch] = []
    wrapped = 0
    readings = [_read(endpoint.dialect, direction, unit) for unit in units]
    for unit, reading in zip(units, readings, strict=True):
        judgement = judge(gate, direction, reading.segments)
        total.add(judgement)
        if judgement.verdict.effect >= Effect.ASK:
            continue
        edits = judgement.verdict.edits
        if direction is Direction.REQUEST and endpoint.generates and gate.hierarchy.mode is not Mode.OFF:
            marks = gate.hierarchy.marks(judgement.segments)
            wrapped += len({(edit.place.path, edit.place.inner, edit.place.offset) for edit in marks})
            edits = combined(edits, marks)
            patches += unit.moved(endpoint.dialect.instruct(unit.document, gate.hierarchy.instructions()))
        elif direction is Direction.ANSWER:
            patches += unit.moved(repairs(endpoint.dialect, unit, edits))
        patches += unit.moved(unit.document.edits(edits))
    return Outcome(
        total.verdict,
        apply(body, patches) if patches else body,
        edited=bool(patches),
        inspected=Inspected(
            len(body),
            total.segments,
            0,
            endpoint.coverage,
            tuple(part for reading in readings for part in reading.uninspected),
        ),
        findings=tuple(total.findings),
        wrapped=wrapped,
        model=next((reading.model for reading in readings if reading.model), None),
        streaming=any(reading.streaming for reading in readings),
    )


def _read(dialect: Dialect, direction: Direction, unit: Unit) -> Reading:
    return dialect.request(unit.document) if direction is Direction.REQUEST else dialect.answer(unit.document)


def repairs(dialect: Dialect, unit: Unit, edits: Sequence[Edit]) -> list[Patch]:
    """What else an answer needs once texts in it were edited; each patch once."""
    paths = dict.fromkeys(edit.place.path for edit in edits)
    return list(dict.fromkeys(patch for path in paths for patch in dialect.after_edit(unit.document, path)))


def combined(findings: Sequence[Edit], marks: Sequence[Edit]) -> tuple[Edit, ...]:
    """Both kinds of edit, less the marks inside text that a finding replaces anyway."""
    replaced = [(edit.place.path, edit.place.inner, edit.span.shifted(edit.place.offset)) for edit in findings]

    def inside(mark: Edit) -> bool:
        at = mark.span.shifted(mark.place.offset)
        return any(
            path == mark.place.path and inner == mark.place.inner and at.start < span.end and span.start < at.end
            if at.start < at.end
            else path == mark.place.path and inner == mark.place.inner and span.start < at.start < span.end
            for path, inner, span in replaced
        )

    return (*findings, *(mark for mark in marks if not (replaced and inside(mark))))
