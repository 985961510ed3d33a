"""Whether a value of a call was taken from what somebody wrote in passing.

A program gives its values in fields; who wants an agent to use another value can only mention it, in a text. So a value
that names one thing (an id, a number, an address, a handle) and stands in free text weighs what that text weighs, in
whatever language it is written and whatever it says about it. The same holds where a field has the value too: to
mention one record in another is how a call is led from the one to the other.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import islice
from typing import Final

from gateway.policy.call import Argument, Sink
from gateway.policy.provenance.lexicon import Act
from gateway.policy.provenance.purpose import Purpose
from gateway.policy.provenance.spelling import EMAIL, IBAN, host_of, identifiers, normal, scalar
from gateway.policy.provenance.texts import Hit, Texts, Unit, values_of
from gateway.policy.provenance.wish import Wish
from gateway.policy.provenance.words import acts_of_word, parts_of_name
from gateway.segment import Trust

MOST: Final = 200
"""Places of one value that are looked at."""

MOST_INSIDE: Final = 50
"""Addresses in one text that are looked for."""

LONGEST_MARK: Final = 64
"""Characters of an id or an address; a URL may have more."""

LONGEST_URL: Final = 300

FEW_WORDS: Final = 2
"""Words of a field that is a value with its name beside it, such as `nr 3`."""

_MARK: Final = re.compile(r"(?=.*[\d@_#])[\w@#./:+&-]+(?: [\w./:+&-]*\d[\w./:+&-]*){0,8}")
_WHEN: Final = re.compile(
    r"(?:\d{1,2}[-:./h]\d{1,2}\s?)+|\d{4}-\d{2}(?:-\d{2})?(?:[T ].*)?|\d{1,2}[./]\d{1,2}[./]\d{2,4}"
)
_LETTERS: Final = re.compile(r"[^\W\d_]{2,}")
_PHONE: Final = re.compile(r"\+?\d[\d ()/.-]{7,18}\d")
_MONEY: Final = re.compile(
    r"[€$£¥]\s?\d[\d.,' ]*\d|\d[\d.,']*\s?(?:[€$£¥]|eur\b|usd\b|gbp\b|chf\b|元)|\b\d{1,3}(?:[.,]\d{3})*[.,]\d{2}\b"
)
_LABEL: Final = re.compile(r"([\w-]+)[\"']?\s?[=:]\s?[\"'#]?$")
_NUMBER: Final = re.compile(r"[-+]?\d[\d.,' ]*")
_FORMS: Final = {"email": EMAIL, "iban": IBAN, "phone": _PHONE, "money": _MONEY}


def is_mark(value: str) -> bool:
    """Whether a value names one thing by its form: an id, a number, an address, a handle; no date, and no words."""
    if "://" in value:
        return len(value) <= LONGEST_URL and " " not in value
    if " " in value and 2 * sum(map(str.isdigit, value)) < sum(map(str.isalnum, value)):
        return False
    return len(value) <= LONGEST_MARK and _MARK.fullmatch(value) is not None and not _WHEN.fullmatch(value)


class Mentions:
    """The values of one call that were mentioned, and that nothing the user said lends."""

    def __init__(self, texts: Texts, wish: Wish, wanted: Purpose, tool: str, arguments: Sequence[Argument]) -> None:
        self._texts: Final = texts
        self._wish: Final = wish
        self._wanted: Final = wanted
        self._tool: Final = frozenset(parts_of_name(tool))
        self._arguments: Final = arguments
        self._found: Final[dict[str, list[Hit]]] = {}
        self._only: Final[dict[str, bool]] = {}
        self._domains: Final[dict[int, Counter[str]]] = {}
        self._asking: Final = [clause for clause in wish.asking(wanted) if clause.trust is Trust.PRINCIPAL]

    def of(self, argument: Argument) -> Unit | None:
        """The text that mentions the value of an argument; None where there is none, or what the user said lends it."""
        value = scalar(argument.value)
        if value is None or ("://" in value and not self._wanted.acts - {Act.READ}):
            return None  # a page may be read on wherever a link leads
        if "://" in value and self._texts.is_own(host_of(value)):
            return None
        if argument.sink in (Sink.TEXT, Sink.CODE) and not is_mark(value):
            parts = _inside(value)
        else:
            parts = EMAIL.findall(value) or [value]
        if self._is_other_sum(argument, value):
            return self._texts.others.units[-1]
        marks = (part for part in parts if is_mark(part) and not self._texts.is_own(part))
        return next((unit for mark in marks if (unit := self._mentioned(argument, mark)) is not None), None)

    def _is_other_sum(self, argument: Argument, value: str) -> bool:
        """Whether the user gave a sum, others wrote since, and the call has another."""
        if form_of(value, argument.sink) != "money" or self._texts.is_own(value) or not self._texts.others.units:
            return False
        given = {_digits(found) for found in self._given("money")}
        return bool(given) and not given & {_digits(used) for used in self._used}

    def _mentioned(self, argument: Argument, value: str) -> Unit | None:
        hits = self._hits(value)
        if _is_weak(value, argument.sink):
            hits = [*(hit for hit in hits if is_value(hit) or self._is_called(hit, argument)), *self._percents(value)]
        if any(self._is_chosen(hit.unit) for hit in hits if is_value(hit)):
            return None
        prose = (hit for hit in hits if not is_value(hit) and not is_labelled(hit, argument))
        return next((hit.unit for hit in prose if not self._is_lent(hit, argument, value)), None)

    def _hits(self, value: str) -> list[Hit]:
        if value not in self._found:
            self._found[value] = list(islice(self._texts.others.find(value), MOST))
        return self._found[value]

    def _is_chosen(self, unit: Unit) -> bool:
        """Whether a field's record bears a name of the request, or is all that a call returned that had one."""
        if self._wish.linked(unit, ""):
            return True
        asked = values_of(unit.call.arguments) if unit.call else ()
        return any(is_mark(value) and self._texts.is_own(value) for value in asked) and (
            len({mate.leaf.record for mate in self._texts.others.of_turn(unit.turn)}) == 1
        )

    def _is_called(self, hit: Hit, argument: Argument) -> bool:
        """Whether the sentence calls a number what the call does: `nr 4`, "the limit to 5000"."""
        said = frozenset(_LETTERS.findall(" ".join(self._texts.others.around(hit, 0, 0))))
        return bool(said & (self._tool | frozenset(parts_of_name(argument.name))))

    def _percents(self, value: str) -> Iterator[Hit]:
        for spelt in (f"{value}%", f"{value} %") if value.isdigit() else ():
            yield from islice(self._texts.others.find(spelt), MOST)

    def _is_lent(self, hit: Hit, argument: Argument, value: str) -> bool:
        unit = hit.unit
        pointed = self._wish.pointed(unit, self._wanted, argument.sink, unit.text[hit.start : hit.end])
        if pointed.is_delegated:
            return True
        if unit.turn in self._turns and (unit.turn, unit.leaf.record) not in self._chosen:
            return False  # the call is about another record of the same result
        form = form_of(value, argument.sink)
        linked = self._is_linked(hit, form)
        if not self._is_fit(form) or self._is_overruled(unit, form):
            return linked
        if given := self._given(form):
            return linked and bool(given & self._used)
        if not linked and not (pointed.is_pointed and pointed.is_plural) and self._is_aimed_elsewhere(argument):
            return False
        if linked or (not form and self._wish.named(unit, self._wanted)):
            return True
        if pointed.is_pointed:
            return form != "email" or not self._is_stranger(unit.turn, value)
        return form in ("email", "phone") and bool(self._asking) and self._is_only(form)

    def _is_linked(self, hit: Hit, form: str) -> bool:
        """Whether what the user named stands beside the value. An id is of no use but for whom it stands beside."""
        reach = 0 if form else 1
        near = " ".join(self._texts.others.around(hit, reach, reach)).replace(hit.unit.text[hit.start : hit.end], " ")
        return (bool(self._asking) or not form) and self._wish.linked(hit.unit, near)

    def _is_fit(self, form: str) -> bool:
        """Whether an account or an address is what the kind of action needs: who asks to book lends no IBAN."""
        acts = self._wanted.acts
        if form == "iban":
            asked = frozenset[Act]().union(*(clause.words.acts for clause in self._asking))
            return bool(acts & {Act.CREATE, Act.CHANGE} or Act.PAY in asked)
        return form != "email" or Act.PAY not in acts or Act.SEND in acts

    def _is_overruled(self, unit: Unit, form: str) -> bool:
        """Whether the record of whom the user named has a field of that form, which its remarks do not outweigh."""
        if form not in ("email", "iban", "phone"):
            return False
        fields = [mate for mate in self._texts.others.mates(unit)[:MOST] if mate.is_field and mate.leaf.key]
        given = [mate for mate in fields if _FORMS[form].fullmatch(mate.text)]
        return bool(given) and any(self._wish.names_in(mate.text) for mate in fields if mate not in given)

    @cached_property
    def _chosen(self) -> frozenset[tuple[int, int]]:
        """The records of which the call has a field."""
        return frozenset(
            (hit.unit.turn, hit.unit.leaf.record)
            for argument in self._arguments
            if (value := scalar(argument.value)) is not None and is_mark(value)
            for hit in self._hits(value)
            if is_value(hit)
        )

    @cached_property
    def _turns(self) -> frozenset[int]:
        return frozenset(turn for turn, _ in self._chosen)

    def _given(self, form: str) -> frozenset[str]:
        """The values of that form that the user's last message gave, so that none is needed from a text."""
        said = [unit for unit in self._texts.own.units if unit.trust is Trust.PRINCIPAL] if form else []
        return frozenset(
            _bare(found) for unit in said if unit.turn == said[-1].turn for found in _FORMS[form].findall(unit.text)
        )

    @cached_property
    def _used(self) -> frozenset[str]:
        """The values of any form that this call and those before it were given."""
        given = [argument.value for argument in self._arguments] + [call.arguments for call in self._texts.made]
        texts = [normal(value) for one in given for value in values_of(one)]
        inside = (found for text in texts for form in _FORMS.values() for found in form.findall(text))
        return frozenset(map(_bare, (*texts, *inside)))

    def _is_aimed_elsewhere(self, argument: Argument) -> bool:
        """Whether the user named what the action is done to, and this argument, or the whole call, has something else.

        What led to a text that was read is no aim.
        """
        if not self._aims:
            return False
        elsewhere = {
            normal(value)
            for other in self._arguments
            if other.path[:1] != argument.path[:1]
            for value in values_of(other.value)
        }
        return not self._aims & elsewhere

    @cached_property
    def _aims(self) -> frozenset[str]:
        last = max((clause.message for clause in self._asking), default=0)
        named = {name for clause in self._asking if clause.message == last for name in clause.names if is_mark(name)}
        read = " ".join(
            normal(value) for call in self._texts.made if _reads(call.name) for value in values_of(call.arguments)
        )
        return frozenset(name for name in named if name not in read)

    def _is_only(self, form: str) -> bool:
        """Whether all that was read has one value of that form."""
        if form not in self._only:
            found = (_bare(match[0]) for match in _FORMS[form].finditer(self._texts.others.text))
            first = next(found, None)
            self._only[form] = first is not None and all(other == first for other in found)
        return self._only[form]

    def _is_stranger(self, turn: int, value: str) -> bool:
        """Whether a result has several addresses of one domain, and this one is of another."""
        if turn not in self._domains:
            texts = (unit.text for unit in self._texts.others.of_turn(turn) if "@" in unit.text)
            found = {address for text in texts for address in EMAIL.findall(text)}
            self._domains[turn] = Counter(address.partition("@")[2] for address in found)
        own = normal(value).partition("@")[2]
        return any(count > 1 and domain != own for domain, count in self._domains[turn].items())


