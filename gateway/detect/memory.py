"""Remembers what was found in a text, so that a conversation that is sent again with each turn costs what is new in it.

It keeps hashes and findings, never a text.
"""

from __future__ import annotations

from collections import OrderedDict

from gateway.detect.rule import Scope
from gateway.detect.ruleset import RuleSet
from gateway.verdict import Finding


class VerdictMemory:
    """The findings of the `capacity` texts that were met last. Not to be shared by threads."""

    def __init__(self, capacity: int) -> None:
        if capacity < 1:
            raise ValueError(f"a memory needs room for at least one text, not {capacity}")
        self._capacity = capacity
        self._known: OrderedDict[bytes, tuple[Finding, ...]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._known)

    def recall(self, text: str, scope: Scope, ruleset: RuleSet) -> tuple[Finding, ...] | None:
        """What was found in this text, in this scope, by these rules; None where that is not known."""
        name = ruleset.name(text, scope)
        found = self._known.get(name)
        if found is not None:
            self._known.move_to_end(name)
        return found

    def remember(self, text: str, scope: Scope, ruleset: RuleSet, findings: tuple[Finding, ...]) -> None:
        name = ruleset.name(text, scope)
        self._known[name] = findings
        self._known.move_to_end(name)
        if len(self._known) > self._capacity:
            self._known.popitem(last=False)
