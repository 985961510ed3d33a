"""One function call of a Gemini answer, put together from the parts that tell of it.

Most calls are one part. Where the model streams its arguments (Vertex AI, `streamFunctionCallArguments`), a call comes
in several: each has pieces of single values under their JSON paths, and a part that does not go on ends it. Source:
`FunctionCall` and `PartialArg` in the REST reference of Vertex AI (v1, 2026-11).
"""

from __future__ import annotations

import re
from typing import Any, Final

import orjson

from gateway.dialect.gemini_grammar import goes_on
from gateway.dialect.proto_json import member, spelt
from gateway.errors import Malformed
from gateway.policy.call import Call
from gateway.segment import Path

_STEP: Final = re.compile(r"""\.([^.\[\]]+)|\[(\d{1,6})\]|\['([^'\\]*)'\]|\["([^"\\]*)"\]""")
"""A step of a JSON path to one place (RFC 9535, 2.3.1 and 2.3.3): a name after a dot, an index, a name in quotes."""

_VALUES: Final = ("numberValue", "boolValue", "nullValue")


class Pieces:
    """The parts of one call, in order."""

    def __init__(self) -> None:
        self._name = ""
        self._id = ""
        self._args: Any = None
        self._pieces: list[Any] = []

    def add(self, call: dict[str, Any]) -> bool:
        """Take one more part. Whether the call is complete with it.

        Raises Malformed where a call changes its name: some clients take the first, and some the last.
        """
        name, identity = call.get("name"), call.get("id")
        if isinstance(name, str) and name:
            if self._name not in ("", name):
                raise Malformed("a call of the stream changes its name")
            self._name = name
        if isinstance(identity, str):
            self._id = self._id or identity
        if call.get("args") is not None:
            self._args = call["args"]
        pieces = member(call, "partialArgs")
        if pieces is not None:
            self._pieces += pieces if isinstance(pieces, list) else [pieces]
        return not goes_on(call)

    def call(self, *, is_complete: bool) -> Call:
        """The call. What cannot be put together, or is not complete, is a text that is not readable."""
        arguments = {} if self._args is None else self._args
        if self._pieces:
            arguments = _assembled(arguments, self._pieces)
        if arguments is None or not is_complete:
            told = [self._args, *self._pieces] if self._args is not None else self._pieces
            return Call(self._name, orjson.dumps(told).decode(), self._id, is_readable=False)
        return Call(self._name, arguments, self._id)


def _assembled(begun: Any, pieces: list[Any]) -> dict[str, Any] | None:
    """The arguments that the pieces make; None where they make none."""
    values: dict[Path, Any] = {}
    for piece in pieces:
        path = _path(member(piece, "jsonPath")) if isinstance(piece, dict) else None
        if path is None:
            return None
        text = member(piece, "stringValue")
        key = next((key for name in _VALUES if (key := spelt(piece, name)) is not None), None)
        if isinstance(text, str):
            before = values.get(path, "")
            if not isinstance(before, str):
                return None
            values[path] = before + text
        elif key is not None:
            values[path] = None if key in ("nullValue", "null_value") else piece[key]
    arguments = dict(begun) if isinstance(begun, dict) else {}
    return arguments if all(_put(arguments, path, value) for path, value in values.items()) else None


def _path(text: Any) -> Path | None:
    if not isinstance(text, str) or not text.startswith("$"):
        return None
    steps: list[str | int] = []
    at = 1
    while at < len(text):
        step = _STEP.match(text, at)
        if step is None:
            return None
        dotted, index, single, double = step.groups()
        steps.append(int(index) if index is not None else next(s for s in (dotted, single, double) if s is not None))
        at = step.end()
    return tuple(steps) if steps and isinstance(steps[0], str) else None


def _put(arguments: dict[str, Any], path: Path, value: Any) -> bool:
    """Put a value where its path leads, with the objects and lists on the way. Whether there was a place for it."""
    at: Any = arguments
    for step, following in zip(path, (*path[1:], None), strict=True):
        is_last = following is None
        empty = value if is_last else ([] if isinstance(following, int) else {})
        if isinstance(step, str) and isinstance(at, dict):
            at[step] = empty if is_last else at.get(step, empty)
        elif isinstance(step, int) and isinstance(at, list) and step <= len(at):
            at[step : step + 1] = [empty if is_last or step == len(at) else at[step]]
        else:
            return False
        at = at[step]
    return True
