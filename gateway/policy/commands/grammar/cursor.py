"""A place in a shell text, and the bounds that every reading of it is held to."""

from __future__ import annotations

import re
from typing import Final

MAX_TEXT: Final = 64 * 1024
"""Characters of a command that is read, and of all texts inside it that are read as commands in turn. Linux takes no
longer single argument than 128 KiB (`MAX_ARG_STRLEN`)."""
MAX_DEPTH: Final = 20
"""Constructs inside one another, in the text and in texts that it hands on (`sh -c`). Ours is a recursive reading, and
each takes up to 25 frames of the 1,000 that Python has."""


class Unreadable(Exception):
    """The text is no command of the shell, or is beyond the bounds; the message says why, without quoting it."""


class Cursor:
    """A text and how far it has been read. `depth` counts the constructs that are open."""

    def __init__(self, text: str, depth: int = 0) -> None:
        self.text = text
        self.at = 0
        self.depth = depth

    def peek(self, length: int = 1) -> str:
        """The next characters; fewer at the end."""
        return self.text[self.at : self.at + length]

    def take(self, expected: str) -> bool:
        """Whether the text goes on with `expected`, which is then read."""
        if not self.text.startswith(expected, self.at):
            return False
        self.at += len(expected)
        return True

    def match(self, pattern: re.Pattern[str]) -> str:
        """What the pattern matches here, which is then read; empty if it does not."""
        found = pattern.match(self.text, self.at)
        if found is None:
            return ""
        self.at = found.end()
        return found[0]

    @property
    def is_done(self) -> bool:
        return self.at >= len(self.text)

    def nested(self) -> Deeper:
        """One construct deeper, while it is entered. Raises `Unreadable` beyond the bound."""
        return Deeper(self)


class Deeper:
    """What `Cursor.nested` gives."""

    def __init__(self, cursor: Cursor) -> None:
        self._cursor = cursor

    def __enter__(self) -> None:
        if self._cursor.depth >= MAX_DEPTH:
            raise Unreadable(f"it is nested deeper than {MAX_DEPTH} levels")
        self._cursor.depth += 1

    def __exit__(self, *_: object) -> None:
        self._cursor.depth -= 1
