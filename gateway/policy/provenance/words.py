"""Reads a clause for what it speaks of: kinds of action by verbs, and things by nouns, both reduced to stems.

No grammar is parsed. What makes a word a verb is where it stands: at the start of a clause, or behind a word that verbs
follow. That is how "email Bob" differs from "the email", in the way that requests and orders are written.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Final

from msgspec import Struct

from gateway.policy.provenance.languages import NEGATIONS, NOUNS, verb_of
from gateway.policy.provenance.lexicon import (
    ALSO_NOUNS,
    BEFORE_VERBS,
    CHINESE_NOUNS,
    CHINESE_VERBS,
    COMBINED,
    CONCEPTS,
    STOP,
    VERBS,
    Act,
    listed,
)

_WORD: Final = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")
_HUMPS: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_A-Za-z]+")
_HAN: Final = re.compile(r"[\u3400-\u9fff]")
_NEGATIONS: Final = listed("not don't dont never without no nicht kein keine cannot can't") | NEGATIONS
_CHINESE_NEGATIONS: Final = ("不要", "别", "不用", "勿", "无需", "不")
_SUFFIXES: Final = [
    "ations",
    "ation",
    "itions",
    "ition",
    "ingly",
    "ments",
    "ment",
    "ings",
    "ions",
    "ing",
    "ion",
    "ies",
    "ied",
    "als",
    "al",
    "ers",
    "er",
    "ors",
    "or",
    "ed",
    "es",
    "s",
    "e",
    "y",
]


_NOUN_FORM: Final = re.compile(r"(?:ments?|[ai]tions?|ions?|als?|ers|ors?|ings|ities)$")
"""Endings that make a noun of a verb: who speaks of investments does not ask to invest."""


@lru_cache(maxsize=8192)
def stem(word: str) -> str:
    """The word without the endings of English inflection and of the commonest nouns of action. Rough, and the same for
    all forms of a word, which is all that comparing needs."""
    word = word.casefold().removesuffix("'s").removesuffix("’s")
    if len(word) < 4 or not word.isalpha():
        return word
    for suffix in _SUFFIXES:
        if word.endswith(suffix) and len(word) - len(suffix) >= (4 if len(suffix) > 3 else 3):
            word = word[: -len(suffix)]
            break
    # "transferred", "shipping": the consonant that English doubles
    if len(word) > 3 and word[-1] == word[-2] and word[-1] not in "aeioulsz":
        word = word[:-1]
    return word.rstrip("e") if len(word) > 3 else word


def _by_stem(table: Mapping[tuple[Act, ...], str]) -> dict[str, frozenset[Act]]:
    found: dict[str, frozenset[Act]] = {}
    for acts, words in table.items():
        for word in words.split():
            for form in {word, stem(word)}:
                found[form] = found.get(form, frozenset()) | frozenset(acts)
    return found


def _things(table: Mapping[str, str]) -> dict[str, frozenset[str]]:
    found: dict[str, frozenset[str]] = {}
    for concept, words in table.items():
        for word in words.split():
            found[stem(word)] = found.get(stem(word), frozenset()) | {f"={concept}"}
    return found


_ACTS: Final = _by_stem(VERBS)
BOTH: Final = frozenset(stem(word) for word in ALSO_NOUNS)
_CONCEPTS: Final = _things(CONCEPTS) | {stem(word): frozenset((f"={thing}",)) for word, thing in NOUNS.items()}
STOP_STEMS: Final = frozenset(stem(word) for word in STOP) | STOP
_FILE: Final = re.compile(
    r"[\w~/-]\.(?!com\b|org\b|net\b|example\b)[a-z]{1,5}\d?\b(?![@/.\w])|(?:^|\s)[~.]?/[\w./-]+", re.IGNORECASE
)
"""What looks like the name of a file."""

_HAN_ACTS: Final = {word: frozenset(acts) for acts, words in CHINESE_VERBS.items() for word in words.split()}
_HAN_THINGS: Final = {word: f"={concept}" for concept, words in CHINESE_NOUNS.items() for word in words.split()}
_HAN_VERB: Final = re.compile("|".join(sorted(_HAN_ACTS, key=len, reverse=True)))
_HAN_NOUN: Final = re.compile("|".join(sorted(_HAN_THINGS, key=len, reverse=True)))
HAN_READS: Final = frozenset((Act.READ,))


_PAST: Final = listed("sent paid bought sold written made given built withdrawn read")
_DONE: Final = listed("be been being get gets have has want wants need needs like must should")
_ASKS: Final = re.compile(
    r"\W*(?:what|who|whom|whose|which|when|where|why|how|did|does|do\s+(?:i|we|you|they)|is|are|was|were|has|have\s+(?:i|we|you|they|any))\b"
    r"(?!\s+(?:it|there|you)\s+(?:possible|able|a\s+way))",
    re.IGNORECASE,
)


_WANTS: Final = re.compile(
    r"\b(?:need|needs|want|wants|like|looking\s+for|would|please|can\s+i|could\s+i|may\s+i|give\s+me|get\s+me|another|möchte|brauche|hätte)\b"
    r"|[想要需]|来[一个份]|麻烦|请",
    re.IGNORECASE,
)


class Words(Struct, frozen=True):
    """What a clause speaks of. `verbs` are the stems behind `acts`; `things` are stems, and concepts with a `=`.

    `wants` is whether somebody wishes for something, whatever the verb."""

    acts: frozenset[Act] = frozenset()
    verbs: frozenset[str] = frozenset()
    things: frozenset[str] = frozenset()
    wants: bool = False

    def __or__(self, other: Words) -> Words:
        return Words(
            self.acts | other.acts, self.verbs | other.verbs, self.things | other.things, self.wants or other.wants
        )


@lru_cache(maxsize=4096)
def read(clause: str) -> Words:
    """The words of one clause."""
    acts: set[Act] = set()
    verbs: set[str] = set()
    things: set[str] = set()
    words = [word.casefold() for word in _WORD.findall(clause)]
    for place, word in enumerate(_WORD.findall(clause)):
        kinds = _kinds(words, place)
        if kinds is not None:
            acts |= kinds
            verbs.add(stem(words[place]))
        elif words[place] not in STOP_STEMS:
            things |= named(word)
    if _FILE.search(clause):
        things.add("=file")
    if _HAN.search(clause):
        acts |= set(_chinese_acts(clause))
        things |= {_HAN_THINGS[found] for found in _HAN_NOUN.findall(clause)}
    if _ASKS.match(clause):
        # Who asks what somebody sent does not ask to send.
        acts, verbs = {Act.READ}, set()
    return Words(
        with_things(frozenset(acts), things), frozenset(verbs), frozenset(things), _WANTS.search(clause) is not None
    )


def with_things(acts: frozenset[Act], things: Iterable[str]) -> frozenset[Act]:
    """The kinds of action, with those that they are when done to such things."""
    done = set(things)
    if Act.DELETE in acts:
        return acts  # who cancels a meeting books none
    return acts | {also for kinds, to, also in COMBINED if kinds & acts and to & done}


def _kinds(words: list[str], place: int) -> frozenset[Act] | None:
    """The kinds of action of a word; none where something forbids it, None where it is no verb there."""
    low, before = words[place], words[:place]
    kinds = _ACTS.get(low) or (_ACTS.get(stem(low)) if not _NOUN_FORM.search(low) else None)
    if not kinds and (foreign := verb_of(low)):
        return frozenset() if _NEGATIONS.intersection(before[-3:]) else foreign
    if low in ("give", "gives", "giving") and words[place + 1 : place + 2] not in (["me"], ["us"]):
        kinds = frozenset((Act.SHARE, Act.SEND))
    if low == "check" and words[place + 1 : place + 2] == ["out"]:
        return frozenset((Act.PAY,))
    if low == "get" and words[place + 1 : place + 3] == ["back", "to"]:
        return frozenset((Act.SEND,))
    if low in ("tell", "ask", "let"):
        kinds = _said(words, place)
    if not kinds:
        return None
    if (low.endswith("ed") or low in _PAST) and low != "read":
        # "the mail that Ann sent" wants nothing; "it must be sent" does.
        if not _DONE.intersection(before[-6:]):
            return None
    elif not _is_verb(low, stem(low), before) and not (low.endswith("ing") and _DONE.intersection(before[-3:])):
        return None
    return frozenset() if _NEGATIONS.intersection(before[-3:]) else kinds


def _said(words: list[str], place: int) -> frozenset[Act] | None:
    """What telling, asking and letting know are: to the user, an answer; to anybody else, a message."""
    after = words[place + 1 : place + 6]
    if words[place] == "let" and "know" not in after:
        return None
    return frozenset((Act.READ if after[:1] in (["me"], ["us"]) else Act.SEND,))


def _is_verb(low: str, reduced: str, before: list[str]) -> bool:
    if reduced not in BOTH:
        return True
    if low.endswith("s"):
        return False
    return not before or before[-1] in BEFORE_VERBS or before[-1].endswith("ly")


def _chinese_acts(clause: str) -> Iterator[Act]:
    for found in _HAN_VERB.finditer(clause):
        if not clause[max(0, found.start() - 2) : found.start()].endswith(_CHINESE_NEGATIONS):
            yield from _HAN_ACTS[found[0]]


@lru_cache(maxsize=8192)
def named(word: str) -> frozenset[str]:
    """The things that a word stands for: its stem, those of its parts in `camelCase`, and their concepts."""
    parts = [word, *_HUMPS.findall(word)] if not word.islower() else [word]
    stems = {stem(part) for part in parts if len(part) > 1 or part.isdigit()} - STOP_STEMS
    return frozenset(stems).union(*(_CONCEPTS.get(part, frozenset()) for part in stems))


def parts_of_name(name: str) -> list[str]:
    """`GmailSendEmail`, `send_email` and `mcp__mail__send-email` to their words, in lower case."""
    return [part.casefold() for part in _HUMPS.findall(name)]


def acts_of_word(word: str) -> frozenset[Act]:
    """The kinds of action that a word of a name stands for: its verb, or the noun of one (`withdrawal`), not who or
    what does it (`browser`)."""
    if word in _ACTS:
        return _ACTS[word]
    if foreign := verb_of(word):
        return foreign
    return frozenset() if word.endswith(("er", "or", "ers", "ors")) else _ACTS.get(stem(word), frozenset())


def things_of(words: Iterable[str]) -> frozenset[str]:
    """The things that the words of a name stand for, verbs left out unless they are nouns as well."""
    kept = (word for word in words if word not in STOP_STEMS and (not acts_of_word(word) or stem(word) in BOTH))
    return frozenset[str]().union(*(named(word) for word in kept))


@lru_cache(maxsize=256)
def words_for(acts: frozenset[Act]) -> frozenset[str]:
    """The stems and the Chinese words for kinds of action."""
    made = frozenset(of for of, _, also in COMBINED if also in acts)
    wanted = acts.union(*made)
    plain = {stem(word) for word, kinds in _ACTS.items() if kinds & wanted}
    return frozenset(
        plain | {word for word, kinds in _HAN_ACTS.items() if kinds & wanted} | {"tell", "let", "ask", "give"}
    )


def spellings(things: frozenset[str]) -> frozenset[str]:
    """The stems and the Chinese words for things, concepts included."""
    concepts = {thing for thing in things if thing.startswith("=")}
    plain = {stemmed for stemmed, named_by in _CONCEPTS.items() if named_by & concepts}
    han = {word for word, thing in _HAN_THINGS.items() if thing in concepts}
    return frozenset(plain | han | (things - concepts))
