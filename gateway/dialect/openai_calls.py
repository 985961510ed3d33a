"""Calls of tools as the OpenAI APIs write them: arguments that are JSON within a string, and free text."""

from __future__ import annotations

from typing import Any

import orjson

from gateway.errors import Malformed
from gateway.policy.call import Call, Change
from gateway.segment import Path
from gateway.wire.document import Document, Patch, parse


def function_call(name: Any, arguments: Any, identity: Any = None) -> Call:
    """A call whose arguments should be JSON in a string. None at all, as some models write it, is an empty object.

    Servers that put the object itself there are taken at their word: so are they by their clients.
    """
    value, is_readable = _decoded(arguments) if isinstance(arguments, str) else (arguments, True)
    return Call(text_of(name), {} if value is None else value, text_of(identity), is_readable=is_readable)


def custom_call(name: Any, given: Any, identity: Any = None) -> Call:
    """A call with free text."""
    return Call(text_of(name), "" if given is None else given, text_of(identity))


def strange_call(item: Any) -> Call:
    """A call of a form that is not known: nothing in it can be judged."""
    held = item if isinstance(item, dict) else {}
    name = text_of(held.get("name")) or text_of(held.get("type"))
    return Call(name, item, text_of(held.get("id")), is_readable=False)


def _decoded(arguments: str) -> tuple[Any, bool]:
    """The JSON in a string and true, or the string and false: also where two parsers could read it differently."""
    if not arguments.strip():
        return {}, True
    try:
        return parse(arguments.encode()).value, True
    except Malformed:
        return arguments, False


def written(change: Change, *, is_free: bool) -> str:
    """The arguments of a change as a string: JSON, or the text itself where the tool takes free text."""
    if is_free and isinstance(change.arguments, str):
        return change.arguments
    return orjson.dumps(change.arguments).decode()


def put(document: Document, above: Path, member: str, value: Any) -> Patch:
    """The patch that sets a member, whether or not it is there."""
    if member in document.get(*above):
        return document.replace((*above, member), value)
    return document.append_member(above, member, value)


def text_of(value: Any) -> str:
    return value if isinstance(value, str) else ""
