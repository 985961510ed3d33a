"""JSON Schemas that operators write, checked as they are loaded, and values held to them.

By the `jsonschema` package, with two differences: nothing is fetched for a reference, and patterns have a time limit. A
`format` is a remark, as the specification has it (draft 2020-12, Validation, section 7.2.1).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Final

import jsonschema
import referencing
import referencing.exceptions

from gateway.detect.expression import Expression

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,40}")

type _Errors = Iterator[jsonschema.ValidationError]


@lru_cache(maxsize=256)
def _expression(source: str) -> Expression:
    return Expression(source)


def _pattern(_validator: Any, source: str, instance: Any, _schema: Any) -> _Errors:
    if isinstance(instance, str) and not _expression(source).occurs(instance):
        yield jsonschema.ValidationError("does not match")


def _pattern_properties(validator: Any, patterns: dict[str, Any], instance: Any, _schema: Any) -> _Errors:
    for source, below in patterns.items() if isinstance(instance, dict) else ():
        for key, value in instance.items():
            if _expression(source).occurs(key):
                yield from validator.descend(value, below, path=key, schema_path=source)


_Validator: Final = jsonschema.validators.extend(
    jsonschema.Draft202012Validator, {"pattern": _pattern, "patternProperties": _pattern_properties}
)


class JsonSchema:
    """A schema of draft 2020-12. Raises ValueError for what is none."""

    def __init__(self, document: Any) -> None:
        self.document = document
        for source in _patterns(document):
            _expression(source)
        try:
            jsonschema.Draft202012Validator.check_schema(document)
        except jsonschema.SchemaError as error:
            raise ValueError(f"is no JSON Schema: `{'.'.join(map(str, error.absolute_path))}` is wrong") from None
        self._validator = _Validator(document, registry=referencing.Registry())

    def fault(self, value: Any) -> str | None:
        """What is wrong with a value, or None: the place, and the keyword of the schema that it breaks."""
        try:
            error = jsonschema.exceptions.best_match(self._validator.iter_errors(value))
        except (RecursionError, referencing.exceptions.Unresolvable):
            return "cannot be held to the schema, which refers to what is not there or turns round"
        return f"breaks `{error.validator}` of the schema{_place(error)}" if error is not None else None


def _place(error: jsonschema.ValidationError) -> str:
    """Where in the value, without names that nobody knows to be harmless."""
    steps = [str(step) if isinstance(step, int) or _NAME.fullmatch(step) else "…" for step in error.absolute_path]
    return f" at `{'.'.join(steps)}`" if steps else ""


def _patterns(document: Any) -> Iterator[str]:
    """Every pattern in a schema."""
    if isinstance(document, dict):
        own = document.get("pattern")
        keyed = document.get("patternProperties")
        yield from [own] if isinstance(own, str) else []
        yield from keyed if isinstance(keyed, dict) else ()
    for below in document.values() if isinstance(document, dict) else document if isinstance(document, list) else ():
        yield from _patterns(below)
