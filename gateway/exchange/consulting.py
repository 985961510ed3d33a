"""What the limits are told of a request: what it may cost, which tools it calls, and once more for another model.

They are asked before its body is read, or with what the body says, once it was judged (`Consults`).
"""

from __future__ import annotations

from abc import ABC

from msgspec import Struct
from msgspec.structs import replace

from gateway.dialect.base import Coverage
from gateway.dialect.meter import Asked
from gateway.dialect.route import Family
from gateway.dialect.spelling import resolved
from gateway.errors import Malformed
from gateway.exchange import headers as fields
from gateway.exchange import messages
from gateway.exchange.answering import Answering
from gateway.exchange.demand import Consults, Demand
from gateway.exchange.ending import State
from gateway.exchange.events import Command, Consult, Headers, LimitsTaken
from gateway.exchange.facts import Facts
from gateway.exchange.gate import Gate
from gateway.exchange.whole import Outcome
from gateway.segment import Uninspected
from gateway.wire.coding import decode
from gateway.wire.document import Document, glance


class Held(Struct, frozen=True):
    """A request that was judged and waits for the limits: the bytes to send, the same decoded, and its fields."""

    sent: bytes
    body: bytes
    headers: Headers


class Consulting(Answering, ABC):
    """An exchange that asks the limits."""

    def __init__(self, gate: Gate, family: Family, facts: Facts, isolation: int | None, consults: Consults) -> None:
        super().__init__(gate, family, facts, isolation)
        self._consults = consults
        self._demand = Demand()
        self._held: Held | None = None

    def _consult(self, demand: Demand) -> list[Command]:
        self._state = State.LIMITS
        self._demand = demand
        self._bill.asked = demand.asked
        return [Consult(demand)]

    def _asked(self, document: Document | None, unread: tuple[Uninspected, ...] = ()) -> Asked | None:
        """What the request may cost; None where nobody asks, or nothing is counted."""
        meter = self._bill.meter
        if meter is None or self._consults is Consults.EARLY:
            return None
        return meter.asked(self._path, document, unread)

    def _called(self, document: Document | None) -> tuple[str, ...]:
        """The tools that the request calls by itself, one name for each call: as ruled on, or else as it says."""
        return self._made.names if self._made is not None else messages.called(self._endpoint, document)

    @property
    def _path(self) -> str:
        return resolved(self._request.target.partition("?")[0])

    def _reread(self, raw: bytes, outcome: Outcome) -> Document | None:
        """The whole of a body whose beginning was known and left out, where a limit needs it; None for no document."""
        is_needed = self._bill.meter is not None and self._consults is Consults.LATE
        if not is_needed or outcome.inspected.coverage != Coverage.DIALECT:
            return None
        coding = fields.value(self._request.headers, "content-encoding")
        try:
            return glance(decode(raw, coding, self._gate.limits.request) if coding else raw)
        except Malformed:
            return None

    def _switched(self, event: LimitsTaken) -> list[Command]:
        """Ask again with the request for another model, where the limit names one and the request can be changed."""
        held, meter, demand = self._held, self._bill.meter, self._demand
        if event.switch_to is None or held is None or meter is None or demand.asked is None or demand.switched:
            return []
        renamed = meter.renamed(self._request.target, held.body, event.switch_to)
        if renamed is None:
            return []
        target, body = renamed
        self._request = replace(self._request, target=target)
        if body is not held.body:
            self._held = Held(body, body, fields.of_edited(held.headers))
        self._facts.switched_from, self._facts.model = demand.asked.model, event.switch_to
        self._facts.edited = True
        return self._consult(replace(demand, asked=replace(demand.asked, model=event.switch_to), switched=True))
