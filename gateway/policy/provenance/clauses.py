"""Reads a request clause by clause: what each asks for, whom and what it names, and whether it delegates.

The operator's text counts where it orders ("forward urgent tickets to ..."), not where it says what the agent is able
to do: every system prompt lists that.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

from msgspec import Struct

from gateway.policy.call import Sink
from gateway.policy.provenance.delegation import delegates
from gateway.policy.provenance.lexicon import STOP, listed
from gateway.policy.provenance.mood import Mood, mood
from gateway.policy.provenance.spelling import EMAIL, URL, normal
from gateway.policy.provenance.texts import LONGEST, Texts
from gateway.policy.provenance.words import Words, acts_of_word, read, things_of
from gateway.segment import Trust

_CLAUSE: Final = re.compile(
    r"(?<=[^\W\d])[.!?](?:\s+|$)|[!?;。！？；，\n]+|,\s+|:\s+|\s[-–—&+]\s"
    r"|\s+(?:and|then|but|und|dann)\s+(?=\S)|(?:然后|并且|并|再|接着)",
    re.IGNORECASE,
)
_SENTENCE: Final = re.compile(r"[^.!?\n。！？]+(?:[.!?](?=\S)[^.!?\n。！？]*)*")
_ABLE: Final = re.compile(
    r"""
    \b(?:you\s+can|can\s+(?:help|be)|able\s+to|access\s+to|capable|allowed\s+to|tools?\b|answer
      |help(?:s|ing)?\s+(?:users?|customers?|people|the\s+user)|(?:assistant|agent)\s+that
      |(?:user|customer|client)'?s?\s+(?:requests?|questions?|quer|needs?|tasks?|instructions?)
      |to\s+(?:the\s+)?(?:user|customer)s?\b)
    """,
    re.IGNORECASE | re.VERBOSE,
)
_NEVER: Final = re.compile(
    r"\b(?:never|do\s+not|don'?t|must\s+not|only\s+if|unless|refuse|not\s+allowed)\b|不得|不要|禁止|切勿", re.IGNORECASE
)
_NAMED: Final = re.compile(r"(?<![.!?\n])(?<!^)\s(@?[A-Z][\w'’&.-]*\w)")
_TO: Final = re.compile(
    r"\b(?:to|with|for|an|at|invite|cc|pay|ask|tell|inform|notify|message|email|from|by|in|named|called)\s+"
    r"(?:the\s+)?(@?[a-z][\w-]+)",
    re.IGNORECASE,
)
_AIMED: Final = re.compile(
    r"\b(?i:to|with|an|at|invite|cc|tell|inform|notify|ask)\s+(@?[A-Za-z][\w-]+)"
    r"|\b(?i:pay|send|give|mail|email|message|text|forward|refund|remind|call)\s+(@?[A-Z][\w-]+)"
)
"""Words that lead to whom something is aimed at. Behind a verb that takes things too, only a name is whom."""

_QUOTED: Final = re.compile(r"[\"“'‘「《`]([^\"”'’」》`\n]{2,80})[\"”'’」》`]")
MARKED: Final = re.compile(r"(?<![\w./~#@-])[\w./~#@-]*(?:\d|\w\.\w|/|_|@|#)[\w./~-]*", re.ASCII)
"""What looks like an id, a number, a path or a handle."""

_HAN_NAME: Final = re.compile(
    r"(?:发给|转给|付给|给|向|跟|和|与|邀请|通知|告诉|回复)(?!他|她|它|我|你|大家|所有|每|对方|这|那|各)"
    r"([\u4e00-\u9fff]{2,4}?)(?=发|转|付|说|的|，|。|$|一|汇|打|寄|回)"
)
_FIXES: Final = re.compile(
    r"""
    \b(?:fix|resolve|implement|solve|close|address|work\s+on|tackle|handle|do|take\s+care\s+of|deal\s+with|process
      |look\s+after|finish|complete)\b
      .{0,40}(?:\b[A-Z]{1,8}-\d+\b|\bissue|\bticket|\bbug\b|\bpr\b|pull\s+request|feature|\#\d+)
    |修复.{0,20}(?:问题|工单|缺陷)
    """,
    re.IGNORECASE | re.VERBOSE,
)
_MANY: Final = re.compile(
    r"\b(?:everyone|everybody|all|each|every|both|them|list|attendees|participants|people|members|guests|recipients|team"
    r"|contacts|colleagues|invoices|bills|orders|persons|addresses|any)\b|所有|每|全部|大家|各|都|alle\b",
    re.IGNORECASE,
)
_INTO: Final = re.compile(
    r"\b(?:to|into|as|in|called|named|nach|als)\s+[\"'`]?[\w./~-]*\w\.\w{1,5}\b|(?:到|为|叫)\s*[\w./~-]*\w\.\w{1,5}",
    re.ASCII,
)
_COMMON: Final = listed(
    """
    everyone everybody someone anyone all them him her me us it that this these those each every both whom who whoever
    today tomorrow yesterday next last first order case detail short general return time today morning evening week
    month
    year friday monday tuesday wednesday thursday saturday sunday details summary total number name team people list
    attendees participants members guests recipients group sender author owner manager boss landlord supplier vendor
    rest other others same main current each-other see know find check give do be have make get
    """
)
"""Words behind "to" and its like that name nobody."""


class Clause(Struct, frozen=True):
    """A part of a request. `names` are what it names, in normal form; `message` its turn; `place` its place in it."""

    text: str
    words: Words
    names: frozenset[str]
    targets: frozenset[str]
    message: int
    trust: Trust
    place: int

    @property
    def delegates(self) -> bool:
        return delegates(self.text)

    @property
    def fixes(self) -> bool:
        return _FIXES.search(self.text) is not None

    @property
    def is_plural(self) -> bool:
        return _MANY.search(self.text) is not None


def clauses_of(text: str) -> Iterator[str]:
    """The clauses of a text, in order."""
    start = 0
    for end in (*(found.span() for found in _CLAUSE.finditer(text)), (len(text), len(text))):
        if part := text[start : end[0]].strip():
            yield from (part[cut : cut + LONGEST] for cut in range(0, len(part), LONGEST))
        start = end[1]


@lru_cache(maxsize=4096)
def spoken(sentence: str) -> Words:
    """What a sentence speaks of, clause by clause, so that a verb is seen at the start of each."""
    found = Words()
    for clause in clauses_of(sentence):
        found |= read(clause)
    return found


def read_clauses(texts: Texts) -> Iterator[Clause]:
    """The clauses of all that the user and the operator wrote, in order."""
    for text, trust, message in texts.wishes:
        is_operator = trust is Trust.OPERATOR
        said = "\n".join(filter(_orders, _SENTENCE.findall(text))) if is_operator else text
        for place, part in enumerate(clauses_of(said)):
            names = frozenset(_names(part, is_operator=is_operator))
            yield Clause(part, read(part), names, frozenset(_targets(part)), message, trust, place)


def _orders(part: str) -> bool:
    return mood(part) is not Mood.STATES and not _ABLE.search(part) and not _NEVER.search(part)


def _names(part: str, *, is_operator: bool) -> Iterator[str]:
    for found in (*_QUOTED.findall(part), *MARKED.findall(part), *EMAIL.findall(part), *URL.findall(part)):
        name = normal(found).strip("./-#@ ")
        if len(name) > 2 or name.isdigit():
            yield name
    if is_operator:
        return
    for found in (*_NAMED.findall(part), *_HAN_NAME.findall(part), *_TO.findall(part)):
        name = normal(found).strip("@'’.").removesuffix("'s").removesuffix("’s")
        if len(name) > 1 and name not in STOP and not _is_common(name, found):
            yield name


def _is_common(name: str, found: str) -> bool:
    """Whether a word is a verb or a thing of the tables, and so names nobody."""
    if found[:1].isupper():
        return bool(acts_of_word(name))
    return bool(acts_of_word(name)) or any(thing.startswith("=") for thing in things_of([name])) or name in _COMMON


def _targets(part: str) -> Iterator[str]:
    """Whom a clause names with the words that lead to a target. Names have no article: "to Bob", not "to the boss"."""
    for found in ("".join(groups) for groups in _AIMED.findall(part)):
        name = normal(found).strip("@")
        if name not in STOP and not _is_common(name, found):
            yield name
    for name in _HAN_NAME.findall(part):
        yield normal(name)


def names_target(clause: Clause, sink: Sink, value: str = "") -> bool:
    """Whether the clause says what it is aimed at: by a name behind "to", or by something of the value's form."""
    if any(name != value and _shape(name) == _shape(value) for name in clause.names if any(map(str.isdigit, name))):
        return True
    if sink is Sink.PATH and _INTO.search(clause.text):
        return True
    if EMAIL.search(clause.text) or (sink is not Sink.PATH and _iban_like(clause.text)):
        return True
    if sink is Sink.URL:
        return URL.search(clause.text) is not None
    return sink in (Sink.RECIPIENT, Sink.ACCOUNT) and bool(clause.targets)


def _shape(value: str) -> str:
    return re.sub(r"[^\W\d_]+", "a", re.sub(r"\d", "9", value))


def _iban_like(text: str) -> bool:
    return re.search(r"\b[A-Z]{2}\d{2}[ A-Z0-9]{10,}", text) is not None
