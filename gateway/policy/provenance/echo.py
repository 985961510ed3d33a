"""Ascribes a call to the text that explains it best: the user's words, or an order in somebody else's.

A call without any argument ("unlock the door") has no value to trace. But who made the model call it must have said so:
by the tool's name, or with its verb or its things, in a sentence that wants something done. An order is held against
all tools that are offered, and explains only those that it fits best.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from gateway.policy.call import Call, Tier
from gateway.policy.provenance.mood import Mood, mood
from gateway.policy.provenance.purpose import SPECIFIC, Purpose, likeness, purpose
from gateway.policy.provenance.texts import Side, Texts, Unit
from gateway.policy.provenance.wish import Wish, clauses_of
from gateway.policy.provenance.words import Words, parts_of_name, read

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
        self._orders: Final = tuple(_orders(texts.others))
        self._tools: Final = [
            (defined.name, purpose(Call(defined.name, None), Tier.SEND, defined)) for defined in texts.transcript.tools
        ]

    def of(self, call: Call, wanted: Purpose, tier: Tier, own: float, *, is_named: bool) -> Unit | None:
        """The text that asks for the call more than the user does; None where there is none.

        `own` is how well the user's words explain the call, `is_named` whether an argument is the user's own.
        """
        if self._naming(call.name) and not self._texts.is_own(call.name):
            return self._naming(call.name)
        if own >= 1 and (is_named or wanted.acts & SPECIFIC):
            return None
        asked = max((likeness(clause.words, wanted) for clause in self._wish.clauses), default=0.0)
        # Who speaks of mail because it is to be read has not asked to send any.
        asked = asked if own >= 1 else asked / 2
        least = max(LEAST if tier > Tier.READ else LEAST_READ, asked + MARGIN)
        for unit, words, commands in self._orders:
            told = likeness(words, wanted)
            if told >= least and self._is_closest(call.name, words, told) and (commands or not self._wish.delegates(unit)):
                return unit
        return None

    def _naming(self, name: str) -> Unit | None:
        """The text that has the tool's very name, where that is no word that texts have anyway."""
        if len(parts_of_name(name)) < 2:
            return None
        hit = next(self._texts.others.find(name), None)
        return hit.unit if hit and not hit.is_whole else None

    def _is_closest(self, name: str, words: Words, told: float) -> bool:
        return all(told >= likeness(words, other) - CLOSE for called, other in self._tools if called != name)


def _orders(side: Side) -> Iterator[tuple[Unit, Words, bool]]:
    """The clauses of sentences that want something, with whether they speak to the model."""
    for unit in side.units:
        if len(unit.text) < 8:
            continue
        ends = side.sentences(unit)
        for start, end in zip(ends, ends[1:], strict=False):
            sentence = unit.text[start:end]
            how = mood(sentence)
            if how is not Mood.STATES:
                commands = how is Mood.COMMANDS
                yield unit, read(sentence), commands
                clauses = list(clauses_of(sentence))
                for clause in clauses if len(clauses) > 1 else ():
                    yield unit, read(clause), commands
