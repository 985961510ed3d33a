"""Rules for APIs with two sides: programs of an agent that speak, and servers or other agents that answer.

What a server says is untrusted data; what a client sends is what a model made of everything it read.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from typing import Any, Final

from msgspec.structs import replace

from gateway.dialect import grammar as g
from gateway.dialect.grammar import Rule, Sink
from gateway.dialect.plain import Voice, is_plain_key
from gateway.segment import Kind, Path, Uninspected

SAID: Final = g.ASSISTANT
"""What a client sends: arguments, answers of its model, what its user put into a form."""

SERVED: Final = g.RESULT_LABEL
"""What a server answers. Nothing is wrapped: these bodies go to a program, and the hierarchy marks them in the chat."""

_ID: Final = re.compile(r"\S{0,256}")
_BASE64: Final = re.compile(r"(?:[A-Za-z0-9+/]{60,}+\r?\n)*+[A-Za-z0-9+/]*+={0,2}\s?")  # lines as in RFC 2045, 6.8
_FEW: Final = 60
_HEAD: Final = 4096  # characters of media that are decoded: headers of images and sounds are no text


def record(table: Mapping[str, Rule], voice: Voice) -> Rule:
    """An object with these members. What else is in it is read as unknown, keys that are no plain names included."""
    read = g.members(table, g.unknown(voice))
    fixed = replace(voice, kind=Kind.OPAQUE, editable=False, wrappable=False)

    def rule(sink: Sink, value: Any, path: Path) -> None:
        read(sink, value, path)
        if isinstance(value, dict):
            odd = (key for key in value if key not in table and not is_plain_key(key))
            sink.segments.extend(fixed.segment((*path, key), key) for key in odd)

    return rule


def listed(item: Rule, voice: Voice) -> Rule:
    return g.each(item, g.unknown(voice))


def mapped(member: Rule, voice: Voice) -> Rule:
    """Names that the sender chose, each with a value."""
    both = g.values(member, g.unknown(voice))
    names = replace(voice, kind=Kind.OPAQUE, editable=False, wrappable=False)

    def rule(sink: Sink, value: Any, path: Path) -> None:
        both(sink, value, path)
        if isinstance(value, dict):
            sink.segments.extend(names.segment((*path, key), key) for key in value if not is_plain_key(key))

    return rule


def ids(voice: Voice, names: str) -> dict[str, Rule]:
    """Ids and cursors, which no model reads, as long as they are none of several words."""
    otherwise = g.unknown(voice)

    def rule(sink: Sink, value: Any, path: Path) -> None:
        if isinstance(value, list | dict) or (isinstance(value, str) and not _ID.fullmatch(value)):
            otherwise(sink, value, path)

    return dict.fromkeys(names.split(), rule)


def media(what: str, voice: Voice) -> Rule:
    """An image or a sound in base64, which is named; what is text all the same is read as well."""
    text = g.unknown(voice)

    def rule(sink: Sink, value: Any, path: Path) -> None:
        if value is not None:
            sink.uninspected.append(Uninspected(what, path))
        if not (isinstance(value, str) and _is_base64_of_bytes(value)):
            text(sink, value, path)

    return rule


def _is_base64_of_bytes(text: str) -> bool:
    """Whether it is base64, in lines or not, of something that begins as no text does. A few words are never that."""
    if len(text) < _FEW or not _BASE64.fullmatch(text):
        return False
    head = "".join(text[:_HEAD].split())
    try:
        base64.b64decode(head[: len(head) // 4 * 4]).decode()
    except UnicodeDecodeError:
        return True
    return False


def words(voice: Voice, names: str) -> dict[str, Rule]:
    """Enumerations, types, dates and versions. A server could write anything there, and a model read it."""
    return g.skipped(names) if voice == SAID else dict.fromkeys(names.split(), g.text(voice))


def numbers(voice: Voice, names: str) -> dict[str, Rule]:
    """Numbers and switches; anything else in their place is read as unknown."""
    otherwise = g.unknown(voice)

    def rule(sink: Sink, value: Any, path: Path) -> None:
        if isinstance(value, str | list | dict):
            otherwise(sink, value, path)

    return dict.fromkeys(names.split(), rule)
