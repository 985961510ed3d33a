"""Patterns of paths: `*` and `?` within a step, `**` for any number of steps; all below what is named is meant too.

`/dir`, `/dir/*` and `/dir/**` cover the folder and its subtree, which is what people mean who write any of them in a
list of what is denied. A path may hold wildcards itself, for tools that expand them: then a pattern that denies is
about it if one expansion is enough, and a pattern that allows only if every expansion is covered.
"""

from __future__ import annotations

import unicodedata
from functools import cache
from typing import Final

from msgspec import Struct

type Steps = tuple[str, ...]
"""A path by its steps. The first is where it starts: `/`, a drive such as `c:`, a share such as `//server`, `~` for a
home folder, or nothing where that is not known."""

ANY_DEPTH: Final = "**"
_WILD: Final = frozenset("*?")


class Glob(Struct, frozen=True):
    """A pattern: as it was written, and its steps, in several alternatives where it speaks of a home folder."""

    text: str
    steps: tuple[Steps, ...]

    def covers(self, path: Steps, is_folded: bool) -> bool:
        """Whether whatever the path may expand to is at or below what is named. Home folders are meant by `~` alone."""
        return _meets(_as(self.steps[0], is_folded), _as(path, is_folded), is_sure=True)

    def touches(self, path: Steps) -> bool:
        """Whether something that the path may expand to is at or below what is named, in any case of letters."""
        folded = _as(path, is_folded=True)
        return any(_meets(_as(steps, is_folded=True), folded, is_sure=False) for steps in self.steps)


def folded(text: str) -> str:
    """As names are compared where case does not matter."""
    return unicodedata.normalize("NFKC", text).casefold()


def fits(pattern: str, text: str) -> bool:
    """Whether a whole text is one of those that a pattern with `*` and `?` means; wildcards in the text are letters."""
    at = place = 0
    star, resume = -1, 0
    while place < len(text):
        if at < len(pattern) and pattern[at] == "*":
            star, resume, at = at, place, at + 1
        elif at < len(pattern) and pattern[at] in {"?", text[place]}:
            at, place = at + 1, place + 1
        elif star >= 0:
            at, place, resume = star + 1, resume + 1, resume + 1
        else:
            return False
    return set(pattern[at:]) <= {"*"}


def _as(steps: Steps, is_folded: bool) -> Steps:
    return tuple(map(folded, steps)) if is_folded else steps


def _meets(pattern: Steps, path: Steps, *, is_sure: bool) -> bool:
    """Whether the pattern names the path or a folder above it."""

    @cache
    def meets(at: int, place: int) -> bool:
        if at == len(pattern):
            return True
        if pattern[at] == ANY_DEPTH:
            return meets(at + 1, place) or (place < len(path) and meets(at, place + 1))
        if place == len(path):
            return False
        if path[place] == ANY_DEPTH:
            return not is_sure and (meets(at, place + 1) or meets(at + 1, place))
        return _step(pattern[at], path[place], is_sure) and meets(at + 1, place + 1)

    return meets(0, 0)


def _step(pattern: str, step: str, is_sure: bool) -> bool:
    if pattern in {"*", step}:
        return True
    if is_sure and not _WILD.isdisjoint(step):
        return False
    return _overlap(pattern, step)


def _overlap(one: str, other: str) -> bool:
    """Whether some text fits both patterns. In rows, so that no pattern takes more than their product in time."""
    row = [True, *(False for _ in other)]
    for place, letter in enumerate(other):
        row[place + 1] = row[place] and letter == "*"
    for mine in one:
        above, row = row, [row[0] and mine == "*"]
        for place, theirs in enumerate(other):
            if "*" in (mine, theirs):
                row.append(above[place + 1] or row[place])
            else:
                row.append(above[place] and (mine == theirs or "?" in (mine, theirs)))
    return row[-1]
