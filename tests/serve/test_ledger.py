from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import pytest
import structlog

from gateway import record as log
from gateway.audit import AuditError
from gateway.exchange.events import Settle
from gateway.exchange.recorded import CallRecord
from gateway.policy.call import Tier
from gateway.policy.tools.wrapper import Became
from gateway.serve.course import Course
from gateway.serve.ledger import Ledger
from gateway.serve.metrics import Metrics
from gateway.settings import Format
from gateway.verdict import Effect
from tests.serve.test_carrier import record

COURSE = Course("127.0.0.1", took_ns=2_000_000, spent_ns=500_000)


def test_a_record_goes_to_the_audit_and_the_log_alike() -> None:
    kept: list[Mapping[str, Any]] = []
    logged: list[Mapping[str, Any]] = []
    Ledger(kept.append, Metrics(int), logged.append).finish(record(), COURSE)
    assert kept == logged
    assert (kept[0]["id"], kept[0]["client"], kept[0]["duration_ms"], kept[0]["inspect_ms"]) == (
        "id",
        "127.0.0.1",
        2,
        0.5,
    )


def test_an_audit_that_fails_is_a_fault_until_it_works() -> None:
    metrics = Metrics(int)
    failing = True

    def audit(_: Mapping[str, Any]) -> None:
        if failing:
            raise AuditError("the audit file is closed")

    stream = io.StringIO()
    log.configure(Format.CONSOLE, "error", stream)
    ledger = Ledger(audit, metrics, lambda _: None)
    ledger.finish(record(), COURSE)
    ledger.finish(record(), COURSE)
    assert str(ledger.fault) == "AuditError: the audit file is closed"
    assert b"lockgate_audit_failures_total 2.0" in metrics.text()
    failing = False
    ledger.finish(record(), COURSE)
    assert ledger.fault is None
    structlog.reset_defaults()
    stopped, resumed = stream.getvalue().splitlines()
    assert "the audit cannot be written, and nothing new is served until it can" in stopped
    assert "AuditError: the audit file is closed" in stopped
    assert "the audit is written again" in resumed


def test_a_result_that_came_later_is_kept_in_the_audit() -> None:
    kept: list[Mapping[str, Any]] = []
    call = CallRecord("read", "n", Tier.READ, Effect.ALLOW, Effect.ALLOW, (), {}, "f-1", became=Became.RETURNED)
    Ledger(kept.append, Metrics(int)).settle(Settle("id-7", (call,)))
    assert [(line["event"], line["id"], line["result"]) for line in kept] == [("call_result", "id-7", "returned")]
    Ledger(None, Metrics(int)).settle(Settle("id-7", (call,)))


@pytest.mark.parametrize("error", [BrokenPipeError(), ValueError("I/O operation on closed file")])
def test_a_log_that_is_closed_stops_nothing(error: Exception) -> None:
    metrics = Metrics(int)

    def write(_: Mapping[str, Any]) -> None:
        raise error

    Ledger(None, metrics, write).finish(record(), COURSE)
    assert b"lockgate_inspection_seconds_count 1.0" in metrics.text()
