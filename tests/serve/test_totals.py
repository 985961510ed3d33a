"""What several workers counted, as one."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from prometheus_client import CollectorRegistry, Gauge

from gateway.serve import totals
from gateway.serve.metrics import GAUGES, Metrics
from gateway.serve.totals import Counts, Totals, counted
from tests.serve.test_carrier import record


def made(in_flight: int = 0, exchanges: int = 0, digest: str = "d", upstream: str = "up") -> Counts:
    """The counts of a worker, as they come over the line."""
    metrics = Metrics(lambda: in_flight)
    metrics.ruleset(digest)
    for _ in range(exchanges):
        metrics.exchange(replace(record(), upstream=upstream), 1_500_000)
    counts: Counts = json.loads(json.dumps(metrics.counts()))
    return counts


def value(text: bytes, name: str) -> float:
    return sum(float(found[1]) for found in re.finditer(rf"^{name}(?:{{.*}})? (\S+)$", text.decode(), re.MULTILINE))


def test_one_worker_shows_what_it_would_show_alone() -> None:
    metrics = Metrics(lambda: 2)
    metrics.ruleset("d")
    metrics.exchange(record(), 1_500_000)
    assert Totals().text([metrics.counts()]) == metrics.text()


def test_counters_and_histograms_are_summed_by_their_labels() -> None:
    text = Totals().text([made(exchanges=2), made(exchanges=3), made(exchanges=1, upstream="other")])
    assert value(text, "lockgate_exchanges_total") == 6
    assert re.search(rb'lockgate_exchanges_total{[^}]*upstream="up"} 5.0', text)
    assert re.search(rb'lockgate_exchanges_total{[^}]*upstream="other"} 1.0', text)
    assert b'lockgate_inspection_seconds_bucket{le="0.001"} 0.0' in text
    assert b'lockgate_inspection_seconds_bucket{le="0.002"} 6.0' in text
    assert b"lockgate_inspection_seconds_sum 0.009" in text
    assert text.count(b"# TYPE lockgate_exchanges_total counter") == 1


def test_gauges_are_merged_by_what_they_mean() -> None:
    text = Totals().text([made(in_flight=2, digest="old"), made(in_flight=3, digest="new"), made(digest="new")])
    assert b"lockgate_in_flight 5.0" in text
    assert b'lockgate_ruleset_info{digest="old"} 1.0' in text
    assert b'lockgate_ruleset_info{digest="new"} 1.0' in text


def test_the_earliest_beginning_and_the_earliest_end_are_shown() -> None:
    first, second = made(exchanges=1), made(exchanges=1)
    ends = "lockgate_ca_not_after_timestamp_seconds"
    for counts, end in ((first, 30.0), (second, 20.0)):
        next(family for family in counts if family["name"] == ends)["samples"][0][2] = end
    text = Totals().text([second, first])
    assert f"{ends} 20.0".encode() in text
    began = min(value(Totals().text([counts]), "lockgate_exchanges_created") for counts in (first, second))
    assert value(text, "lockgate_exchanges_created") == began


def test_what_ended_workers_counted_stays_and_how_it_stood_with_them_does_not() -> None:
    together = Totals()
    together.end(made(in_flight=7, exchanges=2, digest="old"))
    together.end(made(exchanges=3))
    text = together.text([made(in_flight=1, exchanges=1, digest="new")])
    assert value(text, "lockgate_exchanges_total") == 6
    assert value(text, "lockgate_in_flight") == 1
    assert b'digest="old"' not in text
    assert value(together.text([]), "lockgate_exchanges_total") == 5


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 3)), max_size=12))
def test_no_counter_ever_falls(steps: list[tuple[bool, int]]) -> None:
    """Each step is a worker that counts more, and ends or does not."""
    together, living, seen = Totals(), made(), 0.0
    exchanges = 0
    for ends, more in steps:
        exchanges += more
        living = made(exchanges=exchanges)
        shown = value(together.text([living]), "lockgate_exchanges_total")
        assert shown >= seen
        seen = shown
        if ends:
            together.end(living)
            living, exchanges = made(), 0
            assert value(together.text([living]), "lockgate_exchanges_total") == seen


def test_a_gauge_of_which_nobody_says_how_it_is_merged_is_an_error() -> None:
    registry = CollectorRegistry()
    Gauge("lockgate_new", "New.", registry=registry)
    with pytest.raises(KeyError, match="lockgate_new"):
        counted(registry, GAUGES)


def test_the_supervisor_tells_of_its_workers() -> None:
    text = Totals().text([], totals.workers({1: True, 2: False}, {1: 0, 2: 4}))
    assert b'lockgate_worker_up{worker="1"} 1.0' in text
    assert b'lockgate_worker_up{worker="2"} 0.0' in text
    assert b'lockgate_worker_restarts_total{worker="2"} 4.0' in text
