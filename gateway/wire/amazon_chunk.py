"""Chunks of Amazon Bedrock: events of its streams that carry the model's own event, base64 in JSON.

    {"bytes": "eyJ0eXBlIjoi…", "p": "abcdef"}

`p` is padding, so that lengths tell nothing. Source: "ResponseStream" and "PayloadPart" in the API reference of Bedrock
Runtime (2026-11).
"""

from __future__ import annotations

import base64
from typing import Any, Final

from gateway.errors import Malformed
from gateway.wire.document import apply, parse

CHUNK: Final = "chunk"
"""The type of such an event."""

_MEMBER: Final = "bytes"
_PADDING: Final = "p"
_EMPTY: Final = b'{"bytes":""}'


def carried(payload: bytes) -> bytes:
    """What the payload of a chunk carries. Raises Malformed for one that holds anything else, or base64 that decoders
    read in different ways (RFC 4648, section 3.3)."""
    value = parse(payload).value
    if not isinstance(value, dict) or not value.keys() <= {_MEMBER, _PADDING}:
        raise Malformed("a chunk of the stream holds more than its bytes")
    return _decoded(value.get(_MEMBER))


def carrying(data: bytes, payload: bytes = _EMPTY) -> bytes:
    """A chunk's payload with `data` in place of what it carries; all else stays."""
    return apply(payload, [parse(payload).replace((_MEMBER,), base64.b64encode(data).decode())])


def _decoded(value: Any) -> bytes:
    if not isinstance(value, str):
        raise Malformed("a chunk of the stream has no bytes")
    try:
        return base64.b64decode(value, validate=True)
    except ValueError:
        raise Malformed("the bytes of a chunk are no base64") from None
