"""What a tool is for, in words that can be held against what somebody asked for.

The name says most: its first verb is the kind of action, its nouns are the things. The description helps where the name
has no verb that is known, and adds words that count less.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Final

from msgspec import Struct

from gateway.policy.call import Call, Tier
from gateway.policy.provenance.lexicon import STOP, Act, listed
from gateway.policy.provenance.words import (
    BOTH,
    Words,
    acts_of_word,
    parts_of_name,
    read,
    spellings,
    stem,
    things_of,
    with_things,
    words_for,
)
from gateway.policy.transcript import Defined

_SELECTORS: Final = listed("action operation op method command mode type verb")
"""Arguments by which one tool does several kinds of action: `{"action": "delete"}`."""

_OPEN: Final = listed("manage handle do call request use invoke perform process api")
"""Verbs in names that say nothing of the kind of action."""

_MANAGING: Final = listed("manage handle manager")
_MANAGES: Final = frozenset((Act.CREATE, Act.CHANGE, Act.DELETE, Act.BOOK))
_SHELL: Final = frozenset((Act.RUN, Act.CHANGE, Act.DELETE, Act.CREATE))
"""A shell does whatever can be done to files."""

_WIDE: Final = {
    Tier.READ: frozenset((Act.READ,)),
    Tier.CREATE: frozenset((Act.CREATE,)),
    Tier.MODIFY: frozenset((Act.CHANGE, Act.CREATE)),
    Tier.SEND: frozenset[Act](),
    Tier.SYSTEM: frozenset((Act.RUN,)),
}
"""The kinds of action of a tool whose words do not tell, by its tier."""

SPECIFIC: Final = frozenset((Act.SEND, Act.PAY, Act.BOOK, Act.SHARE))
"""Kinds of action that are what they are whatever they are done to: who asked for one has asked."""

_COLLECTIONS: Final = listed("""
    list contact message text post order book note record report file mail email review card account
    """)
"""Nouns that a tool's name begins with, as those of its things, though they are verbs as well."""

_NOUNS: Final = listed("text mail email message list contact file card account record")
"""Those of them that are no verbs behind another word: `type_text`."""

_SENTENCE: Final = re.compile(r"[^.!?\n。]+")


def _short(arguments: Any) -> Iterator[str]:
    if isinstance(arguments, dict):
        yield from (value for value in arguments.values() if isinstance(value, str) and len(value) < 24)


class Purpose(Struct, frozen=True):
    """`things` are those of the name, `hints` those of description and arguments; `verbs` are stems."""

    acts: frozenset[Act]
    verbs: frozenset[str]
    things: frozenset[str]
    hints: frozenset[str]


def purpose(call: Call, tier: Tier, defined: Defined | None) -> Purpose:
    parts = parts_of_name(call.name)
    described = _described(defined)
    verbs = [
        part
        for place, part in enumerate(parts)
        if acts_of_word(part) and part not in _OPEN and not (place and part in _NOUNS)
    ]
    selected = [part for word in _selected(call.arguments) for part in parts_of_name(word) if acts_of_word(part)]
    if not verbs:
        # What is clicked says what is done.
        selected += [part for value in _short(call.arguments) for part in parts_of_name(value) if acts_of_word(part)]
    verbs.sort(key=_is_noun_too)
    acts = frozenset[Act]().union(*(acts_of_word(part) for part in (*verbs[:1], *selected)))
    acts = acts or (_MANAGES if _MANAGING.intersection(parts) else frozenset())
    # The first verb of a description is the kind of action: "Transfers money to ...".
    acts = acts or (described.acts if tier is not Tier.READ else frozenset()) or _WIDE[tier]
    if tier is Tier.READ:
        acts |= {Act.READ}
    elif acts - {Act.READ}:
        acts -= {Act.READ}
    nouns = [part for part in parts if part not in verbs[:1] and part not in _OPEN]
    things = things_of(nouns) | {stem(part) for part in nouns if part not in STOP and not part.isdigit()}
    if "=command" in things and tier > Tier.READ:
        acts |= _SHELL
    acts = with_things(acts, things)
    if Act.PAY in acts and "=money" in things:
        acts -= {Act.SEND, Act.CREATE}
    return Purpose(acts, frozenset(stem(verb) for verb in verbs), things, described.things | described.verbs)


def _is_noun_too(part: str) -> bool:
    """`list_remove` and `contacts.merge` have their verb behind a noun that is a verb elsewhere."""
    return stem(part) in BOTH and (part.endswith("s") or part in _COLLECTIONS)


def _described(defined: Defined | None) -> Words:
    if defined is None:
        return Words()
    sentences = _SENTENCE.findall(defined.description[:400])[:2]
    found = Words()
    for sentence in sentences:
        words = read(sentence)
        found = Words(found.acts or words.acts, found.verbs | words.verbs, found.things | words.things)
    return found


def _selected(arguments: Any) -> Iterator[str]:
    if isinstance(arguments, dict):
        for name, value in arguments.items():
            if str(name).casefold() in _SELECTORS and isinstance(value, str) and len(value) < 40:
                yield value


def fit(words: Words, wanted: Purpose) -> float:
    """How well a clause explains a call of the tool: 0 not at all, 1 its kind of action, 2 and more also its things.

    The thing alone explains nothing where the clause has a verb of another kind: who reads e-mail sends none.
    """
    verb = bool(words.acts & wanted.acts) or bool(words.verbs & wanted.verbs)
    things = len(words.things & wanted.things) / max(1, min(2, len(wanted.things)))
    hints = len((words.things | words.verbs) & wanted.hints) / 3
    extent = min(1.0, things) + 0.5 * min(1.0, hints)
    if verb:
        return 1.0 + extent
    if words.acts:
        # Another verb explains it, unless it is done to all that the tool is for: an order "sent to her new address".
        return extent if words.acts - {Act.READ} and things >= 1 and len(wanted.things) > 1 else 0.0
    return extent if words.wants else 0.0


def asks(words: Words, wanted: Purpose) -> bool:
    """Whether a clause asks for that kind of action. Verbs of making, changing and deleting say little without what
    they are done to; a clause that names nothing ("delete it") speaks of what was named before."""
    found = fit(words, wanted)
    if not (words.acts & wanted.acts or words.verbs & wanted.verbs):
        return found >= 1
    return found > 1 or bool(words.acts & wanted.acts & SPECIFIC) or not words.things or not wanted.things


def likeness(words: Words, wanted: Purpose) -> float:
    """How much a text speaks of what the tool does, whatever verb it has for it: 0 to 3.

    For telling which of several texts a call stems from; not for whether somebody asked for it (`fit`).
    """
    verb = bool(words.acts & wanted.acts) or bool(words.verbs & wanted.verbs)
    things = len(words.things & wanted.things) / max(1, min(2, len(wanted.things)))
    hints = len((words.things | words.verbs) & (wanted.hints - wanted.things)) / 3
    return verb + min(1.0, things) + min(1.0, hints)


@lru_cache(maxsize=256)
def needles(wanted: Purpose) -> tuple[str, ...]:
    """The beginnings of all words that make a text speak of what the tool does (`likeness`), in lower case."""
    return tuple(sorted(words_for(wanted.acts) | spellings(wanted.things | wanted.hints) | wanted.verbs))
