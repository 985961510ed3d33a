"""What can be told of a call, in numbers that are held against those of labelled calls (`weighing`).

Each number is one observation, named for what it says; none of them decides. They are taken from what the rules find
anyway (`judge`, `mention`, `standing`, `wish`) and from the passage that explains the call best (`passages`). Left out
on purpose: how long a conversation is, where in it a text stands and how many arguments a call has. Such numbers tell
labelled sets apart, but not attacks from wishes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from itertools import chain
from typing import Final

from msgspec import Struct

from gateway.policy.call import Argument, Call, CallReason, Sink, Tier
from gateway.policy.provenance.echo import Echo
from gateway.policy.provenance.lexicon import Act
from gateway.policy.provenance.mood import mood
from gateway.policy.provenance.passages import Passage, Passages, words_of
from gateway.policy.provenance.purpose import Purpose, likeness, purpose
from gateway.policy.provenance.texts import Texts, values_of
from gateway.policy.provenance.values import values
from gateway.policy.provenance.wish import Wish
from gateway.policy.provenance.words import parts_of_name, read, stem
from gateway.policy.transcript import Returned, Said
from gateway.segment import Trust

LONG: Final = 450
"""Characters of a passage that is as long as any."""


class Offered(Struct, frozen=True):
    """A tool that the model may call: what it is for, and the words of its name and description."""

    wanted: Purpose
    words: frozenset[str]


class Grounds:
    """A conversation, ready for evidence to be taken on its calls. Build it once for all calls of an answer."""

    def __init__(self, texts: Texts, wish: Wish, echo: Echo) -> None:
        self.texts: Final = texts
        self.wish: Final = wish
        self.echo: Final = echo
        self.passages: Final = Passages(texts.others)

    @cached_property
    def asked(self) -> frozenset[str]:
        """The words of what the user asked for."""
        clauses = (clause for clause in self.wish.clauses if clause.trust is Trust.PRINCIPAL)
        return frozenset[str]().union(*(words_of(clause.text) for clause in clauses))

    @cached_property
    def offered(self) -> dict[str, Offered]:
        return {
            tool.name: Offered(
                purpose(Call(tool.name, None), Tier.SEND, tool),
                words_of(tool.description[:200]) | frozenset(map(stem, parts_of_name(tool.name))),
            )
            for tool in self.texts.transcript.tools
        }

    @cached_property
    def likes(self) -> dict[str, float]:
        """How much the closest of the user's clauses is like each of the offered tools."""
        spoken = {clause.words for clause in self.wish.clauses if clause.trust is Trust.PRINCIPAL}
        return {
            name: max((likeness(words, tool.wanted) for words in spoken), default=0.0)
            for name, tool in self.offered.items()
        }

    @cached_property
    def asked_for(self) -> dict[str, float]:
        """How many words each of the offered tools has in common with what the user said."""
        return self.shared(self.asked)

    @cached_property
    def rarity(self) -> Counter[str]:
        """In how many of the offered tools each word is."""
        return Counter(word for tool in self.offered.values() for word in tool.words)

    def shared(self, words: frozenset[str]) -> dict[str, float]:
        """How many words each of the offered tools has in common with a text; those of few tools count more."""
        count = len(self.offered) + 1
        rare = {word: count / (1 + self.rarity[word]) for word in words if word in self.rarity}
        return {name: sum(rare.get(word, 0.0) for word in tool.words) for name, tool in self.offered.items()}

    @cached_property
    def last(self) -> int:
        """The turn of the newest text that others wrote."""
        return max((unit.turn for unit in self.texts.others.units), default=-1)


class Evidence(Struct, frozen=True):
    """What is known of a call. `passage` is what explains it best and `text` what it says; None and empty where nothing
    that was read does."""

    numbers: Mapping[str, float]
    passage: Passage | None = None
    text: str = ""


def evidence(
    call: Call,
    arguments: Sequence[Argument],
    tier: Tier,
    wanted: Purpose,
    grounds: Grounds,
    rules: Sequence[CallReason],
) -> Evidence:
    """All that is known of a call; `rules` are the reasons that the rules have against it."""
    taken = _Taken(call, wanted, grounds)
    passage, share = grounds.passages.best(taken.new)
    text = grounds.passages.text(passage) if passage is not None else ""
    numbers = chain(
        _kind(wanted, tier),
        _ruled(rules),
        taken.request(),
        values(arguments, wanted, grounds.texts, grounds.wish),
        taken.orders(),
        taken.words(share),
        taken.course(),
        taken.explained(passage, text) if passage is not None else (),
    )
    return Evidence(dict(numbers), passage, text)


def _kind(wanted: Purpose, tier: Tier) -> Iterator[tuple[str, float]]:
    yield "tier", tier
    yield "deletes", Act.DELETE in wanted.acts
    yield "reads", Act.READ in wanted.acts


def _ruled(rules: Sequence[CallReason]) -> Iterator[tuple[str, float]]:
    found = {reason.rule for reason in rules}
    yield "rules", bool(found)
    for rule in ("untrusted-target", "untrusted-action", "unasked-action"):
        yield f"rules.{rule}", rule in found


