"""What a ruling on a call rests on, so that a person can be told: the tables, and where each argument came from.

Nothing here decides. The values are those of the conversation; whoever shows them escapes and masks them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Final, TypeGuard

from msgspec import Struct

from gateway.policy.call import Argument, Call, Ruling, shown
from gateway.policy.provenance.judge import Sources
from gateway.policy.provenance.spelling import scalar
from gateway.policy.provenance.targets import Target, larger, targets
from gateway.policy.provenance.texts import Hit, Side, Texts
from gateway.policy.tools.schema_walk import root
from gateway.policy.tools.sinks import is_at, taken
from gateway.policy.tools.tool import Tool
from gateway.policy.transcript import Defined, Returned, Said, Transcript, Turn
from gateway.segment import Trust

MOST_ARGUMENTS: Final = 50
MOST_VALUES: Final = 10
MOST_PLACES: Final = 4
"""Arguments, values of one argument, and places of one value that are told: more than a person reads."""

LONGEST: Final = 200
"""Characters of a value that is looked for as a whole; of a longer one the addresses in it are."""

_LOOKED_AT: Final = 50
"""Hits among which the places are looked for."""


class Place(Struct, frozen=True):
    """A text in which a value stands: where it is, in words, and how far it may steer the model."""

    whence: str
    trust: Trust


class Trace(Struct, frozen=True):
    """A value of an argument, and the texts that have it; of none, the model made it up.

    `is_part` marks what a value is made from, such as the host of a URL that stands nowhere itself.
    """

    value: str
    places: tuple[Place, ...] = ()
    is_part: bool = False


class Traced(Struct, frozen=True):
    """An argument, why it is taken for its sink (empty where nothing says so), and its values."""

    argument: Argument
    why: str
    traces: tuple[Trace, ...] = ()


class Explained(Struct, frozen=True):
    """A ruling with what it rests on: where the tier comes from, and the tables that mean the call, closest first."""

    ruling: Ruling
    tier_why: str
    tools: tuple[Tool, ...]
    arguments: tuple[Traced, ...]


class Heard(Struct, frozen=True):
    """What was said before a call: the user's last own words with their message, and whose texts give orders."""

    asked: str = ""
    message: int = 0
    instructing: tuple[str, ...] = ()


def heard(transcript: Transcript, sources: Sources | None, instructs: Callable[[str], bool]) -> Heard:
    """What the user asked last, and which of the texts that nobody trusts carry instructions."""
    if sources is None:
        return Heard()
    turns = transcript.turns
    wishes = ((turns[turn].message, text) for text, trust, turn in sources.texts.wishes if trust is Trust.PRINCIPAL)
    message, text = max(wishes, key=lambda wish: (wish[0], len(wish[1])), default=(0, ""))
    instructing = (_whence(one) for one in turns if _is_data(one) and instructs(one.text))
    return Heard(text, message, tuple(dict.fromkeys(instructing)))


def _is_data(turn: Turn) -> TypeGuard[Said | Returned]:
    return isinstance(turn, Returned) or (isinstance(turn, Said) and turn.trust is Trust.UNTRUSTED)


def _whence(turn: Said | Returned) -> str:
    if isinstance(turn, Said):
        return f"a document (message {turn.message})"
    name = f"the result of {shown(turn.call.name)}" if turn.call else "a result"
    return f"{name} (message {turn.message})"


def traced(
    call: Call, defined: Defined | None, arguments: Sequence[Argument], tools: Sequence[Tool], sources: Sources | None
) -> tuple[Traced, ...]:
    """The arguments with why each is taken for what it is, and where its values stand."""
    return tuple(
        Traced(
            argument,
            _declared(argument, tools) or _taken(call, defined, argument),
            tuple(islice(_traces(argument, sources.texts), MOST_VALUES)) if sources is not None else (),
        )
        for argument in arguments[:MOST_ARGUMENTS]
    )


def sources_of(traced: Traced) -> tuple[str, ...]:
    """The texts that have the values of an argument, in words, and those that have parts of them."""
    places = (
        f"{place.whence} (a part of it)" if trace.is_part else place.whence
        for trace in traced.traces
        for place in trace.places
    )
    return tuple(dict.fromkeys(places))


def _declared(argument: Argument, tools: Sequence[Tool]) -> str:
    """The closest table that declares the argument; empty where none does."""
    if not argument.is_declared:
        return ""
    declaring = (
        tool.name
        for tool in tools
        for name, sink in tool.declared.items()
        if sink is argument.sink and is_at(name, argument.path)
    )
    return next((f"[tools.{name}] says so" for name in declaring), "")


def _taken(call: Call, defined: Defined | None, argument: Argument) -> str:
    node = root(defined.schema if defined is not None else None)
    for step in argument.path:
        node = node.below(step)
    found = taken(call.name, argument.path, node, argument.value)
    return found.why if found.sink is argument.sink else ""


def _traces(argument: Argument, texts: Texts) -> Iterator[Trace]:
    whole = scalar(argument.value)
    if whole is None:
        return
    aims = {target.value: target for target in reversed(targets((argument,)))}
    if 0 < len(whole) <= LONGEST and whole not in aims:
        yield Trace(whole, _places(texts, whole))
    for value, target in reversed(aims.items()):
        yield _trace(value, target, texts)


def _trace(value: str, target: Target, texts: Texts) -> Trace:
    if places := _places(texts, value):
        return Trace(value, places)
    for part in larger(target):
        if places := _places(texts, part):
            return Trace(part, places, is_part=True)
    return Trace(value)


def _places(texts: Texts, value: str) -> tuple[Place, ...]:
    found = (
        Place(_of_hit(hit, texts), hit.unit.trust)
        for side in (texts.own, texts.others, texts.definitions)
        for hit in islice(_hits(side, value), _LOOKED_AT)
    )
    return tuple(islice(dict.fromkeys(found), MOST_PLACES))


def _hits(side: Side, value: str) -> Iterator[Hit]:
    return side.find(value) if side.units else iter(())


def _of_hit(hit: Hit, texts: Texts) -> str:
    """Where a hit is. The user speaks more than once; other texts say their message themselves."""
    unit = hit.unit
    if unit.trust is not Trust.PRINCIPAL:
        return unit.whence
    whence = "the user's words" if unit.whence == "the user" else unit.whence
    return f"{whence} (message {texts.transcript.turns[unit.turn].message})"
