"""Bodies that are what their media type says (`Form.MEDIA`): the pages, feeds, forms, tables, texts and JSON of tools.

Every text in them is judged as its reader will see it, and an edit is put back in the spelling of its place. All other
forms, and so the bodies of the known APIs, go straight on to `whole`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from msgspec.structs import replace

from gateway.dialect.base import Coverage
from gateway.dialect.plain import ANSWERED, ASKED, Voice
from gateway.dialect.route import Endpoint, Form
from gateway.errors import Malformed
from gateway.exchange import hidden, whole
from gateway.exchange.body import is_json
from gateway.exchange.gate import Gate
from gateway.exchange.judge import judge
from gateway.exchange.recorded import Inspected
from gateway.exchange.whole import Outcome, unread
from gateway.policy.decide import decide
from gateway.segment import Direction, Segment, Span, Uninspected
from gateway.verdict import Effect, Finding, Verdict
from gateway.wire import form, media, multipart, plain_text
from gateway.wire.charset import Decoded, decoded
from gateway.wire.markup import names, page
from gateway.wire.markup.page import Reading
from gateway.wire.markup.tokens import Syntax
from gateway.wire.markup.wellformed import refuse_broken, refuse_entities
from gateway.wire.media import MediaType
from gateway.wire.passage import plain
from gateway.wire.sniff import Content, content_of


def readable(endpoint: Endpoint, of: Form, media: MediaType) -> bool:
    """Whether a body with that content type is read at all; what is not passes in pieces, recorded as not inspected."""
    if of is not Form.MEDIA or endpoint.coverage is Coverage.PASS:
        return whole.readable(endpoint, of, media)
    return not media.type or media.is_json or media.is_lines or media.is_text or media.is_multipart


def is_told_by_first_bytes(endpoint: Endpoint, of: Form) -> bool:
    """Whether a body that is not read by its label is read if it begins as text does."""
    return of is Form.MEDIA and endpoint.coverage is Coverage.TEXT


def is_text(body: bytes, media: MediaType) -> bool:
    """Whether a body of any form there is (`Form.MEDIA`) is read as anything but binary data."""
    return content_of(body, media) is not Content.BINARY


def inspect(gate: Gate, endpoint: Endpoint, direction: Direction, body: bytes, media: MediaType) -> Outcome:
    """Judge a decoded body. Raises Malformed where it cannot be read as what it should be."""
    if _form(endpoint, direction) is not Form.MEDIA or not body.strip():
        return whole.inspect(gate, endpoint, direction, body, media)
    content = content_of(body, media)
    if content is Content.JSON and not media.is_json and not is_json(body):
        content = Content.TEXT
    match content:
        case Content.JSON | Content.LINES:
            as_json = replace(endpoint, request_form=Form.JSON, answer_form=Form.JSON)
            return whole.inspect(gate, as_json, direction, body, media)
        case Content.PARTS:
            return _inspect_parts(gate, endpoint, direction, body, media)
        case Content.BINARY:
            return unread(body)
        case _:
            try:
                text = _decoded(direction, body, media)
            except Malformed:
                if readable(endpoint, Form.MEDIA, media):
                    raise
                return unread(body)  # it only began as text does
            return _inspect_texts(gate, direction, text, _readings(content, direction, text, media))


def _form(endpoint: Endpoint, direction: Direction) -> Form:
    return endpoint.request_form if direction is Direction.REQUEST else endpoint.answer_form


# --- reading ----------------------------------------------------------------------------------------------------------


def _decoded(direction: Direction, body: bytes, label: MediaType) -> Decoded:
    """The body as text. What a server reads is fixed by the label; the readers of an answer are many, and lenient."""
    if direction is Direction.ANSWER:
        return decoded(body, label.charset)
    return Decoded(body, media.text_of(body, label), media.codec_of(body, label))


def _readings(content: Content, direction: Direction, text: Decoded, label: MediaType) -> list[Reading]:
    match content:
        case Content.PAGE:
            return page.read(text.text, Syntax.HTML)
        case Content.XML:
            if direction is Direction.REQUEST:
                refuse_broken(text.text, text.codec)
            else:
                refuse_entities(text.text)
            return page.read(text.text, Syntax.XML)
        case Content.FORM:
            return [Reading(form.passage(text.text, text.codec))]
        case _ if label.subtype in _TABLES and direction is Direction.REQUEST:
            return [Reading(plain_text.table(text.text))]
        case _ if label.subtype.removeprefix("x-").endswith("yaml"):
            fixed = direction is Direction.REQUEST
            return [Reading(passage) for passage in plain_text.yaml(text.text, fixed=fixed)]
        case _ if label.subtype in _PROSE and names.LOOKS_LIKE_A_PAGE.search(text.text):
            # Its readers may show it as a page. What a page would hide is plain to those who do not, so it stays.
            shown = (reading.passage for reading in page.read(text.text, Syntax.HTML, keep_lines=True))
            return [Reading(plain(text.text)), *map(Reading, shown)]
        case _:
            return [Reading(plain(text.text))]


_TABLES: Final = frozenset({"csv", "tab-separated-values"})
_PROSE: Final = frozenset({"plain", "markdown", "x-markdown"})


# --- judging texts ----------------------------------------------------------------------------------------------------


def _inspect_texts(gate: Gate, direction: Direction, text: Decoded, readings: Sequence[Reading]) -> Outcome:
    voice = ASKED if direction is Direction.REQUEST else ANSWERED
    judgement = judge(gate, direction, (_segment(voice, index, one) for index, one in enumerate(readings)))
    judged = list(zip(judgement.segments, judgement.findings, strict=True))
    bare: set[tuple[int, Span]] = set()
    if direction is Direction.ANSWER:
        for number, reading in enumerate(readings):
            segment, findings = judged[number]
            if reading.hiding is not None:
                told = tuple(hidden.findings(gate, reading.hiding, reading.parts, segment.text, findings))
                judged[number] = segment, (*findings, *told)
                bare.update((number, finding.span) for finding in told if hidden.is_bare(finding))
    parts = [part for reading, one in zip(readings, judged, strict=True) for part in _by_what_may_change(reading, *one)]
    verdict = decide(gate.profile, parts)
    changes: list[_Change] = []
    for edit in verdict.edits:
        [index] = edit.place.path
        assert isinstance(index, int)
        replacement = "" if (index, edit.span) in bare else edit.replacement
        changes += _changes(readings[index], edit.span, replacement)
    return Outcome(
        replace(verdict, edits=()),
        text.with_changes(_apart(changes)) if changes else text.body,
        edited=bool(changes),
        inspected=Inspected(len(text.body), len(readings), 0, Coverage.TEXT.value),
        findings=tuple(finding for _, findings in parts for finding in findings),
    )


def _segment(voice: Voice, index: int, reading: Reading) -> Segment:
    return voice.segment((index,), reading.passage.text)


def _by_what_may_change(
    reading: Reading, segment: Segment, findings: tuple[Finding, ...]
) -> Iterator[tuple[Segment, tuple[Finding, ...]]]:
    """The text twice, where some of what was found in it stands in structure that no edit may touch."""
    free: list[Finding] = []
    fixed: list[Finding] = []
    for finding in findings:
        (free if reading.passage.may_change(finding.span) else fixed).append(finding)
    yield segment, tuple(free)
    if fixed:
        yield replace(segment, editable=False), tuple(fixed)


# --- editing ----------------------------------------------------------------------------------------------------------

type _Change = tuple[int, int, str]
"""Start and end in code points of the body's text, and what is written there."""


