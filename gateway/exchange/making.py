"""What an exchange does with the calls of tools that its request makes by itself: in a message, or as an HTTP request.

(Those that a model makes are in its answer: `answering.py`.)
"""

from __future__ import annotations

from abc import ABC
from collections.abc import Callable
from functools import partial
from typing import Final, override

from msgspec.structs import replace

from gateway.dialect.message import MessageDialect
from gateway.dialect.route import Family
from gateway.errors import Code
from gateway.exchange import headers as fields
from gateway.exchange import messages, refuse
from gateway.exchange.calls import Calls, Refused
from gateway.exchange.consulting import Consulting
from gateway.exchange.demand import Consults
from gateway.exchange.ending import State
from gateway.exchange.events import Answered, Ask, Command
from gateway.exchange.facts import Facts
from gateway.exchange.gate import Gate
from gateway.exchange.requested import requested
from gateway.exchange.sight import UNTOLD, called, sight
from gateway.exchange.whole import Outcome
from gateway.policy.call import Called
from gateway.policy.transcript import Transcript
from gateway.verdict import Refusal

UNCHANGEABLE: Final = Refused(
    Code.APPROVAL, "it was approved with other arguments, which only the caller can put into an HTTP request", ()
)

UNCHECKABLE: Final = Refused(
    Code.TOOL,
    "its result is held to something, and comes on a stream that this process of the gateway does not serve; use the "
    "server over streamable HTTP, or set `workers = 1` under [gateway]",
    ("tool-result",),
)

_SESSION: Final = "mcp-session-id"
"""The field of MCP's streamable HTTP until 2025-11-25; later versions know no sessions."""

type Then = Callable[[], list[Command]]
type Refuse = Callable[[Refusal], list[Command]]


class Making(Consulting, ABC):
    """An exchange whose request may itself be calls."""

    def __init__(self, gate: Gate, family: Family, facts: Facts, isolation: int | None, consults: Consults) -> None:
        super().__init__(gate, family, facts, isolation, consults)
        self._then: Then = list  # what follows once calls that the request makes are answered

    def _requested(self, outcome: Outcome | None) -> tuple[Called, ...]:
        """The tools that the request calls by its method and path."""
        return requested(self._gate, self._request, self._facts.upstream, outcome, self._media)

    def _rule(self, made: tuple[Called, ...], refuse_it: Refuse, then: Then) -> list[Command]:
        """Rule on the calls of tools that the request itself makes, and go on where all of them may be made."""
        if self._gate.firewall is None or not made:
            return then()
        seen = partial(sight, self._gate, self._untold, self._isolation)
        calls = self._made = Calls(self._gate.rules, seen, self._gate.stopped_tools)
        self._then = partial(self._when_ruled, calls, refuse_it, then)
        calls.take(made)
        if questions := calls.ask():
            self._state = State.ASKING
            return [Ask(questions)]
        return self._then()

    @property
    def _untold(self) -> Transcript:
        """What is known of the conversation that a call by itself is part of: what its client calls it, or MCP."""
        named = fields.value(self._request.headers, _SESSION)
        return replace(UNTOLD, session=called(self._request.session) or (f"mcp {named}" if named else ""))

    def _when_ruled(self, calls: Calls, refuse_it: Refuse, then: Then) -> list[Command]:
        refused = calls.refused or self._hindrance(calls)
        if refused is None:
            return then()
        calls.refuse(refused.words)
        return refuse_it(refuse.of(refused.code, self._facts.id, refused.words, rules=refused.rules))

    def _hindrance(self, calls: Calls) -> Refused | None:
        """Why calls cannot be made here that the policy allows."""
        if calls.changes and not isinstance(self._endpoint.dialect, MessageDialect):
            return UNCHANGEABLE
        if calls.have_terms_for_results and not messages.may_be_checked(self._endpoint):
            return UNCHECKABLE
        return None

    @override
    def _on_request_answered(self, event: Answered) -> list[Command]:
        assert self._made is not None, "something was asked"
        self._made.answered(event.answers)
        return self._then()
