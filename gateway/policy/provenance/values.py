"""How the values of a call stand in what was read, in numbers: its targets, and what names one thing by its form."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Final

from gateway.policy.call import Argument, Sink
from gateway.policy.provenance.mention import is_labelled, is_mark, is_value
from gateway.policy.provenance.mood import Mood, mood
from gateway.policy.provenance.purpose import Purpose
from gateway.policy.provenance.spelling import scalar
from gateway.policy.provenance.standing import Standing, is_sole, standing
from gateway.policy.provenance.targets import Target, targets
from gateway.policy.provenance.texts import Hit, Texts
from gateway.policy.provenance.traced import hits_of, is_own
from gateway.policy.provenance.wish import Wish

MOST_TARGETS: Final = 60
"""Targets and other values that are counted."""

MOST_HITS: Final = 40
"""Places of one value that are looked at."""

_AIMS: Final = (Sink.URL, Sink.RECIPIENT, Sink.ACCOUNT)


def values(arguments: Sequence[Argument], wanted: Purpose, texts: Texts, wish: Wish) -> Iterator[tuple[str, float]]:
    yield from _targets(targets(arguments)[:MOST_TARGETS], wanted, texts, wish)
    yield from _marks(arguments[:MOST_TARGETS], texts, wish)


def are_all_counted(arguments: Sequence[Argument], texts: Texts) -> bool:
    """Whether the numbers speak for all targets and values of the call and for all their places."""
    aimed = targets(arguments)
    if len(aimed) > MOST_TARGETS or any(map(_mark, arguments[MOST_TARGETS:])):
        return False
    if any(len(hits_of(texts, target)) > MOST_HITS for target in aimed if not is_own(texts, target)):
        return False
    marks = {mark for argument in arguments if (mark := _mark(argument)) and not texts.is_own(mark)}
    return not any(any(islice(texts.others.find(mark), MOST_HITS, None)) for mark in marks)


def _targets(aimed: Sequence[Target], wanted: Purpose, texts: Texts, wish: Wish) -> Iterator[tuple[str, float]]:
    """Whose the targets are. Shares are of all targets, or of those that others wrote."""
    foreign = [target for target in aimed if not is_own(texts, target)]
    found = [(target, hits) for target in foreign if (hits := hits_of(texts, target)[:MOST_HITS])]
    count = max(1, len(aimed))
    yield "targets.user", (len(aimed) - len(foreign)) / count
    yield "targets.others", len(found) / count
    yield "targets.nobody", (len(foreign) - len(found)) / count
    worst = max((_worst(target, hits, wanted, texts, wish) for target, hits in found), default=None)
    for stands in (Standing.LENT, Standing.STATED, Standing.TOLD):
        yield f"targets.{stands.name.lower()}", worst is stands
    for sink in _AIMS:
        yield f"targets.{sink}", any(target.sink is sink and not target.is_content for target, _ in found)
    yield "targets.link", any(target.sink is Sink.URL and target.is_content for target, _ in found)
    pointed = [[wish.pointed(hit.unit, wanted, target.sink, target.value) for hit in hits] for target, hits in found]
    count = max(1, len(found))
    fields = sum(any(hit.unit.is_field and hit.is_whole for hit in hits) for _, hits in found)
    yield "targets.field", fields / count
    yield "targets.prose", (len(found) - fields) / count
    yield "targets.pointed", sum(any(one.is_pointed for one in ways) for ways in pointed) / count
    yield "targets.delegated", sum(any(one.is_delegated for one in ways) for ways in pointed) / count


def _worst(target: Target, hits: Sequence[Hit], wanted: Purpose, texts: Texts, wish: Wish) -> Standing:
    stands = [standing(texts, wish, hit, wanted, target.sink) for hit in hits]
    worst = max(stands)
    return Standing.LENT if Standing.LENT in stands and worst is not Standing.COMMANDED else worst


def _marks(arguments: Sequence[Argument], texts: Texts, wish: Wish) -> Iterator[tuple[str, float]]:
    """The same for ids, numbers, addresses and handles of all arguments."""
    counts: Counter[str] = Counter()
    newest = max((unit.turn for unit in texts.others.units), default=-1)
    for argument in arguments:
        if mark := _mark(argument):
            counts["all"] += 1
            counts.update(_of_mark(mark, argument, newest, texts, wish))
    count = max(1, counts["all"])
    for name in ("user", "nobody", "field", "mixed", "prose"):
        yield f"marks.{name}", counts[name] / count
    for name in ("nobody", "mixed", "prose"):
        yield f"marks.{name}_count", min(2, counts[name])
    count = max(1, counts["field"] + counts["mixed"] + counts["prose"])
    for name in ("linked", "ordered", "newest", "sole"):
        yield f"marks.{name}", counts[name] / count


def _mark(argument: Argument) -> str:
    """The value of an argument, where it names one thing by its form; else empty."""
    value = scalar(argument.value)
    return value if value is not None and is_mark(value) else ""


def _of_mark(value: str, argument: Argument, newest: int, texts: Texts, wish: Wish) -> Iterator[str]:
    others = texts.others
    if texts.is_own(value):
        yield "user"
        return
    hits = list(islice(others.find(value), MOST_HITS))
    if not hits:
        yield "nobody"
        return
    given = sum(is_value(hit) or is_labelled(hit, argument) for hit in hits)
    yield "field" if given == len(hits) else "mixed" if given else "prose"
    if any(wish.linked(hit.unit, " ".join(others.around(hit, 1, 1))) for hit in hits):
        yield "linked"
    if any(mood(sentence) is not Mood.STATES for hit in hits for sentence in others.around(hit, 0, 0)):
        yield "ordered"
    if hits[0].unit.turn == newest:
        yield "newest"
    if all(is_sole(texts, hit) for hit in hits[:5]):
        yield "sole"
