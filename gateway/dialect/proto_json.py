"""Proto messages written as JSON: a reader takes each field in camelCase and in the proto's own snake_case.

Source: "ProtoJSON Format" of protobuf.dev. Where both spellings of a field are there, readers differ; so it is refused.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping
from typing import Any

from gateway.dialect import grammar as g
from gateway.dialect.grammar import Rule, Sink
from gateway.errors import Malformed
from gateway.segment import Path


def camel(key: str) -> str:
    """The JSON name of a proto field name (protobuf's ToJsonName)."""
    return re.sub(r"_+(.?)", lambda match: match[1].upper(), key)


def snake(key: str) -> str:
    """The proto field name of a JSON name that `camel` gives."""
    return re.sub(r"[A-Z]", lambda match: "_" + match[0].lower(), key)


def spelt(value: dict[str, Any], name: str) -> str | None:
    """How `value` spells the member `name`; None where it has none. Raises Malformed where it has both spellings."""
    found = [key for key in dict.fromkeys((name, snake(name))) if key in value]
    if len(found) > 1:
        raise Malformed(f"`{name}` is there in both spellings")
    return found[0] if found else None


def member(value: dict[str, Any], name: str) -> Any:
    """The member `name` of `value` in either spelling, or None."""
    key = spelt(value, name)
    return None if key is None else value[key]


def items(value: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    """The items of a repeated field at `path`, with their places; the API takes a single one without its list, too."""
    if isinstance(value, list):
        yield from (((*path, index), item) for index, item in enumerate(value))
    elif value is not None:
        yield path, value


def text_in(value: Any) -> str | None:
    """The text that a `bytes` field holds in base64, of either alphabet, padded or not; None where it holds none."""
    if not isinstance(value, str):
        return None
    written = value.replace("-", "+").replace("_", "/").rstrip("=")
    try:
        return base64.b64decode(written + "=" * (-len(written) % 4), validate=True).decode("utf-8-sig")
    except ValueError:
        return None


def fields(table: Mapping[str, Rule], otherwise: Rule) -> Rule:
    """`members`, for a proto message: either spelling of a field, and Malformed for both at once."""
    wide = {**table, **{snake(key): rule for key, rule in table.items()}}
    known = g.members(wide, otherwise)

    def rule(sink: Sink, value: Any, path: Path) -> None:
        refuse_both_spellings(value)
        known(sink, value, path)

    return rule


def refuse_both_spellings(value: Any) -> None:
    """Raise Malformed for an object that has a field in both."""
    if not isinstance(value, dict) or not any("_" in key for key in value):
        return
    if len({camel(key) for key in value}) < len(value):
        raise Malformed("a field is there in both spellings")
