"""A whole body, request or answer, from bytes to bytes: read it, judge it, and make the edits.

The same path for both directions. What differs is a table row: which method of the dialect reads, and whether the
instruction hierarchy marks the result (requests that a model will read) or the dialect repairs what an edit broke.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, chain
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from gateway.detect.memory import VerdictMemory
from gateway.dialect.base import Coverage, Dialect, Parts, Reading
from gateway.dialect.plain import whole as delta
from gateway.dialect.route import Endpoint, Form
from gateway.errors import Malformed
from gateway.exchange import part
from gateway.exchange.beginning import HEAVIEST, LEAST, Beginning, Trail
from gateway.exchange.body import Unit, edited_text, form_units, json_unit, line_units, read_text
from gateway.exchange.combine import combined
from gateway.exchange.gate import Gate
from gateway.exchange.growth import Piece, Regions
from gateway.exchange.judge import judge
from gateway.exchange.parted import judge_parted
from gateway.exchange.recorded import Inspected
from gateway.exchange.total import Total
from gateway.policy.hierarchy import Mode
from gateway.segment import Direction, Segment, Uninspected
from gateway.verdict import Edit, Effect, Finding, Verdict
from gateway.wire.document import Document, Patch, apply, parse
from gateway.wire.media import MediaType


class Outcome(Struct, frozen=True):
    """What became of a body: `body` is what came unless `edited`, and is not for use where the verdict refuses."""

    verdict: Verdict
    body: bytes
    edited: bool
    inspected: Inspected
    findings: tuple[Finding, ...] = ()
    wrapped: int = 0
    model: str | None = None
    streaming: bool = False
    document: Document | None = None  # what came, where it is one JSON document and was read as a whole


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
        return Outcome(verdict, body, edited=False, inspected=Inspected(len(body), coverage=endpoint.coverage.value))
    form = endpoint.request_form if direction is Direction.REQUEST else endpoint.answer_form
    if _is_plain_text(endpoint, form, media):
        return _inspect_text(gate, direction, body, media)
    if form is Form.MULTIPART and media.is_multipart:
        units, unread_files = form_units(body, media.raw)
        return _inspect_units(gate, endpoint, direction, body, units, unread_files)
    if direction is Direction.REQUEST and _grows(endpoint, form, media) and len(body) >= LEAST:
        trail = Trail(part.namer(gate.hierarchy.key, _reader(endpoint, "beginning")), body)
        units = _units(form, body, media, gate.beginnings.recall(trail))
        return _inspect_units(gate, endpoint, direction, body, units, trail=trail)
    return _inspect_units(gate, endpoint, direction, body, _units(form, body, media))


def unread(body: bytes) -> Outcome:
    """A body that is neither JSON nor text, where it may pass: named, and as it came."""
    inspected = Inspected(len(body), coverage=Coverage.PASS.value, uninspected=(Uninspected("binary_body"),))
    return Outcome(Verdict(Effect.ALLOW, Effect.ALLOW), body, edited=False, inspected=inspected)


_JSON_CHARSETS: Final = frozenset({"utf-8", "utf8", "us-ascii", "ascii"})


def _is_plain_text(endpoint: Endpoint, form: Form, media: MediaType) -> bool:
    return (
        endpoint.coverage is Coverage.TEXT
        and form is Form.JSON
        and media.is_text
        and not (media.is_json or media.is_lines)
    )


def _grows(endpoint: Endpoint, form: Form, media: MediaType) -> bool:
    """Whether a request is one document that may go on where an earlier one ended. A line stands somewhere else."""
    return endpoint.generates and form is Form.JSON and not media.is_lines


def _reader(endpoint: Endpoint, what: str) -> str:
    """How a part is read: by the dialect and by what it is there; all else that decides is fixed for a gate."""
    return f"{endpoint.dialect.name}/{what}/{endpoint.generates}"


def _units(form: Form, body: bytes, media: MediaType, known: Beginning | None = None) -> tuple[Unit, ...]:
    if (media.charset or "utf-8").lower() not in _JSON_CHARSETS:
        # RFC 8259, 8.1 knows UTF-8 alone; a server that obeys the label would read other text than we do.
        raise Malformed(f"JSON in the charset `{media.charset}`; send it in UTF-8")
    if form is Form.LINES or media.is_lines:
        return line_units(body)
    return json_unit(body, known)


def _inspect_text(gate: Gate, direction: Direction, body: bytes, media: MediaType) -> Outcome:
    reading = read_text(body, media, direction)
    judgement = judge(gate, direction, reading.segments)
    edits = judgement.verdict.edits
    return Outcome(
        judgement.verdict,
        edited_text(body, media, edits) if edits else body,
        edited=bool(edits),
        inspected=Inspected(len(body), 1, 0, Coverage.TEXT.value),
        findings=tuple(chain.from_iterable(judgement.findings)),
    )


def _inspect_units(
    gate: Gate,
    endpoint: Endpoint,
    direction: Direction,
    body: bytes,
    units: Sequence[Unit],
    uninspected: tuple[Uninspected, ...] = (),
    trail: Trail | None = None,
) -> Outcome:
    total = Total()
    total.uninspected += uninspected
    model: str | None = None
    streaming = False
    for unit in units:
        if direction is Direction.REQUEST:
            reading = endpoint.dialect.request(unit.document, apart=True)
        else:
            reading = endpoint.dialect.answer(unit.document)
        unit.document.refuse_ambiguity(parts.path for parts in reading.parts)
        # An agent sends its system prompt with each turn; no answer comes twice.
        memory = gate.memory if direction is Direction.REQUEST else None
        total.add(unit.placed(_judge_document(gate, endpoint, direction, unit.document, reading, memory)))
        for texts in reading.parted:
            total.add(unit.placed(_judge_parted(gate, direction, unit.document, texts)))
        for parts in reading.parts:
            _Items(gate, endpoint, unit, parts).add_to(total, trail)
        if direction is Direction.REQUEST and _marked(gate, endpoint):
            total.patches += unit.moved(endpoint.dialect.instruct(unit.document, gate.hierarchy.instructions()))
        model = model or reading.model
        streaming = streaming or reading.streaming
    edited = bool(total.patches) and total.effect < Effect.ASK
    return Outcome(
        total.verdict,
        apply(body, total.patches) if edited else body,
        edited=edited,
        inspected=Inspected(len(body), total.segments, 0, endpoint.coverage.value, tuple(total.uninspected)),
        findings=tuple(total.findings),
        wrapped=total.wrapped,
        model=model,
        streaming=streaming,
        document=units[0].document if len(units) == 1 and units[0].known is None else None,
    )


class _Items:
    """The items of an array, judged one by one: those that were seen before from memory."""

    def __init__(self, gate: Gate, endpoint: Endpoint, unit: Unit, parts: Parts) -> None:
        self._gate, self._endpoint, self._unit, self._parts = gate, endpoint, unit, parts
        # The array's own name tells how its items are read.
        self._namer = part.namer(gate.hierarchy.key, _reader(endpoint, str(parts.path[-1])))
        self._ranges = list(unit.document.members(parts.path).values())
        self._known = unit.known if unit.known is not None and unit.known.path == parts.path else None

    def add_to(self, total: Total, trail: Trail | None) -> None:
        """Add what became of them. What came of all but the last is remembered as one, for an agent's next turn."""
        known, count = self._known, len(self._ranges)
        if trail is None:
            self._add(total, 0, count)
            return
        kept = self._kept() if known is None else known.kept
        last = max(count - 1, kept)
        self._add(total, 0, kept)
        middle = Total()
        if known is not None:
            middle.add(known.outcome)
        self._add(middle, kept, last)
        total.add(middle.outcome)
        self._add(total, last, count)
        if last > kept:
            self._remember(trail, kept, last, middle.outcome)

    def _kept(self) -> int:
        """How many of the first items must not be left out of the next turn: all, where that has no place for it."""
        if self._parts.lead is None or self._unit.known is not None:
            return len(self._ranges)
        return min(len(self._ranges), max(1, self._lead(len(self._ranges) - 1)))

    def _lead(self, count: int) -> int:
        items = self._unit.document.get(*self._parts.path)[:count]
        return len(items) if self._parts.lead is None else self._parts.lead(items)

    def _remember(self, trail: Trail, kept: int, last: int, outcome: part.Outcome) -> None:
        """Remember what came of the items from `kept` to `last`, where the next turn can do without them."""
        raw, cut, stop = self._unit.document.raw, self._ranges[kept - 1][1], self._ranges[last - 1][1]
        end = self._unit.at(stop - 1) + 1
        # An object ends there whatever follows; a number could go on in the next body.
        are_objects = raw[cut - 1 : cut] == raw[stop - 1 : stop] == b"}"
        if are_objects and end - cut >= LEAST and outcome.lasts(HEAVIEST) and self._lead(last) <= kept:
            items = last - kept + (0 if self._known is None else self._known.items)
            self._gate.beginnings.remember(trail, Beginning(self._parts.path, kept, cut, end, items, outcome))

    def _add(self, total: Total, first: int, stop: int) -> None:
        """Add what became of some items, all of which stand to one side of what is left out."""
        raw, path, known = self._unit.document.raw, self._parts.path, self._gate.parts
        skipped = self._known.items if self._known is not None and first >= self._known.kept else 0
        for index, (start, end) in enumerate(self._ranges[first:stop], first + skipped):
            item = raw[start:end]
            name = self._namer.name(item)
            outcome = known.recall(name) or self._judged(name, item)
            total.add(outcome, self._unit.at(start), (*path, index))

    def _judged(self, name: bytes, raw: bytes) -> part.Outcome:
        """Judge what was not seen before, and remember it by that name."""
        item = parse(raw)
        outcome = _judge_document(self._gate, self._endpoint, Direction.REQUEST, item, self._parts.read(item))
        if outcome.lasts():
            self._gate.parts.remember(name, outcome)
        return outcome


