"""URLs that lead to a server through the gateway: what of them says where, and which are read alike by everybody."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlsplit

TARGET: Final = re.compile(r"/[!-\"$-~]*")
"""A request's target as RFC 9112, section 3.2.1 writes it: printable ASCII, no fragment."""

_PORTS: Final = {"http": 80, "https": 443}

# A dot segment in any spelling that some server undoes: escaped once or more, with backslashes, with path parameters.
_SLASH: Final = r"(?:[/\\]|%(?:25)*(?:2f|5c))"
_DOT: Final = r"(?:\.|%(?:25)*2e)"
_DOT_SEGMENT: Final = re.compile(rf"{_SLASH}{_DOT}{{1,2}}(?={_SLASH}|;|%(?:25)*3b|$)", re.IGNORECASE)


def has_dots(path: str) -> bool:
    """Whether a path holds a dot segment, which leads some readers out of what it begins with."""
    return _DOT_SEGMENT.search(path) is not None


def origin(url: str) -> str:
    """Scheme, host and port (RFC 6454, section 4). Raises ValueError."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else host
    port = parts.port
    return f"{parts.scheme}://{host}" + ("" if port in (None, _PORTS.get(parts.scheme)) else f":{port}")


def authority(url: str) -> str:
    """Scheme and authority as they are written in `url`."""
    parts = urlsplit(url)
    return url[: len(parts.scheme) + 3 + len(parts.netloc)]
