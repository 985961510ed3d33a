"""Finds the line of a key in a TOML text, which `tomllib` does not tell.

It reads lines, not TOML: headers and `key =` at the start of a line, outside of multi-line strings. That is right for
tables and keys as people write them; for anything else the nearest table above is named.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

type _Path = tuple[str, ...]

_PART: Final = r"""(?:[A-Za-z0-9_-]+|"[^"\\]*"|'[^']*')"""
_DOTTED: Final = rf"{_PART}(?:\s*\.\s*{_PART})*"
_HEADER: Final = re.compile(rf"\s*\[\[?\s*({_DOTTED})\s*\]")
_KEY: Final = re.compile(rf"\s*({_DOTTED})\s*=")
_FENCE: Final = re.compile("\"\"\"|'''")


def line_of(text: str, path: _Path) -> int | None:
    """The number, from 1, of the line where that key stands, or else the nearest table or key that it is part of.

    A table that is written only by its parts (`[a.b]` for `a`) stands where the first of them does.
    """
    lines: dict[_Path, int] = {}
    for found, number in _places(text):
        lines.setdefault(found, number)
    if path in lines:
        return lines[path]
    below = (number for found, number in lines.items() if found[: len(path)] == path)
    above = (lines[path[:length]] for length in range(len(path) - 1, 0, -1) if path[:length] in lines)
    return next(below, None) or next(above, None)


def _places(text: str) -> Iterator[tuple[_Path, int]]:
    table: _Path = ()
    fence: str | None = None
    for number, line in enumerate(text.split("\n"), start=1):
        if fence is None:
            if header := _HEADER.match(line):
                table = _parts(header[1])
                yield table, number
            elif key := _KEY.match(line):
                yield (*table, *_parts(key[1])), number
        fence = _fence_after(line, fence)


def _parts(dotted: str) -> _Path:
    return tuple(part.strip("\"'") for part in re.findall(_PART, dotted))


def _fence_after(line: str, fence: str | None) -> str | None:
    """The quotes of the multi-line string that is open at the end of the line."""
    for found in _FENCE.findall(line):
        if fence is None:
            fence = found
        elif found == fence:
            fence = None
    return fence
