"""What commands and queries are held to, by the reports of what they would do."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from gateway.policy.commands.report import (
    CommandReport,
    How,
    Kind,
    Program,
    Remote,
    SqlReport,
    Statement,
    Touched,
)
from gateway.policy.egress.pattern import host_pattern
from gateway.policy.tools.commands import CommandPolicy, SqlPolicy
from gateway.policy.tools.paths import PathPolicy, glob
from gateway.policy.tools.urls import HostPolicy

POLICY = CommandPolicy(
    programs=("git", "ls", "/opt/tool/*"),
    deny_programs=("sudo",),
    paths=PathPolicy((glob("/srv"),), (glob("/srv/secret"),)),
    writes=PathPolicy((glob("/srv/out"),)),
    hosts=HostPolicy((host_pattern("example.com"),)),
)


@pytest.mark.parametrize(
    ("report", "faults"),
    [
        (CommandReport(), []),
        (CommandReport(programs=(Program("git"), Program("/usr/bin/ls"), Program("/opt/tool/x"))), []),
        (CommandReport(programs=(Program("rm"),)), ["starts a program that is not `git`, `ls` or `/opt/tool/*`"]),
        (CommandReport(programs=(Program("/tmp/git"),)), ["starts a program that is not `git`, `ls` or `/opt/tool/*`"]),
        (CommandReport(programs=(Program("C:\\Windows\\System32\\git.exe"),)), []),
        (
            CommandReport(programs=(Program("C:\\Temp\\git.exe"),)),
            ["starts a program that is not `git`, `ls` or `/opt/tool/*`"],
        ),
        (CommandReport(programs=(Program("./git"),)), ["starts a program that is not `git`, `ls` or `/opt/tool/*`"]),
        (CommandReport(programs=(Program("/x/SUDO"),)), ["starts a program that is denied by `sudo`"]),
        (CommandReport(programs=(Program("git", is_resolved=False),)), ["starts a program that cannot be told"]),
        (CommandReport(touched=(Touched("/srv/a", How.READ),)), []),
        (CommandReport(touched=(Touched("/etc/x", How.READ),)), ["touches a path that is not within `/srv`"]),
        (
            CommandReport(touched=(Touched("/srv/secret", How.READ),)),
            ["touches a path that is denied by `/srv/secret`"],
        ),
        (CommandReport(touched=(Touched("/srv/a", How.WRITE),)), ["touches a path that is not within `/srv/out`"]),
        (CommandReport(touched=(Touched("/srv/a", How.DELETE),)), ["touches a path that is not within `/srv/out`"]),
        (CommandReport(touched=(Touched("/srv/out/a", How.WRITE),)), []),
        (CommandReport(touched=(Touched("$X", How.READ, is_resolved=False),)), ["touches a path that cannot be told"]),
        (CommandReport(remotes=(Remote("example.com", 22),)), []),
        (CommandReport(remotes=(Remote("example.com", url="https://example.com/x"),)), []),
        (
            CommandReport(remotes=(Remote("evil.test"),)),
            ["names a host that is not `example.com`"],
        ),
        (
            CommandReport(remotes=(Remote("evil.test", url="https://evil.test"),)),
            ["reaches a URL that names a host that is not `example.com`"],
        ),
        (CommandReport(remotes=(Remote("a b"),)), ["reaches what is no host: the host holds a space"]),
        (CommandReport(remotes=(Remote("x", is_resolved=False),)), ["reaches a host that cannot be told"]),
        (CommandReport(opaque=("a program",)), ["holds what cannot be told: a program"]),
        (CommandReport(suspicious=("an escape",)), ["is written so as to hide what it does: an escape"]),
        (CommandReport(is_parsed=False), ["is no command that can be read"]),
    ],
)
def test_commands_are_held_to_what_they_would_do(report: CommandReport, faults: list[str]) -> None:
    assert list(POLICY.faults(report)) == faults


def test_what_is_not_constrained_is_not_asked() -> None:
    report = CommandReport(
        (Program("rm", is_resolved=False),), (Touched("/etc", How.DELETE),), (Remote("evil.test", is_resolved=False),)
    )
    assert list(CommandPolicy().faults(report)) == []


def test_what_cannot_be_told_passes_where_it_may() -> None:
    report = CommandReport(
        (Program("git", is_resolved=False), Program("sudo", is_resolved=False)),
        (Touched("$X", How.READ, is_resolved=False), Touched("/srv/secret", How.READ)),
        (Remote("x", is_resolved=False),),
        opaque=("a program",),
        is_parsed=False,
    )
    assert list(replace(POLICY, refuses_opaque=False).faults(report)) == [
        "starts a program that is denied by `sudo`",
        "touches a path that is denied by `/srv/secret`",
    ]


def select(kind: Kind = Kind.SELECT, *kinds: Kind, **more: tuple[str, ...] | bool) -> SqlReport:
    return SqlReport((Statement(kind, (kind, *kinds), **more),))  # type: ignore[arg-type]


QUERIES = SqlPolicy(
    frozenset({Kind.SELECT, Kind.UPDATE}), ("orders", "shop.*"), ("*password*", "users"), where_required=True
)


@pytest.mark.parametrize(
    ("report", "faults"),
    [
        (select(reads=("orders", "shop.items")), []),
        (select(reads=("ORDERS",)), []),
        (select(reads=("other.orders",)), ["uses a table that is not `orders` or `shop.*`"]),
        (select(reads=("shop.users",)), ["uses a table that is denied by `users`"]),
        (select(reads=("shop.password_resets",)), ["uses a table that is denied by `*password*`"]),
        (select(Kind.UPDATE, writes=("orders",)), []),
        (
            select(Kind.UPDATE, writes=("orders",), has_where=False),
            ["changes or deletes all rows of a table: it has no condition that can be false"],
        ),
        (select(Kind.DELETE), ["holds a statement of the kind `delete`, which is not allowed"]),
        (
            select(Kind.SELECT, Kind.INSERT, Kind.DDL),
            ["holds a statement of the kind `ddl` and `insert`, which is not allowed"],
        ),
        (
            select(outside=("reads a file of the server", "runs a program")),
            ["does more than use the database: it reads a file of the server, runs a program"],
        ),
        (SqlReport(is_parsed=False), ["is no query that can be read"]),
        (SqlReport(opaque=("a name",)), ["holds what cannot be told: a name"]),
        (SqlReport(suspicious=("a comment",)), ["is written so as to hide what it does: a comment"]),
    ],
)
def test_queries_are_held_to_kinds_tables_and_conditions(report: SqlReport, faults: list[str]) -> None:
    assert list(QUERIES.faults(report)) == faults


def test_a_query_that_nothing_is_asked_of_passes() -> None:
    assert list(SqlPolicy().faults(select(Kind.DDL, has_where=False, reads=("x",)))) == []


def test_who_allows_copies_allows_what_they_reach() -> None:
    copies = SqlPolicy(frozenset({Kind.COPY}))
    assert list(copies.faults(select(Kind.COPY, outside=("reads a file of the server",)))) == []