def _judge_document(
    gate: Gate,
    endpoint: Endpoint,
    direction: Direction,
    document: Document,
    reading: Reading,
    memory: VerdictMemory | None = None,
) -> part.Outcome:
    judgement = judge(gate, direction, reading.segments, memory)
    verdict, edits = judgement.verdict, judgement.verdict.edits
    patches: list[Patch] = []
    wrapped = 0
    if direction is Direction.REQUEST and _marked(gate, endpoint):
        marks = gate.hierarchy.marks(judgement.segments)
        wrapped = len({edit.place for edit in marks}) if marks else 0
        edits = combined(edits, marks)
    elif direction is Direction.ANSWER:
        if edits:
            patches += repairs(endpoint.dialect, document, edits)
        patches += endpoint.dialect.amend(document)
    if edits:
        patches += document.edits(edits)
    return part.Outcome(
        replace(verdict, edits=()) if verdict.edits else verdict,
        tuple(chain.from_iterable(judgement.findings)),
        len(judgement.segments),
        tuple(patches),
        wrapped,
        reading.uninspected,
    )


def _judge_parted(gate: Gate, direction: Direction, document: Document, texts: tuple[Segment, ...]) -> part.Outcome:
    judged = judge_parted(gate, direction, texts[0], [text.text for text in texts])
    regions = Regions()
    for span, replacement in judged.changes:
        regions.add(span, replacement)
    ends = list(accumulate(len(text.text) for text in texts))
    pieces = [Piece(delta(text), end - len(text.text), end) for text, end in zip(texts, ends, strict=True)]
    edits = [edit for piece in pieces for edit in regions.edits(piece)]
    return part.Outcome(replace(judged.verdict, edits=()), judged.findings, len(texts), document.edits(edits))


def _marked(gate: Gate, endpoint: Endpoint) -> bool:
    return endpoint.generates and gate.hierarchy.mode is not Mode.OFF


def repairs(dialect: Dialect, document: Document, edits: Sequence[Edit]) -> list[Patch]:
    """What else an answer needs once texts in it were edited; each patch once."""
    paths = dict.fromkeys(edit.place.path for edit in edits)
    return list(dict.fromkeys(patch for path in paths for patch in dialect.after_edit(document, path)))
