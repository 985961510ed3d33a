"""Tells, character by character, which rules could still match from a given start, and which may have matched.

A stream may release a character once no rule can match from it any more. `regex` cannot say that: its partial matching
prefers a complete match to an earlier one that is still open. So the trees of all rules become one machine, run from
one start at a time; when it dies, no rule can gain from more text at that start. The machine drops what looks around
(apart from `\\b` and one-character lookbehinds), so it may die late and name too many rules, never fewer; `regex`
confirms. Its states are made when first met (Thompson 1968; lazily as in RE2), and a repeat of one class counts instead
of being copied.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Final

from gateway.detect import charset
from gateway.detect.charset import Ranges
from gateway.detect.pattern import PatternError
from gateway.detect.tree import Alt, Chars, Edge, Look, Node, Repeat, Seq, ahead, width

MAX_STEPS: Final = 20_000
"""Most instructions of one pattern: a nest of counted groups beyond that is a mistake."""
_MAX_STATES: Final = 20_000
"""Most states kept; past that all are dropped and made anew, so hostile text cannot fill the memory."""
_MAX_CHARACTERS: Final = 65_536
_ANY, _WORD, _OTHER = 0, 1, 2  # what the next character must be for a `\b` just passed to hold

type _Item = tuple[int, int, int]
"""Where a thread stands: instruction, how often it has been taken, and what the next character must be."""


@dataclass(frozen=True, slots=True)
class _Take:
    """Take between `least` and `most` characters of a set, then go on."""

    chars: int  # index of the set
    least: int
    most: int
    then: int


@dataclass(frozen=True, slots=True)
class _Split:
    """Go on at each of several places."""

    thens: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Border:
    """Go on if `\\b` (or `\\B`) holds."""

    inside: bool
    then: int


@dataclass(frozen=True, slots=True)
class _After:
    """Go on if the character before is (or is not) in a set."""

    chars: int
    negative: bool
    then: int


@dataclass(frozen=True, slots=True)
class _Accept:
    """The rule may have matched; a thread stays for the characters that its lookahead reads."""

    rule: int
    then: int


type _Step = _Take | _Split | _Border | _After | _Accept | None


@dataclass(slots=True, eq=False)
class State:
    """All threads after some characters. Dead when there is none."""

    items: tuple[_Item, ...]
    accepted: tuple[int, ...]
    nexts: dict[int, State] = field(default_factory=dict)


class _Program:
    """The instructions of all patterns, written from the end to the front."""

    def __init__(self, nodes: Sequence[Node]) -> None:
        self.sets: dict[Ranges, int] = {charset.WORD: 0}
        self.steps: list[_Step] = [None]
        self.wait = self.add(_Take(self.set_of(charset.EVERY), 1, 1, 0))
        self.ends: list[int] = []  # behind the last instruction of each rule
        self.entries = tuple(self._rule(index, node) for index, node in enumerate(nodes))

    def _rule(self, index: int, node: Node) -> int:
        margin = ahead(node)
        tail = self.add(_Take(self.set_of(charset.EVERY), margin, margin, 0)) if margin else 0
        entry = self.compile(node, self.add(_Accept(index, tail)))
        self.ends.append(len(self.steps))
        return entry

    def set_of(self, ranges: Ranges) -> int:
        return self.sets.setdefault(ranges, len(self.sets))

    def add(self, step: _Step) -> int:
        self.steps.append(step)
        return len(self.steps) - 1

    def compile(self, node: Node, then: int) -> int:
        match node:
            case Chars(ranges):
                return self.add(_Take(self.set_of(ranges), 1, 1, then))
            case Edge(inside):
                return self.add(_Border(inside, then))
            case Look(Chars(ranges), ahead=False, negative=negative):
                return self.add(_After(self.set_of(ranges), negative, then))
            case Look():
                return then
            case Seq(parts):
                for part in reversed(parts):
                    then = self.compile(part, then)
                return then
            case Alt(branches):
                return self.add(_Split(tuple(self.compile(branch, then) for branch in branches)))
            case Repeat(inner, least, most):
                return self._repeat(inner, least, most, then)

    def _repeat(self, inner: Node, least: int, most: int, then: int) -> int:
        if isinstance(inner, Chars):
            taken = self.add(_Take(self.set_of(inner.ranges), max(least, 1), most, then))
            return taken if least else self.add(_Split((taken, then)))
        at = then
        for _ in range(most - least):
            at = self.add(_Split((self.compile(inner, at), then)))
        for _ in range(least):
            at = self.compile(inner, at)
        return at


def check_size(node: Node) -> None:
    """Raises `PatternError` where the machine of a pattern would be too large."""
    if _size(node) > MAX_STEPS:
        raise PatternError(f"nested repeats unfold into more than {MAX_STEPS} steps; lower the outer ones")


def _size(node: Node) -> int:
    match node:
        case Seq(parts) | Alt(parts):
            return 1 + sum(_size(part) for part in parts)
        case Repeat(inner, _, most):
            return 2 if isinstance(inner, Chars) else most * (_size(inner) + 1)
        case _:
            return 1


class Kinds(dict[str, int]):
    """Numbers the classes of characters: two of one class are in the same sets, and so alike to all patterns."""

    def __init__(self, sets: tuple[Ranges, ...]) -> None:
        super().__init__()
        self._turn = Lock()
        self._sets = sets
        self._known: dict[int, int] = {}
        self.bits: list[int] = []
        """The sets that the characters of each class are in, as bits."""

    def __missing__(self, character: str) -> int:
        code_point = ord(character)
        bits = sum(1 << index for index, ranges in enumerate(self._sets) if charset.contains(ranges, code_point))
        with self._turn:  # or two classes could get one number
            kind = self._known.setdefault(bits, len(self.bits))
            if kind == len(self.bits):
                self.bits.append(bits)
        if len(self) < _MAX_CHARACTERS:
            self[character] = kind
        return kind


class Automaton:
    """The machine of some patterns. Streams of one rule set and scope share it, whichever threads they are judged in.

    What is known is read without a lock. A state that was forgotten meanwhile still leads on as it did.
    """

    def __init__(self, nodes: Sequence[Node]) -> None:
        for node in nodes:
            assert width(node)[0] > 0, "a match must span something"
        program = _Program(nodes)
        self._steps = program.steps
        self._entries = program.entries
        self._ends = program.ends
        self._wait = program.wait
        self.kinds = Kinds(tuple(program.sets))
        self._states: dict[tuple[tuple[_Item, ...], tuple[int, ...]], State] = {}
        self._starts: dict[int | None, State] = {}
        self.dead = State((), ())
        self._turn = Lock()

    def alive(self, state: State) -> set[int]:
        """The rules whose threads a state holds."""
        return {bisect_right(self._ends, at) for at, _, _ in state.items if at > self._wait}

    def start(self, before: int | None) -> State:
        """The state before the first character; `before` is the kind of the character that precedes, if any."""
        known = self._starts.get(before)
        if known is None:
            items: dict[_Item, None] = {}
            bits = 0 if before is None else self.kinds.bits[before]
            for entry in self._entries:
                self._follow(entry, _ANY, bits, items, set())
            with self._turn:
                known = self._starts[before] = self._state(items, set())
        return known

    def step(self, state: State, kind: int) -> State:
        """The state after one more character of a class."""
        known = state.nexts.get(kind)
        if known is None:
            items, accepted = self._stepped(state, self.kinds.bits[kind])
            with self._turn:
                known = state.nexts[kind] = self._state(items, accepted)
        return known

    def _stepped(self, state: State, bits: int) -> tuple[dict[_Item, None], set[int]]:
        items: dict[_Item, None] = {}
        accepted: set[int] = set()
        excluded = _OTHER if bits & 1 else _WORD
        for at, count, need in state.items:
            step = self._steps[at]
            if need == excluded or not isinstance(step, _Take) or not bits >> step.chars & 1:
                continue
            if count + 1 < step.most:
                items[at, count + 1, _ANY] = None
            if count + 1 >= step.least:
                self._follow(step.then, _ANY, bits, items, accepted)
        return items, accepted

    def _follow(self, at: int, need: int, bits: int, items: dict[_Item, None], accepted: set[int]) -> None:
        """Go on from an instruction without taking a character; `bits` describe the character before.

        `items` also remembers which instructions were passed, or nested options would be gone through again and again.
        """
        if (at, 0, need) in items:
            return
        items[at, 0, need] = None
        match self._steps[at]:
            case _Split(thens):
                for then in thens:
                    self._follow(then, need, bits, items, accepted)
            case _Border(inside, then):
                wanted = _WORD if bool(bits & 1) == inside else _OTHER
                if need in (_ANY, wanted):
                    self._follow(then, wanted, bits, items, accepted)
            case _After(chars, negative, then):
                if bool(bits >> chars & 1) != negative:
                    self._follow(then, need, bits, items, accepted)
            case _Accept(rule, then):
                accepted.add(rule)
                if then or need:
                    items[then or self._wait, 0, need] = None
            case _:
                pass

    def _state(self, items: dict[_Item, None], accepted: set[int]) -> State:
        standing = sorted(item for item in items if isinstance(self._steps[item[0]], _Take))
        if not standing and not accepted:
            return self.dead
        key = tuple(standing), tuple(sorted(accepted))
        known = self._states.get(key)
        if known is None:
            if len(self._states) >= _MAX_STATES:
                self._forget()
            known = self._states[key] = State(*key)
        return known

    def _forget(self) -> None:
        for state in self._states.values():
            state.nexts.clear()
        self._states.clear()
        self._starts.clear()
