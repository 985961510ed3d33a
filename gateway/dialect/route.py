"""How a request finds its dialect: by the upstream's family, the method and the path.

A family is a table of routes, tried in order; each names an endpoint. A path that no route matches gets the family's
fallback, which is a declared coverage too: nothing goes through without one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from gateway.dialect.base import Coverage, Dialect


class Form(StrEnum):
    """What a body is made of, where the endpoint fixes it beyond its content type."""

    JSON = "json"  # one document
    LINES = "lines"  # JSON Lines: each line a document (batch files and their results)
    ARRAY = "array"  # a JSON array whose items arrive over time (Gemini's stream without alt=sse)
    MULTIPART = "multipart"  # a form whose file part may be JSON Lines (uploads of batch files)
    BYTES = "bytes"  # audio, images, archives: never read


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What an endpoint's bodies are. `generates` is whether a request makes a model read it (hierarchy applies)."""

    dialect: Dialect
    coverage: Coverage
    request_form: Form = Form.JSON
    answer_form: Form = Form.JSON
    generates: bool = False


@dataclass(frozen=True, slots=True)
class Route:
    """One row: methods (empty: any), a pattern for the whole path (no query), and the endpoint."""

    methods: frozenset[str]
    pattern: re.Pattern[str]
    endpoint: Endpoint


@dataclass(frozen=True, slots=True)
class Family:
    """One kind of upstream: its routes, what every other path gets, and which header carries its key.

    `key_header` and `key_prefix` say how an injected key is shown: ("authorization", "Bearer "), ("x-api-key", "").
    """

    name: str
    routes: tuple[Route, ...]
    fallback: Endpoint
    key_header: str
    key_prefix: str = ""

    def endpoint(self, method: str, path: str) -> Endpoint:
        for route in self.routes:
            if (not route.methods or method in route.methods) and route.pattern.fullmatch(path):
                return route.endpoint
        return self.fallback


def route(methods: str, pattern: str, endpoint: Endpoint) -> Route:
    """A row written shortly: methods separated by blanks (`*` for any), and a regular expression for the path."""
    return Route(frozenset(() if methods == "*" else methods.split()), re.compile(pattern), endpoint)


def family(name: str, routes: Sequence[Route], fallback: Endpoint, key_header: str, key_prefix: str = "") -> Family:
    return Family(name, tuple(routes), fallback, key_header, key_prefix)
