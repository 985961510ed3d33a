"""What a JSON Schema says of one place in a value, in all its alternatives: the way in for those who only want hints.

Nothing is validated here. References within the document are followed, alternatives are put side by side, and what
cannot be read says nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from msgspec import Struct

MAX_ALTERNATIVES: Final = 64
"""Schemas that are put side by side for one place: more than tools have, and a bound on references that turn round."""

_BRANCHES: Final = ("anyOf", "oneOf", "allOf")


class Node(Struct, frozen=True):
    """One place: the schemas that may hold for it, and the document that references lead into."""

    schemas: tuple[Mapping[str, Any], ...]
    document: Any

    @property
    def format(self) -> str:
        """The first `format` that is named; empty where there is none."""
        return next((found for schema in self.schemas if isinstance(found := schema.get("format"), str)), "")

    @property
    def choices(self) -> tuple[Any, ...]:
        """What the value may be, where some schema lists it."""
        listed = [one for schema in self.schemas if isinstance(enum := schema.get("enum"), list) for one in enum]
        return (*listed, *(schema["const"] for schema in self.schemas if "const" in schema))

    @property
    def words(self) -> str:
        """Titles and descriptions."""
        texts = (schema.get(key) for schema in self.schemas for key in ("title", "description"))
        return " ".join(text for text in texts if isinstance(text, str))

    @property
    def properties(self) -> tuple[str, ...]:
        """The names of the members that some schema names."""
        tables = (schema.get("properties") for schema in self.schemas)
        return tuple(dict.fromkeys(name for table in tables if isinstance(table, Mapping) for name in table))

    def below(self, step: str | int) -> Node:
        """The place that one step more leads to."""
        found = (child for schema in self.schemas for child in _children(schema, step))
        return _node(found, self.document)


def root(schema: Any) -> Node:
    """The place of the whole value."""
    return _node(iter((schema,)), schema)


def _children(schema: Mapping[str, Any], step: str | int) -> Iterator[Any]:
    if isinstance(step, int):
        listed = schema.get("prefixItems")
        yield listed[step] if isinstance(listed, list) and step < len(listed) else schema.get("items")
        return
    members = schema.get("properties")
    yield members[step] if isinstance(members, Mapping) and step in members else schema.get("additionalProperties")


def _node(schemas: Iterator[Any], document: Any) -> Node:
    waiting, found = list(schemas), list[Mapping[str, Any]]()
    while waiting and len(found) < MAX_ALTERNATIVES:
        schema = waiting.pop(0)
        if isinstance(schema, Mapping):
            found.append(schema)
            waiting += [one for key in _BRANCHES if isinstance(branch := schema.get(key), list) for one in branch]
            waiting += [_referred(document, schema["$ref"])] if "$ref" in schema else []
    return Node(tuple(found), document)


def _referred(document: Any, reference: Any) -> Any:
    """What a reference within the document leads to (RFC 6901, section 6); None for any other."""
    if not isinstance(reference, str) or not reference.startswith("#/"):
        return document if reference == "#" else None
    for step in reference[2:].split("/"):
        name = step.replace("~1", "/").replace("~0", "~")
        document = document.get(name) if isinstance(document, Mapping) else None
    return document
