"""What a tool can do by what it is given."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.policy.call import Argument, Sink, Tier
from gateway.policy.commands.report import Kind
from gateway.policy.tools.aims import KINDS, raised
from gateway.policy.tools.tiers import Tiered

READ = Tiered(Tier.READ, "by name")


@pytest.mark.parametrize(
    ("sink", "value", "tier", "why"),
    [
        (Sink.COMMAND, "ls", Tier.SYSTEM, "it takes a command"),
        (Sink.COMMAND, " ", Tier.READ, "by name"),
        (Sink.COMMAND, None, Tier.READ, "by name"),
        (Sink.CODE, "1", Tier.READ, "by name"),
        (Sink.SQL, "select 1 from t", Tier.READ, "by name"),
        (Sink.SQL, "insert into t values (1)", Tier.CREATE, "its query holds a statement of the kind `insert`"),
        (Sink.SQL, "update t set a = 1", Tier.MODIFY, "its query holds a statement of the kind `update`"),
        (Sink.SQL, "select 1; delete from t", Tier.SEND, "its query holds a statement of the kind `delete`"),
        (
            Sink.SQL,
            "with x as (delete from t returning a) select a from x",
            Tier.SEND,
            "its query holds a statement of the kind `delete`",
        ),
        (Sink.SQL, "drop table t", Tier.SYSTEM, "its query holds a statement of the kind `ddl`"),
        (Sink.SQL, "grant all on t to u", Tier.SYSTEM, "its query holds a statement of the kind `grant`"),
        (Sink.SQL, "select pg_read_file('/etc/passwd')", Tier.SYSTEM, "its query reaches out of the database"),
        (Sink.SQL, "show tables", Tier.READ, "by name"),
        (Sink.SQL, "show tables; delete from t", Tier.SEND, "its query holds a statement of the kind `delete`"),
        (Sink.SQL, "vacuum t", Tier.SEND, "its query holds a statement of the kind `other`"),
        (Sink.SQL, "select ((( from", Tier.SEND, "it takes a query that cannot be read"),
    ],
)
def test_what_a_tool_is_given_makes_its_tier_stricter(sink: Sink, value: Any, tier: Tier, why: str) -> None:
    assert raised(READ, [Argument(("a",), value, sink)]) == Tiered(tier, why)


def test_it_makes_none_milder() -> None:
    system = Tiered(Tier.SYSTEM, "by name")
    assert raised(system, [Argument(("a",), "select 1 from t", Sink.SQL)]) == system


def test_each_kind_of_statement_has_a_tier() -> None:
    assert set(KINDS) == set(Kind)
