"""One `[limits.NAME]` as a value: what it counts, apart by what, for which requests, and what happens at its end."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from urllib.parse import quote

from gateway.policy.egress.pattern import HostPattern
from gateway.policy.tools.match import Match, match
from gateway.policy.tools.tool import Tool
from gateway.state.limit import Bound, OnError, Rate, Unit

OF_TOKENS: Final = frozenset({Unit.INPUT_TOKENS, Unit.OUTPUT_TOKENS, Unit.TOKENS, Unit.COST})
"""Units that are told by the body of a request, and put right by its answer."""

_FINEST_NS: Final = 1_000
"""The shortest time that a unit of a rate may take to come back: times are whole nanoseconds, so that a limit is kept
to a thousandth."""


MINUTE_NS: Final = 60_000_000_000


class By(StrEnum):
    """What is counted apart."""

    AGENT = "agent"
    UPSTREAM = "upstream"
    MODEL = "model"
    TOOL = "tool"
    DOMAIN = "domain"


class AtLimit(StrEnum):
    """What becomes of a request for which too little is left."""

    BLOCK = "block"
    ASK = "ask"  # a person has to approve
    SWITCH = "switch"  # another model is asked


@dataclass(frozen=True, slots=True)
class Measure:
    """A bound in `unit`. `grain` is how many of the unit count as one: a cost a second may be more billionths than
    there are nanoseconds."""

    unit: Unit
    bound: Bound
    grain: int = 1


@dataclass(frozen=True, slots=True)
class Rule:
    """`models`, `tools`, `matches` and `domains` say which requests it is for; empty ones say nothing. `matches` are
    tools as tables of `[tools]` name them, with their server."""

    name: str
    measures: tuple[Measure, ...]
    by: frozenset[By] = frozenset({By.AGENT, By.UPSTREAM})
    models: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()
    domains: tuple[HostPattern, ...] = ()
    at_limit: AtLimit = AtLimit.BLOCK
    switch_to: str | None = None
    on_error: OnError = OnError.LOCAL
    matches: tuple[Match, ...] = ()

    @property
    def reads_body(self) -> bool:
        """Whether what it takes is told by the body of a request."""
        return (
            bool(self.models or self.tools or self.matches)
            or bool(self.by & {By.MODEL, By.TOOL})
            or any(measure.unit in OF_TOKENS for measure in self.measures)
        )


def of_tool(tool: Tool, on_error: OnError) -> Rule | None:
    """The limit that a table of `[tools]` sets on its calls, for each agent; None where it sets none."""
    if tool.requests_per_minute is None:
        return None
    most = tool.requests_per_minute
    measure = Measure(Unit.REQUESTS, Rate(most, MINUTE_NS, most))
    # A request that is mapped to a tool calls it by the name of its table.
    matches = (*tool.matches, match(tool.name)) if tool.requests else tool.matches
    return Rule(f"tools.{quote(tool.name, safe='*')}", (measure,), on_error=on_error, matches=matches)


def cost_rate(cost: int, period_ns: int) -> Measure:
    """So many billionths in a time."""
    grain = max(-(-cost * _FINEST_NS // period_ns), 1)
    quantity = max(cost // grain, 1)
    return Measure(Unit.COST, Rate(quantity, period_ns, quantity), grain)
