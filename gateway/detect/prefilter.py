"""Says quickly which rules may hit in a text, by one pass of a multi-pattern engine over its UTF-8 form.

The answer is a superset: `regex` confirms it. A rule that the engine refuses is always among the answer.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Final

try:
    import hyperscan
except ImportError:  # no wheel for this platform: every rule is confirmed, which is slower and finds the same
    AVAILABLE = False
else:
    AVAILABLE = True


class Prefilter:
    """Expressions in the syntax of `trigger`, compiled; each is named by its index. Needs `AVAILABLE`."""

    def __init__(self, expressions: Sequence[str]) -> None:
        self._refused: frozenset[int] = frozenset()
        numbered = dict(enumerate(expressions))
        try:
            self._database = _compiled(numbered)
        except hyperscan.error:
            # The engine does not say which it refused (too large, as a rule), so each is tried by itself.
            self._refused = frozenset(index for index, expression in numbered.items() if not _accepted(expression))
            self._database = _compiled({index: numbered[index] for index in numbered.keys() - self._refused})
        self._local = threading.local()

    def may_hit(self, text: str) -> set[int]:
        """The indices of the expressions that hit, and of those that were refused. `text` holds no surrogates."""
        found = set(self._refused)

        def note(index: int, _start: int, _end: int, _flags: int, _context: object) -> None:
            found.add(index)

        self._database.scan(text.encode("utf-8"), match_event_handler=note, scratch=self._scratch())
        return found

    def _scratch(self) -> hyperscan.Scratch:
        """The engine's working memory, one for each thread: two scans in one raise `ScratchInUseError`."""
        scratch: hyperscan.Scratch | None = getattr(self._local, "scratch", None)
        if scratch is None:
            scratch = self._local.scratch = hyperscan.Scratch(self._database)
        return scratch


_NEVER: Final = "\\x{10ffff}\\x{10fffe}"
"""Keeps an empty database legal: two code points that are not characters."""


def _compiled(numbered: dict[int, str]) -> hyperscan.Database:
    entries = numbered or {0: _NEVER}
    database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    database.compile(
        expressions=[expression.encode("ascii") for expression in entries.values()],
        ids=list(entries),
        elements=len(entries),
        flags=[hyperscan.HS_FLAG_UTF8 | hyperscan.HS_FLAG_SINGLEMATCH] * len(entries),
    )
    return database


def _accepted(expression: str) -> bool:
    try:
        _compiled({0: expression})
    except hyperscan.error:
        return False
    return True
