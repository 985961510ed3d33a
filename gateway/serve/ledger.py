"""What happens to the record of an exchange: the audit file, the log line and the counters, in this order.

What operators do (stop, resume) is recorded beside it.

An audit that cannot be written stops new work: `fault` says why, until a record is written again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from gateway import record as log
from gateway.errors import Code
from gateway.exchange.events import Settle
from gateway.exchange.recorded import ExchangeRecord
from gateway.fleet.push import Tally
from gateway.serve.course import Course
from gateway.serve.metrics import Metrics

type Write = Callable[[Mapping[str, Any]], None]
"""Takes a canonical line."""


_CONTENT: Final = frozenset({Code.INJECTION, Code.PII, Code.SECRET, Code.TOOL, Code.CONTENT, Code.APPROVAL})
"""Refusals that rules are the reason of."""


class Ledger:
    """Takes records. `audit` None means that none is kept; `ended` is told of each exchange that was recorded."""

    def __init__(
        self,
        audit: Write | None,
        metrics: Metrics,
        write: Write = log.write,
        ended: Callable[[ExchangeRecord], None] = lambda _: None,
    ) -> None:
        self.fault: str | None = None
        self.tally = Tally()
        self._audit = audit
        self._metrics = metrics
        self._write = write
        self._ended = ended

    def finish(self, record: ExchangeRecord, course: Course) -> None:
        """Record an exchange that ended. Never raises: its client has been served."""
        began = datetime.now(UTC) - timedelta(microseconds=course.took_ns / 1e3)
        line = log.canonical(
            record,
            duration_ms=course.took_ns / 1e6,
            inspect_ms=course.spent_ns / 1e6,
            client=course.client,
            identity=course.known.proof,
            isolation=course.known.isolation.word if course.known.isolation is not None else None,
            time=began,
            reserved=course.bill.reserved if course.bill is not None else {},
            cost=course.bill.cost if course.bill is not None else None,
        )
        for one in (line, *log.call_lines(record, began, course.took_ns / 1e6)):
            if self._audit is not None:
                self._keep(self._audit, one)
            with suppress(Exception):  # standard error may be closed; the audit is the record that counts
                self._write(one)
        self._metrics.exchange(record, course.spent_ns)
        if course.bill is not None:
            self._metrics.bill(record, course.bill)
        self.tally += Tally(1, record.code in _CONTENT, record.outcome == "failed", course.spent_ns / 1e6)
        self._ended(record)

    def settle(self, settled: Settle) -> None:
        """Keep what became of calls whose results came after their record. Never raises."""
        if self._audit is not None:
            for line in log.result_lines(settled, datetime.now(UTC)):
                self._keep(self._audit, line)

    def note(self, event: str, **details: object) -> None:
        """Record what an operator did, in the audit and the log; `details` as JSON holds them. Never raises."""
        if self._audit is not None:
            self._keep(
                self._audit, {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), "event": event, **details}
            )
        with suppress(Exception):  # as for a line
            log.log().warning(event, **details)

    def _keep(self, audit: Write, line: Mapping[str, Any]) -> None:
        try:
            audit(line)
        except Exception as error:  # noqa: BLE001 - whatever it is, what follows would go unrecorded
            fault = f"{type(error).__name__}: {error}"
            if self.fault is None:
                self._say("the audit cannot be written, and nothing new is served until it can", fault)
            self.fault = fault
            self._metrics.audit_failed()
        else:
            if self.fault is not None:
                self._say("the audit is written again", self.fault)
            self.fault = None

    def _say(self, what: str, fault: str) -> None:
        with suppress(Exception):  # as for a line
            log.log().error(what, fault=fault)
