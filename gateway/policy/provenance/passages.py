"""The passages of what others wrote, as sets of words, and the one that explains a call best.

A value is traced as it stands (`texts`). What a call has in common with a text beyond values is its words: who made the
model call a tool wrote most of what is new in the call, close together. So the words of a call that its user did not
say are looked for in a few sentences at a time, rare words counting more.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Collection, Iterator
from functools import cached_property
from itertools import islice
from typing import Final

from msgspec import Struct

from gateway.policy.provenance.spelling import normal
from gateway.policy.provenance.texts import Side, Unit
from gateway.policy.provenance.words import STOP_STEMS, stem

MOST: Final = 20_000
"""Passages that are looked through. Where there are more, nothing is said of the rest (`Passages.is_whole`)."""

WIDTH: Final = 100
"""Characters of a passage, where its text has as many."""

_WORD: Final = re.compile(r"[\u3400-\u9fff]|[^\W_\u3400-\u9fff]+")


def words_of(text: str) -> frozenset[str]:
    """The words of a text that say something, as stems; signs of Chinese one by one."""
    return frozenset(_words(normal(text)))


def _words(text: str) -> Iterator[str]:
    for word in _WORD.findall(text):
        if len(word) > 1 or "\u3400" <= word <= "\u9fff":
            root = stem(word)
            if root not in STOP_STEMS:
                yield root


class Passage(Struct, frozen=True):
    """A few sentences of one text, from `start` to `end` of those of its `unit`; `words` are theirs."""

    unit: Unit
    start: int
    end: int
    words: frozenset[str]


class Passages:
    """All passages of one side, with the places of each word."""

    def __init__(self, side: Side) -> None:
        self._side: Final = side
        self._words: Final[dict[int, list[frozenset[str]]]] = {}
        self._by_turn: Final[dict[int, Counter[str]]] = {}

    @cached_property
    def all(self) -> tuple[Passage, ...]:
        found: list[Passage] = []
        for unit in self._side.units:
            found += islice(self._of(unit), MOST - len(found))
            if len(found) == MOST:
                break
        return tuple(found)

    def text(self, passage: Passage) -> str:
        """What a passage says, in normal form and on one line."""
        return " ".join("".join(self._side.parts(passage.unit)[passage.start : passage.end]).split())

    def _of(self, unit: Unit) -> Iterator[Passage]:
        """Sentence by sentence, each with the next one, and with as many more as make a passage of some length: who
        writes every word on a line of its own says no less."""
        cuts, words = self._side.sentences(unit), self._sentences(unit)
        last = len(words)
        for start in range(max(1, last)):
            end = min(start + 2, last)
            while end < last and cuts[end] - cuts[start] < WIDTH:
                end += 1
            yield Passage(unit, start, end, frozenset[str]().union(*words[start:end]))

    def _sentences(self, unit: Unit) -> list[frozenset[str]]:
        """The words of each sentence of a text, as far as passages reach."""
        if unit.start not in self._words:
            self._words[unit.start] = list(map(words_of, self._side.parts(unit)[: MOST + WIDTH]))
        return self._words[unit.start]

    def _counts(self, turn: int) -> Counter[str]:
        """In how many sentences of a result each word is."""
        if turn not in self._by_turn:
            sentences = (words for unit in self._side.of_turn(turn) for words in self._sentences(unit))
            self._by_turn[turn] = Counter(word for words in sentences for word in words)
        return self._by_turn[turn]

    @property
    def is_whole(self) -> bool:
        """Whether all that others wrote is here."""
        return len(self.all) < MOST

    @cached_property
    def _places(self) -> dict[str, list[int]]:
        found: dict[str, list[int]] = {}
        for place, passage in enumerate(self.all):
            for word in passage.words:
                found.setdefault(word, []).append(place)
        return found

    def has(self, word: str) -> bool:
        return word in self._places

    def best(self, words: Collection[str]) -> tuple[Passage | None, float]:
        """The passage with most of the words, and its share of them by weight; the first of several."""
        weights = {word: self._weight(word) for word in sorted(words) if word in self._places}
        shares: dict[int, float] = {}
        for word, weight in weights.items():
            for place in self._places[word]:
                shares[place] = shares.get(place, 0.0) + weight
        if not shares:
            return None, 0.0
        place = min(shares, key=lambda one: (-round(shares[one], 6), one))
        return self.all[place], shares[place] / sum(weights.values())

    def closest(self, words: frozenset[str]) -> float:
        """The largest share of the words that one passage has."""
        counts: Counter[int] = Counter()
        for word in words:
            counts.update(self._places.get(word, ()))
        return max(counts.values(), default=0) / max(1, len(words))

    def company(self, passage: Passage) -> float:
        """The share of a passage's words that the rest of its result has too: who belongs there stays on the topic."""
        own = Counter(word for words in self._sentences(passage.unit)[passage.start : passage.end] for word in words)
        rest = self._counts(passage.unit.turn)
        return sum(rest[word] > own[word] for word in passage.words) / max(1, len(passage.words))

    def _weight(self, word: str) -> float:
        return math.log(1 + (len(self.all) + 1) / (1 + len(self._places[word])))
