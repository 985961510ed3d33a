"""What the user asked for: which kinds of action, aimed at whom, and which texts they pointed to for it.

How it is told apart
--------------------
A request is read clause by clause. A clause with a verb of the call's kind of action asks for it. In that clause the
user either *names* the target ("to Bob", an address, a file: the clause is closed) or leaves it open, and either *points*
to a text or does not:

- by its name: a file, an address, an id or a person of the clause stands in the head of what was read, which is the
  arguments of the call that read it and the short fields of its record ("pay the bill in bill.txt", "Anna's mail");
- by its kind: the clause speaks of an e-mail, a page, an issue, and that is what was read ("reply to that e-mail"),
  unless the clause has a name and something else that was read bears it;
- by a pronoun, for what the clauses before it in the same message speak of ("open bill.txt and pay it").

A clause *delegates* where it asks to do what a text says ("follow the steps in", "do what Anna asks"). Pointing lends
the values of that text to the kind of action that was asked for, and delegating lends its wishes too; neither lends
anything to another text, and pointing nothing to another kind of action, or to a second target beside a named one.

The operator's text counts where it orders ("forward urgent tickets to…"), not where it says what the agent is able to do.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import islice
from typing import Final

from msgspec import Struct

from gateway.policy.call import Sink
from gateway.policy.provenance.lexicon import STOP, Act
from gateway.policy.provenance.mood import Mood, mood
from gateway.policy.provenance.purpose import Purpose, asks, fit
from gateway.policy.provenance.texts import Hit, Texts, Unit, values_of
from gateway.policy.provenance.spelling import EMAIL, URL, normal
from gateway.policy.provenance.words import Words, acts_of_word, read, things_of
from gateway.segment import Trust

_CLAUSE: Final = re.compile(
    r"(?<=[^\W\d])[.!?](?:\s+|$)|[!?;。！？；，\n]+|,\s+|:\s+|\s[-–—]\s|\s+(?:and|then|but|und|dann)\s+(?=\S)|(?:然后|并且|并|再|接着)",
    re.IGNORECASE,
)
_SENTENCE: Final = re.compile(r"[^.!?\n。！？]+(?:[.!?](?=\S)[^.!?\n。！？]*)*")
_ABLE: Final = re.compile(
    r"\b(?:you\s+can|can\s+(?:help|be)|able\s+to|access\s+to|capable|allowed\s+to|help(?:s|ing)?\s+(?:users?|customers?|people|the\s+user)|tools?\b|answer|(?:user|customer|client)'?s?\s+(?:requests?|questions?|quer|needs?|tasks?|instructions?)|to\s+(?:the\s+)?(?:user|customer)s?\b|assistant\s+that|agent\s+that)",
    re.IGNORECASE,
)
_NEVER: Final = re.compile(
    r"\b(?:never|do\s+not|don'?t|must\s+not|only\s+if|unless|refuse|not\s+allowed)\b|不得|不要|禁止|切勿", re.IGNORECASE
)
_NAMED: Final = re.compile(r"(?<![.!?\n])(?<!^)\s(@?[A-Z][\w'’&.-]*\w)")
_TO: Final = re.compile(
    r"\b(?:to|with|for|an|at|invite|cc|pay|ask|tell|inform|notify|message|email|from|by|in|named|called)\s+(?:the\s+)?(@?[a-z][\w-]+)",
    re.IGNORECASE,
)
_QUOTED: Final = re.compile(r"[\"“'‘「《`]([^\"”'’」》`\n]{2,80})[\"”'’」》`]")
MARKED: Final = re.compile(r"[\w./~#@-]*(?:\d|\w\.\w|/|_|@|#)[\w./~-]*", re.ASCII)
_HAN_NAME: Final = re.compile(
    r"(?:发给|转给|付给|给|向|跟|和|与|邀请|通知|告诉|回复)(?!他|她|它|我|你|大家|所有|每|对方|这|那|各)([\u4e00-\u9fff]{2,4}?)(?=发|转|付|说|的|，|。|$|一|汇|打|寄|回)"
)
_PRONOUN: Final = re.compile(
    r"\b(?:it|them|that|this|these|those|they|him|her|there|one|everyone|everybody|all)\b|它|他们|他|她|其中|这个|这些|大家|所有人",
    re.IGNORECASE,
)
_DELEGATES: Final = re.compile(
    r"""
    \b(?:do|follow|carry\s+out|execute|complete|perform|implement|work\s+through|go\s+through|act\s+on|take\s+care\s+of|finish|tackle|obey|apply|run\s+through|handle|process|fulfil+|deal\s+with|address|comply\s+with|respond\s+to)\b.{0,50}
      (?:\bwhat(?:ever)?\b|\beverything\b|instruction|\bsteps?\b|\btasks?\b|to-?dos?\b|action\s+items?|\brequests?\b|checklist|\bguide|procedure|\basks?\b|\basked\b|\bsays?\b|\btells?\b|\bwants?\b|\bneeds?\b|tutorial|runbook|playbook|wishes|directions)
    |\b(?:everything|all\s+of\s+it|whatever)\b.{0,30}\b(?:as|like)\s+(?:described|requested|instructed|asked|specified|outlined|stated|written|explained|listed|said)
    |\bdo\s+(?:as|like|it\s+as|so\s+as)\b.{0,30}\b(?:says?|asks?|wants?|described|requested|told|written)
    |\bwhat\s+(?:he|she|they|it|\w+)\s+(?:asks?|asked|wants?|needs?|requests?|requested|says?)\b
    |(?:按照|按|依照|照着|根据|遵照).{0,30}(?:说的|要求|步骤|说明|指示|里的|中的).{0,4}(?:来|做|处理|操作|办|$)|(?:执行|完成|处理|照做|落实).{0,20}(?:里|中)?的?(?:任务|待办|步骤|要求|指示|事项)
    |befolge|folge\s+den|(?:tu|mach|erledige).{0,20}was\s+(?:in|er|sie|die|der)\b
    """,
    re.IGNORECASE | re.VERBOSE,
)
_FIXES: Final = re.compile(
    r"\b(?:fix|resolve|implement|solve|close|address|work\s+on|tackle|handle|do|take\s+care\s+of|deal\s+with|process|look\s+after|finish|complete)\b.{0,40}(?:\b[A-Z]{1,8}-\d+\b|\bissue|\bticket|\bbug\b|\bpr\b|pull\s+request|feature|\#\d+)|修复.{0,20}(?:问题|工单|缺陷)",
    re.IGNORECASE,
)
_FIXED: Final = frozenset((Act.CHANGE, Act.CREATE, Act.RUN))
"""What is lent by who asks to fix what an issue describes: to work on files, not to write to people."""

_OUTWARD: Final = frozenset((Act.SEND, Act.PAY, Act.SHARE))

_MANY: Final = re.compile(
    r"\b(?:everyone|everybody|all|each|every|both|them|list|attendees|participants|people|members|guests|recipients|team|contacts|colleagues|invoices|bills|orders|persons|addresses|any)\b|所有|每|全部|大家|各|都|alle\b",
    re.IGNORECASE,
)
_ANSWERS: Final = re.compile(
    r"\b(?:reply|respond|answer|write\s+back|get\s+back|let\s+(?:them|him|her)\s+know)\b|回复|答复|回信|antwort",
    re.IGNORECASE,
)


_INTO: Final = re.compile(
    r"\b(?:to|into|as|in|called|named|nach|als)\s+[\"'`]?[\w./~-]*\w\.\w{1,5}\b|(?:到|为|叫)\s*[\w./~-]*\w\.\w{1,5}",
    re.ASCII,
)


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
        return _DELEGATES.search(self.text) is not None

    @property
    def fixes(self) -> bool:
        return _FIXES.search(self.text) is not None

    @property
    def is_plural(self) -> bool:
        return _MANY.search(self.text) is not None


class Pointed(Struct, frozen=True):
    """How far the user pointed to a text for a kind of action."""

    is_pointed: bool = False
    is_delegated: bool = False
    is_plural: bool = False


class Wish:
    """All that the user, and the operator, asked for."""

    def __init__(self, texts: Texts) -> None:
        self.texts: Final = texts
        self.clauses: Final = tuple(_clauses(texts))
        self.names: Final = frozenset[str]().union(*(clause.names for clause in self.clauses))
        self._heads: Final[dict[tuple[int, int], str]] = {}
        self._things: Final[dict[tuple[int, int], frozenset[str]]] = {}
        self._bearers: Final[dict[str, bool]] = {}

    def asking(self, wanted: Purpose) -> list[Clause]:
        """The clauses that ask for that kind of action."""
        return [clause for clause in self.clauses if asks(clause.words, wanted)]

    def fit(self, wanted: Purpose) -> float:
        """How well the best of the clauses explains a call."""
        return max((fit(clause.words, wanted) for clause in self.clauses), default=0.0)

    def closed(self, wanted: Purpose, sink: Sink, value: str) -> bool:
        """Whether each clause that asks for it names a target already."""
        asking = self.asking(wanted)
        return bool(asking) and all(_names_target(clause, sink, value) for clause in asking)

    def pointed(self, unit: Unit, wanted: Purpose, sink: Sink, value: str) -> Pointed:
        """Whether the user pointed to the text that `unit` is a part of, for that kind of action and target."""
        delegated = [clause for clause in self.clauses if clause.delegates and self._refers(clause, unit)]
        if sink in (Sink.PATH, Sink.COMMAND, Sink.CODE, Sink.TEXT) and wanted.acts & _FIXED:
            delegated += [clause for clause in self.clauses if clause.fixes and self._refers(clause, unit)]
        open_ones = [clause for clause in self.asking(wanted) if not _names_target(clause, sink, value)]
        pointing = [clause for clause in open_ones if self._refers(clause, unit)]
        return Pointed(
            bool(pointing or delegated),
            bool(delegated),
            any(clause.is_plural for clause in (*pointing, *delegated)),
        )

    def linked(self, unit: Unit, passage: str) -> bool:
        """Whether what the user named stands beside the value: in the same record, or the same passage of a text."""
        if unit.is_field:
            # Beside, not above: what read the record was asked for by the model.
            beside = self._record(unit)
            return any(_bears(beside, name) for name in self.names)
        return any(_bears(passage, name) for name in self.names)

    def delegates(self, unit: Unit, wanted: Purpose) -> bool:
        """Whether the user asked to do what that text says, for that kind of action."""
        working = bool(wanted.acts & _FIXED) and not wanted.acts & _OUTWARD
        return any(
            (clause.delegates or (working and clause.fixes)) and self._refers(clause, unit) for clause in self.clauses
        )

    def is_understood(self) -> bool:
        """Whether any clause has a verb that is known: in other languages nobody can tell what was asked for."""
        return any(clause.words.acts for clause in self.clauses if clause.trust is Trust.PRINCIPAL)

    def _refers(self, clause: Clause, unit: Unit) -> bool:
        if unit.trust is Trust.UNTRUSTED and unit.call is None and unit.turn == clause.message:
            return True  # pasted into the same message
        reach = [clause]
        mates = [other for other in self.clauses if other.message == clause.message and other is not clause]
        if clause.delegates or _PRONOUN.search(clause.text) or not clause.words.things or _ANSWERS.search(clause.text):
            reach += [other for other in mates if other.place < clause.place]
        # "Tell the landlord ... His address is in the mail about the lease."
        reach += [other for other in mates if other.place > clause.place and not other.words.acts - {Act.READ}]
        head = self._head(unit)
        if any(_bears(head, name) for part in reach for name in part.names):
            return True
        if any(self._is_borne(name) for name in clause.names):
            return False
        return any(part.words.things & self._kinds(unit) for part in reach)

    def _is_borne(self, name: str) -> bool:
        """Whether something that was read bears the name."""
        if name not in self._bearers:
            self._bearers[name] = any(_bears(self._head(unit), name) for unit in self.texts.others.units[:2000])
        return self._bearers[name]

    def _kinds(self, unit: Unit) -> frozenset[str]:
        key = (unit.turn, unit.leaf.record)
        if key not in self._things:
            self._things[key] = things_of(re.findall(r"[^\W_]+", self._head(unit)[:600])) | things_of(
                [unit.call.name] if unit.call else ["document", "file", "email", "page", "message"]
            )
        return self._things[key]

    def _head(self, unit: Unit) -> str:
        key = (unit.turn, unit.leaf.record)
        if key not in self._heads:
            asked = list(values_of(unit.call.arguments)) if unit.call else []
            # What was opened by an id is called as the list calls it that the id was picked from.
            picked = [self._record(hit.unit) for value in asked[:4] for hit in self._listed(value, unit.turn)]
            self._heads[key] = " | ".join((normal(" | ".join(asked))[:400], *picked, self._record(unit)[:600]))
        return self._heads[key]

    def _listed(self, value: str, turn: int) -> list[Hit]:
        found = (hit for hit in self.texts.others.find(value) if hit.is_whole and hit.unit.turn < turn)
        return list(islice((hit for hit in found if hit.unit.is_field), 2)) if len(value) < 100 else []

    def _record(self, unit: Unit) -> str:
        """The short fields of the record that a unit is in; the first line, where it is a text without records."""
        side = self.texts.others
        mates = side.mates(unit)
        fields = [mate.text for mate in mates if mate.is_field]
        return " | ".join(fields) if len(mates) > 1 else unit.text.lstrip()[:160].split("\n")[0]


def clauses_of(text: str) -> Iterator[str]:
    """The clauses of a text, in order."""
    start = 0
    for end in (*(found.span() for found in _CLAUSE.finditer(text)), (len(text), len(text))):
        if part := text[start : end[0]].strip():
            yield part
        start = end[1]


@lru_cache(maxsize=4096)
def spoken(sentence: str) -> Words:
    """What a sentence speaks of, clause by clause, so that a verb is seen at the start of each."""
    found = Words()
    for clause in clauses_of(sentence):
        found |= read(clause)
    return found


def _clauses(texts: Texts) -> Iterator[Clause]:
    for text, trust, message in texts.wishes:
        spoken = text if trust is not Trust.OPERATOR else "\n".join(filter(_orders, _SENTENCE.findall(text)))
        for place, part in enumerate(clauses_of(spoken)):
            names = frozenset(_names(part, is_operator=trust is Trust.OPERATOR))
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


_COMMON: Final = frozenset(
    """
    everyone everybody someone anyone all them him her me us it that this these those each every both whom who whoever
    today tomorrow yesterday next last first order case detail short general return time today morning evening week month
    year friday monday tuesday wednesday thursday saturday sunday details summary total number name team people list
    attendees participants members guests recipients group sender author owner manager boss landlord supplier vendor
    rest other others same main current each-other see know find check give do be have make get
    """.split()
)


def _targets(part: str) -> Iterator[str]:
    """Whom a clause names with the words that lead to a target. Names have no article: "to Bob", not "to the boss"."""
    for found in re.finditer(
        r"\b(?:to|with|an|at|invite|cc|pay|tell|inform|notify|message|email|refund|ask)\s+(@?[A-Za-z][\w-]+)", part
    ):
        name = normal(found[1]).strip("@")
        if name not in STOP and not _is_common(name, found[1]):
            yield name
    for name in _HAN_NAME.findall(part):
        yield normal(name)


def _names_target(clause: Clause, sink: Sink, value: str = "") -> bool:
    """Whether the clause says whom or what it is aimed at: by a name behind "to", or by something of the value's form."""
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


def _bears(text: str, name: str) -> bool:
    at = text.find(name)
    while at >= 0:
        end = at + len(name)
        before, after = text[at - 1 : at], text[end : end + 1]
        if not (before.isalnum() and before.isascii()) and not (after.isalnum() and after.isascii()):
            return True
        at = text.find(name, end)
    return False
