"""Ascribes a call to the text that explains it best: the user's words, or an order in somebody else's.

A call without any argument ("unlock the door") has no value to trace. But who made the model call it must have said so:
by the tool's name, or with its verb or its things, in a sentence that wants something done. An order is held against
all tools that are offered, and explains only those that it fits best.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from gateway.policy.call import Call, Tier
from gateway.policy.provenance.clauses import MARKED, clauses_of
from gateway.policy.provenance.lexicon import Act
from gateway.policy.provenance.mood import Mood, mood
from gateway.policy.provenance.purpose import SPECIFIC, Purpose, likeness, needles, purpose
from gateway.policy.provenance.spelling import normal
from gateway.policy.provenance.texts import Texts, Unit, values_of
from gateway.policy.provenance.wish import Wish
from gateway.policy.provenance.words import Words, parts_of_name, read

_FINAL: Final = frozenset((Act.SEND, Act.PAY, Act.DELETE, Act.SHARE, Act.BOOK))
"""Kinds of action that cannot be taken back."""

LEAST_TEXT: Final = 30
"""Characters of a free text that can hold an order."""

CLOSE: Final = 0.34
"""How much better an order may fit another tool before it is that tool's alone: one shared word of the description."""

LEAST: Final = 1.0
"""How like an order must be to a tool that acts: its kind of action, its things, or much of its description."""

MARGIN: Final = 0.3
"""How much more an order must be like the call than the user's words, so that a tie goes to the user."""

LEAST_READ: Final = 1.5
"""How well an order must fit a tool that only reads. "Check", "see" and "visit" stand in every text."""


class Echo:
    """The orders that others' texts give, to be held against the calls of an answer."""

    def __init__(self, texts: Texts, wish: Wish) -> None:
        self._texts: Final = texts
        self._wish: Final = wish
        self._orders: Final[dict[tuple[int, int], tuple[Order, ...]]] = {}
        self._tools: Final = [
            (defined.name, purpose(Call(defined.name, None), Tier.SEND, defined)) for defined in texts.transcript.tools
        ]

    def of(self, call: Call, wanted: Purpose, tier: Tier, own: float) -> Unit | None:
        """The text that asks for the call more than the user does; None where there is none.

        `own` is how well the user's words explain the call.
        """
        if self._naming(call.name) and not self._texts.is_own(call.name):
            return self._naming(call.name)
        if own >= 1 and wanted.acts & SPECIFIC:
            return None
        asked = max((likeness(clause.words, wanted) for clause in self._wish.clauses), default=0.0)
        # Who speaks of mail because it is to be read has not asked to send any.
        asked = asked if own >= 1 else asked / 2
        least = max(LEAST if tier > Tier.READ else LEAST_READ, asked + MARGIN)
        values = [normal(value) for value in values_of(call.arguments)]
        for order in self.about(wanted):
            told = likeness(order.words, wanted)
            if told < least or not self._is_closest(call.name, order.words, told):
                continue
            if own >= 1 and tier > Tier.READ and order.marks and values and not order.marks.intersection(values):
                continue  # it is about something else
            if order.commands or not self._wish.delegates(order.unit, wanted):
                return order.unit
        return None

    def about(self, wanted: Purpose) -> Iterator[Order]:
        """The orders of sentences that have one of the words that the tool is known by. Each sentence is read once."""
        side = self._texts.others
        for start, end, unit in side.sentences_with(needles(wanted)):
            if (start, end) not in self._orders:
                self._orders[start, end] = tuple(_orders(unit, side.text[start:end]))
            yield from self._orders[start, end]

    def unasked(self, wanted: Purpose, tier: Tier, own: float) -> Unit | None:
        """A free text that was read, where the call sends, pays, deletes or shares and nobody asked for such a thing.

        What is not undone by the next call is rarely an agent's own idea; nobody needs to find the order to ask.
        """
        final = wanted.acts & _FINAL and not wanted.acts - _FINAL - {Act.CREATE}
        if own >= 1 or not final or tier < Tier.CREATE or not self._wish.is_understood():
            return None
        free = [unit for unit in self._texts.others.units if not unit.is_field and len(unit.text) >= LEAST_TEXT]
        return free[-1] if free and not any(self._wish.delegates(unit, wanted) for unit in free) else None

    def _naming(self, name: str) -> Unit | None:
        """The text that has the tool's very name, where that is no word that texts have anyway."""
        if len(parts_of_name(name)) < 2:
            return None
        hit = next(self._texts.others.find(name), None)
        return hit.unit if hit and not hit.is_whole else None

    def _is_closest(self, name: str, words: Words, told: float) -> bool:
        return all(told >= likeness(words, other) - CLOSE for called, other in self._tools if called != name)


class Order(Struct, frozen=True):
    """A clause of a sentence that wants something. `marks` are the ids, numbers and paths of the sentence; `commands`
    is whether it speaks to the model."""

    unit: Unit
    words: Words
    marks: frozenset[str]
    commands: bool


def _orders(unit: Unit, sentence: str) -> Iterator[Order]:
    how = mood(sentence)
    if how is not Mood.STATES:
        marks = frozenset(mark.strip("./,:") for mark in MARKED.findall(sentence))
        clauses = list(clauses_of(sentence))
        for text in (sentence, *(clauses if len(clauses) > 1 else ())):
            yield Order(unit, read(text), marks, how is Mood.COMMANDS)
