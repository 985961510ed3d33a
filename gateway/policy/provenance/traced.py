"""Where a target of a call stands: in the user's words, or in which places of what others wrote."""

from __future__ import annotations

from itertools import islice
from typing import Final

from gateway.policy.call import Sink
from gateway.policy.provenance.targets import Target, is_address, larger
from gateway.policy.provenance.texts import Hit, Texts

MAX_HITS: Final = 500
"""Places of one value that are looked at. A value that stands in more is held as one that was told: an attacker could
hide his order behind so many harmless places."""


def is_own(texts: Texts, target: Target) -> bool:
    """Whether the user or the operator wrote the target, or what it is a part of."""
    value = target.value
    if texts.is_own(value):
        return True
    if target.sink is Sink.PATH or target.sink is Sink.URL or "://" in value:
        return any(texts.is_own(part) for part in larger(target))
    if target.sink in (Sink.RECIPIENT, Sink.ACCOUNT) and not is_address(target):
        words = [word for word in value.split() if len(word) > 1]
        return len(words) > 1 and all(texts.is_own(word) for word in words)
    return False


def hits_of(texts: Texts, target: Target) -> list[Hit]:
    """The places of a target in others' texts; of what it is made from, where it stands nowhere as it is."""
    for value in (target.value, *larger(target)):
        if hits := list(islice(texts.others.find(value), MAX_HITS)):
            return hits
    return []
