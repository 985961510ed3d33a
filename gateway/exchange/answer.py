"""How an answer is read: as a stream, as a whole, or not at all. Pure functions of its head and its endpoint."""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from gateway.dialect.base import Coverage
from gateway.dialect.plain import PLAIN
from gateway.dialect.route import Endpoint, Form
from gateway.errors import Malformed
from gateway.exchange import content
from gateway.exchange.body import is_json
from gateway.exchange.gate import Gate
from gateway.exchange.messages import is_message
from gateway.exchange.whole import Outcome, inspect, unread
from gateway.segment import Direction
from gateway.wire.frames import Framing
from gateway.wire.media import MediaType

_BODILESS: Final = frozenset({204, 304})  # RFC 9110 6.4.1, with 1xx, which the shell's client consumes
_PARTIAL: Final = 206
_AS_TEXT: Final = MediaType("text", "plain", "utf-8")
_NEVER_TEXT: Final = frozenset({"image", "audio", "video", "font"})


def is_bodiless(method: str, status: int) -> bool:
    """Whether no client reads a body here, whatever comes."""
    return method == "HEAD" or status in _BODILESS


def framing(endpoint: Endpoint, media: MediaType, status: int) -> Framing | None:
    """How the answer is cut into events, or None where it is one whole."""
    if endpoint.coverage is Coverage.PASS or endpoint.answer_form in (Form.BYTES, Form.LINES):
        return None
    if media.is_event_stream:
        return Framing.SSE
    if media.is_lines:
        return Framing.LINES
    if media.is_amazon_stream and endpoint.coverage is Coverage.DIALECT:
        return Framing.AMAZON
    if endpoint.answer_form is Form.ARRAY and status < 400 and media.is_json:
        return Framing.ARRAY
    return None


def is_read(endpoint: Endpoint, media: MediaType) -> bool:
    """Whether a whole answer is read. A file's content is whatever was uploaded, unless its type says no text."""
    if endpoint.answer_form is Form.LINES and media.type in _NEVER_TEXT:
        return False
    return content.readable(endpoint, endpoint.answer_form, media)


def inspect_answer(gate: Gate, endpoint: Endpoint, media: MediaType, status: int, body: bytes) -> Outcome:
    """Judge a whole, decoded answer. A part of a body (206) may be no document, and an error a proxy's page: both are
    read as text then. What is a document is one to clients too, whatever else is said of it. Raises Malformed."""
    if endpoint.answer_form is Form.MEDIA:
        partial = status == _PARTIAL and (media.is_json or media.is_lines)
        return content.inspect(gate, endpoint, Direction.ANSWER, body, _AS_TEXT if partial else media)
    may_be_text = status == _PARTIAL or (status >= 400 and media.is_text and not media.is_json)
    if may_be_text and not (endpoint.coverage is Coverage.DIALECT and is_json(body, endpoint.answer_form)):
        return _inspect_text(gate, endpoint, body)
    if endpoint.answer_form is Form.NOTE:
        return _inspect_note(gate, endpoint, media, body)
    if endpoint.answer_form is Form.LINES:
        return _inspect_file(gate, endpoint, body)
    if endpoint.answer_form is Form.ARRAY:
        endpoint = replace(endpoint, answer_form=Form.JSON)
    return inspect(gate, endpoint, Direction.ANSWER, body, media)


def _inspect_file(gate: Gate, endpoint: Endpoint, body: bytes) -> Outcome:
    """A file's content: JSON Lines, another JSON, text, or neither, which is named and passes."""
    for form in (Form.LINES, Form.JSON):
        if is_json(body, form):
            return inspect(gate, replace(endpoint, answer_form=form), Direction.ANSWER, body, MediaType())
    try:
        return _inspect_text(gate, endpoint, body)
    except Malformed:
        return unread(body)


def _inspect_note(gate: Gate, endpoint: Endpoint, media: MediaType, body: bytes) -> Outcome:
    """A message, or what HTTP itself says beside the protocol, in JSON ("invalid_token") or in words ("Accepted")."""
    if not media.is_json and not is_json(body):
        return _inspect_text(gate, endpoint, body)
    if body.strip() and not is_message(endpoint, body):
        endpoint = replace(endpoint, dialect=PLAIN)
    return inspect(gate, endpoint, Direction.ANSWER, body, media)


def _inspect_text(gate: Gate, endpoint: Endpoint, body: bytes) -> Outcome:
    as_text = replace(endpoint, coverage=Coverage.TEXT, answer_form=Form.JSON)
    return inspect(gate, as_text, Direction.ANSWER, body, _AS_TEXT)