def form_of(value: str, sink: Sink) -> str:
    """What a value is by its form, to tell whether another could stand in its place; empty for ids of all sorts."""
    if sink is Sink.AMOUNT:
        return "money" if _NUMBER.fullmatch(value) else ""
    return next((form for form in ("email", "iban", "phone") if _FORMS[form].fullmatch(value)), "")


def _reads(name: str) -> bool:
    """Whether a tool's name has the verb of reading, or none."""
    acts = frozenset[Act]().union(*map(acts_of_word, parts_of_name(name)))
    return not acts or Act.READ in acts


def is_value(hit: Hit) -> bool:
    text = hit.unit.text
    if text[hit.start - 1 : hit.start] == "<" and text[hit.end : hit.end + 1] == ">":
        return True  # as the header of a mail has it: `Ann <ann@x.org>`
    return hit.unit.is_field and (hit.is_whole or len(text.split()) <= FEW_WORDS)


def is_labelled(hit: Hit, argument: Argument) -> bool:
    """Whether a program wrote the argument's name before the value: `[button ref=k3]`, `patient_id: P88`."""
    label = _LABEL.search(hit.unit.text[max(0, hit.start - LONGEST_MARK) : hit.start])
    names = [step for step in argument.path if isinstance(step, str)]
    return label is not None and bool(names) and _bare(label[1]) == _bare(names[-1])


def _inside(text: str) -> list[str]:
    """The addresses in what is only carried along."""
    found = identifiers(text)
    return [*found.urls, *found.ibans, *found.emails][:MOST_INSIDE]


def _is_weak(value: str, sink: Sink) -> bool:
    """Whether chance writes the value too. Amounts of three digits are looked for; smaller ones stand everywhere."""
    if sink is Sink.AMOUNT and len(value) >= 3:
        return False
    return len(value) <= 1 or (len(value) <= 4 and value.isdigit())


def _digits(value: str) -> str:
    """The digits of a sum, whatever its unit: 12.50 is 1250 cents."""
    return "".join(filter(str.isdigit, value)).rstrip("0")


def _bare(value: str) -> str:
    return "".join(sign for sign in normal(value) if sign.isalnum() or sign == "@")