def _changes(reading: Reading, span: Span, replacement: str) -> Iterator[_Change]:
    """The replacement where the span begins, and nothing in its other pieces: tags between them stay as they are."""
    written = reading.passage.written(replacement)
    for start, end in reading.passage.places(span):
        yield start, end, written
        written = ""


def _apart(changes: Iterable[_Change]) -> list[_Change]:
    """The changes in order. Several texts may hold the same piece of the source; what overlaps is one change."""
    apart: list[_Change] = []
    for start, end, written in sorted(changes, key=lambda change: (change[0], -change[1])):
        if apart and start < apart[-1][1]:
            first, last, text = apart[-1]
            apart[-1] = first, max(last, end), text or written
        else:
            apart.append((start, end, written))
    return apart


# --- parts ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Piece:
    """A range of a body, and what became of it."""

    start: int
    end: int
    outcome: Outcome


def _inspect_parts(gate: Gate, endpoint: Endpoint, direction: Direction, body: bytes, label: MediaType) -> Outcome:
    """Each part as the body that its header says it is; their headers, and what stands around them, as one text."""
    pieces: list[Piece] = []
    around: list[bytes] = []
    at = 0
    for part in multipart.parts(body, label.raw):
        content = body[part.start : part.end]
        pieces.append(Piece(part.start, part.end, _inspect_part(gate, endpoint, direction, part, content)))
        around.append(body[at : part.start])
        at = part.end
    structure = b"\n".join((*around, body[at:])).replace(f"--{label.boundary}".encode(), b"")
    heads = Decoded(structure, structure.decode("utf-8", "surrogateescape"), "utf-8")
    outer = _inspect_texts(gate, direction, heads, [Reading(plain(heads.text, fixed=True))])
    return joined(body, outer, pieces)


