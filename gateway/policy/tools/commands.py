"""What shell commands and queries of a database are held to, by the reports of what they would do.

What a report cannot tell is refused where anything is asked of it: nobody can hold a part that is not known to a list.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from gateway.errors import Malformed
from gateway.policy.commands.report import CommandReport, How, Kind, Program, Remote, SqlReport, Statement
from gateway.policy.egress.host import parse_host
from gateway.policy.tools.globs import fits
from gateway.policy.tools.paths import PathPolicy
from gateway.policy.tools.urls import HostPolicy, listed

_FOLDERS: Final = frozenset(
    {"", "/bin", "/usr/bin", "/usr/local/bin", "/sbin", "/usr/sbin", "/opt/homebrew/bin", "c:/windows/system32"}
)
"""Where a program is the one of its name; empty is the search path. Any other may be anybody's."""


class CommandPolicy(Struct, frozen=True):
    """What a command may do.

    Programs are patterns with `*` and `?`, of the name or, with a slash in them, of the whole path; an empty `programs`
    is all that are not denied. `paths` are all that it touches, `writes` those that it changes; None holds nothing.
    What cannot be told passes where `refuses_opaque` is false: then what denies is no more than a sieve, and somebody
    has to be asked as well.
    """

    programs: tuple[str, ...] = ()
    deny_programs: tuple[str, ...] = ()
    paths: PathPolicy | None = None
    writes: PathPolicy | None = None
    hosts: HostPolicy | None = None
    refuses_opaque: bool = True

    def faults(self, report: CommandReport) -> Iterator[str]:
        """Why a command may not be run. The words hold nothing of it."""
        if self.refuses_opaque:
            yield from ("is no command that can be read" for _ in range(not report.is_parsed))
            yield from (f"holds what cannot be told: {what}" for what in report.opaque)
        yield from (f"is written so as to hide what it does: {what}" for what in report.suspicious)
        for program in report.programs:
            yield from self._program_faults(program)
        for touched in report.touched:
            yield from self._path_faults(touched.path, touched.is_resolved, touched.how)
        if self.hosts is not None:
            for remote in report.remotes:
                if remote.is_resolved or self.refuses_opaque:
                    yield from _remote_faults(self.hosts, remote)

    def _program_faults(self, program: Program) -> Iterator[str]:
        if not self.programs and not self.deny_programs:
            return
        if not program.is_resolved and self.refuses_opaque:
            yield "starts a program that cannot be told"
        name = program.name.replace("\\", "/").casefold()
        names = {name, program.base.casefold()}
        if denied := _first(self.deny_programs, names):
            yield f"starts a program that is denied by `{denied}`"
        elif self.programs and not _first(self.programs, names if name.rpartition("/")[0] in _FOLDERS else {name}):
            yield f"starts a program that is not {listed(self.programs)}"

    def _path_faults(self, path: str, is_resolved: bool, how: How) -> Iterator[str]:
        policies = [self.paths, self.writes if how in {How.WRITE, How.DELETE} else None]
        for policy in policies:
            if policy is None:
                continue
            if not is_resolved:
                yield from ("touches a path that cannot be told" for _ in range(self.refuses_opaque))
            elif (fault := policy.fault(path)) is not None:
                yield f"touches a path that {fault}"


def _remote_faults(hosts: HostPolicy, remote: Remote) -> Iterator[str]:
    if not remote.is_resolved:
        yield "reaches a host that cannot be told"
        return
    if remote.url:
        if (fault := hosts.fault(remote.url)) is not None:
            yield f"reaches a URL that {fault}"
        return
    try:
        fault = hosts.host_fault(parse_host(remote.host), remote.port)
    except Malformed as error:
        yield f"reaches what is no host: {error}"
        return
    if fault is not None:
        yield fault


class SqlPolicy(Struct, frozen=True):
    """What a query may do.

    `statements` are the kinds that are allowed, all where it is empty. Tables are patterns of names as they are
    written, and of their last part where they are denied. `where_required` is of every UPDATE and DELETE.
    """

    statements: frozenset[Kind] = frozenset()
    tables: tuple[str, ...] = ()
    deny_tables: tuple[str, ...] = ()
    where_required: bool = False
    dialect: str = ""

    def faults(self, report: SqlReport) -> Iterator[str]:
        """Why a query may not be run. The words hold nothing of it."""
        if not report.is_parsed:
            yield "is no query that can be read"
        yield from (f"holds what cannot be told: {what}" for what in report.opaque)
        yield from (f"is written so as to hide what it does: {what}" for what in report.suspicious)
        for statement in report.statements:
            yield from self._statement_faults(statement)

    def _statement_faults(self, statement: Statement) -> Iterator[str]:
        others = sorted({kind.value for kind in (statement.kind, *statement.kinds) if kind not in self.statements})
        if self.statements and others:
            yield f"holds a statement of the kind {listed(others, 'and')}, which is not allowed"
        if statement.outside and Kind.COPY not in self.statements:
            yield f"does more than use the database: it {', '.join(statement.outside)}"
        if self.where_required and not statement.has_where:
            yield "changes or deletes all rows of a table: it has no condition that can be false"
        for table in (*statement.reads, *statement.writes):
            name = table.casefold()
            if denied := _first(self.deny_tables, {name, name.rpartition(".")[2]}):
                yield f"uses a table that is denied by `{denied}`"
            elif self.tables and not _first(self.tables, {name}):  # a table of another schema is another table
                yield f"uses a table that is not {listed(self.tables)}"


def _first(patterns: tuple[str, ...], names: set[str]) -> str:
    """The first pattern that means one of the names, whatever the case; empty where none does."""
    return next((one for one in patterns if any(fits(one.casefold(), name) for name in names)), "")
