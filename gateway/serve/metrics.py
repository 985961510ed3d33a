"""What is counted, for Prometheus. Labels have few values: paths, principals and rules would multiply the series."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from typing import Final

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from gateway.approve.ticket import What
from gateway.errors import Code
from gateway.exchange.recorded import ExchangeRecord
from gateway.serve.allowance import Bill
from gateway.serve.totals import Counts, Merge, counted
from gateway.verdict import Effect

CONTENT_TYPE: Final = CONTENT_TYPE_LATEST

# Seconds. A short chat takes a fraction of a millisecond to inspect, a megabyte some tens of milliseconds.
_INSPECTION: Final = (0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 1.0)

_NONE: Final = "none"

GAUGES: Final[Mapping[str, Merge]] = {
    "lockgate_ruleset_info": Merge.HIGHEST,
    "lockgate_ca_not_after_timestamp_seconds": Merge.LOWEST,
    "lockgate_in_flight": Merge.SUM,
    "lockgate_stops": Merge.HIGHEST,
    "lockgate_store_up": Merge.LOWEST,
    "lockgate_approvals_pending": Merge.HIGHEST,
    "lockgate_pins_waiting": Merge.HIGHEST,
}
"""What the gauges of several workers are together. A gauge that is not here cannot be shown by a supervisor."""


class Metrics:
    """The counters of one gateway, in a registry of its own."""

    def __init__(self, live: Callable[[], int]) -> None:
        self._registry = CollectorRegistry(auto_describe=False)
        counter, gauge = partial(Counter, registry=self._registry), partial(Gauge, registry=self._registry)
        self._exchanges = counter(
            "lockgate_exchanges",
            "Exchanges that ended, by what became of them.",
            ("upstream", "effect", "outcome", "code"),
        )
        self._by_fate: dict[tuple[str, Effect, str, Code | None], Counter] = {}
        self._inspection = Histogram(
            "lockgate_inspection_seconds",
            "Time spent inspecting, per exchange.",
            buckets=_INSPECTION,
            registry=self._registry,
        )
        self._findings = counter(
            "lockgate_findings",
            "Findings that an effect followed from, by category; shadowed ones apart.",
            ("category", "shadow"),
        )
        self._calls = counter(
            "lockgate_calls",
            "Calls of tools, by what became of them, and whether a person was asked.",
            ("effect", "asked"),
        )
        self._faults = counter(
            "lockgate_upstream_faults",
            "Upstreams that could not be reached, were late, or broke off.",
            ("upstream", "code"),
        )
        self._denied = counter("lockgate_limit_denied", "Requests that a limit refused.", ("limit",))
        self._tokens = counter(
            "lockgate_tokens",
            "Tokens of models with a price, and of all others together; cached and written are parts of the input.",
            ("upstream", "model", "kind"),
        )
        self._cost = counter("lockgate_cost", "What these tokens cost, as configured.", ("upstream", "model"))
        self._reload_failures = counter("lockgate_reload_failures", "Reloads that were refused or could not be used.")
        self._audit_failures = counter("lockgate_audit_failures", "Records that could not be written.")
        self._ruleset = gauge("lockgate_ruleset_info", "1 for the rule set in force.", ("digest",))
        self._authority_ends = gauge(
            "lockgate_ca_not_after_timestamp_seconds",
            "When the certificate authority of the proxy expires, in Unix time; 0 without a proxy.",
        )
        self._stops = gauge("lockgate_stops", "Stops that hold here.")
        self._store_up = gauge(
            "lockgate_store_up", "1 while the store of limits answers, 0 while they are kept without it."
        )
        self._store_up.set(1)
        self._limits = counter(
            "lockgate_limits",
            "Requests whose limits were counted, by who did: the store, this worker by its share, or nobody.",
            ("source",),
        )
        self._approvals = counter(
            "lockgate_approvals",
            "What happened to calls that a person has to approve: asked, approved, denied, expired, used and so on.",
            ("step",),
        )
        self._approvals_pending = gauge("lockgate_approvals_pending", "Calls that wait for a person, at all gateways.")
        self._pins_waiting = gauge(
            "lockgate_pins_waiting", "Tools of which an MCP server says something that nobody has accepted yet."
        )
        in_flight = gauge("lockgate_in_flight", "Exchanges that are under way.")
        in_flight.set_function(live)

    def exchange(self, record: ExchangeRecord, spent_ns: int) -> None:
        """Count an exchange that ended."""
        fate = record.upstream, record.effect, record.outcome, record.code
        counter = self._by_fate.get(fate)
        if counter is None:  # finding the series of some labels takes longer than counting, and there are few
            counter = self._by_fate[fate] = self._exchanges.labels(
                record.upstream or _NONE, record.effect.name.lower(), record.outcome, _code(record)
            )
        counter.inc()
        self._inspection.observe(spent_ns / 1e9)
        if record.limit is not None:
            self._denied.labels(record.limit).inc()
        if record.limits is not None:
            self._limits.labels(record.limits).inc()
        for reason in record.reasons:
            self._findings.labels(reason.category, "yes" if reason.shadow else "no").inc()
        for call in record.calls:
            self._calls.labels(call.effect.name.lower(), "yes" if call.asked else "no").inc()
        if record.outcome == "failed" and record.fault is not None and record.fault.startswith("upstream."):
            self._faults.labels(record.upstream, _code(record)).inc()

    def bill(self, record: ExchangeRecord, bill: Bill) -> None:
        """Count what an exchange used, and what that cost."""
        for kind, count in record.usage.items():
            self._tokens.labels(record.upstream, bill.counted_as, kind).inc(max(count, 0))
        if bill.cost is not None:
            self._cost.labels(record.upstream, bill.counted_as).inc(bill.cost)

    def reload_failed(self) -> None:
        self._reload_failures.inc()

    def audit_failed(self) -> None:
        self._audit_failures.inc()

    def ruleset(self, digest: str) -> None:
        """Tell which rule set is in force."""
        self._ruleset.clear()
        self._ruleset.labels(digest).set(1)

    def stops(self, count: int) -> None:
        """Tell how many stops hold."""
        self._stops.set(count)

    def store_up(self, is_up: Callable[[], bool]) -> None:
        """Tell how to ask whether the store answers."""
        self._store_up.set_function(is_up)

    def approval(self, step: What) -> None:
        """Count a step that a ticket took."""
        self._approvals.labels(str(step)).inc()

    def approvals_pending(self, pending: Callable[[], int]) -> None:
        """Tell how to ask how many calls wait."""
        self._approvals_pending.set_function(pending)

    def pins_waiting(self, waiting: Callable[[], int]) -> None:
        """Tell how to ask how many tools wait."""
        self._pins_waiting.set_function(waiting)

    def authority_ends(self, at: datetime) -> None:
        """Tell when the certificate authority expires."""
        self._authority_ends.set(at.timestamp())

    def counts(self) -> Counts:
        """All of it as JSON values, to be put together with those of other processes."""
        return counted(self._registry, GAUGES)

    def text(self) -> bytes:
        """All of it in the text format, as `CONTENT_TYPE`."""
        return generate_latest(self._registry)


def _code(record: ExchangeRecord) -> str:
    return str(record.code) if record.code is not None else _NONE
