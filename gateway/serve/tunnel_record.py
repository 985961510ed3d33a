"""The record of a CONNECT: how it came, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter_ns
from typing import Final

from aiohttp import hdrs

from gateway.errors import Code
from gateway.exchange.recorded import ExchangeRecord, Inspected
from gateway.exchange.target import WITHHELD, recordable
from gateway.serve.course import Course
from gateway.serve.identity import NOBODY, Known
from gateway.serve.ledger import Ledger
from gateway.serve.proxy import Proxy, host_of
from gateway.verdict import Effect

_NOTHING: Final = Inspected()


@dataclass(frozen=True, slots=True)
class Asked:
    """A CONNECT as it came, with its id, when (nanoseconds), and from whom."""

    id: str
    place: str
    client: str | None
    began: int
    known: Known = NOBODY


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of a CONNECT, in the terms of its record."""

    outcome: str
    status: int
    effect: Effect = Effect.ALLOW
    code: Code | None = None
    fault: str | None = None
    told: str | None = None


class Records:
    """Makes the record of each CONNECT to a proxy, and gives it to the ledger."""

    def __init__(self, proxy: Proxy, ledger: Ledger) -> None:
        self._proxy = proxy
        self._ledger = ledger

    def finish(
        self, asked: Asked, principal: str, fate: Fate, request: Inspected = _NOTHING, answer: Inspected = _NOTHING
    ) -> None:
        """Record a CONNECT that is over; `request` and `answer` are what went either way, where it is known."""
        gate = self._proxy.posture.default_gate
        hidden = WITHHELD in recordable(gate, host_of(asked.place), asked.place)
        record = ExchangeRecord(
            id=asked.id,
            upstream="",
            principal=principal,
            dialect="tunnel",
            method=hdrs.METH_CONNECT,
            path=WITHHELD if hidden else asked.place,
            ruleset=gate.rules.digest,
            status=fate.status,
            outcome=fate.outcome,
            effect=fate.effect,
            would_be=fate.effect,
            code=fate.code,
            reasons=(),
            fingerprints=(),
            request=request,
            answer=answer,
            fault=fate.fault,
            told=fate.told,
        )
        self._ledger.finish(record, Course(asked.client, perf_counter_ns() - asked.began, 0, asked.known))


def logged(failure: Exception) -> str:
    """A failure of ours, for the log."""
    return f"tunnel: {type(failure).__name__}: {failure}"
