"""One rule made ready to match: the confirmed hits of a rule in the text of its view."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import Final

import regex  # type: ignore[import-untyped]  # ships no types
from msgspec import Struct

from gateway.detect import pattern as grammar
from gateway.detect.automaton import check_size
from gateway.detect.checks import CHECKS, bits_per_character
from gateway.detect.pattern import PatternError
from gateway.detect.rule import Near, Rule
from gateway.detect.tree import Chars, Node, walk, width
from gateway.detect.trigger import trigger
from gateway.detect.view import VIEWS

TIME_LIMIT: Final = 0.25
"""Seconds that one search may take, besides what the length of the text accounts for. Patterns are bounded, so only a
mistake in a rule, or a machine that stands still, comes near."""
TIME_PER_CHARACTER: Final = 10e-6
"""Seconds more for each character: ten times what the slowest rule of the packs was measured to need."""

STRETCH: Final = 16_384
"""Characters of a text in which one search may start a match: a search keeps all other threads of the process waiting,
16 ms at the slowest. To let them go on meanwhile (`concurrent`) is worse: it waits for its turn again and again,
measured a thousand times as long as it takes, and so runs out of time."""


class Overtime(Exception):
    """A rule could not be applied in time; the caller takes it for a hit."""


class Hit(Struct, frozen=True):
    """A confirmed match, and the part of it that is the finding, in the view's characters."""

    start: int
    end: int
    found: tuple[int, int]


class Matcher:
    """The pattern of a rule, compiled, with its context and checks. Raises `PatternError`."""

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self.source = _source(rule)
        self.node: Node = grammar.parse(self.source)
        check_size(self.node)
        if rule.view == "folded":
            _demand_folded(self.node)
        self._width = width(self.node)[1]
        self._reach = self._width + grammar.MAX_AHEAD + 1
        self._compiled = _compiled(self.source)
        if rule.group is not None and rule.group not in self._compiled.groupindex:
            raise PatternError(f"no group `{rule.group}` in the pattern; write `(?P<{rule.group}>...)`")

    @cached_property
    def trigger(self) -> str:
        """An expression for the pre-filter that hits wherever the rule may.

        Where context is demanded, that is the context: it is rarer than what it makes telling.
        """
        if not self.rule.near:
            return trigger(self.node)
        # Without word borders: what follows the context is the match, whatever letter it starts with.
        return trigger(grammar.parse(f"(?i)(?:{'|'.join(map(grammar.quoted, self._context_words()))})"))

    @cached_property
    def _near(self) -> regex.Pattern[str] | None:
        return regex.compile(f"(?i){_whole_words(self._context_words())}", regex.ASCII) if self.rule.near else None

    def _context_words(self) -> tuple[str, ...]:
        """The words of `near` as the view shows them."""
        words = self.rule.near.words if self.rule.near else ()
        return tuple(VIEWS[self.rule.view].of(word) for word in words)

    def hits(self, text: str, ends: Sequence[int] = ()) -> Iterator[Hit]:
        """The hits in a whole text, from left to right, none inside another. Raises `Overtime`.

        `ends` are all the places, in order, where the trigger's hits end, if they are known.
        """
        limit = TIME_LIMIT + TIME_PER_CHARACTER * len(text)
        resume = 0
        try:
            for first, last in _stretches(self._windows(ends) if ends else ((0, len(text)),)):
                # No match that starts in the window looks further than this.
                stop = last + self._reach
                match = self._compiled.search(text, max(first, resume), stop, concurrent=False, timeout=limit)
                while match is not None and match.start() < last:
                    hit = self._confirmed(match)
                    if hit:
                        yield hit
                    # A candidate that failed its check must not hide another that starts inside it.
                    resume = hit.end if hit else match.start() + 1
                    match = self._compiled.search(text, resume, stop, concurrent=False, timeout=limit)
        except TimeoutError as error:
            raise Overtime from error

    def _windows(self, ends: Sequence[int]) -> Iterator[tuple[int, int]]:
        """Half-open ranges, apart and in order, in one of which each match starts."""
        # Context ends before its match starts, any other trigger lies within the match.
        before, after = (0, self.rule.near.within + 1) if self.rule.near else (self._width, 0)
        first, last = max(0, ends[0] - before), ends[0] + after
        for end in ends:
            if end - before > last:
                yield first, last
                first = end - before
            last = end + after
        yield first, last

    def at(self, text: str, start: int) -> Hit | None:
        """The hit that starts right there. Raises `Overtime`."""
        try:
            match = self._compiled.match(text, start, concurrent=False, timeout=TIME_LIMIT)
            return self._confirmed(match) if match else None
        except TimeoutError as error:
            raise Overtime from error

    def _confirmed(self, match: regex.Match[str]) -> Hit | None:
        if not self._has_context(match):
            return None
        found = match.span(self.rule.group) if self.rule.group else match.span()
        if found[0] == found[1]:  # a group that took no part
            found = match.span()
        value = match.string[found[0] : found[1]]
        if self.rule.check and not CHECKS[self.rule.check](value):
            return None
        if self.rule.entropy is not None and bits_per_character(value) < self.rule.entropy:
            return None
        return Hit(match.start(), match.end(), found)

    def _has_context(self, match: regex.Match[str]) -> bool:
        near = self.rule.near
        if near is None or self._near is None:
            return True
        start = match.start()
        before = max(0, start - near.within)
        return self._near.search(match.string, before, start, concurrent=False, timeout=TIME_LIMIT) is not None


