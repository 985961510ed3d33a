"""Judges a call by where its values came from and by what the user asked for.

Two questions, asked of every call:

*Whose target is it?* Each value that decides where harm would be done is traced. What the user or the operator wrote is
theirs; what stands nowhere the model made up. What stands in others' texts alone has a standing there, and the request
says how much standing is enough:

| the user | a field of a record | stated | told | commanded |
| --- | --- | --- | --- | --- |
| delegated to that text | allowed | allowed | allowed | held |
| asked, and pointed to that text | allowed | allowed | allowed where it is the only one | held |
| asked, and left the target open | allowed | allowed | held | held |
| asked, and named the target | allowed | held, unless the name stands beside it | held | held |
| did not ask | allowed | held | held | held |

Beside that, what a text merely mentions needs a lender, whatever the table says (`mention`).

*Whose wish is it?* A call is ascribed to the text that explains it best, by kind of action and by things; where others'
words explain it better than the user's, and they tell somebody to do it, it is held.

Where evidence is weighed (`weighing`), what these rules find is a part of it: in balanced it can outweigh most
of them, and hold what none of them holds.

Held is asked where the profile is balanced and blocked where it is strict; and blocked in both where that very text
also carries instructions, as the detection rules have it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from enum import StrEnum
from functools import cached_property
from itertools import islice
from typing import Final

from msgspec import structs

from gateway.policy.call import Argument, Call, CallReason, Sink, Tier
from gateway.policy.provenance.echo import Echo
from gateway.policy.provenance.evidence import Grounds, evidence
from gateway.policy.provenance.mention import Mentions
from gateway.policy.provenance.mood import Mood
from gateway.policy.provenance.purpose import Purpose, purpose
from gateway.policy.provenance.spelling import scalar
from gateway.policy.provenance.standing import Standing, manner, standing
from gateway.policy.provenance.targets import (
    MAX_TARGETS,
    PROGRAMS,
    Target,
    asked_in,
    carried,
    is_address,
    targets,
)
from gateway.policy.provenance.texts import Hit, Texts, Unit, values_of
from gateway.policy.provenance.traced import MAX_HITS, hits_of, is_own
from gateway.policy.provenance.values import are_all_counted
from gateway.policy.provenance.weighing import Weigher
from gateway.policy.provenance.wish import Wish
from gateway.policy.transcript import Transcript
from gateway.verdict import Effect

type Instructs = Callable[[str], bool]
"""Whether an untrusted text carries instructions to the model, by the detection rules."""

LEAST_PROGRAM: Final = 8
"""Characters of a command that no two people write by chance."""

LEAST_DESCRIBED: Final = 12
"""Characters of a value that two descriptions of tools do not share by chance."""

MAX_READ: Final = 20
"""Texts that are held against the detection rules for one reason."""

_LAX: Final = frozenset((Sink.PATH, Sink.AMOUNT))
"""Sinks whose values are rightly found in prose all the time: what is stated is allowed, what is told is not."""


class Strictness(StrEnum):
    """What follows where a call is not the user's wish."""

    BALANCED = "balanced"
    STRICT = "strict"


class Sources:
    """A conversation, ready for its calls to be judged. Build it once for all calls of an answer."""

    def __init__(self, transcript: Transcript) -> None:
        self.transcript: Final = transcript

    @cached_property
    def texts(self) -> Texts:
        return Texts(self.transcript)

    @cached_property
    def wish(self) -> Wish:
        return Wish(self.texts)

    @cached_property
    def echo(self) -> Echo:
        return Echo(self.texts, self.wish)

    @cached_property
    def grounds(self) -> Grounds:
        return Grounds(self.texts, self.wish, self.echo)


def judge_provenance(
    call: Call,
    arguments: Sequence[Argument],
    tier: Tier,
    sources: Sources,
    instructs: Instructs,
    strictness: Strictness,
    weigher: Weigher | None = None,
) -> tuple[CallReason, ...]:
    """Why the call is not what the user asked for; empty where nothing says so.

    Without a `weigher` the rules alone decide. With one, a call that they would not hold is held where the evidence
    weighs enough; and one that they would hold for no more than where a value stands is let go where it does not,
    unless the profile is strict.
    """
    judged = _Judged(call, tier, sources, instructs, strictness)
    aimed = tuple(judged.by_targets(arguments))
    mentioned = judged.by_mention(arguments, {reason.argument for reason in aimed})
    rules = (*aimed, *mentioned, *judged.by_definition(arguments), *judged.by_action(arguments))
    if weigher is None or not sources.texts.others.units:
        return rules
    return judged.weighed(arguments, rules, weigher)


