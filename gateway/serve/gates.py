"""From configuration to what an exchange judges by. Needs no network, so that a scan works without one."""

from __future__ import annotations

from collections.abc import Callable, Container

from gateway import resources
from gateway.detect.memory import VerdictMemory
from gateway.detect.ruleset import RuleSet
from gateway.exchange.gate import BodyLimits, Gate
from gateway.policy.egress.policy import EgressPolicy
from gateway.policy.firewall import Firewall, Reads
from gateway.policy.hierarchy import Hierarchy
from gateway.policy.profile import Profile
from gateway.policy.tools.hosted import within
from gateway.policy.tools.pinned import Pinning
from gateway.policy.tools.toolbox import Toolbox
from gateway.settings import Config


def hierarchy_of(config: Config, key: bytes) -> Hierarchy:
    """The instruction hierarchy as configured; `key` derives its delimiters."""
    table = config.hierarchy
    return Hierarchy(table.mode, key, table.delimiters, table.rules)


def firewall_of(
    config: Config,
    principal: str,
    toolbox: Toolbox,
    egress: EgressPolicy,
    key: bytes,
    *,
    is_configured: bool = True,
    pins: Pinning | None = None,
    reads: Reads | None = None,
) -> Firewall:
    """What the calls of this caller are held to; `key` derives the names of calls. See `Firewall.is_configured`.

    Without `pins` nothing is held against what servers say of their tools, without `reads` no call knows of others.
    """
    return Firewall(
        toolbox,
        config.tools_for(principal),
        config.profile_for(principal),
        key,
        config.hosted_for(principal),
        within(egress, principal),
        is_configured,
        pins,
        principal,
        reads,
        resources.weigher(),
    )


def gate_of(
    config: Config,
    rules: RuleSet,
    profile: Profile,
    hierarchy: Hierarchy,
    memory: VerdictMemory,
    stopped_tools: Callable[[], Container[str]] = tuple,
    firewall: Firewall | None = None,
) -> Gate:
    """A gate with the configured limits on bodies."""
    limits = BodyLimits(config.gateway.max_request, config.gateway.max_answer, config.gateway.max_event)
    return Gate(rules, profile, hierarchy, memory, limits, stopped_tools=stopped_tools, firewall=firewall)
