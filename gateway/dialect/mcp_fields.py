"""Header fields of an MCP request that repeat what its body says, so that servers in between can route by them.

Since 2026-07-28 `Mcp-Method` and `Mcp-Name` repeat the method and its target, and `Mcp-Param-NAME` an argument. What is
inspected is the body; so the fields must say the same, or something would go by unseen.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from typing import Any, Final

from gateway.dialect.base import Fields
from gateway.dialect.mcp_grammar import TARGETS
from gateway.errors import ClientError, Code
from gateway.wire.document import Document

METHOD: Final = "mcp-method"
NAME: Final = "mcp-name"
PARAM: Final = "mcp-param-"

_ENCODED: Final = re.compile(r"=\?base64\?(.*)\?=")
_PLAIN: Final = re.compile(r"[\x20-\x7e]*")


def mirrored(headers: Fields, before: Document | None, after: Document | None) -> Fields:
    """The fields as they go on. Raises ClientError where one of them does not repeat the body."""
    found = [name for name, _ in headers if repeats(name.lower())]
    if not found:
        return headers
    if len({name.lower() for name in found}) != len(found):
        raise _mismatch("a field that repeats the body stands twice")
    said = before.value if before is not None else None
    sent = after.value if after is not None else None
    if not isinstance(said, dict) or not isinstance(sent, dict):
        raise _mismatch("there is no message that the fields could repeat")
    return tuple((name, _repeated(name.lower(), value, said, sent)) for name, value in headers)


def repeats(name: str) -> bool:
    """Whether the field with that name (in lower case) repeats something in the body."""
    return name in (METHOD, NAME) or name.startswith(PARAM)


def _repeated(name: str, value: str, said: dict[str, Any], sent: dict[str, Any]) -> str:
    if not repeats(name):
        return value
    text = decoded(value)
    for before, after in zip(_places(name, said), _places(name, sent), strict=True):
        if text is not None and text == before and after is not None:
            return value if after == before else encoded(after)
    raise _mismatch(f"`{name}` does not repeat what the body says")


def _places(name: str, message: dict[str, Any]) -> Iterator[str | None]:
    """What the field may repeat, in an order that edits do not change."""
    params = message.get("params")
    params = params if isinstance(params, dict) else {}
    if name == METHOD:
        yield _scalar(message.get("method"))
    elif name == NAME:
        yield _scalar(params.get(TARGETS.get(str(message.get("method")), "")))
    else:
        yield from _scalars(params.get("arguments"))


def _scalars(value: Any) -> Iterator[str | None]:
    if isinstance(value, dict):
        for member in value.values():
            yield from _scalars(member)
    else:
        yield _scalar(value)


def _scalar(value: Any) -> str | None:
    """A value as a field repeats it (2026-07-28, "Custom Headers"); None for one that it cannot."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, str | int) else None


def decoded(value: str) -> str | None:
    """What a field says: itself, or what it holds in base64. None where that cannot be read in one way."""
    found = _ENCODED.fullmatch(value)
    if found is None:
        return value
    try:
        raw = base64.b64decode(found[1], validate=True)
        return raw.decode() if base64.b64encode(raw).decode() == found[1] else None
    except (binascii.Error, UnicodeDecodeError):
        return None


def encoded(text: str) -> str:
    """A text as a field, in base64 where it would not survive as it is."""
    if _PLAIN.fullmatch(text) and text == text.strip() and not _ENCODED.fullmatch(text):
        return text
    return f"=?base64?{base64.b64encode(text.encode()).decode()}?="


def _mismatch(what: str) -> ClientError:
    return ClientError(f"the header fields and the body disagree: {what}; send them alike", code=Code.MISMATCH)
