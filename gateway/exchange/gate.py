"""What an exchange judges by, as one frozen value: it keeps the value it began with, whatever is reloaded meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from gateway.detect.memory import VerdictMemory
from gateway.detect.ruleset import RuleSet
from gateway.exchange.beginning import Beginnings
from gateway.exchange.calls import Sight
from gateway.exchange.part import PartMemory
from gateway.policy.call import CallReason
from gateway.policy.decide import only_reports
from gateway.policy.hierarchy import Hierarchy
from gateway.policy.profile import Profile
from gateway.policy.tools.hosted import HostedRuling
from gateway.policy.transcript import Hosted, Transcript


@dataclass(frozen=True, slots=True)
class BodyLimits:
    """Limits in bytes, after decoding: of a request that is read, an answer that is read, one event of a stream."""

    request: int = 32 * 1024 * 1024
    answer: int = 64 * 1024 * 1024
    event: int = 8 * 1024 * 1024


type Instructs = Callable[[str], bool]
"""Whether a text that nobody trusts carries instructions."""


class Firewall(Protocol):
    """The policy for calls of tools."""

    def sight(self, transcript: Transcript, instructs: Instructs, isolation: int | None) -> Sight:
        """What the calls of one conversation are judged by. `isolation` is what holds the agent, by its launcher."""
        ...

    def listed(
        self, server: str, definitions: Sequence[Mapping[str, Any]], *, goes_on: bool
    ) -> Mapping[int, CallReason]:
        """What is against tools that an MCP server lists, by their places: those that would be asked about or blocked
        are not shown. `goes_on` is whether more pages follow."""
        ...

    def requested(self, methods: frozenset[str], places: frozenset[str], path: str) -> tuple[tuple[str, Any], ...]:
        """The tools that an HTTP request calls, each with the arguments in its path."""
        ...

    def judge_hosted(self, hosted: Iterable[Hosted]) -> HostedRuling:
        """What a request's tools come to that its provider runs itself."""
        ...


@dataclass(frozen=True, slots=True)
class Gate:
    """Rules, profile, hierarchy and limits.

    `memory` holds findings of texts, keyed by rule set, and is shared by all gates; `parts` and `beginnings` hold what
    became of whole parts of a body, and so belong to this gate alone. `reporting` are the rules that can only report in
    an answer's text, so that a stream need not wait for them. `stopped_tools` tells by name which tools an operator has
    stopped: it is asked each time, since a stop holds for what is under way too. `firewall` rules on calls of tools;
    None where nobody does.
    """

    rules: RuleSet
    profile: Profile
    hierarchy: Hierarchy
    memory: VerdictMemory
    limits: BodyLimits = BodyLimits()
    parts: PartMemory = field(default_factory=PartMemory)
    stopped_tools: Callable[[], Container[str]] = tuple
    beginnings: Beginnings = field(default_factory=Beginnings)
    firewall: Firewall | None = None
    reporting: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        reporting = frozenset(
            rule.id
            for rule in self.rules.rules.values()
            if only_reports(self.profile, rule.category, rule.effect, shadow=rule.shadow)
        )
        object.__setattr__(self, "reporting", reporting)
