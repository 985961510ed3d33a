"""Header fields on their way through: what the upstream must not be offered, and what an edit makes untrue."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from gateway.exchange.events import Headers

# Fields that describe the very bytes of the body: untrue once it was edited (RFC 9110 8.4, 8.8; RFC 9530).
_OF_THE_BYTES: Final = frozenset(
    {
        "content-length",
        "content-encoding",
        "content-md5",
        "digest",
        "content-digest",
        "repr-digest",
        "etag",
        "accept-ranges",
        "content-range",
    }
)


def value(headers: Headers, name: str) -> str | None:
    """The field's value, repeated fields joined as RFC 9110 5.3 allows; None where there is none."""
    values = [content for field, content in headers if field.lower() == name]
    return ", ".join(values) if values else None


def without(headers: Headers, names: Iterable[str]) -> Headers:
    dropped = frozenset(names)
    return tuple(field for field in headers if field[0].lower() not in dropped)


def uncoded(headers: Headers) -> Headers:
    """Ask for an answer without content coding: text that is held back cannot be cut out of a compressed stream."""
    return (*without(headers, ("accept-encoding",)), ("Accept-Encoding", "identity"))


def of_edited(headers: Headers) -> Headers:
    """The fields that still hold once the body was edited."""
    return without(headers, _OF_THE_BYTES)
