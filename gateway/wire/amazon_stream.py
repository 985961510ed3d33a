"""Streams of messages as Amazon frames them (`application/vnd.amazon.eventstream`): where each ends, and what it is.

A message is an event, an exception that the API knows, or an error that it does not: that one has its words in a header
and no payload, so they are what stands for it. A chunk's payload is what it carries (`amazon_chunk`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, NoReturn

from gateway.errors import Malformed
from gateway.wire.amazon_chunk import CHUNK, carried
from gateway.wire.amazon_message import PRELUDE, Header, headers_of, length_of, payload_of, text_of
from gateway.wire.frame import Frame, Framing

_KIND: Final = ":message-type"
_NAMES: Final[Mapping[str, str]] = {
    "event": ":event-type",
    "exception": ":exception-type",
    "error": ":error-code",
}
"""The header that says which one it is, by the kind of message."""
_WORDS: Final = ":error-message"

_NAME: Final = re.compile(r"[A-Za-z0-9_.#:-]{1,128}")
"""What names of types and codes are made of: nothing that could say something."""


class Messages:
    """The grammar of such a stream."""

    __slots__ = ("_length",)

    def __init__(self) -> None:
        self._length = 0  # of the coming message, once its prelude has come

    def next(self, buffer: bytearray, start: int) -> Frame | None:
        come = len(buffer) - start
        if not self._length and come >= PRELUDE:
            self._length = length_of(bytes(buffer[start : start + PRELUDE]))
        if not self._length or come < self._length:
            return None
        raw = bytes(buffer[start : start + self._length])
        self._length = 0
        return _frame(raw)

    def rest(self, raw: bytes) -> NoReturn:
        """Raises Malformed: clients differ on what to make of a part of a message, and its CRC has not come."""
        raise Malformed(f"the stream ends {len(raw)} bytes into a message")


def _frame(raw: bytes) -> Frame:
    headers = headers_of(raw)
    if any(not name.startswith(":") for name in headers):
        # No event of Bedrock has one (botocore's model of the service), and what it says would be read by nobody here.
        raise Malformed("a message of the stream has a header of its own")
    kind = _said(raw, headers, _KIND)
    if kind not in _NAMES:
        raise Malformed("a message of the stream is of no known kind")
    name = _said(raw, headers, _NAMES[kind])
    start, end = payload_of(raw)
    if kind == "error":
        return _error(raw, headers, is_empty=start == end)
    payload = raw[start:end]
    data = carried(payload) if name == CHUNK else payload
    return Frame(raw, data, name, Framing.AMAZON, at=(start, end))


def _error(raw: bytes, headers: Mapping[str, Header], *, is_empty: bool) -> Frame:
    if not is_empty:
        raise Malformed("an error of the stream has a payload")
    words = headers.get(_WORDS)
    if words is None:
        return Frame(raw, framing=Framing.AMAZON)
    text_of(raw, words)
    return Frame(raw, raw[slice(*words.at)], framing=Framing.AMAZON, at=words.at)


def _said(raw: bytes, headers: Mapping[str, Header], name: str) -> str:
    """The value of a header that must be there, and be a name."""
    header = headers.get(name)
    if header is None:
        raise Malformed(f"a message of the stream has no `{name}`")
    value = text_of(raw, header)
    if not _NAME.fullmatch(value):
        raise Malformed(f"the `{name}` of a message is no name")
    return value
