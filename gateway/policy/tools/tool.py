"""One table of `[tools]`, compiled: which calls it means, and what it holds them to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final, Protocol

from msgspec import Struct, field

from gateway.policy.call import Argument, Call, CallReason, Sink, Tier, shown
from gateway.policy.commands.shell import read_shell
from gateway.policy.commands.sql import read_sql
from gateway.policy.isolation import Isolation
from gateway.policy.tools.commands import CommandPolicy, SqlPolicy
from gateway.policy.tools.match import Closeness, Match, Spellings
from gateway.policy.tools.naming import words
from gateway.policy.tools.paths import PathPolicy
from gateway.policy.tools.requests import RequestMatch
from gateway.policy.tools.sinks import ROOT, is_at
from gateway.policy.tools.urls import HostPolicy, listed
from gateway.policy.tools.values import ValuePolicy
from gateway.segment import Path
from gateway.verdict import Effect

TIMEOUT: Final = 30.0
"""Seconds that a tool may take where nothing else is configured."""


class Approval(StrEnum):
    """Whether a person is asked, where the table says so instead of the tier."""

    NONE = "none"  # not for the tier; what else there is against a call still counts
    ASKED = "asked"  # each time, of whoever the tier asks
    APPROVER = "approver"  # each time, of an approver


class Checked(Protocol):
    """A schema that a value is held to."""

    document: Any

    def fault(self, value: Any) -> str | None: ...


class ArgumentPolicy(Struct, frozen=True):
    """What is held against an argument, or against all arguments of one sink. None holds nothing."""

    sink: Sink | None = None
    required: bool = False
    paths: PathPolicy | None = None
    hosts: HostPolicy | None = None
    values: ValuePolicy | None = None
    command: CommandPolicy | None = None
    sql: SqlPolicy | None = None

    @property
    def is_constrained(self) -> bool:
        """Whether it can refuse anything."""
        return self.required or any((self.paths, self.hosts, self.values, self.command, self.sql))

    def faults(self, argument: Argument) -> Iterator[tuple[str, str]]:
        """The last part of a rule's id and the words for each fault of one leaf."""
        value = argument.value
        if self.values is not None and (fault := self.values.fault(value)) is not None:
            yield "value", fault
        texts = {
            "path": self.paths,
            "url": self.hosts,
            "command": self.command,
            "sql": self.sql,
        }
        for what, policy in texts.items():
            if policy is None or value is None:
                continue
            if not isinstance(value, str):
                yield what, "is no text"
                continue
            yield from ((what, fault) for fault in _text_faults(policy, value))


def _text_faults(policy: PathPolicy | HostPolicy | CommandPolicy | SqlPolicy, text: str) -> Iterator[str]:
    if isinstance(policy, CommandPolicy):
        yield from dict.fromkeys(policy.faults(read_shell(text)))
    elif isinstance(policy, SqlPolicy):
        yield from dict.fromkeys(policy.faults(read_sql(text, policy.dialect)))
    elif (fault := policy.fault(text)) is not None:
        yield fault


class ResultPolicy(Struct, frozen=True):
    """What a tool's result is held to: bytes of UTF-8, and a schema."""

    max_size: int | None = None
    schema: Checked | None = None


def _nothing() -> Mapping[Any, Any]:
    return MappingProxyType({})


