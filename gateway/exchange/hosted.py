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
from gateway.verdict import Effect, Reason
from gateway.wire.document import glance

_TELLING: Final = frozenset({"hosted_tool", "image", "audio", "video", "file"})
"""What a grammar calls the parts of a request in which a hosted tool or an address can stand: where there is none of
them, no conversation is read a second time."""


def refused(gate: Gate, endpoint: Endpoint, outcome: Outcome, body: bytes, facts: Facts) -> Refused | None:
    """Why a request is refused for what it has its provider run; None where it may pass. Reasons are noted.

    `body` is the decoded body as it came.
    """
    if gate.firewall is None or not any(part.what in _TELLING for part in outcome.inspected.uninspected):
        return None
    ruling = gate.firewall.judge_hosted(endpoint.dialect.hosted(glance(body)))
    facts.add_reasons(
        min(ruling.effect, Effect.REPORT),
        ruling.would_be,
        [Reason(reason.effect, reason.rule, reason.category, 0, reason.shadow) for reason in ruling.reasons],
    )
    if ruling.effect < Effect.ASK:
        return None
    strongest = [reason for reason in ruling.reasons if reason.effect is ruling.effect]
    return Refused(
        Code.TOOL,
        "; ".join(dict.fromkeys(reason.words for reason in strongest)),
        tuple(dict.fromkeys(reason.rule for reason in strongest)),
    )
