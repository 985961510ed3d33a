"""From configuration to what an exchange judges by. Needs no network, so that a scan works without one."""

from __future__ import annotations

from collections.abc import Callable, Container

from gateway.detect.memory import VerdictMemory
from gateway.detect.ruleset import RuleSet
from gateway.exchange.gate import BodyLimits, Gate
from gateway.policy.hierarchy import Hierarchy
from gateway.policy.profile import Profile
from gateway.settings import Config


def hierarchy_of(config: Config, key: bytes) -> Hierarchy:
    """The instruction hierarchy as configured; `key` derives its delimiters."""
    table = config.hierarchy
    return Hierarchy(table.mode, key, table.delimiters, table.rules)


def gate_of(
    config: Config,
    rules: RuleSet,
    profile: Profile,
    hierarchy: Hierarchy,
    memory: VerdictMemory,
    stopped_tools: Callable[[], Container[str]] = tuple,
) -> Gate:
    """A gate with the configured limits on bodies."""
    limits = BodyLimits(config.gateway.max_request, config.gateway.max_answer, config.gateway.max_event)
    return Gate(rules, profile, hierarchy, memory, limits, stopped_tools=stopped_tools)
