"""Finds in a text that arrives in pieces what a scan of the whole would find, and says what may be let go meanwhile.

Each view is a lane, and `text` has a second one from the first backslash on, where its escapes are undone. The
automaton walks from one start at a time; while it lives, text from that start on is held. When it dies, the rules that
it named are tried at that start, for good: nothing that comes can change them. So starts are decided from left to
right, exactly as a search over the whole text would meet them.
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from gateway.detect.automaton import Automaton
from gateway.detect.matcher import Matcher, Overtime, context
from gateway.detect.overlap import Overlaps, is_failure
from gateway.detect.view import UNESCAPED, VIEWS, Growing, Piece, View, scrubbed
from gateway.segment import Span
from gateway.verdict import Finding

if TYPE_CHECKING:
    from gateway.detect.ruleset import RuleSet

_SLACK: Final = 2_048
"""Characters that may pile up before the context before them is cut off; cutting costs a copy."""


_STEPS_PER_CHARACTER: Final = 32
"""Steps of the machine that a stream may take for each of its characters. Prose takes two, columns of single digits
about twenty; only text made for it, such as the first line of a key over and over, takes more."""
_STEPS_MORE: Final = 500_000
"""Steps that it may take besides: a hundred of the longest matches. Past that it would hold up all other streams."""


@dataclass(frozen=True, slots=True)
class Lane:
    """The rules of one view that are in scope, and their machine; shared by all streams of a scope."""

    view: View
    matchers: tuple[Matcher, ...]
    automaton: Automaton
    is_held: bool = True  # whether text waits until these rules are decided

    def context(self) -> int:
        return max(context(matcher.rule) for matcher in self.matchers)


class GrowingText:
    """One text that grows. Findings come once, when final, with spans from the text's start."""

    def __init__(self, ruleset: RuleSet, lanes: tuple[Lane, ...]) -> None:
        self._runs = tuple(
            _Twin(ruleset, lane) if lane.view is VIEWS["text"] else _Run(ruleset, lane) for lane in lanes
        )
        self._held = tuple(run for run, lane in zip(self._runs, lanes, strict=True) if lane.is_held)
        self._length = 0

    @property
    def decided(self) -> int:
        """Code points from the start: nothing that starts before can still become part of a match that matters."""
        return min((run.decided for run in self._held), default=self._length)

    def feed(self, text: str) -> tuple[Finding, ...]:
        """The findings that became final with this piece."""
        self._length += len(text)
        text = scrubbed(text)
        return tuple(finding for run in self._runs for finding in run.feed(text))

    def finish(self) -> tuple[Finding, ...]:
        """The findings that were still open. After that nothing may be fed."""
        return tuple(finding for run in self._runs for finding in run.finish())


