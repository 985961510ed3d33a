"""What the user asked for: which kinds of action, aimed at whom, and which texts they pointed to for it.

How it is told apart
--------------------
A request is read clause by clause. A clause with a verb of the call's kind of action asks for it. In that clause the
user either *names* the target ("to Bob", an address, a file: the clause is closed) or leaves it open, and either
*points* to a text or does not:

- by its name: a file, an address, an id or a person of the clause stands in the head of what was read, which is the
  arguments of the call that read it and the short fields of its record ("pay the bill in bill.txt", "Anna's mail");
- by its kind: the clause speaks of an e-mail, a page, an issue, and that is what was read ("reply to that e-mail"),
  unless the clause has a name and something else that was read bears it;
- by a pronoun, for what the clauses before it in the same message speak of ("open bill.txt and pay it").

A clause *delegates* where it asks to do what a text says ("follow the steps in", "do what Anna asks"). Pointing lends
the values of that text to the kind of action that was asked for, and delegating lends its wishes too; neither lends
anything to another text, and pointing nothing to another kind of action, or to a second target beside a named one.
"""

from __future__ import annotations

import re
from itertools import islice
from typing import Final

from msgspec import Struct

from gateway.policy.call import Sink
from gateway.policy.provenance.clauses import Clause, names_target, read_clauses
from gateway.policy.provenance.lexicon import Act
from gateway.policy.provenance.purpose import Purpose, asks, fit
from gateway.policy.provenance.spelling import normal
from gateway.policy.provenance.texts import Hit, Texts, Unit, values_of
from gateway.policy.provenance.words import parts_of_name, spellings, things_of
from gateway.segment import Trust

_FIXED: Final = frozenset((Act.CHANGE, Act.CREATE, Act.RUN))
"""What is lent by who asks to fix what an issue describes: to work on files, not to write to people."""

_OUTWARD: Final = frozenset((Act.SEND, Act.PAY, Act.SHARE))

_PRONOUN: Final = re.compile(
    r"\b(?:it|them|that|this|these|those|they|him|her|there|one|everyone|everybody|all)\b"
    r"|它|他们|他|她|其中|这个|这些|大家|所有人",
    re.IGNORECASE,
)
_DEFINITE: Final = re.compile(
    r"\b(?:the|that|this|these|those|latest|last|newest|my|his|her|their|from|in|on|every|all|each)\b|[这那里中的]|\b(?:der|die|das)\b",
    re.IGNORECASE,
)
_ANSWERS: Final = re.compile(
    r"\b(?:reply|respond|answer|write\s+back|get\s+back|let\s+(?:them|him|her)\s+know)\b|回复|答复|回信|antwort",
    re.IGNORECASE,
)

MOST_HEADS: Final = 2000
"""Units in which a name is looked for, to know whether anything that was read bears it."""


class Pointed(Struct, frozen=True):
    """How far the user pointed to a text for a kind of action."""

    is_pointed: bool = False
    is_delegated: bool = False
    is_plural: bool = False
    is_fixed: bool = False  # delegated by who asks to fix what a text describes


