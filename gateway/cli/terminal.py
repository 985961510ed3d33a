"""Text that others wrote, on a terminal: it can neither paint it, nor end a line, nor pass for a line of ours."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import Final

_BLANK: Final = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
"""Letters that Python takes for printable and nobody sees: Default_Ignorable_Code_Point of Unicode 15 (UAX 44), and the
empty braille pattern."""

_PILE: Final = 3
"""Marks that one letter may bear, as in Vietnamese and Hebrew; more of them run into the lines above and below."""

_MARKS: Final = frozenset({"Mn", "Me"})
_WIDE: Final = frozenset({"W", "F"})
"""Letters that take two columns (UAX 11)."""

_GOES_ON: Final = "\u2506 "
"""What stands before the rest of a line of ours: what a terminal breaks by itself begins like one of its own."""

_NARROWEST: Final = 40
"""Columns below which lines are left to the terminal."""


def plain(text: object) -> str:
    """A text with everything escaped that a terminal would not simply show: controls, line ends, marks of direction,
    what is invisible, and piles of marks."""
    return "".join(_plain(str(text)))


def _plain(text: str) -> Iterator[str]:
    pile = 0
    for letter in text:
        pile = pile + 1 if unicodedata.category(letter) in _MARKS else 0
        is_shown = letter.isprintable() and pile <= _PILE and not _BLANK.match(letter)
        yield letter if is_shown else _escape(letter)


def _escape(letter: str) -> str:
    number = ord(letter)
    if number < 0x100:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def broken(line: str, indent: str, columns: int | None) -> str:
    """A line of plain text as lines of at most so many columns, the later ones behind the indent and a mark; as it is
    where nothing is known of the columns."""
    if columns is None or columns < _NARROWEST:
        return line
    lines, room = [""], columns
    for letter in line:
        width = _width(letter)
        if width > room:
            lines.append("")
            room = columns - len(indent) - len(_GOES_ON)
        lines[-1] += letter
        room -= width
    return f"\n{indent}{_GOES_ON}".join(lines)


def _width(letter: str) -> int:
    if unicodedata.category(letter) in _MARKS:
        return 0
    return 2 if unicodedata.east_asian_width(letter) in _WIDE else 1
