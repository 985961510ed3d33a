"""Which HTTP requests are calls of a tool: by method, place and path, whose named steps are arguments.

    POST api.example.com/v1/charges          DELETE crm/users/{id}          * *.example.com/admin/**

A place is a host or an upstream of the configuration, with `*` and `?`. Paths are compared in lower case, as some
servers do: a request more is a call rather than a request less.
"""

from __future__ import annotations

import re
from typing import Any, Final

from msgspec import Struct

from gateway.policy.tools.globs import fits

FORM: Final = '"POST api.example.com/v1/charges", "DELETE crm/users/{id}", "* *.example.com/admin/**"'

_PATTERN: Final = re.compile(r"(?P<methods>\*|[A-Z]+(?:\|[A-Z]+)*) +(?P<place>[^\s/]+)(?P<path>/\S*)")
_STEP: Final = re.compile(r"\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)\}|\*\*|[^{}]+")
_ANY: Final = "*"
_REST: Final = "**"


class RequestMatch(Struct, frozen=True):
    """A pattern of requests. `methods` are empty for any; `steps` are texts, `{names}`, `*` and, at the end, `**`."""

    methods: frozenset[str]
    place: str
    steps: tuple[str, ...]

    def arguments(self, methods: frozenset[str], places: frozenset[str], path: str) -> dict[str, Any] | None:
        """The arguments in the path of a request that it means; None for any other.

        `methods` are the request's own and those that it asks for beside it, `places` its upstream and its host, `path`
        is resolved: without escapes, parameters and dot segments.
        """
        if self.methods and methods.isdisjoint(self.methods):
            return None
        if not any(fits(self.place, place.casefold()) for place in places if place):
            return None
        return self._taken([step for step in path.split("/") if step])

    def _taken(self, steps: list[str]) -> dict[str, Any] | None:
        found: dict[str, Any] = {}
        for at, wanted in enumerate(self.steps):
            if wanted == _REST:
                return found
            if at >= len(steps):
                return None
            step = steps[at]
            if wanted.startswith("{"):
                found[wanted[1:-1]] = step
            elif not fits(wanted, step.casefold()):
                return None
        return found if len(steps) == len(self.steps) else None


def request_match(text: str) -> RequestMatch:
    """The pattern of a text. Raises ValueError with the accepted form."""
    parts = _PATTERN.fullmatch(text)
    steps = [step for step in parts["path"].split("/") if step] if parts is not None else []
    is_plain = all(_STEP.fullmatch(step) for step in steps) and _REST not in steps[:-1]
    if parts is None or not is_plain:
        raise ValueError(f"means no request; accepted: {FORM}")
    methods = frozenset() if parts["methods"] == _ANY else frozenset(parts["methods"].split("|"))
    named = tuple(step if step.startswith("{") else step.casefold() for step in steps)
    return RequestMatch(methods, parts["place"].casefold(), named)
