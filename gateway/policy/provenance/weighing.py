"""Weighs the evidence on a call: how likely somebody else than the user is behind it.

A learned table, in two parts: words of the passage that explains the call best, each with a weight (a logistic
regression over tf-idf), and decision trees over all numbers (gradient boosting: Friedman, "Greedy function
approximation", Annals of Statistics 29(5), 2001). It is trained on labelled conversations by
`bench/provenance_model.py`, and read from a file; nothing is learned while the gateway runs.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Final

import msgspec
from msgspec import Struct

from gateway.policy.provenance.evidence import Evidence

PRECISION: Final = 4
"""Decimal places of a number that count. Trees are learned in single precision; thresholds lie between rounded numbers,
so that the same number goes the same way."""

WORDS: Final = "passage.speaks"
"""The number that the words of a passage come to."""

_WORD: Final = re.compile(r"[\u3400-\u9fff]|[^\W\u3400-\u9fff]+")


class Tree(Struct, frozen=True):
    """A decision tree as columns. Node 0 is the root; `feature` is -1 at a leaf, whose `value` counts.

    A number that is not above `threshold` leads `left`.
    """

    feature: tuple[int, ...]
    threshold: tuple[float, ...]
    left: tuple[int, ...]
    right: tuple[int, ...]
    value: tuple[float, ...]


class Weigher(Struct, frozen=True):
    """`numbers` are the names of evidence that the trees know by their places; one that a call lacks is 0.

    `words` has for each word its inverse document frequency and its weight. `threshold` is the likelihood from which a
    call is held.
    """

    numbers: tuple[str, ...]
    words: Mapping[str, tuple[float, float]]
    intercept: float
    trees: tuple[Tree, ...]
    base: float
    threshold: float

    def likelihood(self, found: Evidence) -> float:
        """From 0 to 1, how likely it is that another than the user is behind the call."""
        numbers = dict(found.numbers)
        numbers[WORDS] = self.spoken(found.text)
        row = [round(float(numbers.get(name, 0.0)), PRECISION) for name in self.numbers]
        return 1 / (1 + math.exp(-(self.base + sum(_leaf(tree, row) for tree in self.trees))))

    def spoken(self, text: str) -> float:
        """How much a text speaks like those that led models astray: the margin of the logistic regression."""
        counts: dict[str, int] = {}
        for word in words_spoken(text):
            if word in self.words:
                counts[word] = counts.get(word, 0) + 1
        weighed = [((1 + math.log(count)) * self.words[word][0], self.words[word][1]) for word, count in counts.items()]
        length = math.sqrt(sum(frequency * frequency for frequency, _ in weighed)) or 1.0
        return self.intercept + sum(frequency * weight for frequency, weight in weighed) / length


def words_spoken(text: str) -> list[str]:
    """The words of a text as they are, signs of Chinese one by one."""
    return _WORD.findall(text.lower())


def parse(text: bytes) -> Weigher:
    """Read what `bench/provenance_model.py` wrote. Raises msgspec.ValidationError and msgspec.DecodeError."""
    return msgspec.json.decode(text, type=Weigher)


def _leaf(tree: Tree, row: list[float]) -> float:
    node = 0
    while tree.feature[node] >= 0:
        node = tree.left[node] if row[tree.feature[node]] <= tree.threshold[node] else tree.right[node]
    return tree.value[node]
