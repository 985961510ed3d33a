"""What an exchange judges by, as one frozen value: it keeps the value it began with, whatever is reloaded meanwhile."""

from __future__ import annotations

from dataclasses import dataclass, field

from gateway.detect.memory import VerdictMemory
from gateway.detect.ruleset import RuleSet
from gateway.exchange.part import PartMemory
from gateway.policy.hierarchy import Hierarchy
from gateway.policy.profile import Profile


@dataclass(frozen=True, slots=True)
class BodyLimits:
    """Limits in bytes, after decoding: of a request that is read, an answer that is read, one event of a stream."""

    request: int = 32 * 1024 * 1024
    answer: int = 64 * 1024 * 1024
    event: int = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Gate:
    """Rules, profile, hierarchy and limits.

    `memory` holds findings of texts, keyed by rule set, and is shared by all gates; `parts` holds what became of whole
    parts of a body, and so belongs to this gate alone.
    """

    rules: RuleSet
    profile: Profile
    hierarchy: Hierarchy
    memory: VerdictMemory
    limits: BodyLimits = BodyLimits()
    parts: PartMemory = field(default_factory=PartMemory)
