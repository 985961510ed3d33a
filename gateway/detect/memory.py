"""Remembers what was found in a text, so that a conversation that is sent again with each turn costs what is new in it.

It keeps hashes and findings, never a text.
"""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock
from typing import Final

from gateway.detect.overlap import is_failure
from gateway.detect.rule import Scope
from gateway.detect.ruleset import RuleSet
from gateway.verdict import Finding

MOST_FINDINGS: Final = 256
"""Findings of one text that are remembered; more are rare, cost memory, and are found again as well."""


class VerdictMemory:
    """The findings of the `capacity` texts that were met last. Threads may share it."""

    def __init__(self, capacity: int) -> None:
        if capacity < 1:
            raise ValueError(f"a memory needs room for at least one text, not {capacity}")
        self._capacity = capacity
        self._turn = Lock()
        self._known: OrderedDict[bytes, tuple[Finding, ...]] = OrderedDict()
        self._asked: tuple[str, Scope, RuleSet, bytes] | None = None  # what was asked for last, and its name

    def __len__(self) -> int:
        return len(self._known)

    def recall(self, text: str, scope: Scope, ruleset: RuleSet) -> tuple[Finding, ...] | None:
        """What was found in this text, in this scope, by these rules; None where that is not known."""
        name = ruleset.name(text, scope)
        with self._turn:
            found = self._known.get(name)
            if found is not None:
                self._known.move_to_end(name)
        if found is None:
            self._asked = text, scope, ruleset, name
        return found

    def remember(self, text: str, scope: Scope, ruleset: RuleSet, findings: tuple[Finding, ...]) -> None:
        """Keep what was found. A failure to look is not kept: the next time may not fail."""
        name = self._name(text, scope, ruleset)
        if len(findings) > MOST_FINDINGS or any(map(is_failure, findings)):
            return
        with self._turn:
            self._known[name] = findings
            self._known.move_to_end(name)
            if len(self._known) > self._capacity:
                self._known.popitem(last=False)

    def _name(self, text: str, scope: Scope, ruleset: RuleSet) -> bytes:
        """The name of a text; what is remembered was mostly asked for just before."""
        asked, self._asked = self._asked, None
        if asked and asked[0] is text and asked[1] == scope and asked[2] is ruleset:
            return asked[3]
        return ruleset.name(text, scope)
