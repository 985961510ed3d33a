"""A whole body as units that can be read and patched: JSON documents, JSON Lines, the file in a form, or plain text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final
from urllib.parse import unquote_plus

from msgspec import Struct
from msgspec.structs import replace

from gateway.dialect.base import Reading
from gateway.dialect.route import Form
from gateway.errors import Malformed, NotJson, OverLimit
from gateway.exchange import part
from gateway.exchange.beginning import Beginning
from gateway.segment import Direction, Kind, Place, Role, Segment, Trust, Uninspected
from gateway.verdict import Edit
from gateway.wire import multipart
from gateway.wire.document import Document, Patch, glance, parse
from gateway.wire.media import MediaType, codec_of, text_of

MOST_LINES: Final = 200_000
"""Documents in one body: measured, four seconds if each has one text. A batch of OpenAI has 50,000 at most."""


class Unit(Struct, frozen=True):
    """One JSON document and where its bytes begin in the body.

    Of a body with a `known` beginning, the document is what is left without the items that are known.
    """

    document: Document
    start: int = 0
    known: Beginning | None = None

    def at(self, position: int) -> int:
        """Where a byte of the document stands in the body."""
        known = self.known
        return position + self.start + (known.end - known.cut if known is not None and position >= known.cut else 0)

    def moved(self, patches: Iterable[Patch]) -> tuple[Patch, ...]:
        """Patches of the document as patches of the body."""
        # What ends where items are left out ends before them.
        return tuple(
            Patch(
                self.at(patch.start), self.at(max(patch.start, patch.end - 1)) + (patch.end > patch.start), patch.data
            )
            for patch in patches
        )

    def placed(self, outcome: part.Outcome) -> part.Outcome:
        """What became of the document, with patches of the body."""
        if not outcome.patches or (not self.start and self.known is None):
            return outcome
        return replace(outcome, patches=self.moved(outcome.patches))


def json_unit(body: bytes, known: Beginning | None = None) -> tuple[Unit, ...]:
    """The body as one document, which may still be ambiguous. Raises NotJson."""
    if known is None:
        return (Unit(glance(body)),)
    try:
        return (Unit(glance(known.shortened(body)), known=known),)
    except Malformed:
        return json_unit(body)  # which tells what is wrong, and at which byte


def line_units(body: bytes, start: int = 0, end: int | None = None) -> tuple[Unit, ...]:
    """Each line of `body[start:end]` as a document; blank lines are skipped.

    Raises Malformed, naming the line, and OverLimit for more than MOST_LINES.
    """
    units: list[Unit] = []
    position = start
    if body.count(b"\n", start, end) > MOST_LINES:
        raise OverLimit(f"the body has more than {MOST_LINES} lines of JSON")
    for number, line in enumerate(body[start:end].split(b"\n"), 1):
        text = line.removesuffix(b"\r")
        if text.strip():
            try:
                units.append(Unit(parse(text), position))
            except Malformed as error:
                raise Malformed(f"line {number}: {error}") from None
        position += len(line) + 1
    return tuple(units)


_LINES_PURPOSES: Final = frozenset({b"batch", b"fine-tune"})
"""Uploads that are JSON Lines by what they are for (OpenAI API reference, "Upload file", 2026-11)."""


def form_units(body: bytes, content_type: str) -> tuple[tuple[Unit, ...], tuple[Uninspected, ...]]:
    """The lines of the JSON Lines files in a form, told by its `purpose`; other files are named and not read.

    Raises Malformed for a `filename*`, which forms may not have (RFC 7578, 4.2) and servers read in different ways.
    """
    parts = multipart.parts(body, content_type)
    if any(part.extended_filename for part in parts):
        raise Malformed("a part of the form has a `filename*`")
    purposes = {body[part.start : part.end].strip() for part in parts if part.name == "purpose"}
    files = [part for part in parts if part.filename is not None or part.name == "file"]
    if not purposes & _LINES_PURPOSES:
        return (), tuple(Uninspected("file") for _ in files)
    return tuple(unit for part in files for unit in line_units(body, part.start, part.end)), ()


def is_json(body: bytes, form: Form = Form.JSON) -> bool:
    """Whether the body is a JSON object or array, or, for LINES, whether its first line is an object."""
    text = body.lstrip()
    if form is Form.LINES:
        text = text.partition(b"\n")[0]
    if text[:1] not in (b"{", b"["):
        return False
    try:
        return isinstance(glance(text).value, dict if form is Form.LINES else dict | list)
    except NotJson:
        return False


def read_text(body: bytes, media: MediaType, direction: Direction) -> Reading:
    """A text body as one segment. Its place is the root; `text_edits` knows how to patch it. Raises Malformed."""
    role, trust = (Role.USER, Trust.PRINCIPAL) if direction is Direction.REQUEST else (Role.TOOL, Trust.UNTRUSTED)
    text = text_of(body, media)
    segments = [Segment(Place(()), text, role, trust, Kind.OPAQUE)]
    if media.subtype == "x-www-form-urlencoded":
        # What the server will read. An edit in it has no place in the text, and so becomes a refusal.
        plain = unquote_plus(text)
        if plain != text:
            segments.append(Segment(Place(()), plain, role, trust, Kind.OPAQUE, editable=False))
    return Reading(tuple(segments))


def edited_text(body: bytes, media: MediaType, edits: Sequence[Edit]) -> bytes:
    """The text body with the edits made, in the charset it came in."""
    text = text_of(body, media)
    pieces: list[str] = []
    position = 0
    for edit in sorted(edits, key=lambda edit: (edit.span.start, edit.span.end)):
        pieces += (text[position : edit.span.start], edit.replacement)
        position = edit.span.end
    return "".join((*pieces, text[position:])).encode(codec_of(body, media))
