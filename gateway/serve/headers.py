"""Which header fields go on to the other side: all but those of one connection, and the gateway's own."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from gateway.exchange.events import Headers

OWN_PREFIX: Final = b"x-lockgate-"
"""Fields that only the gateway may set: a client's or an upstream's would be taken for ours."""

SESSION: Final = b"x-lockgate-session"
"""The field in which a client may say what it calls its conversation; it ends here, as all of that prefix do."""

_CONNECTION: Final = b"connection"

# RFC 9110, section 7.6.1, and the credentials of proxies (11.7), which end here. `Host` names this gateway, not the
# upstream; a `100 Continue` is between the client and us, and we read the body as soon as it is wanted; the client
# library drops trailers, so none may be announced.
_HOP_BY_HOP: Final = frozenset(
    {
        _CONNECTION,
        b"expect",
        b"host",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)


def end_to_end(raw: Iterable[tuple[bytes, bytes]]) -> Headers:
    """The fields to pass on, in order, spelled and repeated as they came.

    Fields that `Connection` names are dropped (RFC 9110, section 7.6.1); `Content-Length` stays.
    """
    kept: list[tuple[str, str]] = []
    named: set[str] = set()
    for name, value in raw:
        passed = _passed(name) if len(name) <= _LONGEST else _read(name)
        if passed is not None:
            kept.append((passed, _text(value)))
        elif name.lower() == _CONNECTION:
            named.update(_text(token.strip().lower()) for token in value.split(b","))
    named -= {"close", "keep-alive"}
    return tuple(field for field in kept if field[0].lower() not in named) if named else tuple(kept)


def _read(name: bytes) -> str | None:
    """The name of a field that is passed on; None for one that is not."""
    lower = name.lower()
    return None if lower in _HOP_BY_HOP or lower.startswith(OWN_PREFIX) else _text(name)


_LONGEST: Final = 64
"""Bytes of a name up to which it is remembered: clients and servers use few names, and those are short."""

_passed: Final = lru_cache(maxsize=1024)(_read)


def session_of(raw: Iterable[tuple[bytes, bytes]]) -> str:
    """What a client calls its conversation; empty where it does not say. Several fields are one name."""
    return ", ".join(_text(value) for name, value in raw if name.lower() == SESSION)


def first(headers: Headers, name: str) -> str | None:
    """The first value of the field `name` (in lower case), or None."""
    return next((value for key, value in headers if key.lower() == name), None)


def without(headers: Headers, name: str) -> Headers:
    """`headers` without the field `name` (in lower case)."""
    return tuple(field for field in headers if field[0].lower() != name)


def _text(raw: bytes) -> str:
    """Field bytes as text. Fields are ASCII by rule and UTF-8 or Latin-1 in the wild (RFC 9110, section 5.5)."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")
