"""The values of detection: a rule as data, the proof beside it, and the scope that says which texts it looks at."""

from __future__ import annotations

from dataclasses import dataclass

from msgspec import Struct

from gateway.segment import Direction, Role, Trust
from gateway.verdict import Effect, Severity


class Scope(Struct, frozen=True):
    """Where a text comes from, as far as rules care."""

    direction: Direction
    role: Role
    trust: Trust


@dataclass(frozen=True, slots=True)
class Reach:
    """The scopes that a rule looks at: any of each."""

    directions: frozenset[Direction] = frozenset(Direction)
    roles: frozenset[Role] = frozenset(Role)
    trusts: frozenset[Trust] = frozenset(Trust)

    def covers(self, scope: Scope) -> bool:
        return scope.direction in self.directions and scope.role in self.roles and scope.trust in self.trusts


@dataclass(frozen=True, slots=True)
class Sample:
    """A text of a rule's proof. `span`, where it is set, is the text that must be found."""

    text: str
    span: str | None = None


@dataclass(frozen=True, slots=True)
class Near:
    """Words of which one must stand within `within` characters of the view before the match."""

    words: tuple[str, ...]
    within: int


@dataclass(frozen=True, slots=True)
class Rule:
    """What to look for, where, how bad it is, and the proof.

    `pattern` (see `pattern.py`) and `words` (phrases, matched whole in the folded view) are joined by "or". `group` is
    the capture group whose text is the finding. `check` names a row of `checks.CHECKS`, and `entropy` is the least
    Shannon entropy in bits per character, both of the found text. `effect` is set where the rule demands one.
    """

    id: str
    why: str
    category: str
    severity: Severity
    score: int
    effect: Effect | None
    reach: Reach
    view: str
    pattern: str | None
    words: tuple[str, ...]
    group: str | None
    near: Near | None
    check: str | None
    entropy: float | None
    replacement: str
    tags: tuple[str, ...]
    shadow: bool
    hits: tuple[Sample, ...]
    misses: tuple[Sample, ...]
    source: str = ""
    """Where the rule was read from, `file:line`, for messages; no part of the digest."""
