from __future__ import annotations

from datetime import UTC, datetime

from msgspec.structs import replace

from gateway.errors import Code
from gateway.exchange.recorded import CallRecord
from gateway.policy.call import Tier
from gateway.serve.metrics import Metrics
from gateway.verdict import Effect, Reason
from tests.serve.test_carrier import record


def test_exchanges_are_counted_by_what_became_of_them() -> None:
    metrics = Metrics(lambda: 2)
    reasons = (Reason(Effect.BLOCK, "r", "secret.key", 0), Reason(Effect.REPORT, "s", "pii.email", 0, shadow=True))
    metrics.exchange(replace(record(), code=Code.SECRET, reasons=reasons), 1_500_000)
    text = metrics.text().decode()
    assert 'lockgate_exchanges_total{code="secret_blocked",effect="block",outcome="refused",upstream="up"} 1.0' in text
    assert 'lockgate_findings_total{category="secret.key",shadow="no"} 1.0' in text
    assert 'lockgate_findings_total{category="pii.email",shadow="yes"} 1.0' in text
    assert "lockgate_inspection_seconds_sum 0.0015" in text
    assert "lockgate_in_flight 2.0" in text


def test_calls_of_tools_are_counted_by_what_became_of_them() -> None:
    metrics = Metrics(int)
    call = CallRecord("send_mail", None, Tier.SEND, Effect.BLOCK, Effect.BLOCK, (), {}, "f")
    approved = replace(call, effect=Effect.REPORT, asked=True)
    metrics.exchange(replace(record(), calls=(call, approved, approved)), 0)
    text = metrics.text().decode()
    assert 'lockgate_calls_total{asked="no",effect="block"} 1.0' in text
    assert 'lockgate_calls_total{asked="yes",effect="report"} 2.0' in text


def test_upstream_faults_are_counted_and_our_own_are_not() -> None:
    metrics = Metrics(int)
    failed = replace(record("failed"), code=Code.TIMEOUT, fault="upstream.timeout: TimeoutError")
    metrics.exchange(failed, 0)
    metrics.exchange(replace(failed, fault="serve: ValueError"), 0)
    assert 'lockgate_upstream_faults_total{code="upstream_timeout",upstream="up"} 1.0' in metrics.text().decode()


def test_requests_without_an_upstream_have_a_label_too() -> None:
    metrics = Metrics(int)
    metrics.exchange(replace(record(), upstream=""), 0)
    assert 'code="none",effect="block",outcome="refused",upstream="none"' in metrics.text().decode()


def test_the_end_of_the_authority_can_be_watched() -> None:
    metrics = Metrics(int)
    assert "lockgate_ca_not_after_timestamp_seconds 0.0" in metrics.text().decode()
    metrics.authority_ends(datetime(2036, 1, 1, tzinfo=UTC))
    assert "lockgate_ca_not_after_timestamp_seconds 2.0827584e+09" in metrics.text().decode()


def test_only_the_rule_set_in_force_is_shown() -> None:
    metrics = Metrics(int)
    metrics.ruleset("old")
    metrics.ruleset("new")
    metrics.reload_failed()
    text = metrics.text().decode()
    assert 'lockgate_ruleset_info{digest="new"} 1.0' in text
    assert 'digest="old"' not in text
    assert "lockgate_reload_failures_total 1.0" in text
