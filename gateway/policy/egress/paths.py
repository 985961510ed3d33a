"""Which paths an entry speaks of: prefixes by whole segments, whatever spelling a request uses.

Servers take more spellings of a path than one, and nobody can know which of them this server takes. So an entry that
allows must hold under every reading of a path, and an entry that denies holds if one reading is enough. A path that
cannot be read is allowed by no prefix and denied by each.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from itertools import product
from typing import Final
from urllib.parse import unquote, unquote_to_bytes

type Steps = tuple[str, ...]
"""A path by its segments, without empty ones."""

_LAYERS: Final = 4
"""How often a path is decoded: more than servers behind one another do. One that still changes cannot be read."""

_ESCAPED_PLAIN: Final = re.compile(r"%(?:2[dDeE]|3[0-9]|[46][1-9a-fA-F]|[57][0-9aA]|5[fF]|7[eE])")
"""Escapes of the unreserved characters, which are those characters to every server (RFC 3986, section 2.3)."""
_BROKEN_ESCAPE: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_WIDE_ESCAPE: Final = re.compile(r"%[uU][0-9A-Fa-f]{4}")  # of IIS alone
_CONTROL: Final = re.compile(r"[\0-\x1f\x7f]")
_PLAIN: Final = re.compile(r"/|(?:/(?!\.{1,2}(?:/|$))[A-Za-z0-9._~@!$'()+,=:&-]+)+/?")
"""Paths that have one reading: no escape, parameter, backslash or blank, no empty or dot segment, ASCII."""


def prefix(text: str) -> Steps:
    """The segments of a prefix in normal form: `/`, or `/a/b`. Raises ValueError with the right spelling."""
    if not text.startswith("/"):
        raise ValueError(f'does not start with a slash; write "/{text}"')
    if "*" in text:
        raise ValueError("has an asterisk; a prefix takes all that is below it; accepted: the path before the asterisk")
    layers = _layers(text)
    plain = written(_resolved(_steps(layers[-1]))) if layers is not None else ""
    if not _PLAIN.fullmatch(plain):
        raise ValueError(
            'has more readings than one; accepted: a path such as "/v1/files", without escapes, blanks, parameters and '
            "letters beyond ASCII: end it before the segment that has them"
        )
    if plain != text:
        raise ValueError(f'is not in normal form; write "{plain}"')
    return _steps(text)


def written(steps: Steps) -> str:
    """The path of these segments."""
    return "/" + "/".join(steps)


def within(path: str, prefixes: tuple[Steps, ...]) -> bool:
    """Whether every reading of the path is at or below one of the prefixes."""
    found = readings(path)
    return found is not None and all(_is_below(steps, prefixes) for steps in found)


def touches(path: str, prefixes: tuple[Steps, ...]) -> bool:
    """Whether some reading of the path is at or below one of the prefixes, in a server that minds no case."""
    found = readings(path)
    folded = tuple(_folded(steps) for steps in prefixes)
    return found is None or any(_is_below(_folded(steps), folded) for steps in found)


def only_reading(path: str) -> Steps | None:
    """The path, if there are no two ways to read it."""
    path = path.partition("?")[0]
    return _steps(path) if _PLAIN.fullmatch(path) else None


def readings(path: str) -> frozenset[Steps] | None:
    """What servers may make of a path, or None where that cannot be told."""
    plain = only_reading(path)
    if plain is not None:
        return frozenset({plain})
    layers = _layers(path.partition("?")[0])
    return frozenset(steps for layer in layers for steps in _spelt(layer)) if layers is not None else None


def _layers(path: str) -> list[str] | None:
    """The path, and what becomes of it each time that it is decoded."""
    if not path.startswith("/") or _BROKEN_ESCAPE.search(path):
        return None
    layers = [_ESCAPED_PLAIN.sub(lambda escape: unquote(escape[0]), path)]
    for _ in range(_LAYERS):
        if _CONTROL.search(layers[-1]) or _WIDE_ESCAPE.search(layers[-1]):
            return None
        try:
            decoded = unquote_to_bytes(layers[-1]).decode()
        except UnicodeError:  # overlong forms of a dot or a slash among them
            return None
        if decoded == layers[-1]:
            return layers
        layers.append(decoded)
    return None


def _spelt(path: str) -> Iterator[Steps]:
    """The path as servers with different habits split it, dot segments taken out or not."""
    habits = product(
        (path, unicodedata.normalize("NFKC", path)),  # best-fit mapping makes a dot of a full-width one
        (_as_it_is, _without_tail),
        (_as_it_is, _with_backslashes),
        (_as_it_is, _without_parameters),
    )
    for text in {parameters(slashes(tail(text))) for text, tail, slashes, parameters in habits}:
        yield _steps(text)
        yield _resolved(_steps(text))
        # An empty segment is one that `..` takes out, where slashes are not merged first.
        yield tuple(step for step in _resolved(tuple(text.split("/")[1:])) if step)


def _as_it_is(path: str) -> str:
    return path


def _without_tail(path: str) -> str:
    """Without a query and a fragment that came in by decoding."""
    return re.split("[?#]", path, maxsplit=1)[0]


def _with_backslashes(path: str) -> str:
    return path.replace("\\", "/")


def _without_parameters(path: str) -> str:
    """Without what follows a semicolon in a segment, and blanks around it."""
    return "/".join(step.partition(";")[0].strip() for step in path.split("/"))


def _steps(path: str) -> Steps:
    return tuple(step for step in path.split("/") if step)


def _resolved(steps: Steps) -> Steps:
    """Without dot segments (RFC 3986, section 5.2.4)."""
    kept: list[str] = []
    for step in steps:
        if step == "..":
            del kept[-1:]
        elif step != ".":
            kept.append(step)
    return tuple(kept)


def _folded(steps: Steps) -> Steps:
    return tuple(step.casefold() for step in steps)


def _is_below(steps: Steps, prefixes: tuple[Steps, ...]) -> bool:
    return any(steps[: len(wanted)] == wanted for wanted in prefixes)
