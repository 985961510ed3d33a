"""Requests that are signed over their bytes: what is left out of them, and what they are refused for instead.

A signature (AWS Signature Version 4) covers the body and most fields, so one that is edited is refused by its receiver,
with words that help nobody. What the gateway would add by itself is left out, and noted; where something that was found
would have to be taken out, the request is refused here.
"""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from gateway.dialect.base import Coverage
from gateway.dialect.route import Endpoint
from gateway.exchange import refuse
from gateway.exchange.gate import Gate
from gateway.policy.decide import code_of
from gateway.policy.hierarchy import Mode
from gateway.verdict import Effect, Reason, Refusal, Verdict

_UNMARKED: Final = Reason(Effect.ALLOW, "signed-request", "hierarchy.left_out", 0)


def unmarked(endpoint: Endpoint) -> Endpoint:
    """The endpoint for a signed request: neither rules nor marks are added to it."""
    return replace(endpoint, generates=False)


def notes(gate: Gate, endpoint: Endpoint) -> tuple[Reason, ...]:
    """What the record has to say of a signed request."""
    is_left_out = endpoint.coverage is Coverage.DIALECT and gate.hierarchy.mode is not Mode.OFF
    return (_UNMARKED,) if is_left_out else ()


def refusal(verdict: Verdict, request_id: str) -> Refusal:
    """The refusal of a signed request that this verdict would have edited."""
    editing = [reason for reason in verdict.reasons if reason.effect is verdict.effect and not reason.shadow]
    rules = tuple(dict.fromkeys(reason.rule for reason in editing))
    code = code_of(editing[0].category)
    named = ", ".join(f"`{rule}`" for rule in rules)
    message = (
        f"{refuse.words_of(code)} (rule {named}), and would be taken out, but no edit survives the signature of the "
        "request (AWS4); remove it, or send the request unsigned, with a Bedrock API key: one of your own, or one that "
        "the gateway shows (`api_key_env` under [upstreams.NAME])"
    )
    return refuse.of(code, request_id, message, rules=rules)
