"""Which paths of an agent speak what: its card, the HTTP binding, and JSON-RPC at every other path that takes a POST.

Source: the specification 1.0.1 of a2aproject/A2A, sections 8.2 and 11.3; 0.3 has the HTTP binding below `/v1`, and the
card at `/v1/card`; 0.2 names the card `agent.json`, and has `/agent/authenticatedExtendedCard`.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from gateway.dialect.a2a import A2aCard, A2aHttp, A2aOther, A2aRpc
from gateway.dialect.a2a_card import Door
from gateway.dialect.base import Coverage
from gateway.dialect.route import Endpoint, Family, Form, family, route


@lru_cache(maxsize=64)  # one for each agent, and for each name by which a client knows the gateway
def a2a(door: Door | None = None) -> Family:
    """The family of the agent behind `door`, where clients come by a base URL."""
    card = Endpoint(A2aCard(door), Coverage.DIALECT)
    http = Endpoint(A2aHttp(door), Coverage.DIALECT)
    rpc = Endpoint(A2aRpc(door), Coverage.DIALECT, answer_form=Form.NOTE)
    return family(
        "a2a",
        (
            route("GET", r".*/\.well-known/agent(-card)?\.json", card),
            route("GET", ".*/(extendedAgentCard|v1/card|agent/authenticatedExtendedCard)", card),
            route("POST", ".*/message:(send|stream)", http),
            route("POST", ".*/tasks/[^/]+:(cancel|subscribe)", http),
            route("POST", ".*/tasks/[^/]+/pushNotificationConfigs", http),
            route("GET", ".*/tasks(/.*)?", http),
            route("POST", ".*", rpc),
        ),
        Endpoint(A2aOther(door), Coverage.TEXT),
        "authorization",
        "Bearer ",
    )


A2A: Final[Family] = a2a()
"""An agent as a client meets it that did not come by a base URL: its addresses stay as they are."""
