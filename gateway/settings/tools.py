"""`[tools.NAME]`: what is known of a tool, and what its calls are held to."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final, Self

from pydantic import AfterValidator, ConfigDict, Field, PlainValidator, model_validator

from gateway import units
from gateway.detect.json_schema import JsonSchema
from gateway.policy.call import Sink, Tier
from gateway.policy.isolation import Isolation
from gateway.policy.tools.match import match
from gateway.policy.tools.requests import request_match
from gateway.policy.tools.tool import TIMEOUT, Approval, ResultPolicy, Tool
from gateway.settings.arguments import ArgumentTable
from gateway.settings.fields import NO_TABLES, Array, Choice, Count, Duration, Named, Size, Table, read

_NAME: Final = re.compile(r"[\w./*?:@-]{1,128}", re.ASCII)
_NESTED: Final = re.compile(r"\.|[\w@$-]+(?:\.[\w@$-]+)*")


def _tool_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError(
            "is no name of a tool; accepted: letters, digits and . / * ? : @ _ -, in quotes where they need it"
        )
    return name


def _argument_name(name: str) -> str:
    if not _NESTED.fullmatch(name):
        raise ValueError('is no argument; accepted: "to", "message.to" for one inside another, "." for free text')
    return name


def _tool(value: object) -> str:
    read(match, value)
    return str(value)


def _request(value: object) -> str:
    read(request_match, value)
    return str(value)


def _tier(value: object) -> Tier:
    names = [tier.name.lower() for tier in Tier]
    if isinstance(value, int) and not isinstance(value, bool) and value in list(Tier):
        return Tier(value)
    if isinstance(value, str) and value in names:
        return Tier[value.upper()]
    raise ValueError(f"{units.shown(value)} is no tier; accepted: 0 to 4, or {', '.join(names)}")


def _approval(value: object) -> Approval:
    if value is True:
        return Approval.ASKED
    if value is False:
        return Approval.NONE
    if value == "approver":
        return Approval.APPROVER
    raise ValueError(f'{units.shown(value)} is no sort of approval; accepted: true, false, or "approver"')


def _isolation(value: object) -> Isolation:
    words = [level.word for level in Isolation]
    if not isinstance(value, str) or value not in words:
        raise ValueError(f"{units.shown(value)} is no level of isolation; accepted: {', '.join(words)}")
    return Isolation[value.upper()]


def _schema(value: object) -> Any:
    if isinstance(value, dict):
        JsonSchema(value)
        return value
    raise ValueError(f'{units.shown(value)} is no JSON Schema; accepted: a table, such as {{ required = ["to"] }}')


type ToolName = Annotated[str, AfterValidator(_tool_name)]
type ToolPattern = Annotated[str, PlainValidator(_tool)]
type RequestPattern = Annotated[str, PlainValidator(_request)]
type Schema = Annotated[Any, PlainValidator(_schema)]


class ResultTable(Table):
    """`[tools.NAME.result]`: what the tool's result is held to."""

    max_size: Size | None = None
    json_schema: Schema | None = Field(default=None, alias="schema")


class ToolTable(Table):
    """`[tools.NAME]`: the tool of that name, or those that `match` names."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    enabled: bool = True
    tier: Annotated[Tier, PlainValidator(_tier)] | None = None
    match: Array[ToolPattern] = ()
    http: Array[RequestPattern] = ()  # requests that are calls of it
    languages: Array[str] = ()
    json_schema: Schema | None = Field(default=None, alias="schema")
    requires_approval: Annotated[Approval | None, PlainValidator(_approval)] = None
    requires_sandbox: Annotated[Isolation, PlainValidator(_isolation)] = Isolation.NONE
    requests_per_minute: Count | None = None
    timeout: Duration = TIMEOUT
    result: ResultTable = ResultTable()
    arguments: Named[Annotated[str, AfterValidator(_argument_name)], ArgumentTable] = NO_TABLES
    sinks: Named[Choice[Sink], ArgumentTable] = NO_TABLES

    @model_validator(mode="after")
    def _fit_their_sinks(self) -> Self:
        for name, table in self.arguments.items():
            sink = table.taken(name).sink
            hint = "" if table.sink is not None else f"; `{name}` is taken for that sink, `sink` would say otherwise"
            _demand_fitting(f'arguments."{name}"', table, sink, hint)
        for sink, table in self.sinks.items():
            if table.sink is not None or table.required:
                raise ValueError(f"has sinks.{sink} with `sink` or `required`, which are for single arguments")
            _demand_fitting(f"sinks.{sink}", table, sink, "")
        return self

    def tool(self, name: str, *, is_own: bool = True) -> Tool:
        """The table of that name, compiled; `is_own` is false for one of a shipped policy."""
        return Tool(
            name=name,
            matches=tuple(map(match, self.match or (name,))),
            enabled=self.enabled,
            tier=self.tier,
            arguments={one: table.policy(table.taken(one).sink) for one, table in self.arguments.items()},
            sinks={sink: table.policy(sink) for sink, table in self.sinks.items()},
            schema=_compiled(self.json_schema),
            languages=self.languages,
            approval=self.requires_approval,
            sandbox=self.requires_sandbox,
            requests_per_minute=self.requests_per_minute,
            timeout=self.timeout,
            result=ResultPolicy(self.result.max_size, _compiled(self.result.json_schema)),
            is_own=is_own,
            requests=tuple(map(request_match, self.http)),
        )


def _demand_fitting(place: str, table: ArgumentTable, sink: Sink, hint: str) -> None:
    if (fault := table.unfit(sink)) is not None:
        raise ValueError(f"has {place}, where {fault}{hint}")
    try:
        table.policy(sink)
    except ValueError as error:
        raise ValueError(f"has {place}, which {error}") from None


def _compiled(schema: Any) -> JsonSchema | None:
    return JsonSchema(schema) if schema is not None else None
