"""Decisions to stop and to resume, and what they come to together. Pure values.

A resume is a decision of its own and not the absence of one: a gateway that was away, or a store that lost what it
knew, can then tell what was resumed from what was never heard of. Of two decisions over one scope the later holds;
of two at one moment, the stop.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Self

MOST_WHY: Final = 500
"""Characters of a reason that are kept: clients are told it, and so it is one line of plain text."""


LATEST_NS: Final = (1 << 63) - 1
"""The year 2262. A time beyond it is none that anybody decided at, and may be no date that can be told."""


class Over(StrEnum):
    """What sort of thing is stopped."""

    ALL = "all"
    AGENT = "agent"
    TOOL = "tool"
    UPSTREAM = "upstream"  # one of `[upstreams]`, or `mcp/NAME`


@dataclass(frozen=True, slots=True, order=True)
class Scope:
    """What a decision is about. `name` is empty for everything."""

    over: Over
    name: str = ""

    def __str__(self) -> str:
        return f"{self.over}/{self.name}" if self.name else str(self.over)

    @classmethod
    def read(cls, text: str) -> Self:
        """The scope that `str` wrote. Raises ValueError with the accepted form."""
        over, _, name = text.partition("/")
        if over not in Over or (over == Over.ALL) != (not name) or not name.isprintable():
            raise ValueError(f"{text!r} is no scope; accepted: all, agent/NAME, tool/NAME, upstream/NAME")
        return cls(Over(over), name)


EVERYTHING: Final = Scope(Over.ALL)


@dataclass(frozen=True, slots=True)
class Decision:
    """One decision over one scope. `at_ns` is its time in nanoseconds of Unix time, `by` who or what took it."""

    scope: Scope
    stopped: bool
    why: str
    by: str
    at_ns: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "why", one_line(self.why))
        object.__setattr__(self, "by", one_line(self.by))

    @property
    def rank(self) -> tuple[int, bool]:
        """The greater holds."""
        return self.at_ns, self.stopped

    def encode(self) -> bytes:
        return json.dumps(
            {"scope": str(self.scope), "stopped": self.stopped, "why": self.why, "by": self.by, "at_ns": self.at_ns}
        ).encode()

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """The decision that `encode` wrote. Raises ValueError for anything else."""
        try:
            value = json.loads(data)
        except RecursionError:
            raise ValueError("it nests too deep") from None
        match value:
            case {
                "scope": str(scope),
                "stopped": bool(stopped),
                "why": str(why),
                "by": str(by),
                "at_ns": int(at_ns),
            } if not isinstance(at_ns, bool) and 0 <= at_ns <= LATEST_NS:
                return cls(Scope.read(scope), stopped, why, by, at_ns)
        raise ValueError("it is no decision to stop or to resume")


def one_line(text: str) -> str:
    """A text as one line that a terminal and a header field can show, not longer than `MOST_WHY`."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())[:MOST_WHY]


@dataclass(frozen=True, slots=True)
class Stops:
    """What is known: the decision that holds over each scope, and why this very gateway stands still (None: it does
    not). `tools` are the names of the tools that are stopped."""

    decisions: Mapping[Scope, Decision] = field(default_factory=dict)
    here: str | None = None
    tools: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        names = frozenset(one.scope.name for one in self.active if one.scope.over is Over.TOOL)
        object.__setattr__(self, "tools", names)

    def merged(self, others: Iterable[Decision]) -> Stops:
        """What is known with these decisions too. The same value where they tell nothing new."""
        found = dict(self.decisions)
        for other in others:
            known = found.get(other.scope)
            if known is None or other.rank > known.rank:
                found[other.scope] = other
        return self if found == self.decisions else Stops(found, self.here)

    @property
    def active(self) -> tuple[Decision, ...]:
        """The stops that hold, by scope."""
        return tuple(self.decisions[scope] for scope in sorted(self.decisions) if self.decisions[scope].stopped)

    @property
    def count(self) -> int:
        """How many stops hold."""
        return len(self.active) + (self.here is not None)

    def against(self, agent: str, upstream: str) -> str | None:
        """Why this agent may not use that upstream now, in words for the client; None where it may."""
        if self.here is not None:
            return f"this gateway is stopped: {self.here}"
        for scope in (EVERYTHING, Scope(Over.AGENT, agent), Scope(Over.UPSTREAM, upstream)):
            decision = self.decisions.get(scope)
            if decision is not None and decision.stopped:
                return told(decision)
        return None


class Every:
    """A container that holds everything: the tools of a server that is stopped."""

    def __contains__(self, _: object) -> bool:
        return True


def told(decision: Decision) -> str:
    """What a client is told of a stop."""
    scope = decision.scope
    what = "everything" if scope.over is Over.ALL else f"the {scope.over} `{scope.name}`"
    return f"{what} is stopped by {decision.by}" + (f": {decision.why}" if decision.why else "")
