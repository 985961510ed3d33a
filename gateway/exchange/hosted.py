"""Tools that a provider runs itself, where a request names them: the one place where they can be judged.

Their calls never come to the agent, and what they fetch never comes through the gateway.
"""

from __future__ import annotations

from typing import Final

from gateway.dialect.route import Endpoint
from gateway.errors import Code
from gateway.exchange.calls import Refused
from gateway.exchange.facts import Facts
from gateway.exchange.gate import Gate
from gateway.exchange.whole import Outcome
from gateway.policy.tools.hosted import HostedRuling
from gateway.verdict import Effect, Reason
from gateway.wire.document import glance

_TELLING: Final = frozenset({"hosted_tool", "image", "audio", "video", "file"})
"""What a grammar calls the parts of a request in which a hosted tool or an address can stand: where there is none of
them, no conversation is read a second time."""


def ruling(gate: Gate, endpoint: Endpoint, outcome: Outcome, body: bytes) -> HostedRuling | None:
    """What a decoded request body that was judged comes to for its hosted tools; None where it names none."""
    if gate.firewall is None or not any(part.what in _TELLING for part in outcome.inspected.uninspected):
        return None
    return gate.firewall.judge_hosted(endpoint.dialect.hosted(glance(body)))


def refused(gate: Gate, endpoint: Endpoint, outcome: Outcome, body: bytes, facts: Facts) -> Refused | None:
    """Why a request is refused for what it has its provider run; None where it may pass. Reasons are noted.

    `body` is the decoded body as it came.
    """
    found = ruling(gate, endpoint, outcome, body)
    if found is None:
        return None
    facts.add_reasons(
        min(found.effect, Effect.REPORT),
        found.would_be,
        [Reason(reason.effect, reason.rule, reason.category, 0, reason.shadow) for reason in found.reasons],
    )
    if found.effect < Effect.ASK:
        return None
    strongest = [reason for reason in found.reasons if reason.effect is found.effect]
    return Refused(
        Code.TOOL,
        "; ".join(dict.fromkeys(reason.words for reason in strongest)),
        tuple(dict.fromkeys(reason.rule for reason in strongest)),
    )