def _inspect_part(
    gate: Gate, endpoint: Endpoint, direction: Direction, part: multipart.Part, content: bytes
) -> Outcome:
    if part.extended_filename:
        raise Malformed("a part of the form has a `filename*`")
    if part.name == "_charset_" and content.strip().lower() not in (b"", b"utf-8"):
        raise Malformed("a form in another charset; send it in UTF-8")  # WHATWG URL and RFC 7578, 4.6
    if part.content_type is not None:
        label = media.parse(part.content_type)
    else:
        label = MediaType() if part.filename is not None else MediaType("text", "plain")
    if label.is_multipart:
        raise Malformed("a part of a multipart body has parts of its own")
    if not readable(endpoint, Form.MEDIA, label) and content_of(content, label) is Content.BINARY:
        return replace(unread(content), inspected=Inspected(len(content), uninspected=(Uninspected("file"),)))
    return inspect(gate, endpoint, direction, content, label)


def joined(body: bytes, outer: Outcome, pieces: Sequence[Piece]) -> Outcome:
    """What becomes of the whole: the strictest of all, and each part in its place."""
    outcomes = [outer, *(piece.outcome for piece in pieces)]
    strictest = max(outcomes, key=lambda outcome: outcome.verdict.effect).verdict
    reasons = []
    segments = 0
    for outcome in outcomes:
        reasons += [replace(reason, segment=reason.segment + segments) for reason in outcome.verdict.reasons]
        segments += outcome.inspected.segments
    edited = any(outcome.edited for outcome in outcomes) and strictest.effect < Effect.ASK
    return Outcome(
        Verdict(
            strictest.effect,
            max(outcome.verdict.would_be for outcome in outcomes),
            tuple(reasons),
            (),
            strictest.code,
        ),
        _put(body, pieces) if edited else body,
        edited=edited,
        inspected=Inspected(
            len(body),
            segments,
            0,
            Coverage.TEXT.value,
            tuple(one for outcome in outcomes for one in outcome.inspected.uninspected),
        ),
        findings=tuple(finding for outcome in outcomes for finding in outcome.findings),
    )


def _put(body: bytes, pieces: Sequence[Piece]) -> bytes:
    put: list[bytes] = []
    at = 0
    for piece in pieces:
        put += (body[at : piece.start], piece.outcome.body if piece.outcome.edited else body[piece.start : piece.end])
        at = piece.end
    return b"".join((*put, body[at:]))
