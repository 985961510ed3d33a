"""How a request finds its dialect: by the upstream's family, the method and the path.

A family is a table of routes, tried in order; each names an endpoint. A path that no route matches gets the family's
fallback, which is a declared coverage too: nothing goes through without one.

Servers take more spellings of a path than one, so a row is looked for under each of them, and the strictest that any
of them finds holds. Only the look-up knows these spellings: what is forwarded is the path as it came.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache

from msgspec import Struct

from gateway.dialect.base import Coverage, Dialect, Fields
from gateway.dialect.meter import Meter
from gateway.dialect.spelling import decoded, normal_form
from gateway.errors import Malformed
from gateway.wire.document import Document, glance

type IsSigned = Callable[[Fields, str], bool]
"""Whether a request with these fields and that query is signed over its bytes."""


def never_signed(_fields: Fields, _query: str) -> bool:
    """For APIs whose clients show a key."""
    return False


class Form(StrEnum):
    """What a body is made of, where the endpoint fixes it beyond its content type."""

    JSON = "json"  # one document
    LINES = "lines"  # JSON Lines: each line a document (batch files and their results)
    ARRAY = "array"  # a JSON array whose items arrive over time (Gemini's stream without alt=sse)
    NOTE = "note"  # one document, or a few words of plain text beside it ("Accepted")
    MULTIPART = "multipart"  # a form whose file part may be JSON Lines (uploads of batch files)
    MEDIA = "media"  # what its content type says: pages, feeds, forms, tables, text, JSON
    BYTES = "bytes"  # audio, images, archives: never read


class Endpoint(Struct, frozen=True):
    """What an endpoint's bodies are. `generates` is whether a request makes a model read it (hierarchy applies).

    `meter` tells what a request costs; None where it costs nothing that is counted in tokens. `doubt` is what the path
    leaves open, if anything.
    """

    dialect: Dialect
    coverage: Coverage
    request_form: Form = Form.JSON
    answer_form: Form = Form.JSON
    generates: bool = False
    meter: Meter | None = None
    doubt: Doubt | None = None

    def told_by(self, body: bytes) -> Endpoint:
        """The endpoint of a request with this decoded body."""
        if self.doubt is None:
            return self
        try:
            return self if self.doubt.holds(glance(body)) else self.doubt.otherwise
        except Malformed:
            return self


class Doubt(Struct, frozen=True):
    """An endpoint that only the bodies of requests tell for sure: those for which `holds` is false have another one.

    Until the body is there, and where it is no JSON, the first one holds; so it is the stricter one.
    """

    holds: Callable[[Document], bool]
    otherwise: Endpoint


@dataclass(frozen=True, slots=True)
class Route:
    """One row: methods (empty: any), a pattern for the whole path (no query), and the endpoint."""

    methods: frozenset[str]
    pattern: re.Pattern[str]
    endpoint: Endpoint

    def takes(self, method: str) -> bool:
        return not self.methods or method in self.methods


@dataclass(frozen=True, slots=True)
class Family:
    """One kind of upstream: its routes, what every other path gets, and which header carries its key.

    `key_header` and `key_prefix` say how an injected key is shown: ("authorization", "Bearer "), ("x-api-key", "").
    `query_keys` are the query parameters in which the API takes a key. `is_signed` tells from its fields and its query
    whether a request is signed over its bytes, so that it can be refused, and not edited.
    """

    name: str
    routes: tuple[Route, ...]
    fallback: Endpoint
    key_header: str
    key_prefix: str = ""
    query_keys: frozenset[str] = frozenset()
    is_signed: IsSigned = never_signed

    def endpoint(self, method: str, path: str) -> Endpoint:
        """The endpoint that a path (no query) leads to, in the strictest reading of how it is spelt."""
        normal = normal_form(path)
        found = self._exact(method, normal)
        if found is not None and found.generates:
            return found
        readings = (found, *(self._loosely(method, spelling) for spelling in (normal, decoded(normal))))
        return max((known for known in readings if known is not None), key=_strictness, default=self.fallback)

    def _exact(self, method: str, path: str) -> Endpoint | None:
        return next((row.endpoint for row in self.routes if row.takes(method) and row.pattern.fullmatch(path)), None)

    def _loosely(self, method: str, path: str) -> Endpoint | None:
        """The endpoint of a path in a server that does not mind the case of letters, if a dialect reads it."""
        for row in self.routes:
            if row.takes(method) and _any_case(row.pattern).fullmatch(path):
                return row.endpoint if _strictness(row.endpoint) > 0 else None
        return None


def _strictness(endpoint: Endpoint) -> int:
    """How much is done with an endpoint's bodies, as far as it matters where a path can be read in two ways."""
    return 2 if endpoint.generates else 1 if endpoint.coverage is Coverage.DIALECT else 0


@cache
def _any_case(pattern: re.Pattern[str]) -> re.Pattern[str]:
    return re.compile(pattern.pattern, pattern.flags | re.IGNORECASE)


def route(methods: str, pattern: str, endpoint: Endpoint, flags: re.RegexFlag = re.NOFLAG) -> Route:
    """A row written shortly: methods separated by blanks (`*` for any), and a regular expression for the path."""
    return Route(frozenset(() if methods == "*" else methods.split()), re.compile(pattern, flags), endpoint)


def family(
    name: str,
    routes: Sequence[Route],
    fallback: Endpoint,
    key_header: str,
    key_prefix: str = "",
    query_keys: frozenset[str] = frozenset(),
    is_signed: IsSigned = never_signed,
) -> Family:
    return Family(name, tuple(routes), fallback, key_header, key_prefix, query_keys, is_signed)