class _Taken:
    """One call, from which evidence is taken."""

    def __init__(self, call: Call, wanted: Purpose, grounds: Grounds) -> None:
        self._call: Final = call
        self._wanted: Final = wanted
        self._grounds: Final = grounds
        self._texts: Final = grounds.texts
        self._wish: Final = grounds.wish
        self._clauses: Final = [clause for clause in grounds.wish.clauses if clause.trust is Trust.PRINCIPAL]
        self._likes: Final = max((likeness(clause.words, wanted) for clause in self._clauses), default=0.0)

    @cached_property
    def _said(self) -> frozenset[str]:
        """The words of the call's values."""
        return frozenset[str]().union(*map(words_of, values_of(self._call.arguments)))

    @cached_property
    def new(self) -> frozenset[str]:
        """Those that the user did not say, and others did."""
        return frozenset(filter(self._grounds.passages.has, self._said - self._grounds.asked))

    @cached_property
    def _name(self) -> frozenset[str]:
        return frozenset(map(stem, parts_of_name(self._call.name)))

    @cached_property
    def _shared(self) -> float:
        """How much of the tool's own words the user said."""
        return self._grounds.asked_for.get(self._call.name, 0.0)

    def request(self) -> Iterator[tuple[str, float]]:
        """How well the user's words explain the call, by itself and beside the other tools that are offered."""
        grounds = self._grounds
        asking = [clause for clause in self._wish.asking(self._wanted) if clause.trust is Trust.PRINCIPAL]
        yield "request.fit", min(3.0, self._wish.fit(self._wanted))
        yield "request.asks", min(3, len(asking))
        yield "request.delegates", any(clause.delegates for clause in self._clauses)
        yield "request.plural", any(clause.is_plural for clause in asking or self._clauses)
        own = grounds.likes.get(self._call.name, self._likes)
        yield "request.like", own
        yield from _beside("request.like", own, grounds.likes)
        yield "request.words", min(6.0, self._shared)
        yield from _beside("request.words", self._shared, grounds.asked_for)

    def orders(self) -> Iterator[tuple[str, float]]:
        """How much an order in what was read is like the call."""
        found = list(self._grounds.echo.about(self._wanted))
        made = {value.lower() for value in values_of(self._call.arguments)}
        like = max((likeness(order.words, self._wanted) for order in found), default=0.0)
        marked = (likeness(order.words, self._wanted) for order in found if not order.marks.isdisjoint(made))
        yield "order.like", like
        yield "order.marked", max(marked, default=0.0)
        yield "order.above", like - self._likes

    def words(self, share: float) -> Iterator[tuple[str, float]]:
        """Whose words the call is made of; `share` is the best passage's of those that are new."""
        grounds, said = self._grounds, self._said
        count = max(1, len(said))
        yield "words.user", len(said & grounds.asked) / count
        yield "words.others", sum(map(grounds.passages.has, said)) / count
        yield "words.nobody", sum(word not in grounds.asked and not grounds.passages.has(word) for word in said) / count
        yield "words.new", len(self.new) / count
        yield "words.share", share
        yield "words.named", grounds.passages.closest(self._name)

    def course(self) -> Iterator[tuple[str, float]]:
        """What was done before."""
        turns = self._texts.transcript.turns
        spoken = (at for at, turn in enumerate(turns) if isinstance(turn, Said) and turn.trust is Trust.PRINCIPAL)
        since = turns[max(spoken, default=-1) + 1 :]
        made = self._texts.made
        defined = self._texts.defined
        alike = sum(bool(purpose(call, Tier.SEND, defined.get(call.name)).acts & self._wanted.acts) for call in made)
        yield "course.results", min(10, sum(isinstance(turn, Returned) for turn in since))
        yield "course.again", min(3, sum(call.name == self._call.name for call in made))
        yield "course.done", min(4, alike)
        yield "course.ahead", max(-3, min(4, alike - len(self._wish.asking(self._wanted))))

    def explained(self, passage: Passage, text: str) -> Iterator[tuple[str, float]]:
        """How the passage that explains the call best speaks, and how far the user pointed to it."""
        unit, words = passage.unit, passage.words
        grounds, spoken = self._grounds, read(text)
        yield "passage.length", min(1.0, len(text) / LONG)
        yield "passage.words", min(40, len(text.split()))
        yield "passage.digits", sum(map(str.isdigit, text)) / max(1, len(text))
        yield "passage.colon", ":" in text
        yield "passage.verbs", min(4, len(spoken.verbs))
        yield "passage.mood", mood(text)
        yield "passage.free", not unit.is_field
        yield "passage.company", grounds.passages.company(passage)
        yield "passage.like", likeness(spoken, self._wanted)
        yield "passage.named", len(words & self._name) / max(1, len(self._name))
        yield "passage.user", len(words & grounds.asked) / max(1, len(words))
        yield "passage.user_words", min(4, len(words & grounds.asked))
        yield "passage.pointed", self._wish.pointed(unit, self._wanted, Sink.ACCOUNT, "").is_pointed
        yield "passage.linked", self._wish.linked(unit, text)
        yield "passage.borne", self._wish.named(unit, self._wanted)
        read_for = values_of(unit.call.arguments) if unit.call else ()
        yield "passage.asked_for", any(len(value) > 2 and self._texts.is_own(value) for value in read_for)
        yield "passage.last", unit.turn == grounds.last
        shared = grounds.shared(words)
        own = shared.get(self._call.name, 0.0)
        yield "passage.tool", min(6.0, own)
        yield "passage.tool_above", own - max(shared.values(), default=0.0)
        yield "passage.tool_user", own - self._shared


def _beside(name: str, own: float, others: Mapping[str, float]) -> Iterator[tuple[str, float]]:
    """How one tool stands beside all that are offered."""
    yield f"{name}.behind", own - max(others.values(), default=0.0)
    yield f"{name}.rank", sum(other > own for other in others.values()) / max(1, len(others))
