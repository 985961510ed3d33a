"""How far a value that others wrote may be used: lent by the user's request, a field, stated, told, or commanded."""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum
from typing import Final

from gateway.policy.call import Sink
from gateway.policy.provenance.lexicon import Act
from gateway.policy.provenance.mood import Mood, mood, redirects
from gateway.policy.provenance.purpose import Purpose
from gateway.policy.provenance.spelling import EMAIL, host_of, identifiers
from gateway.policy.provenance.texts import Hit, Texts
from gateway.policy.provenance.wish import Wish
from gateway.policy.provenance.words import read

_LED: Final = frozenset((Act.PAY, Act.SEND, Act.SHARE, Act.CHANGE))
"""Kinds of action that fraud leads elsewhere."""

WIDE: Final = 6
"""Sentences before a value in which the model may have been addressed. Injections are paragraphs, not books."""


class Standing(IntEnum):
    """From what the user lends to what an attacker writes. Of several places where a value stands, the strictest
    counts, but for those that the user pointed to."""

    LENT = 0
    FIELD = 1
    STATED = 2
    TOLD = 3
    COMMANDED = 4


def standing(texts: Texts, wish: Wish, hit: Hit, wanted: Purpose, sink: Sink) -> Standing:
    """How the value stands at that place, for that kind of action."""
    unit = hit.unit
    value = unit.text[hit.start : hit.end]
    asked = bool(wish.asking(wanted))
    if unit.is_field and hit.is_whole:
        lent = wish.pointed(unit, wanted, sink, value).is_pointed or (asked and wish.linked(unit, ""))
        return Standing.LENT if lent else Standing.FIELD
    near = texts.others.around(hit)
    how = manner(near, wanted)
    led = bool(wanted.acts & _LED) and any(map(redirects, near))
    if how is Mood.COMMANDS or _is_commanded(texts, hit) or (led and Act.PAY in wanted.acts):
        return Standing.COMMANDED
    pointed = wish.pointed(unit, wanted, sink, value)
    if pointed.is_delegated:
        return Standing.LENT
    if how is Mood.TELLS or led:
        lends = pointed.is_pointed and (pointed.is_plural or _is_sole(hit))
        return Standing.LENT if lends else Standing.TOLD
    if pointed.is_pointed and (Act.PAY not in wanted.acts or pointed.is_plural or _is_sole(hit)):
        return Standing.LENT
    if asked and wish.linked(unit, " ".join(near)):
        return Standing.LENT
    return Standing.FIELD if unit.is_field else Standing.STATED


def manner(sentences: Iterable[str], wanted: Purpose) -> Mood:
    """How strongly one of the sentences wants that kind of action."""
    return max((mood(sentence) for sentence in sentences if _speaks_of(sentence, wanted)), default=Mood.STATES)


def _speaks_of(sentence: str, wanted: Purpose) -> bool:
    words = read(sentence)
    return bool(words.acts & wanted.acts or words.verbs & wanted.verbs)


def _is_commanded(texts: Texts, hit: Hit) -> bool:
    return any(mood(sentence) is Mood.COMMANDS for sentence in texts.others.around(hit, WIDE, 2))


def _is_sole(hit: Hit) -> bool:
    """Whether the text has no other value of that sort, which the user could have meant as well."""
    value = hit.unit.text[hit.start : hit.end]
    found = identifiers(hit.unit.leaf.text)
    if EMAIL.fullmatch(value):
        return len(found.emails) <= 1
    if len(found.ibans) > 1:
        return False
    return len({host_of(url) for url in found.urls}) <= 1 or not host_of(value)
