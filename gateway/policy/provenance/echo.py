"""Ascribes a call to the text that explains it best: the user's words, or an order in somebody else's.

A call without any argument ("unlock the door") has no value to trace. But who made the model call it must have said so,
with the tool's verb or its things, in a sentence that wants something done.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from gateway.policy.call import Tier
from gateway.policy.provenance.lexicon import Act
from gateway.policy.provenance.mood import Mood, mood
from gateway.policy.provenance.purpose import Purpose, fit
from gateway.policy.provenance.texts import Side, Texts, Unit
from gateway.policy.provenance.wish import Wish
from gateway.policy.provenance.words import read

_SPECIFIC: Final = frozenset((Act.SEND, Act.PAY, Act.BOOK))
"""Kinds of action that are what they are whatever they are done to: who asked for one has asked."""


def echoes(
    texts: Texts, wish: Wish, wanted: Purpose, tier: Tier, own: float, *, is_named: bool
) -> Unit | None:
    """The untrusted text that asks for the call more than the user did; None where there is none.

    `own` is how well the user's words explain the call, `is_named` whether an argument is the user's own.
    """
    if own >= 1 and (is_named or wanted.acts & _SPECIFIC or tier is Tier.READ):
        return None
    for unit, sentence in _telling(texts.others):
        told = fit(read(sentence), wanted)
        if told < 1 or told <= own:
            continue
        if tier is Tier.READ and told < 1.5:
            continue
        commands = mood(sentence) is Mood.COMMANDS
        if own >= 1 and told < own + 0.5 and not commands:
            continue
        if not commands and any(
            clause.delegates and wish._refers(clause, unit) for clause in wish.clauses
        ):
            continue
        return unit
    return None


def _telling(side: Side) -> Iterator[tuple[Unit, str]]:
    for unit in side.units:
        if len(unit.text) < 8:
            continue
        ends = side.sentences(unit)
        for start, end in zip(ends, ends[1:], strict=False):
            sentence = unit.text[start:end]
            if mood(sentence) is not Mood.STATES:
                yield unit, sentence
