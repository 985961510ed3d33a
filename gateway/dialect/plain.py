"""JSON that no dialect knows: every string in it is a text to inspect.

This is the dialect of plain HTTP tools, and the other dialects use `leaves` for the members and types that they do not
know, so that an API's new feature is read as text and never skipped.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable
from typing import Any, Final, override

from msgspec import Struct

from gateway.dialect import refusals
from gateway.dialect.base import Delta, Dialect, EventReading, Reading, StreamReader
from gateway.errors import Malformed, OverLimit
from gateway.segment import Kind, Path, Place, Role, Segment, Trust, Uninspected
from gateway.verdict import Refusal
from gateway.wire.document import Document, Patch
from gateway.wire.frames import Framing

MOST_TEXTS: Final = 1_000_000
"""Strings in one document: measured, four seconds and half a gigabyte if each has one letter."""

MIN_BINARY: Final = 1024
"""Characters from which a run of base64 letters is looked at as binary data: keys, digests and tokens are shorter."""

_DATA_URI: Final = re.compile(r"data:[\w.+-]+/[\w.+-]+(?:;[\w.+-]+=[\w.+-]+)*;base64,", re.ASCII)
_BASE64: Final = re.compile(r"[A-Za-z0-9+/]++={0,2}+")

# A key that can hold neither a sentence nor a secret: words of ASCII letters, joined as programs join them, each with
# three digits at most behind it (`sha256`, `item_3`), or a short number. Members of structures have such names, and
# reading them all would cost more than the values. Every other key is a text that a model reads as any other.
_WORD: Final = "[A-Za-z]{1,24}+[0-9]{0,3}+"
_PLAIN_KEY: Final = re.compile(
    rf"(?!.{{41}}|.*[A-Z]{{16}})(?:[$@_.-]*+{_WORD}(?:[_.$-]++{_WORD})*+(?:[_.-][0-9]{{1,3}})?_*|[0-9]{{0,8}})",
    re.DOTALL,
)

MIN_NUMBER: Final = 10**8
"""Integers from here on, with nine digits, are read: numbers of cards, accounts, telephones and persons."""


class Voice(Struct, frozen=True):
    """Who speaks in a part of a body, and what may be done to the text: a segment but for its place and text."""

    role: Role
    trust: Trust
    kind: Kind = Kind.TEXT
    editable: bool = True
    wrappable: bool = False

    def segment(self, path: Path, text: str) -> Segment:
        return Segment(Place(path), text, self.role, self.trust, self.kind, self.editable, self.wrappable)


ASKED: Final = Voice(Role.USER, Trust.PRINCIPAL, Kind.OPAQUE)
"""Strings of a request that no dialect knows."""

ANSWERED: Final = Voice(Role.TOOL, Trust.UNTRUSTED, Kind.OPAQUE)
"""Strings of an answer that no dialect knows."""

type Found = Segment | Uninspected
"""What reading a part of a body yields, in document order."""


def leaves(document: Document, root: Path, voice: Voice) -> list[Found]:
    """Every string at or under `root` as a segment, but plain binary data in base64, which is named.

    Keys that can hold a sentence or a secret are segments too, and so are integers from `MIN_NUMBER` on, as decimal
    text. A key has no place of its own, so its segment bears its member's path; no such segment is editable: what is
    found in a key or a number is refused, not rewritten.

    Raises OverLimit for more than MOST_TEXTS.
    """
    found: list[Found] = []
    _collect(document.get(*root), root, voice, found)
    return found


def _collect(value: Any, path: Path, voice: Voice, found: list[Found]) -> None:
    if len(found) >= MOST_TEXTS:
        raise OverLimit(f"the JSON has more than {MOST_TEXTS} texts")
    if isinstance(value, str):
        found.append(Uninspected("binary_string", path) if is_binary(value) else voice.segment(path, value))
    elif isinstance(value, dict):
        for key, member in value.items():
            if not is_plain_key(key):
                found.append(_fixed((*path, key), key, voice))
            _collect(member, (*path, key), voice, found)
    elif isinstance(value, list):
        for index, member in enumerate(value):
            _collect(member, (*path, index), voice, found)
    elif isinstance(value, int) and abs(value) >= MIN_NUMBER:
        found.append(_fixed(path, str(value), voice))


def is_plain_key(key: str) -> bool:
    """Whether a key is a name, as members of structures have, and so needs no reading."""
    return _PLAIN_KEY.fullmatch(key) is not None


def _fixed(path: Path, text: str, voice: Voice) -> Segment:
    return Segment(Place(path), text, voice.role, voice.trust, voice.kind, editable=False)


def is_binary(text: str) -> bool:
    """Whether `text` is nothing but a kilobyte or more of base64 (RFC 4648, section 4) that does not decode to text."""
    if len(text) <= MIN_BINARY:
        return False
    prefix = _DATA_URI.match(text)
    payload = text[prefix.end() :] if prefix else text
    if not _BASE64.fullmatch(payload):
        return False
    try:
        base64.b64decode(payload, validate=True).decode()
    except UnicodeDecodeError:
        return True
    except binascii.Error:
        return False
    return False


def reading(found: Iterable[Found], model: Any = None, streaming: Any = False) -> Reading:
    """A reading of what was found. `model` and `streaming` are the body's values, of whatever JSON type."""
    segments: list[Segment] = []
    uninspected: list[Uninspected] = []
    for part in found:
        if isinstance(part, Segment):
            segments.append(part)
        else:
            uninspected.append(part)
    name = model if isinstance(model, str) else None
    return Reading(tuple(segments), tuple(uninspected), name, streaming is True)


