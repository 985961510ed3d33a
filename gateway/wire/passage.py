"""Passages: a text as its reader sees it, with the way back to where each of its characters stands in the source.

What separates the words of a page in its source (tags, references, percent signs) is not there in the passage, so a
rule sees the sentence. What is then to be replaced goes back piece by piece, and what stands between them stays.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote_plus

from gateway.segment import Span

type Escape = Callable[[str], str]
"""Writes a text so that the reader of the source reads that text."""


@dataclass(frozen=True, slots=True)
class Passage:
    """A text in runs. Run `n` begins at `ats[n]` in the text and comes from `starts[n]` to `ends[n]` in the source.

    A run that is as long in both stands for itself, character by character; of any other, such as a character
    reference, the source is replaced whole or not at all. A run without source is a border that the reader sees, such
    as the one between two paragraphs. Runs in `fixed` are structure, which no edit may touch.

    Where `within` is set, the source is itself the text of that passage: a page in an attribute of a page.
    """

    text: str
    ats: tuple[int, ...]
    starts: tuple[int, ...]
    ends: tuple[int, ...]
    escape: Escape
    fixed: frozenset[int] = frozenset()
    within: Passage | None = None

    def places(self, span: Span) -> list[tuple[int, int]]:
        """Ranges of the outermost source that `span` comes from, in order; those that touch are one."""
        found: list[tuple[int, int]] = []
        for start, end in self._own_places(span):
            inner = [(start, end)] if self.within is None else self.within.places(Span(start, end))
            for first, last in inner:
                if found and found[-1][1] == first:
                    found[-1] = (found[-1][0], last)
                else:
                    found.append((first, last))
        return found

    def may_change(self, span: Span) -> bool:
        """Whether all that `span` comes from may be edited."""
        own = not self.fixed or not any(run in self.fixed for run in self._runs(span))
        return own and (self.within is None or all(self.within.may_change(Span(*at)) for at in self._own_places(span)))

    def written(self, replacement: str) -> str:
        """The replacement as it stands in the outermost source."""
        here = self.escape(replacement)
        return here if self.within is None else self.within.written(here)

    def _runs(self, span: Span) -> range:
        first = bisect_right(self.ats, span.start) - 1
        return range(max(first, 0), bisect_right(self.ats, span.end - 1)) if span.start < span.end else range(0)

    def _own_places(self, span: Span) -> Iterator[tuple[int, int]]:
        for run in self._runs(span):
            at, start, end = self.ats[run], self.starts[run], self.ends[run]
            last = self.ats[run + 1] if run + 1 < len(self.ats) else len(self.text)
            if end - start == last - at:
                yield start + max(0, span.start - at), end - max(0, last - span.end)
            elif end > start:
                yield start, end


class Weaver:
    """Joins a passage out of its runs, from left to right."""

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._ats: list[int] = []
        self._starts: list[int] = []
        self._ends: list[int] = []
        self._fixed: list[int] = []
        self.length = 0
        self.broken = True
        """Whether the text is empty or ends with a border."""

    def add(self, text: str, start: int, end: int, *, fixed: bool = False) -> None:
        """A run. Characters that stand for themselves come as a text as long as their source."""
        if not text:
            return
        if fixed:
            self._fixed.append(len(self._ats))
        self._texts.append(text)
        self._ats.append(self.length)
        self._starts.append(start)
        self._ends.append(end)
        self.length += len(text)
        self.broken = False

    def border(self, at: int) -> None:
        """End a paragraph, unless nothing came since the last one ended."""
        if not self.broken:
            self.add("\n", at, at)
            self.broken = True

    def copy(self) -> Weaver:
        other = Weaver()
        other._texts, other._ats = self._texts.copy(), self._ats.copy()
        other._starts, other._ends = self._starts.copy(), self._ends.copy()
        other._fixed, other.length, other.broken = self._fixed.copy(), self.length, self.broken
        return other

    def passage(self, escape: Escape, within: Passage | None = None) -> Passage:
        return Passage(
            "".join(self._texts),
            tuple(self._ats),
            tuple(self._starts),
            tuple(self._ends),
            escape,
            frozenset(self._fixed),
            within,
        )


def plain(text: str, *, escape: Escape = str, fixed: bool = False) -> Passage:
    """A text that is its own source."""
    return Passage(text, (0,), (0,), (len(text),), escape, frozenset({0}) if fixed else frozenset())


_MARKUP: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;"})
# In a value without quotes these end it, or the tag (HTML, 13.1.2.3).
_BARE: Final = _MARKUP | str.maketrans({one: f"&#{ord(one)};" for one in "\t\n\f\r =`"})


def in_markup(text: str) -> str:
    """For text and quoted values of HTML and XML."""
    return text.translate(_MARKUP)


def in_bare_value(text: str) -> str:
    """For values without quotes, and names, of HTML."""
    return text.translate(_BARE)


def in_script(text: str) -> str:
    """For scripts and style sheets, where no reference is read: nothing that could end the element."""
    return text.replace("<", "\\u003c")


def in_form(text: str) -> str:
    """For a form (application/x-www-form-urlencoded, WHATWG URL, 5.2)."""
    return quote_plus(text)
