"""PDF documents in plain HTTP: which bodies are some, and what follows from the text that was read in them.

The text is read elsewhere (`Extract`), since that needs a process that hostile documents cannot hurt. A PDF cannot be
edited, so where an edit would be due the body is refused. One that cannot be read is named as not inspected, or refused
where the profile refuses what cannot be understood; never is it taken for clean.
"""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from gateway.dialect.base import Coverage
from gateway.dialect.plain import ANSWERED, ASKED
from gateway.dialect.route import Endpoint, Form
from gateway.exchange import content
from gateway.exchange.content import Piece, is_told_by_first_bytes, joined
from gateway.exchange.events import Extracted, Unread
from gateway.exchange.gate import Gate
from gateway.exchange.judge import judge
from gateway.exchange.recorded import Inspected
from gateway.exchange.whole import Outcome
from gateway.policy.profile import Profile
from gateway.segment import Direction, Uninspected
from gateway.wire.media import MediaType

MOST: Final = 16 << 20
"""Bytes of a PDF that is read. Larger ones are scans for the most part, and would be held whole in memory."""

_MARK: Final = b"%PDF-"
_HEAD: Final = 1024
"""Bytes in which readers look for the mark (ISO 32000-1, annex H.3, note 13, on Acrobat; PDFium does the same)."""
_TYPES: Final = frozenset({"application/pdf", "application/x-pdf"})

_REASONS: Final = {
    Unread.BROKEN: "it is broken",
    Unread.ENCRYPTED: "it is encrypted",
    Unread.TOO_LARGE: "it holds too much",
    Unread.OVERTIME: "reading it took too long, or failed",
    Unread.UNAVAILABLE: "there is no reader for it; install `pypdfium2`",
}


def is_pdf(head: bytes, media: MediaType) -> bool:
    """Whether readers would take a body that begins so for a PDF. It may be something else as well."""
    return bool(head) and (media.essence in _TYPES or _MARK in head[:_HEAD])


def is_read(endpoint: Endpoint, of: Form) -> bool:
    """Whether PDFs are read there: where bodies are what their media type says."""
    return is_told_by_first_bytes(endpoint, of)


def refusal(profile: Profile, body: bytes, media: MediaType, unread: Unread) -> str | None:
    """Why a body is refused that could not be read as a PDF; None where it may pass, or is a text after all."""
    if unread is Unread.BUSY:
        # Whoever sends many would else have any other pass unread, in whatever profile that lets such pass.
        return "the PDF cannot be read now, since too many others wait to be read; send it again later"
    may_be_none = unread in (Unread.BROKEN, Unread.UNAVAILABLE) and media.essence not in _TYPES
    if not profile.refuses_unknown or (may_be_none and content.is_text(body, media)):
        return None
    return (
        f"the PDF cannot be read ({_REASONS[unread]}), and the profile `{profile.name}` refuses what cannot be "
        'understood; set `unknown_json = "scan"` under [rules] to let it pass, named as not inspected'
    )


def inspect(
    gate: Gate, endpoint: Endpoint, direction: Direction, body: bytes, media: MediaType, read: Extracted
) -> Outcome:
    """Judge a decoded body of which this was read as a PDF. Raises Malformed as `content.inspect` does."""
    voice = ASKED if direction is Direction.REQUEST else ANSWERED
    judgement = judge(
        gate,
        direction,
        (replace(voice, editable=False).segment((index,), text) for index, text in enumerate(read.texts)),
    )
    unread = (*((read.unread.value,) if read.unread is not None else ()), *read.parts)
    document = Outcome(
        replace(judgement.verdict, edits=()),
        body,
        edited=False,
        inspected=Inspected(len(body), len(read.texts), 0, Coverage.TEXT.value, tuple(map(Uninspected, unread))),
        findings=tuple(finding for findings in judgement.findings for finding in findings),
    )
    if not content.is_text(body, media):
        return document
    # Who does not look for a PDF reads a text: both must be harmless.
    as_text = content.inspect(gate, endpoint, direction, body, media)
    return joined(body, document, [Piece(0, len(body), as_text)])
