"""Says quickly which rules may hit in a text, and where, by one pass of a multi-pattern engine over its UTF-8 form.

The answer is a superset: `regex` confirms it. A rule that the engine refuses is always among the answer.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from typing import Final, Self

try:
    import hyperscan
except ImportError:  # no wheel for this platform: every rule is confirmed, which is slower and finds the same
    AVAILABLE = False
else:
    AVAILABLE = True


_FORM: Final = "all ends"
"""How expressions are compiled, which the engine does not tell; to be changed with the flags."""
MAX_ENDS: Final = 1_024
"""Ends of one expression that are kept; a text with more is hostile, or full of what the rule looks for."""


class Prefilter:
    """Compiled expressions in the syntax of `trigger`; each is named by its index. Needs `AVAILABLE`."""

    def __init__(self, expressions: tuple[str, ...], refused: frozenset[int], database: hyperscan.Database) -> None:
        self.expressions = expressions
        self._refused = refused
        self._anywhere: Mapping[int, Sequence[int]] = dict.fromkeys(refused, ())
        self._database = database
        self._local = threading.local()

    @classmethod
    def compiled(cls, expressions: Sequence[str]) -> Self:
        """Compile, which takes seconds for a hundred expressions."""
        refused: frozenset[int] = frozenset()
        numbered = dict(enumerate(expressions))
        try:
            database = _compiled(numbered)
        except hyperscan.error:
            # The engine does not say which it refused (too large, as a rule), so each is tried by itself.
            refused = frozenset(index for index, expression in numbered.items() if not _accepted(expression))
            database = _compiled({index: numbered[index] for index in numbered.keys() - refused})
        return cls(tuple(expressions), refused, database)

    @classmethod
    def restored(cls, stored: bytes) -> Self | None:
        """What `stored` gave; None where it was compiled in another way, by another version, or for another processor.

        The engine trusts these bytes with its memory: they must come from nobody else.
        """
        head, _, body = stored.partition(b"\n")
        facts = json.loads(head)
        if facts.get("form") != _FORM:
            return None
        try:
            made = cls(
                tuple(facts["expressions"]), frozenset(facts["refused"]), hyperscan.loadb(body, hyperscan.HS_MODE_BLOCK)
            )
            made.may_hit("a processor that lacks something fails here, and not in a request")
        except hyperscan.error:
            return None
        return made

    def stored(self) -> bytes:
        """The compiled form, for `restored` on a machine of the same kind."""
        facts = {"form": _FORM, "expressions": self.expressions, "refused": sorted(self._refused)}
        return json.dumps(facts).encode() + b"\n" + bytes(hyperscan.dumpb(self._database))

    def may_hit(self, text: str) -> Mapping[int, Sequence[int]]:
        """The indices of the expressions that hit, with the code points at which their hits end.

        No ends stand for "anywhere": so it is with too many hits, and where an expression was refused. `text` holds
        no surrogates.
        """
        found: dict[int, list[int]] = {}

        def note(index: int, _start: int, end: int, _flags: int, _context: object) -> None:
            ends = found.get(index)
            if ends is None:
                found[index] = [end]
            elif len(ends) < MAX_ENDS:
                ends.append(end)

        data = text.encode("utf-8")
        self._database.scan(data, match_event_handler=note, scratch=self._scratch())
        if not found:
            return self._anywhere
        told = dict(self._anywhere)
        for index, ends in found.items():
            told[index] = () if len(ends) == MAX_ENDS else _code_points(data, ends, is_ascii=len(data) == len(text))
        return told

    def _scratch(self) -> hyperscan.Scratch:
        """The engine's working memory, one for each thread: two scans in one raise `ScratchInUseError`."""
        scratch: hyperscan.Scratch | None = getattr(self._local, "scratch", None)
        if scratch is None:
            scratch = self._local.scratch = hyperscan.Scratch(self._database)
        return scratch


def _code_points(data: bytes, ends: list[int], *, is_ascii: bool) -> Sequence[int]:
    """Offsets into UTF-8 as offsets into its text, in order; the engine promises none."""
    ends.sort()
    if is_ascii:
        return ends
    at = count = 0
    places: list[int] = []
    for end in ends:
        count += len(data[at:end].decode("utf-8"))
        places.append(count)
        at = end
    return places


_NEVER: Final = "\\x{10ffff}\\x{10fffe}"
"""Keeps an empty database legal: two code points that are not characters."""


def _compiled(numbered: dict[int, str]) -> hyperscan.Database:
    entries = numbered or {0: _NEVER}
    database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    database.compile(
        expressions=[expression.encode("ascii") for expression in entries.values()],
        ids=list(entries),
        elements=len(entries),
        flags=[hyperscan.HS_FLAG_UTF8] * len(entries),
    )
    return database


def _accepted(expression: str) -> bool:
    try:
        _compiled({0: expression})
    except hyperscan.error:
        return False
    return True
