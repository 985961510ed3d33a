"""What a tool can do by what it is given: one that takes commands runs them, whatever it is called.

So with queries, by the kinds of their statements. Names say what a tool does with everything else.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

from gateway.policy.call import Argument, Sink, Tier
from gateway.policy.commands.report import Kind, SqlReport
from gateway.policy.commands.sql import read_sql
from gateway.policy.tools.tiers import Tiered

KINDS: Final[Mapping[Kind, Tier]] = {
    Kind.SELECT: Tier.READ,
    Kind.TRANSACTION: Tier.READ,
    Kind.SET: Tier.CREATE,
    Kind.INSERT: Tier.CREATE,
    Kind.UPDATE: Tier.MODIFY,
    Kind.DELETE: Tier.SEND,
    Kind.COPY: Tier.SEND,
    Kind.OTHER: Tier.SEND,  # but for what only shows
    Kind.CALL: Tier.SYSTEM,
    Kind.DDL: Tier.SYSTEM,
    Kind.GRANT: Tier.SYSTEM,
}
"""What a statement of each kind does to a database."""


_SHOWS: Final = re.compile(r"\s*(?:show|describe|desc)\b", re.IGNORECASE)


def raised(tiered: Tiered, arguments: Iterable[Argument]) -> Tiered:
    """The tier of a tool with what its arguments are, where that is stricter."""
    for argument in arguments:
        found = _tier(argument)
        if found is not None and found.tier > tiered.tier:
            tiered = found
    return tiered


def _tier(argument: Argument) -> Tiered | None:
    if not isinstance(argument.value, str) or not argument.value.strip():
        return None
    if argument.sink is Sink.COMMAND:
        return Tiered(Tier.SYSTEM, "it takes a command")
    if argument.sink is Sink.SQL:
        return _of_query(argument.value, read_sql(argument.value))
    return None


def _of_query(text: str, report: SqlReport) -> Tiered:
    if report.count == 1 and report.is_parsed and _SHOWS.match(text):
        return Tiered(Tier.READ, "its query only shows")
    kinds = [kind for statement in report.statements for kind in (statement.kind, *statement.kinds)]
    kind = max(kinds, key=lambda one: (KINDS[one], one is not Kind.OTHER), default=Kind.SELECT)
    if KINDS[kind] < Tier.SEND and (not report.is_parsed or report.opaque):
        return Tiered(Tier.SEND, "it takes a query that cannot be read")
    outside = any(statement.outside for statement in report.statements)
    if outside and KINDS[kind] < Tier.SYSTEM:
        return Tiered(Tier.SYSTEM, "its query reaches out of the database")
    return Tiered(KINDS[kind], f"its query holds a statement of the kind `{kind}`")
