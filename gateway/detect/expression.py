"""A regular expression that an operator wrote for a whole value, held to a time limit.

Unlike a rule's (`pattern`) it may be any that `regex` takes: it is asked of one value at a time, never of a stream.
"""

from __future__ import annotations

from typing import Final

import regex  # type: ignore[import-untyped]  # ships no types

TIME_LIMIT: Final = 0.1
"""Seconds for one value: ten thousand times what a sensible expression takes for a value of an ordinary length."""


class Expression:
    """A compiled expression. Raises ValueError for what is none."""

    def __init__(self, source: str) -> None:
        self.source = source
        try:
            self._compiled = regex.compile(source, regex.VERSION0)
        except regex.error as error:
            raise ValueError(f"is no regular expression: {error}") from None

    def fits(self, text: str) -> bool:
        """Whether the whole text is one of those meant; false too where that cannot be told in time."""
        return self._within_time(self._compiled.fullmatch, text)

    def occurs(self, text: str) -> bool:
        """Whether some part of the text is; false too where that cannot be told in time."""
        return self._within_time(self._compiled.search, text)

    def _within_time(self, ask: object, text: str) -> bool:
        try:
            return ask(text, concurrent=False, timeout=TIME_LIMIT) is not None  # type: ignore[operator]
        except TimeoutError:
            return False
