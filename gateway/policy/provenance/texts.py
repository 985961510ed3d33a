"""The texts of a conversation as one index, in which a value is looked for once for all calls of an answer.

Three sides: what the user and the operator wrote, what others wrote, and what the model made of it. A user's text that
quotes (fences, document tags) is data where it quotes. What the model proposed and the user then agreed to is the
user's.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import pairwise
from typing import Final

from msgspec import Struct

from gateway.policy.call import Call, shown
from gateway.policy.provenance.spelling import EMAIL, Form, forms, normal, scalar, weak
from gateway.policy.provenance.structure import Leaf, leaves
from gateway.policy.quoted import quoted_spans
from gateway.policy.transcript import Made, Returned, Said, Transcript
from gateway.segment import Trust

_SENTENCE_END: Final = re.compile(r"[.!?;][\"')\]]*\s+|\n+|[。！？；]|<[^<>]{1,200}>|[\"']\s*[,:}\]]+\s*|\s[-–—|•]\s")
_GROUPED: Final = re.compile(
    r"(?<!\w)\+?\(?(?:[a-z]{0,4}\d\w{0,40})(?:[ .()/-]{1,3}(?:[a-z]{0,4}\d\w{0,40}|[a-z]{4}(?!\w)))+"
)
"""A number in groups: an IBAN, a card, a telephone number, a date. In text of lower case."""

_SPELT: Final = re.compile(
    r"[\w.+-]{1,64}\s?(?:\(at\)|\[at\]|\sat\s)\s?[\w-]{1,63}(?:\s?(?:\(dot\)|\[dot\]|\sdot\s|\.)\s?[\w-]{1,63}){1,4}"
)
"""An address that is spelt out: `ann at example dot org`."""
_PART_BEFORE: Final = re.compile(r"[$€£¥+%]$|\d[.,:/-]$")
_PART_AFTER: Final = re.compile(r"\s?(?:%|am\b|pm\b|uhr\b|[点月日年])|[.,:/-]\d")
"""What makes a short number a part of an amount, a percentage, a date or a time."""

_AGREES: Final = re.compile(
    r"\W*(?:(?:oh|ah|hm+|right|great|thanks|thank\s+you|well|cool|perfect|好的)\W+){0,3}(?:yes|yeah|yep|yup|sure|ok|okay|go\s+ahead|please\s+(?:do|proceed|go)|do\s+(?:it|that|so)|correct|confirm(?:ed)?|proceed|agreed|"
    r"sounds\s+good|perfect|great|that'?s?\s+(?:right|fine|works|correct|good)|absolutely|looks\s+good|lgtm|approved?|"
    r"(?:the\s+)?(?:first|second|third|last|both|all|option)\b|ja|genau|passt|einverstanden|mach\s+das|"
    r"好|可以|是的|对|确认|行|没问题|同意|嗯|就这样)",
    re.IGNORECASE,
)
_DECLINES: Final = re.compile(
    r"\b(?:not|never|no(?!\s+(?:problem|need|worries|objection))|none|nothing|neither|skip|ignore|cancel|stop|forget|leave|nicht|kein\w*|lass)\b|n['\u2019]t\b"
    r"|\b(?:don|won|can)t\b|不(?!错|客气)|别|取消|忽略",
    re.IGNORECASE,
)
"""What makes of an answer that begins like an agreement something else: `OK, but do not send it`."""

_AGREES_UP_TO: Final = 240
"""Characters of an answer that can still be an agreement to what was proposed, rather than a new task."""


_NAMED: Final = re.compile(r"([^<>@]{0,80})<([^<>]{1,320})>")
"""A name before an address (RFC 5322, 3.4, `name-addr`). In text of lower case."""
_SAYS: Final = re.compile(r"\b(?:to|at|with|via|using|the|this|that|it|all|every\w*|me|us|here|now|please)\b")
"""Words that no name has: what stands before the address is a sentence, that of an order perhaps."""

LONGEST: Final = 1000
"""Characters of a sentence. Longer ones are tables or blobs."""

LEAST_ORDER: Final = 8
"""Characters of the shortest sentence that is an order."""


class Unit(Struct, frozen=True):
    """A text that is judged as one: a user's message, a field of a record, or all of a free text.

    `text` is in normal form, `start` its offset in its side's text. `whence` says where it is, for a person. `call` is
    the call that returned it, or one of the tool that it describes.
    """

    leaf: Leaf
    text: str
    start: int
    turn: int
    trust: Trust
    whence: str
    call: Call | None = None

    @property
    def is_field(self) -> bool:
        return self.leaf.is_field


class Hit(Struct, frozen=True):
    """A value found: in `unit`, from `start` to `end` of its text. `is_whole` where the unit is nothing else."""

    unit: Unit
    start: int
    end: int
    is_whole: bool = False


class Side:
    """The texts of one side, joined."""

    def __init__(self, units: Sequence[tuple[Leaf, int, Trust, str, Call | None]]) -> None:
        found: list[Unit] = []
        start = 0
        for leaf, turn, trust, whence, call in units:
            text = normal(leaf.text)
            found.append(Unit(leaf, text, start, turn, trust, whence, call))
            start += len(text) + 1
        self.units: Final = tuple(found)
        self._starts: Final = [unit.start for unit in found]
        self.text: Final = "\x00".join(unit.text for unit in found)
        self._sentences: Final[dict[int, list[int]]] = {}

    @cached_property
    def _squeezed(self) -> tuple[str, list[int], list[tuple[int, int]]]:
        """What is written in groups, as letters and digits alone; with where each begins there, and its place here."""
        places: list[int] = []
        spans: list[tuple[int, int]] = []
        parts: list[str] = []
        length = 0
        for pattern in (
            (_GROUPED, _SPELT) if " dot " in self.text or "dot]" in self.text or "dot)" in self.text else (_GROUPED,)
        ):
            for run in pattern.finditer(self.text):
                bare = "".join(filter(str.isalnum, run[0]))
                places.append(length)
                spans.append(run.span())
                parts.append(bare)
                length += len(bare) + 1
        return "\x00".join(parts), places, spans

    @cached_property
    def _records(self) -> dict[tuple[int, int], list[Unit]]:
        found: dict[tuple[int, int], list[Unit]] = {}
        for unit in self.units:
            found.setdefault((unit.turn, unit.leaf.record), []).append(unit)
        return found

    def mates(self, unit: Unit) -> list[Unit]:
        """The units of the same record, itself included."""
        return self._records[unit.turn, unit.leaf.record]

    @cached_property
    def _turns(self) -> dict[int, list[Unit]]:
        found: dict[int, list[Unit]] = {}
        for unit in self.units:
            found.setdefault(unit.turn, []).append(unit)
        return found

    def of_turn(self, turn: int) -> list[Unit]:
        """The units of one result, in order."""
        return self._turns.get(turn, [])

    def unit_at(self, offset: int) -> Unit:
        return self.units[bisect_right(self._starts, offset) - 1]

    def find(self, value: str) -> Iterator[Hit]:
        """Each place where the value stands, in any spelling."""
        for form in forms(value):
            for start, end in self._squeezed_places(form) if form.is_squeezed else self._places(form, value):
                unit = self.unit_at(start)
                if end <= unit.start + len(unit.text):
                    whole = unit.text.strip()
                    is_whole = end - start == len(whole) or _addressed(whole, form.text)
                    yield Hit(unit, start - unit.start, end - unit.start, is_whole)

    def _places(self, form: Form, value: str) -> Iterator[tuple[int, int]]:
        text, needle = self.text, form.text
        alone = stands_strictly if weak(value) else stands
        at = text.find(needle)
        while at >= 0:
            end = at + len(needle)
            if alone(text, at, end):
                yield at, end
            at = text.find(needle, end)

    def _squeezed_places(self, form: Form) -> Iterator[tuple[int, int]]:
        text, places, spans = self._squeezed
        at = text.find(form.text)
        while at >= 0:
            yield spans[bisect_right(places, at) - 1]
            at = text.find(form.text, at + len(form.text))

    def sentences(self, unit: Unit) -> list[int]:
        """Where the sentences of a unit begin, and where the last one ends."""
        found = self._sentences.get(unit.start)
        if found is None:
            ends = {0, *(end.end() for end in _SENTENCE_END.finditer(unit.text)), len(unit.text)}
            # What goes on without an end is cut, so that no text costs more than its length.
            ends.update(cut for start, end in pairwise(sorted(ends)) for cut in range(start, end, LONGEST))
            found = self._sentences[unit.start] = sorted(ends)
        return found

    def sentences_with(self, needles: Sequence[str]) -> Iterator[tuple[int, int, Unit]]:
        """The sentences in which a word begins with one of the needles, in order: where they begin and end, of what."""
        found: set[int] = set()
        for needle in needles:
            at = self.text.find(needle)
            while at >= 0:
                if not (at and _joins(self.text[at - 1]) and needle.isascii()):
                    found.add(at)
                at = self.text.find(needle, at + len(needle))
        done = -1
        for at in sorted(found):
            if at < done:
                continue
            unit = self.unit_at(at)
            ends = self.sentences(unit)
            place = bisect_right(ends, at - unit.start)
            start, done = unit.start + ends[place - 1], unit.start + ends[min(place, len(ends) - 1)]
            if done - start >= LEAST_ORDER:
                yield start, done, unit

    def parts(self, unit: Unit) -> list[str]:
        """The sentences of a unit."""
        ends = self.sentences(unit)
        return [unit.text[start:end] for start, end in pairwise(ends)]

    def around(self, hit: Hit, before: int = 2, after: int = 1) -> list[str]:
        """The sentence of a hit, with so many before and after it."""
        ends = self.sentences(hit.unit)
        at = bisect_right(ends, hit.start) - 1
        last = max(at, bisect_right(ends, max(hit.start, hit.end - 1)) - 1)
        bounds = ends[max(0, at - before) : last + after + 2]
        return [hit.unit.text[start:end] for start, end in pairwise(bounds)]


def _addressed(whole: str, value: str) -> bool:
    """Whether a field is an address with a name, or a list of addresses: `Ann <ann@x.org>`, `a@x.org, b@y.org`."""
    if "@" not in value or len(whole) > LONGEST:
        return False
    addresses: list[str] = []
    for part in map(str.strip, re.split("[,;]", whole)):
        named = _NAMED.fullmatch(part)
        if named is None and not EMAIL.fullmatch(part):
            return False
        if named is not None and _SAYS.search(named[1]):
            return False
        addresses.append(part if named is None else named[2])
    return value in addresses


def stands(text: str, start: int, end: int) -> bool:
    """Whether what stands there is no part of a longer word, number or address. Chinese is written without spaces."""
    before = text[start - 1] if start else " "
    after = text[end : end + 2]
    if _joins(before) and _joins(text[start]):
        return False
    if "@" in text[start:end]:
        # `bob@x.org` is not in `evil.bob@x.org`, nor in `bob@x.org.evil.com`.
        return before not in ".+-%" and not (len(after) > 1 and after[0] in ".-" and after[1].isalnum())
    return not (after and _joins(after[0]) and _joins(text[end - 1]))


def stands_strictly(text: str, start: int, end: int) -> bool:
    """The same for a short number or letter: no part of a date, a time, an amount, a percentage or a version either."""
    if not stands(text, start, end):
        return False
    before, after = text[max(0, start - 2) : start], text[end : end + 5]
    return not _PART_BEFORE.search(before) and not _PART_AFTER.match(after)


def _joins(sign: str) -> bool:
    return sign == "_" or (sign.isalnum() and not "\u3040" <= sign <= "\u9fff")


class Texts:
    """A transcript, indexed. Build it once for all calls of an answer."""

    def __init__(self, transcript: Transcript) -> None:
        self.transcript: Final = transcript
        self.defined: Final = {defined.name: defined for defined in transcript.tools}
        own: list[tuple[Leaf, int, Trust, str, Call | None]] = []
        foreign: list[tuple[Leaf, int, Trust, str, Call | None]] = []
        self.wishes: list[tuple[str, Trust, int]] = []
        """What user and operator wrote, agreed proposals included: the text as it was, its trust, its turn."""
        proposal = ""
        for index, turn in enumerate(transcript.turns):
            if isinstance(turn, Returned):
                foreign += _returned(turn, index)
            elif isinstance(turn, Said) and turn.trust is Trust.MODEL:
                proposal = turn.text
            elif isinstance(turn, Said):
                mine, quoted = _said(turn)
                if turn.trust is Trust.PRINCIPAL and proposal and agrees(turn.text):
                    self.wishes.append((proposal, Trust.PRINCIPAL, index))
                    own.append((Leaf(proposal), index, Trust.PRINCIPAL, "what the user agreed to", None))
                proposal = ""
                whence = "the system prompt" if turn.trust is Trust.OPERATOR else "the user"
                own += [(Leaf(text), index, turn.trust, whence, None) for text in mine]
                self.wishes += [(text, turn.trust, index) for text in mine]
                foreign += [
                    (leaf, index, Trust.UNTRUSTED, f"a document (message {turn.message})", None)
                    for text in quoted
                    for leaf in leaves(text)
                ]
        self.own: Final = Side(own)
        self.others: Final = Side(foreign)

    @cached_property
    def definitions(self) -> Side:
        """What the definitions of tools say: others wrote it, and every conversation has it."""
        described = ((Call(tool.name, None), tool.description) for tool in self.transcript.tools if tool.description)
        return Side(
            [
                (Leaf(text), -1, Trust.UNTRUSTED, f"the description of {shown(call.name)}", call)
                for call, text in described
            ]
        )

    @cached_property
    def made(self) -> tuple[Call, ...]:
        """The calls that the model made before."""
        return tuple(turn.call for turn in self.transcript.turns if isinstance(turn, Made))

    def is_own(self, value: str) -> bool:
        """Whether the user or the operator wrote the value."""
        return next(self.own.find(value), None) is not None


def _returned(turn: Returned, index: int) -> Iterator[tuple[Leaf, int, Trust, str, Call | None]]:
    name = f"the result of {shown(turn.call.name)}" if turn.call else "a result"
    for leaf in leaves(turn.text):
        yield leaf, index, Trust.UNTRUSTED, f"{name} (message {turn.message})", turn.call


def _said(turn: Said) -> tuple[list[str], list[str]]:
    """The author's own words, and what they quote."""
    if turn.trust is Trust.UNTRUSTED:
        return [], [turn.text]
    if turn.trust is Trust.OPERATOR:
        return [turn.text], []
    spans = quoted_spans(turn.text)
    edges = [0, *(edge for span in spans for edge in (span.start, span.end)), len(turn.text)]
    own = [turn.text[start:end] for start, end in zip(edges[::2], edges[1::2], strict=True)]
    return [text for text in own if text.strip()], [turn.text[span.start : span.end] for span in spans]


def agrees(text: str) -> bool:
    """Whether a user's text agrees to what the model proposed just before."""
    return len(text) <= _AGREES_UP_TO and _AGREES.match(text) is not None and _DECLINES.search(text) is None


def values_of(arguments: object) -> Iterator[str]:
    """The scalars in the arguments of a call, as texts."""
    todo = [arguments]
    while todo:
        value = todo.pop()
        if isinstance(value, dict):
            todo += value.values()
        elif isinstance(value, list):
            todo += value
        elif (text := scalar(value)) is not None:
            yield text
