"""Patterns of paths: `*` and `?` within a step, `**` for any number of steps; all below what is named is meant too.

`/dir`, `/dir/*` and `/dir/**` cover the folder and its subtree, which is what people mean who write any of them in a
list of what is denied. A path may hold wildcards itself, for tools that expand them: then a pattern that denies is
about it if one expansion is enough, and a pattern that allows only if every expansion is covered.
"""

from __future__ import annotations

import unicodedata
from functools import cache, partial
from typing import Final

from msgspec import Struct

type Steps = tuple[str, ...]
"""A path by its steps. The first is where it starts: `/`, a drive such as `c:`, a share such as `//server`, `~` for a
home folder, or nothing where that is not known."""

ANY_DEPTH: Final = "**"
ANY_NAME: Final = "?*"
"""A step of which only that it is there is known, a leading dot included."""
_WILD: Final = frozenset("*?")


class Glob(Struct, frozen=True):
    """A pattern: as it was written, its steps, and these as they are compared where case does not matter; in several
    alternatives where it speaks of a home folder, the first of which is `~`."""

    text: str
    steps: tuple[Steps, ...]
    folded: tuple[Steps, ...]

    def covers(self, path: Steps) -> bool:
        """Whether whatever the path may expand to is at or below what is named. Home folders are meant by `~` alone."""
        return _meets(self.steps[0], path, is_sure=True)

    def covers_folded(self, path: Steps) -> bool:
        """Likewise, case aside; the path is to be folded."""
        return _meets(self.folded[0], path, is_sure=True)

    def touches(self, path: Steps) -> bool:
        """Whether something that the path may expand to is at or below what is named, in any case of letters; the path
        is to be folded."""
        return any(_meets(steps, path, is_sure=False) for steps in self.folded)


def folded_steps(steps: Steps) -> Steps:
    """A path as it is compared where case does not matter."""
    return tuple(map(folded, steps))


def folded(text: str) -> str:
    """As names are compared where case does not matter."""
    return unicodedata.normalize("NFKC", text).casefold()


def fits(pattern: str, text: str) -> bool:
    """Whether a whole text is one of those that a pattern with `*` and `?` means; wildcards in the text are letters."""
    if _WILD.isdisjoint(pattern):
        return pattern == text
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


def _meets(pattern: Steps, path: Steps, *, is_sure: bool) -> bool:
    """Whether the pattern names the path or a folder above it."""
    if ANY_DEPTH not in path and ANY_DEPTH not in pattern[1:]:  # as nearly all are
        rest = pattern[pattern[:1] == (ANY_DEPTH,) :]
        starts = range(len(path) - len(rest) + 1) if rest is not pattern else range(len(path) >= len(rest))
        return any(all(map(partial(_step, is_sure), rest, path[start:])) for start in starts)

    @cache
    def meets(at: int, place: int, *, is_within: bool = False) -> bool:
        if at == len(pattern):
            # What `**` of the path stands for may be what is named; but then not with more of the path below it.
            return not is_within or place + 1 == len(path)
        if pattern[at] == ANY_DEPTH:
            return meets(at + 1, place) or (place < len(path) and meets(at, place + 1))
        if place == len(path):
            return False
        if path[place] == ANY_DEPTH:
            return not is_sure and (meets(at, place + 1) or meets(at + 1, place, is_within=True))
        return _step(is_sure, pattern[at], path[place]) and meets(at + 1, place + 1)

    return meets(0, 0)


def _step(is_sure: bool, pattern: str, step: str) -> bool:
    if pattern in ("*", step):
        return True
    if _WILD.isdisjoint(step):
        return not _WILD.isdisjoint(pattern) and fits(pattern, step)
    # A wildcard at the start of a step stands for no dot there (glob(7)).
    is_hidden = pattern[:1] == "." and step[:1] in {"*", "?"} and step != ANY_NAME
    return not is_sure and not is_hidden and _overlap(pattern, step)


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
