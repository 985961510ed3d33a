"""`[tools.NAME.arguments.ARGUMENT]` and `[tools.NAME.sinks.SINK]`: what an argument is, and what it is held to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Final, Literal, Self

from pydantic import Field, PlainValidator, model_validator

from gateway import units
from gateway.detect.expression import Expression
from gateway.policy.call import Sink
from gateway.policy.commands.report import Kind
from gateway.policy.tools.commands import CommandPolicy, SqlPolicy
from gateway.policy.tools.paths import PathPolicy, folder, glob
from gateway.policy.tools.schema_walk import root
from gateway.policy.tools.sinks import Taken, taken
from gateway.policy.tools.tool import ArgumentPolicy
from gateway.policy.tools.urls import HostPolicy, Reach
from gateway.policy.tools.values import ValuePolicy
from gateway.settings.egress import NamedHosts, Port, Prefix
from gateway.settings.fields import Array, Choice, Size, Table


def _plain(value: object) -> str | int | float | bool:
    if isinstance(value, str | int | float):
        return value
    raise ValueError(f"{units.shown(value)} is no single value; accepted: text, a number, true or false")


def _number(value: object) -> int | float:
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value:
        raise ValueError(f"{units.shown(value)} is no number; accepted: a number such as 100 or 2.5")
    return value


_PATHS: Final = frozenset({"allow", "deny", "root", "ignore_case"})
_HOSTS: Final = frozenset({"hosts", "deny_hosts", "ports", "schemes", "paths", "reach"})
_COMMANDS: Final = frozenset({"programs", "deny_programs", "writes", "opaque"})
_QUERIES: Final = frozenset({"statements", "tables", "deny_tables", "where_required", "dialect"})
_LISTS: Final = frozenset({"allow", "deny"})
_ANY: Final = frozenset({"sink", "required", "min", "max", "one_of", "pattern", "max_length", "max_size"})

_KEYS: Final = {Sink.PATH: _PATHS, Sink.URL: _HOSTS, Sink.COMMAND: _PATHS | _HOSTS | _COMMANDS, Sink.SQL: _QUERIES}
"""What may be said of an argument of each sink, besides what may be said of any; of others, `allow` and `deny`."""


class ArgumentTable(Table):
    """What an argument is held to. What is not said holds nothing.

    `allow` and `deny` are paths for the sinks path and command, and texts with `*` and `?` for those that are neither
    these nor URLs and SQL.
    """

    sink: Choice[Sink] | None = None
    required: bool = False
    allow: Array[str] = ()
    deny: Array[str] = ()
    root: str | None = None
    ignore_case: bool = False
    hosts: Array[NamedHosts] = ()
    deny_hosts: Array[NamedHosts] = ()
    ports: Array[Port] = ()
    schemes: Array[str] = ()
    paths: Array[Prefix] = ()
    reach: Choice[Reach] = Reach.NOT_METADATA
    programs: Array[str] = ()
    deny_programs: Array[str] = ()
    writes: Array[str] = ()
    opaque: Literal["block", "allow"] = "block"
    statements: Array[Choice[Kind]] = ()
    tables: Array[str] = ()
    deny_tables: Array[str] = ()
    where_required: bool = False
    dialect: str = ""
    min: Annotated[int | float | None, PlainValidator(_number)] = None
    max: Annotated[int | float | None, PlainValidator(_number)] = None
    one_of: Array[Annotated[Any, PlainValidator(_plain)]] = ()
    pattern: str | None = None
    max_length: Annotated[int | None, Field(ge=0)] = None
    max_size: Size | None = None

    @model_validator(mode="after")
    def _is_a_range(self) -> Self:
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"has a `min` of {self.min} above its `max` of {self.max}")
        return self

    def taken(self, name: str) -> Taken:
        """What the argument of that name is taken for: what is declared, or else what the name says."""
        declared = {name: self.sink} if self.sink is not None else {}
        return taken("", tuple(name.split(".")) if name != "." else (), root(None), "", declared)

    def unfit(self, sink: Sink) -> str | None:
        """What of it does not belong to an argument of that sink."""
        fitting = _ANY | _KEYS.get(sink, _LISTS)
        wrong = sorted(self.model_fields_set - fitting)
        if not wrong:
            return None
        return f"`{wrong[0]}` means nothing for the sink `{sink}`; accepted there: {', '.join(sorted(fitting))}"

    def policy(self, sink: Sink) -> ArgumentPolicy:
        """What it is held to, as an argument of that sink. Raises ValueError for what is no path or expression."""
        given = self.model_fields_set
        is_web = sink in {Sink.URL, Sink.COMMAND} and not given.isdisjoint(_HOSTS)
        return ArgumentPolicy(
            sink=self.sink,
            required=self.required,
            paths=self._paths(self.allow) if sink is Sink.PATH else None,
            hosts=self._hosts() if is_web and sink is Sink.URL else None,
            values=self._values(sink),
            command=self._command(is_web=is_web) if sink is Sink.COMMAND and not given <= _ANY else None,
            sql=self._sql() if sink is Sink.SQL and not given <= _ANY else None,
        )

    def _paths(self, allow: tuple[str, ...], deny: tuple[str, ...] | None = None) -> PathPolicy | None:
        denied = self.deny if deny is None else deny
        if not allow and not denied and self.root is None:
            return None
        start = _read(folder, self.root) if self.root is not None else None
        # A root alone is the folder that paths are to stay in.
        allowed = allow or (() if denied or self.root is None else (self.root,))
        return PathPolicy(
            tuple(_read(lambda one: glob(one, start), text) for text in allowed),
            tuple(_read(lambda one: glob(one, start), text) for text in denied),
            start,
            self.ignore_case,
        )

    def _hosts(self) -> HostPolicy:
        return HostPolicy(
            self.hosts,
            self.deny_hosts,
            frozenset(self.ports),
            frozenset(scheme.lower() for scheme in self.schemes),
            self.paths,
            self.reach,
        )

    def _command(self, *, is_web: bool) -> CommandPolicy:
        return CommandPolicy(
            self.programs,
            self.deny_programs,
            self._paths(self.allow),
            self._paths(self.writes, ()) if self.writes else None,
            self._hosts() if is_web else None,
            refuses_opaque=self.opaque == "block",
        )

    def _sql(self) -> SqlPolicy:
        return SqlPolicy(frozenset(self.statements), self.tables, self.deny_tables, self.where_required, self.dialect)

    def _values(self, sink: Sink) -> ValuePolicy | None:
        has_lists = sink not in _KEYS
        policy = ValuePolicy(
            allow=self.allow if has_lists else (),
            deny=self.deny if has_lists else (),
            one_of=self.one_of,
            least=self.min,
            most=self.max,
            max_length=self.max_length,
            max_size=self.max_size,
            pattern=_read(Expression, self.pattern) if self.pattern is not None else None,
            of_recipients=sink is Sink.RECIPIENT,
        )
        return policy if policy != ValuePolicy(of_recipients=policy.of_recipients) else None


def _read[V](reader: Callable[[str], V], text: str) -> V:
    try:
        return reader(text)
    except ValueError as error:
        raise ValueError(f"holds {units.shown(text)}, which {error}") from None