class _Run:
    """One lane of one text."""

    def __init__(self, ruleset: RuleSet, lane: Lane) -> None:
        self._ruleset = ruleset
        self._matchers = lane.matchers
        self._automaton = lane.automaton
        self._context = lane.context()
        self._view: Growing = lane.view.growing()
        self._read = 0  # code points of the text fed
        self._text = ""  # characters of the view: context, then those that are not decided
        self._starts: list[int] = []  # where the origin of each starts in the text
        self._ends: list[int] = []
        self._kinds: list[int] = []  # the automaton's number of each
        self._start = 0  # the first character that is not decided
        self._at = 0  # how far the machine has walked from there
        self._state = self._automaton.start(None)
        self._named: set[int] = set()  # rules that may have matched from there
        self._resume: dict[int, int] = {}  # rule -> where its last hit ended; its next may not start before
        self._failed: set[int] = set()
        self._steps = _STEPS_MORE  # that may still be taken
        self._given_up = False

    def unescaped(self) -> _Run:
        """A run that goes on from here with escapes undone; so far the text must have been without."""
        run = copy(self)
        run._view = UNESCAPED.growing(self._read)
        run._starts, run._ends, run._kinds = self._starts[:], self._ends[:], self._kinds[:]
        run._named, run._resume, run._failed = set(self._named), dict(self._resume), set(self._failed)
        return run

    @property
    def decided(self) -> int:
        if self._given_up:
            return self._read
        if self._start < len(self._text):
            return self._starts[self._start]
        return self._read - self._view.held

    def feed(self, text: str) -> list[Finding]:
        self._read += len(text)
        if self._given_up:
            return []
        self._steps += _STEPS_PER_CHARACTER * len(text)
        self._take(self._view.feed(text))
        return self._walk()

    def finish(self) -> list[Finding]:
        if self._given_up:
            return []
        self._take(self._view.finish())
        findings = self._walk()
        # The text ends here: what is open is as decided as it will ever be.
        while self._start < len(self._text) and not self._given_up:
            findings.extend(self._settled(self._start))
            self._start += 1
            self._at = self._start
            self._state = self._automaton.start(self._kinds[self._start - 1])
            findings.extend(self._walk())
        return findings

    def _take(self, piece: Piece) -> None:
        text, starts, ends = piece
        if self._start > self._context + _SLACK:
            self._trim(self._start - self._context)
        self._text += text
        self._starts.extend(starts)
        self._ends.extend(ends)
        self._kinds.extend(map(self._automaton.kinds.__getitem__, text))

    def _trim(self, count: int) -> None:
        """Drop the first characters, which no match or context can reach any more."""
        self._text = self._text[count:]
        del self._starts[:count], self._ends[:count], self._kinds[:count]
        self._start -= count
        self._at -= count
        self._resume = {rule: end - count for rule, end in self._resume.items() if end > count}

    def _walk(self) -> list[Finding]:
        """Go on until the end of what there is; the start then stands where the machine still lives."""
        findings: list[Finding] = []
        automaton, kinds, end = self._automaton, self._kinds, len(self._text)
        start, at, state = self._start, self._at, self._state
        while start < end:
            begun = at
            while at < end and state.items:
                kind = kinds[at]
                state = state.nexts.get(kind) or automaton.step(state, kind)
                at += 1
                if state.accepted:
                    self._named.update(state.accepted)
            self._steps -= at - begun
            if self._steps < 0:
                return findings + self._abandoned(start)
            if state.items:
                break
            if self._named:
                findings.extend(self._settled(start))
            start += 1
            at = start
            state = automaton.start(kinds[start - 1])
        self._start, self._at, self._state = start, at, state
        return findings

    def _abandoned(self, start: int) -> list[Finding]:
        """Give up the rest of the text: the rules that kept the machine at work have failed, and that blocks."""
        self._given_up = True
        automaton = self._automaton
        state = automaton.start(self._kinds[start - 1] if start else None)
        for kind in self._kinds[start:]:
            further = automaton.step(state, kind)
            if not further.items:
                break
            state = further
        rules = [self._matchers[index].rule for index in sorted(automaton.alive(state) - self._failed)]
        return [self._ruleset.failed(rule, Span(0, self._read)) for rule in rules]

    def _settled(self, start: int) -> list[Finding]:
        """Try the rules that may have matched from a start."""
        named = sorted(self._named)
        self._named.clear()
        return [finding for index in named for finding in self._tried(index, start)]

    def _tried(self, index: int, start: int) -> list[Finding]:
        if index in self._failed or start < self._resume.get(index, 0):
            return []
        matcher = self._matchers[index]
        try:
            hit = matcher.at(self._text, start)
        except Overtime:
            self._failed.add(index)
            return [self._ruleset.failed(matcher.rule, Span(0, self._read))]
        if hit is None:
            return []
        self._resume[index] = hit.end
        span = Span(self._starts[hit.found[0]], self._ends[hit.found[1] - 1])
        return [self._ruleset.finding(matcher.rule, span, self._text[slice(*hit.found)])]


class _Twin:
    """The lane of `text`: one run, and from the first backslash on another with the escapes undone."""

    def __init__(self, ruleset: RuleSet, lane: Lane) -> None:
        self._plain = _Run(ruleset, lane)
        self._unescaped: _Run | None = None
        self._overlaps = Overlaps()
        self._failed: set[str] = set()

    @property
    def decided(self) -> int:
        if self._unescaped is None:
            return self._plain.decided
        decided = min(self._plain.decided, self._unescaped.decided)
        waiting = self._overlaps.start
        return decided if waiting is None else min(decided, waiting)

    def feed(self, text: str) -> list[Finding]:
        if self._unescaped is None and "\\" in text:
            self._unescaped = self._plain.unescaped()
        plain = self._plain.feed(text)
        if self._unescaped is None:
            return plain
        unescaped = self._unescaped.feed(text)
        return self._joined(plain, unescaped, min(self._plain.decided, self._unescaped.decided))

    def finish(self) -> list[Finding]:
        plain = self._plain.finish()
        if self._unescaped is None:
            return plain
        unescaped = self._unescaped.finish()
        return self._joined(plain, unescaped, self._plain.decided)

    def _joined(self, plain: list[Finding], unescaped: list[Finding], decided: int) -> list[Finding]:
        """What is certain in both runs. A failure, which is over all of the text, does not wait."""
        failures = {finding.rule: finding for finding in (*unescaped, *plain) if is_failure(finding)}
        told = [finding for rule, finding in failures.items() if rule not in self._failed]
        self._failed |= failures.keys()
        self._overlaps.add(
            [finding for finding in plain if not is_failure(finding)],
            [finding for finding in unescaped if not is_failure(finding)],
        )
        return told + self._overlaps.settled(decided)
