"""What several processes counted, as the one thing that Prometheus is shown.

Each process gives what it counted as JSON values. Counters and histograms are summed, and what a process counted that
ended stays in the sum: a counter that fell would look as if all of them had been started anew. Gauges tell how things
are, so they are those of the living alone, and each says what several of them are together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from typing import Any, Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

type Counts = list[dict[str, Any]]
"""Families: `{"name", "help", "type", "merge", "samples": [[name, [[label, value], …], number], …]}`."""

type _Series = tuple[str, tuple[tuple[str, str], ...]]
"""The name and the labels of a sample."""

_CREATED: Final = "_created"
"""The end of the name of the sample that tells since when a series is counted (OpenMetrics 1.0)."""

_GAUGE: Final = "gauge"


class Merge(StrEnum):
    """What the numbers of several processes are together."""

    SUM = "sum"
    HIGHEST = "highest"
    LOWEST = "lowest"


_MERGES: Final[Mapping[Merge, Callable[[float, float], float]]] = {
    Merge.SUM: lambda one, other: one + other,
    Merge.HIGHEST: max,
    Merge.LOWEST: min,
}


def counted(registry: CollectorRegistry, gauges: Mapping[str, Merge]) -> Counts:
    """What was counted in a registry. Raises KeyError for a gauge of which nobody said how it is merged."""
    return [
        {
            "name": family.name,
            "help": family.documentation,
            "type": family.type,
            "merge": gauges[family.name] if family.type == _GAUGE else Merge.SUM,
            "samples": [[one.name, sorted(one.labels.items()), one.value] for one in family.samples],
        }
        for family in registry.collect()
    ]


class Totals:
    """The counts of several processes together, with those of processes that ended."""

    def __init__(self) -> None:
        self._ended: Counts = []

    def end(self, counts: Counts) -> None:
        """Keep what a process counted that ended."""
        kept = [family for family in counts if family["type"] != _GAUGE]
        self._ended = _merged([self._ended, kept])

    def text(self, living: Iterable[Counts], own: Iterable[Metric] = ()) -> bytes:
        """All of it in the text format. `own` are families that need no merging."""
        merged = (_metric(family) for family in _merged([self._ended, *living]))
        registry = CollectorRegistry(auto_describe=False)
        registry.register(_Given((*merged, *own)))
        return generate_latest(registry)


def workers(up: Mapping[int, bool], restarts: Mapping[int, int]) -> tuple[Metric, ...]:
    """What a supervisor counts itself: which of its workers answer, and how often each was started again."""
    alive = GaugeMetricFamily("lockgate_worker_up", "1 for a worker that serves and answers.", labels=("worker",))
    again = CounterMetricFamily(
        "lockgate_worker_restarts", "Times that a worker was started again.", labels=("worker",)
    )
    for number, is_up in up.items():
        alive.add_metric((str(number),), float(is_up))
    for number, count in restarts.items():
        again.add_metric((str(number),), count)
    return alive, again


class _Given(Collector):
    """Families that are there already, as the library wants to be given them."""

    def __init__(self, families: tuple[Metric, ...]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families


def _merged(many: Iterable[Counts]) -> Counts:
    """One list of families, in the order in which they first come; so are the samples of each."""
    families: dict[str, dict[str, Any]] = {}
    samples: dict[str, dict[_Series, float]] = {}
    for counts in many:
        for family in counts:
            found = families.setdefault(family["name"], family)
            _add(samples.setdefault(family["name"], {}), family["samples"], Merge(found["merge"]))
    return [
        {**family, "samples": [[series, list(labels), value] for (series, labels), value in samples[name].items()]}
        for name, family in families.items()
    ]


def _add(totals: dict[_Series, float], samples: Iterable[Any], merge: Merge) -> None:
    for name, labels, value in samples:
        series = name, tuple((str(label), str(text)) for label, text in labels)
        how = Merge.LOWEST if name.endswith(_CREATED) else merge
        totals[series] = _MERGES[how](totals[series], value) if series in totals else value


def _metric(family: Mapping[str, Any]) -> Metric:
    metric = Metric(family["name"], family["help"], family["type"])
    for name, labels, value in family["samples"]:
        metric.add_sample(name, dict(labels), value)
    return metric