class _Judged:
    """One call under judgement."""

    def __init__(self, call: Call, tier: Tier, sources: Sources, instructs: Instructs, strictness: Strictness) -> None:
        self.call: Final = call
        self.tier: Final = tier
        self.sources: Final = sources
        self.texts: Final = sources.texts
        self.wish: Final = sources.wish
        self.echo: Final = sources.echo
        self.instructs: Final = instructs
        self.strictness: Final = strictness
        self.wanted: Final[Purpose] = purpose(call, tier, self.texts.defined.get(call.name))
        self._standings: Final[dict[tuple[str, Sink], list[tuple[Standing, Hit]]]] = {}

    def by_targets(self, arguments: Sequence[Argument]) -> Iterator[CallReason]:
        found = targets(arguments)
        for target in found[:MAX_TARGETS]:
            if not is_own(self.texts, target):
                yield from self._of_target(target)
        for target in found[MAX_TARGETS:]:
            if self.texts.others.units and (not target.is_content or self.tier >= Tier.SEND):
                words = f"it is aimed at more than {MAX_TARGETS} places, of which the others were not traced"
                yield self._held("untraced-target", target.argument.name, words, ())

    def by_mention(self, arguments: Sequence[Argument], known: Collection[str]) -> Iterator[CallReason]:
        """Values that were mentioned in a text and that nothing the user said lends, but for arguments `known`."""
        if self.tier is Tier.READ:
            return
        mentions = Mentions(self.texts, self.wish, self.wanted, self.call.name, arguments)
        for argument in arguments:
            if argument.name not in known and (unit := mentions.of(argument)) is not None:
                yield self._held("untrusted-target", argument.name, _WORDS[Standing.STATED], [unit])

    def by_action(self, arguments: Sequence[Argument]) -> Iterator[CallReason]:
        """Whether others' words explain the call better than the user's do."""
        if not self.texts.others.units or (self.tier is Tier.READ and _follows_link(arguments)):
            return
        own = self.wish.fit(self.wanted)
        values = (scalar(argument.value) for argument in arguments)
        named = any(value is not None and len(value) > 2 and self.texts.is_own(value) for value in values)
        # A call that has what the user named is about that, whatever others say of it.
        unit = None if named else self.echo.of(self.call, self.wanted, self.tier, own)
        if unit is not None:
            yield self._held("untrusted-action", "", "a text that was read asks for this, and the user did not", [unit])
        elif (unit := self.echo.unasked(self.wanted, self.tier, own)) is not None:
            yield self._held("unasked-action", "", "the user did not ask for this, and others' texts were read", [unit])

    def _of_target(self, target: Target) -> Iterator[CallReason]:
        standings = self._standings_of(target)
        hits = [hit for _, hit in standings]
        if not hits:
            yield from self._untraced(target)
            return
        worst = max(stands for stands, _ in standings)
        if len(hits) >= MAX_HITS:
            worst = max(worst, Standing.TOLD)
        # Who orders the model to use a value is not outweighed by a place where it stands harmlessly.
        lent = worst is not Standing.COMMANDED and any(stands is Standing.LENT for stands, _ in standings)
        if self._is_second(target):
            told = [hit for hit in hits if self._is_told(hit)]
            if told:
                standings, worst, lent = [(Standing.TOLD, hit) for hit in told], Standing.TOLD, False
        fills = target.sink is Sink.URL and worst is not Standing.FIELD and self._carries(target)
        if not fills and (lent or not self._is_held(worst, target)):
            return
        units = [hit.unit for stands, hit in standings if stands is worst] or [hits[0].unit]
        words = _FILLED if fills and worst is not Standing.COMMANDED else _WORDS[worst]
        yield self._held("untrusted-target", target.argument.name, words, units)

    def _standings_of(self, target: Target) -> list[tuple[Standing, Hit]]:
        """How a target stands at each of its places, which is looked up once however often the call has it."""
        key = target.value, target.sink
        if key not in self._standings:
            hits = hits_of(self.texts, target)
            found = [(standing(self.texts, self.wish, hit, self.wanted, target.sink), hit) for hit in hits]
            self._standings[key] = found
        return self._standings[key]

    def _is_second(self, target: Target) -> bool:
        """Whether the tool was called for another target before, and the user spoke of one."""
        if (
            target.is_content
            or target.sink in PROGRAMS
            or any(clause.is_plural for clause in self.wish.asking(self.wanted))
        ):
            return False
        before = [call for call in self.texts.made if call.name == self.call.name]
        return bool(before) and all(target.value not in values_of(call.arguments) for call in before)

    def _is_told(self, hit: Hit) -> bool:
        """Whether the very sentence wants that kind of action, and the user did not ask to do what it says."""
        if self.wish.delegates(hit.unit, self.wanted):
            return False
        return manner(self.texts.others.around(hit, 0, 0), self.wanted) is not Mood.STATES

    def _untraced(self, target: Target) -> Iterator[CallReason]:
        """A value that stands nowhere: in a definition, or in turns that the request does not repeat."""
        if not is_address(target) or target.is_content or self.tier < Tier.SEND:
            return
        units = [hit.unit for hit in self.texts.definitions.find(target.value)]
        if units:
            yield self._held("untrusted-target", target.argument.name, _DESCRIBED, units)
        elif not self.texts.transcript.is_whole:
            words = "it is aimed at what the part of the conversation that was seen does not name"
            yield self._held("untraced-target", target.argument.name, words, ())

    def _is_held(self, worst: Standing, target: Target) -> bool:
        if worst is Standing.COMMANDED:
            return True
        if target.is_content:
            return worst is Standing.TOLD and self.tier >= Tier.SEND
        if target.sink is Sink.URL and self.tier <= Tier.CREATE:
            return False
        return worst is Standing.TOLD or (worst is Standing.STATED and self._is_held_in_prose(target))

    def _is_held_in_prose(self, target: Target) -> bool:
        if target.sink in PROGRAMS:
            return len(target.value) >= LEAST_PROGRAM and not self.wish.asking(self.wanted)
        if target.sink in _LAX:
            return False
        if self.tier < Tier.MODIFY and not (self.tier is Tier.CREATE and target.sink in (Sink.RECIPIENT, Sink.URL)):
            return False
        return not self.wish.asking(self.wanted) or self.wish.closed(self.wanted, target.sink, target.value)

    def _carries(self, target: Target) -> bool:
        """Whether a URL that nobody wrote takes along what was read elsewhere."""
        if next(self.texts.others.find(target.value), None) is not None:
            return False
        host = next((hit.unit for hit in hits_of(self.texts, target)), None)
        if self._is_filled_in(target.value):
            return True
        for piece in carried(target.value):
            if not self.texts.is_own(piece) and any(
                host is None or hit.unit.turn != host.turn for hit in self.texts.others.find(piece)
            ):
                return True
        return False

    def _is_filled_in(self, url: str) -> bool:
        """Whether the query is a form that a text gave, with values in it that the user did not write."""
        values = [value for value in asked_in(url) if not self.texts.is_own(value)]
        return len(values) > 1 or any(not all(map(self.texts.is_own, value.split())) for value in values)

    def by_definition(self, arguments: Sequence[Argument]) -> Iterator[CallReason]:
        """Values that nothing has but the description of another tool."""
        own = Call(self.call.name, None)
        for argument in arguments:
            value = scalar(argument.value) or ""
            if len(value) < LEAST_DESCRIBED or self.texts.is_own(value) or any(self.texts.others.find(value)):
                continue
            hits = islice(self.texts.definitions.find(value), MAX_HITS)
            if units := [hit.unit for hit in hits if hit.unit.call != own]:
                yield self._held("untrusted-target", argument.name, _DESCRIBED, units[:1])

    def weighed(
        self, arguments: Sequence[Argument], rules: tuple[CallReason, ...], weigher: Weigher
    ) -> tuple[CallReason, ...]:
        """The reasons, once the evidence was weighed."""
        found = evidence(self.call, arguments, self.tier, self.wanted, self.sources.grounds, rules)
        if weigher.likelihood(found) >= weigher.threshold:
            unit = found.passage.unit if found.passage is not None else self.texts.others.units[-1]
            return rules or (self._held("untrusted-call", "", _WEIGHED, [unit]),)
        if self.strictness is Strictness.STRICT or not any(map(_is_soft, rules)):
            return rules
        if not self.sources.grounds.passages.is_whole or not are_all_counted(arguments, self.texts):
            return rules
        return tuple(reason for reason in rules if not _is_soft(reason))

    def _held(self, rule: str, argument: str, words: str, units: Sequence[Unit]) -> CallReason:
        """A reason to hold the call: a block where one of the texts that it stems from carries instructions."""
        if any(self.instructs(text) for text in dict.fromkeys(unit.leaf.text for unit in units[:MAX_READ])):
            reason = self._reason(rule, argument, f"{words}, which also carries instructions", units)
            return structs.replace(reason, effect=Effect.BLOCK)
        return self._reason(rule, argument, words, units)

    def _reason(self, rule: str, argument: str, words: str, units: Sequence[Unit]) -> CallReason:
        held = Effect.BLOCK if self.strictness is Strictness.STRICT else Effect.ASK
        whence = tuple(dict.fromkeys(unit.whence for unit in units))
        return CallReason(held, rule, f"tool.provenance.{rule}", words, argument, whence)


def _follows_link(arguments: Sequence[Argument]) -> bool:
    """Whether a call reads a page: texts tell their readers all the time where to read on."""
    return any(argument.sink is Sink.URL for argument in arguments)


def _is_soft(reason: CallReason) -> bool:
    """Whether a reason rests on where a value stands and how a sentence is put, which the evidence can outweigh; not
    on instructions that were found, on orders to the model, or on what nobody can trace."""
    return reason.effect is Effect.ASK and reason.rule in _SOFT and reason.words not in (_ORDERED, _DESCRIBED, _FILLED)


_SOFT: Final = frozenset(("untrusted-target", "untrusted-action", "unasked-action"))
_WEIGHED: Final = "what was read explains this call better than what the user asked for"
_ORDERED: Final = "its target is named only by a text that gives orders to the model"
_FILLED: Final = "it takes along what was read, to a place that only a text names"
_DESCRIBED: Final = "it has what only the description of a tool names"

_WORDS: Final = {
    Standing.STATED: "its target is named only by a text that the user did not point to",
    Standing.TOLD: "its target is named only by a text that tells somebody to do this",
    Standing.COMMANDED: _ORDERED,
}
