"""What Amazon Bedrock's runtime sends, as its documentation has it: binary messages, with headers of any type."""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Mapping
from typing import Any
from uuid import UUID
from zlib import crc32

type Value = bool | int | str | bytes | UUID | tuple[str, int]
"""What a header may say; a number with the name of its type: `("short", 3)`."""

_NUMBERS = {"byte": (2, "!b"), "short": (3, "!h"), "integer": (4, "!i"), "long": (5, "!q"), "timestamp": (8, "!q")}


def header(name: str, value: Value) -> bytes:
    return bytes((len(name.encode()),)) + name.encode() + _written(value)


def _written(value: Value) -> bytes:
    match value:
        case bool():
            return b"\x00" if value else b"\x01"
        case int():
            return _written(("integer", value))
        case (kind, number):
            code, layout = _NUMBERS[kind]
            return bytes((code,)) + struct.pack(layout, number)
        case UUID():
            return b"\x09" + value.bytes
        case str():
            return b"\x07" + struct.pack("!H", len(value.encode())) + value.encode()
        case _:
            return b"\x06" + struct.pack("!H", len(value)) + value


def framed(headers: bytes, payload: bytes) -> bytes:
    prelude = struct.pack("!II", 16 + len(headers) + len(payload), len(headers))
    begun = prelude + struct.pack("!I", crc32(prelude)) + headers + payload
    return begun + struct.pack("!I", crc32(begun))


def message(headers: Mapping[str, Value], payload: bytes = b"") -> bytes:
    return framed(b"".join(header(name, value) for name, value in headers.items()), payload)


def event(name: str, value: Any) -> bytes:
    """An event, in the order of headers in which Bedrock sends them."""
    headers: dict[str, Value] = {
        ":event-type": name,
        ":content-type": "application/json",
        ":message-type": "event",
    }
    return message(headers, json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())


def chunk(value: Any) -> bytes:
    """The event of a model, in a chunk; the padding makes its length say nothing."""
    inner = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    return event("chunk", {"bytes": base64.b64encode(inner).decode(), "p": "abcdefghijk"[: len(inner) % 11]})


def exception(name: str, words: str) -> bytes:
    headers: dict[str, Value] = {
        ":exception-type": name,
        ":content-type": "application/json",
        ":message-type": "exception",
    }
    return message(headers, json.dumps({"message": words}).encode())


def error(code: str, words: str) -> bytes:
    return message({":error-code": code, ":error-message": words, ":message-type": "error"})