def whole(segment: Segment) -> Delta:
    """A text that stands complete in one event of a stream; its channel is its place."""
    return Delta(
        channel=segment.place,
        place=segment.place,
        text=segment.text,
        kind=segment.kind,
        role=segment.role,
        trust=segment.trust,
        editable=segment.editable,
        whole=True,
    )


def wholes(found: Iterable[Found]) -> EventReading:
    """An event all of whose texts stand complete in it."""
    read = reading(found)
    return EventReading(tuple(whole(segment) for segment in read.segments), uninspected=read.uninspected)


class PlainStream(StreamReader):
    """Events that no dialect knows: each string is judged alone, and the stream is named as not joined.

    To join what may be pieces of a text would mean to hold it to the stream's end, as nothing tells where a text ends.
    """

    @override
    def read(self, event: str | None, document: Document | None, data: bytes) -> EventReading:
        """Texts of one event. A payload that is not JSON is one text, which cannot be edited."""
        if document is not None:
            found = leaves(document, (), ANSWERED)
            return wholes([*found, Uninspected("unjoined_stream")] if found else found)
        try:
            text = data.decode()
        except UnicodeDecodeError:
            raise Malformed("an event of the stream is not UTF-8") from None
        return wholes([Segment(Place(()), text, Role.TOOL, Trust.UNTRUSTED, Kind.OPAQUE, editable=False)])

    @override
    def sent(self, event: str | None, document: Document | None, data: bytes) -> None:
        """Nothing to remember: there is no known way to end such a stream."""

    @override
    def ending(self, refusal: Refusal) -> bytes:
        """No bytes. An unknown stream has no known ending, so after a cut the exchange resets the connection."""
        return b""


class Plain(Dialect):
    """The dialect of JSON without a known meaning. `shape` is that of the API it belongs to, for its error bodies."""

    name = "plain"

    def __init__(self, shape: refusals.Shape) -> None:
        self._shape = shape

    @override
    def request(self, document: Document, *, apart: bool = False) -> Reading:
        return reading(leaves(document, (), ASKED))

    @override
    def answer(self, document: Document) -> Reading:
        return reading(leaves(document, (), ANSWERED))

    @override
    def stream(self, framing: Framing) -> PlainStream:
        return PlainStream()

    @override
    def instruct(self, document: Document, rules: str) -> tuple[Patch, ...]:
        """No patches: an unknown body has no known place for instructions."""
        return ()

    @override
    def after_edit(self, document: Document, path: Path) -> tuple[Patch, ...]:
        return ()

    @override
    def refusal(self, refusal: Refusal) -> bytes:
        return refusals.body(self._shape, refusal)


PLAIN: Final = Plain(refusals.Shape.PLAIN)
