"""Methods that a request asks for beside its own: frameworks take them in place of it, for clients that can only POST.

Ruby on Rails, Symfony, Laravel, Express' method-override and ASP.NET read one or more of these. Fields are compared as
CGI and WSGI hand them on, where `_` is `-`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final
from urllib.parse import parse_qsl

_FIELDS: Final = frozenset({"x-http-method-override", "x-method-override", "x-http-method"})
_PARAMETERS: Final = frozenset({"_method"})


def overrides(fields: Iterable[tuple[str, str]], query: str) -> Iterator[tuple[str, str]]:
    """Where each such method stands, and the method, in upper case as frameworks take it."""
    for name, value in fields:
        if name.lower().replace("_", "-") in _FIELDS:
            yield from ((name, method.strip().upper()) for method in value.split(",") if method.strip())
    for name, value in parse_qsl(query):
        if name.lower() in _PARAMETERS:
            yield f"?{name}", value.strip().upper()