def _stretches(windows: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """The same ranges in pieces of `STRETCH` characters."""
    for first, last in windows:
        for start in range(first, last, STRETCH):
            yield start, min(start + STRETCH, last)


def context(rule: Rule) -> int:
    """How many characters before a match may matter to it."""
    near: Near | None = rule.near
    return max(grammar.MAX_BEHIND, near.within if near else 0) + 1


def _source(rule: Rule) -> str:
    """The one pattern of a rule: its own, or any of its words."""
    sources: list[str] = []
    if rule.pattern is not None:
        flags = grammar.leading_flags(rule.pattern)
        # The line feed ends a comment of the `x` flag, which would swallow the parenthesis.
        feed = "\n" if "x" in flags else ""
        sources.append(f"(?{flags}:{rule.pattern[len(flags) + 3 if flags else 0 :]}{feed})")
    if rule.words:
        sources.append(_whole_words(tuple(VIEWS["folded"].of(word).strip() for word in rule.words)))
    return sources[0] if len(sources) == 1 else f"(?:{'|'.join(sources)})"


def _whole_words(words: tuple[str, ...]) -> str:
    """A pattern for any of some phrases, longest first; where a phrase ends in a letter or digit, a word ends there."""
    return f"(?:{'|'.join(_whole_word(word) for word in sorted(set(words), key=lambda word: (-len(word), word)))})"


def _whole_word(word: str) -> str:
    before = "\\b" if regex.match(r"\w", word, regex.ASCII) else ""
    after = "\\b" if regex.search(r"\w\Z", word, regex.ASCII) else ""
    return before + grammar.quoted(word) + after


def _demand_folded(node: Node) -> None:
    """Refuse a letter that the folded view never holds: the rule would be silent for ever."""
    for part in walk(node):
        if isinstance(part, Chars) and len(part.ranges) == 1 and part.ranges[0][0] == part.ranges[0][1]:
            character = chr(part.ranges[0][0])
            folded = VIEWS["folded"].of(character)
            if folded != character:
                raise PatternError(f"`{character}` does not occur in the folded view; write `{folded}`")


def _compiled(source: str) -> regex.Pattern[str]:
    try:
        return regex.compile(source, regex.ASCII | regex.VERSION0)
    except regex.error as error:  # the grammar admits a little that `regex` does not, such as one name for two groups
        raise PatternError(str(error)) from error
