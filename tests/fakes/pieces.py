"""What the formats share: cutting text into deltas, and writing server-sent events."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

type Json = Mapping[str, object]


def pieces(text: str, step: int) -> Iterator[str]:
    """`text` in pieces of `step` characters."""
    return (text[start : start + step] for start in range(0, len(text), step))


def dumps(value: object) -> bytes:
    """Compact JSON with plain UTF-8, as the providers send it."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def sse(data: bytes | object, event: str | None = None) -> bytes:
    """One server-sent event (WHATWG HTML, 9.2.6); `data` may be JSON or the very bytes."""
    head = b"" if event is None else b"event: " + event.encode() + b"\n"
    return head + b"data: " + (data if isinstance(data, bytes) else dumps(data)) + b"\n\n"


def number(asked: Json, key: str, default: int) -> int:
    """An integer field of a request."""
    value = asked.get(key, default)
    assert isinstance(value, int)
    return value


def text_of(asked: Json, key: str, default: str) -> str:
    """A string field of a request."""
    return str(asked.get(key, default))
