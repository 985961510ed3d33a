"""What `lockgate check` says of tools: which a table means, its tier and why, and what each argument is taken for."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.policy.tools.match import match
from gateway.policy.tools.schema_walk import root
from gateway.policy.tools.sinks import Taken, taken
from gateway.policy.tools.tiers import tier_of
from gateway.settings import Config, ToolTable

HEADER = ("tool", "means", "tier", "arguments")

type Row = tuple[str, str, str, str]


def rows(config: Config) -> Iterator[Row]:
    """One row for each table of `[tools]`, in the columns of `HEADER`."""
    for name, table in config.tools.items():
        means = " ".join(table.match or (name,)) if table.enabled else "switched off"
        yield name, means, _tier(name, table), "; ".join(_arguments(name, table))


def _tier(name: str, table: ToolTable) -> str:
    if table.tier is not None:
        return f"{table.tier.value}, declared"
    names = [pattern.tool for pattern in map(match, table.match or (name,))]
    if any("*" in one or "?" in one for one in names):
        return "by each name"
    tiered = max((tier_of(one) for one in names), key=lambda one: one.tier)
    return f"{tiered.tier.value}, {tiered.why}"


def _arguments(name: str, table: ToolTable) -> Iterator[str]:
    for argument, own in table.arguments.items():
        yield _said(argument, own.taken(argument))
    whole = root(table.json_schema)
    for argument in whole.properties:
        if argument not in table.arguments:
            yield _said(argument, taken(name, (argument,), whole.below(argument), ""))
    yield from (f"every {sink}" for sink in table.sinks)


def _said(argument: str, found: Taken) -> str:
    return f"{argument}: {found.sink} ({found.why})"