class Tool(Struct, frozen=True):
    """A table of `[tools]`, an operator's own or of a shipped policy.

    `requests` are the HTTP requests that are calls of it, by its own name. `requests_per_minute`, `timeout` (seconds)
    and `result` are for whoever makes the call.
    """

    name: str
    matches: tuple[Match, ...]
    enabled: bool = True
    tier: Tier | None = None
    arguments: Mapping[str, ArgumentPolicy] = field(default_factory=_nothing)
    sinks: Mapping[Sink, ArgumentPolicy] = field(default_factory=_nothing)
    schema: Checked | None = None
    languages: tuple[str, ...] = ()
    approval: Approval | None = None
    sandbox: Isolation = Isolation.NONE
    requests_per_minute: int | None = None
    timeout: float = TIMEOUT
    result: ResultPolicy = ResultPolicy()
    is_own: bool = True
    requests: tuple[RequestMatch, ...] = ()

    def closeness(self, spelt: Spellings) -> Closeness | None:
        """How closely it means a call that is spelt so; None if it does not."""
        return max((found for one in self.matches if (found := one.closeness(spelt)) is not None), default=None)

    @property
    def declared(self) -> Mapping[str, Sink]:
        """The sinks that it declares, by argument."""
        return {name: policy.sink for name, policy in self.arguments.items() if policy.sink is not None}

    @property
    def takes_names(self) -> bool:
        """Whether anything is asked of arguments by their names, which a text has not."""
        return any(policy.is_constrained for name, policy in self.arguments.items() if name != ROOT)

    @property
    def is_constrained(self) -> bool:
        """Whether anything is asked of the arguments."""
        policies = (*self.arguments.values(), *self.sinks.values())
        return self.schema is not None or bool(self.languages) or any(one.is_constrained for one in policies)

    def reasons(self, call: Call, arguments: tuple[Argument, ...], isolation: Isolation) -> Iterator[CallReason]:
        """Why the call may not be made as it is, for its arguments and for how its agent is held."""
        if not self.enabled:
            yield blocked("disabled", f"{shown(call.name)} is switched off by {self._table}")
        if isolation < self.sandbox:
            yield blocked(
                "sandbox",
                f"{self._table} asks for an agent that was started with the isolation `{self.sandbox.word}` or more, "
                f"and nothing proves more than `{isolation.word}`",
            )
        if self.schema is not None and (fault := self.schema.fault(call.arguments)) is not None:
            yield blocked("schema", f"the call {fault} of {self._table}")
        yield from self._argument_reasons(arguments)
        yield from self._language_reasons(call, arguments)

    @property
    def _table(self) -> str:
        return f"[tools.{self.name}]"

    def _argument_reasons(self, arguments: tuple[Argument, ...]) -> Iterator[CallReason]:
        present: set[str] = set()
        for argument in arguments:
            for name, policy in self.arguments.items():
                if is_at(name, argument.path):
                    present.update({name} if argument.value is not None else ())
                    yield from self._faults(argument, policy)
            if (policy := self.sinks.get(argument.sink, _FREE)) is not _FREE:
                yield from self._faults(argument, policy)
        for name, policy in self.arguments.items():
            if policy.required and name not in present:
                yield blocked("missing", f"{self._table} demands the argument `{name}`", name)

    def _faults(self, argument: Argument, policy: ArgumentPolicy) -> Iterator[CallReason]:
        for what, fault in policy.faults(argument):
            name = shown(argument.name) if argument.name else "what it is given"
            yield blocked(what, f"{name} {fault} ({self._table})", argument.name)

    def _language_reasons(self, call: Call, arguments: tuple[Argument, ...]) -> Iterator[CallReason]:
        if not self.languages or all(argument.sink is not Sink.CODE for argument in arguments):
            return
        told = [one for one in arguments if isinstance(one.value, str) and _is_language(one.path)]
        allowed = {language.casefold() for language in self.languages}
        if not told and allowed.isdisjoint(words(call.name)):
            yield blocked("language", f"nothing says which language the code is in; {self._allowed_languages}")
        for argument in told:
            if argument.value.casefold() not in allowed:
                yield blocked(
                    "language", f"{shown(argument.name)} is no language that is allowed; {self._allowed_languages}"
                )

    @property
    def _allowed_languages(self) -> str:
        return f"{self._table} allows {listed(self.languages, 'and')}"


_FREE: Final = ArgumentPolicy()


def blocked(what: str, sentence: str, argument: str = "") -> CallReason:
    """The reason of a block."""
    return CallReason(Effect.BLOCK, f"tool-{what}", f"tool.{what}", sentence, argument)


def _is_language(path: Path) -> bool:
    keys = [step for step in path if isinstance(step, str)]
    return bool(keys) and words(keys[-1])[-1:] in (("language",), ("lang",), ("kernel",), ("runtime",))