class Wish:
    """All that the user, and the operator, asked for."""

    def __init__(self, texts: Texts) -> None:
        self.texts: Final = texts
        self.clauses: Final = tuple(read_clauses(texts))
        self.names: Final = frozenset[str]().union(*(clause.names for clause in self.clauses))
        self._heads: Final[dict[tuple[int, int], str]] = {}
        self._things: Final[dict[tuple[int, int], frozenset[str]]] = {}
        self._bearers: Final[dict[str, bool]] = {}
        self._bearing: Final[dict[tuple[int, str], bool]] = {}

    def asking(self, wanted: Purpose) -> list[Clause]:
        """The clauses that ask for that kind of action."""
        return [clause for clause in self.clauses if asks(clause.words, wanted)]

    def fit(self, wanted: Purpose) -> float:
        """How well the best of the clauses explains a call."""
        return max((fit(clause.words, wanted) for clause in self.clauses), default=0.0)

    def closed(self, wanted: Purpose, sink: Sink, value: str) -> bool:
        """Whether each clause that asks for it names a target already."""
        asking = self.asking(wanted)
        return bool(asking) and all(names_target(clause, sink, value) for clause in asking)

    def pointed(self, unit: Unit, wanted: Purpose, sink: Sink, value: str) -> Pointed:
        """Whether the user pointed to the text that `unit` is a part of, for that kind of action and target."""
        delegated = [clause for clause in self.clauses if clause.delegates and self._refers(clause, unit)]
        if sink in (Sink.PATH, Sink.COMMAND, Sink.CODE, Sink.TEXT) and wanted.acts & _FIXED:
            fixing = [clause for clause in self.clauses if clause.fixes and self._refers(clause, unit)]
        else:
            fixing = []
        open_ones = [clause for clause in self.asking(wanted) if not names_target(clause, sink, value)]
        made = wanted.things | spellings(wanted.things)
        pointing = [clause for clause in open_ones if self._refers(clause, unit, made)]
        return Pointed(
            bool(pointing or delegated or fixing),
            bool(delegated),
            any(clause.is_plural for clause in (*pointing, *delegated)),
            bool(fixing),
        )

    def named(self, unit: Unit, wanted: Purpose) -> bool:
        """Whether a message that asks for that kind of action names the text somewhere."""
        messages = {clause.message for clause in self.asking(wanted)}
        names = (name for clause in self.clauses if clause.message in messages for name in clause.names)
        return any(self._bears_name(unit, name) for name in names)

    def names_in(self, text: str) -> bool:
        """Whether a text bears a name of the request."""
        return any(_bears(text, name) for name in self.names)

    def linked(self, unit: Unit, passage: str) -> bool:
        """Whether what the user named stands beside the value: in the same record, or the same passage of a text."""
        if unit.is_field:
            # Beside, not above: what read the record was asked for by the model.
            beside = self._record(unit)
            return self.names_in(beside)
        return self.names_in(passage)

    def delegates(self, unit: Unit, wanted: Purpose) -> bool:
        """Whether the user asked to do what that text says, for that kind of action."""
        working = wanted.acts <= {Act.READ} or (bool(wanted.acts & _FIXED) and not wanted.acts & _OUTWARD)
        return any(
            (clause.delegates or (working and clause.fixes)) and self._refers(clause, unit) for clause in self.clauses
        )

    def is_understood(self) -> bool:
        """Whether any clause has a verb that is known: in other languages nobody can tell what was asked for."""
        theirs = [clause for clause in self.clauses if clause.trust is Trust.PRINCIPAL]
        last = theirs[-1].message if theirs else 0
        return any(clause.words.acts for clause in theirs if clause.message == last)

    def _refers(self, clause: Clause, unit: Unit, made: frozenset[str] = frozenset()) -> bool:
        """`made` are the things that the action makes: "write a mail" speaks of none that there is."""
        if unit.trust is Trust.UNTRUSTED and unit.call is None and unit.turn == clause.message:
            return True  # pasted into the same message
        reach = [clause]
        mates = [other for other in self.clauses if other.message == clause.message and other is not clause]
        if clause.delegates or _PRONOUN.search(clause.text) or not clause.words.things or _ANSWERS.search(clause.text):
            reach += [other for other in mates if other.place < clause.place]
        # "Tell the landlord ... His address is in the mail about the lease."
        reach += [other for other in mates if other.place > clause.place and not other.words.acts - {Act.READ}]
        if any(self._bears_name(unit, name) for part in reach for name in part.names):
            return True
        if any(self._is_borne(name) for name in clause.names):
            return False
        kinds = self._kinds(unit)
        return any(part.words.things & (kinds if _DEFINITE.search(part.text) else kinds - made) for part in reach)

    def _bears_name(self, unit: Unit, name: str) -> bool:
        """Whether the record bears a name. What the call that read it asked for is the name of all that it returned,
        unless some of its records bear it themselves."""
        if not _bears(self._head(unit), name):
            return False
        if _bears(self._record(unit), name):
            return True
        key = (unit.turn, name)
        if key not in self._bearing:
            firsts = {other.leaf.record: other for other in self.texts.others.of_turn(unit.turn)}
            self._bearing[key] = len(firsts) > 1 and any(_bears(self._record(one), name) for one in firsts.values())
        return not self._bearing[key]

    def _is_borne(self, name: str) -> bool:
        """Whether something that was read bears the name."""
        if name not in self._bearers:
            self._bearers[name] = any(_bears(self._head(unit), name) for unit in self.texts.others.units[:MOST_HEADS])
        return self._bearers[name]

    def _kinds(self, unit: Unit) -> frozenset[str]:
        key = (unit.turn, unit.leaf.record)
        if key not in self._things:
            # What a free text says of itself does not count: whoever wrote it could call it what he likes.
            said = self._head(unit) if len(self.texts.others.mates(unit)) > 1 else self._called(unit)
            words = parts_of_name(unit.call.name) if unit.call else ["document", "file", "email", "page", "message"]
            self._things[key] = things_of(re.findall(r"[^\W_]+", said[:600])) | things_of(words)
        return self._things[key]

    def _head(self, unit: Unit) -> str:
        key = (unit.turn, unit.leaf.record)
        if key not in self._heads:
            self._heads[key] = f"{self._called(unit)} | {self._record(unit)[:600]}"
        return self._heads[key]

    def _called(self, unit: Unit) -> str:
        """What the call that read a unit asked for. What was opened by an id is called as the list calls it that the id
        was picked from."""
        asked = list(values_of(unit.call.arguments)) if unit.call else []
        picked = [self._record(hit.unit) for value in asked[:4] for hit in self._listed(value, unit.turn)]
        return " | ".join((normal(" | ".join(asked))[:400], *picked))

    def _listed(self, value: str, turn: int) -> list[Hit]:
        found = (hit for hit in self.texts.others.find(value) if hit.is_whole and hit.unit.turn < turn)
        return list(islice((hit for hit in found if hit.unit.is_field), 2)) if len(value) < 100 else []

    def _record(self, unit: Unit) -> str:
        """The short fields of the record that a unit is in; the first line, where it is a text without records."""
        side = self.texts.others
        mates = side.mates(unit)
        # What a field is called says nothing of the record: everybody's record has such fields.
        fields = [mate.text for mate in mates if mate.is_field and mate.leaf.key]
        return " | ".join(fields) if len(mates) > 1 else unit.text.lstrip()[:160].split("\n")[0]


def _bears(text: str, name: str) -> bool:
    at = text.find(name)
    while at >= 0:
        end = at + len(name)
        before, after = text[at - 1 : at], text[end : end + 1]
        if not (before.isalnum() and before.isascii()) and not (after.isalnum() and after.isascii()):
            return True
        at = text.find(name, end)
    return False
