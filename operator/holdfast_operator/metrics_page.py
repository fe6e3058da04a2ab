"""The reference of the metrics, written from what is declared: `python -m holdfast_operator.metrics_page`."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.registry import Collector

from holdfast_engine.generate import ROOT, write
from holdfast_operator.client_metrics import ClientMetrics
from holdfast_operator.metrics import Metrics
from holdfast_operator.work_queue import WorkQueue

PATH = "docs/reference/metrics.md"

_HEAD = """# Metrics

Generated from `operator/holdfast_operator/` by `make generate`.

The operator serves them at `/metrics` of port 8080. No label ever holds the name or the id of a run. The replica that
leads knows about runs; one that stands by tells `holdfast_leader 0` and what it asks of the Kubernetes API. Gauges of
queues and runs are read from the database when somebody asks, at most once a second. Counters begin at 0 with each
process, as Prometheus expects.

| name | type | labels | meaning |
|---|---|---|---|
"""
_TAIL = """
The metrics of the process (`process_cpu_seconds_total`, `process_resident_memory_bytes` and others) come on top.
"""


class _Declarations(CollectorRegistry):
    """A registry that remembers what was declared."""

    def __init__(self) -> None:
        super().__init__()
        self.metrics: list[MetricWrapperBase] = []

    def register(self, collector: Collector) -> None:
        super().register(collector)
        if isinstance(collector, MetricWrapperBase):
            self.metrics.append(collector)


def metrics_page() -> str:
    """Return the reference of the metrics."""
    return _HEAD + "".join(sorted(_lines(asyncio.run(_declared())))) + _TAIL


async def _declared() -> _Declarations:
    registry = _Declarations()
    metrics = Metrics(registry)
    metrics.observe_queue(WorkQueue(metrics.work_queue))  # it takes the clock of the loop
    ClientMetrics(registry, "")
    return registry


def _lines(registry: _Declarations) -> Iterator[str]:
    for metric in registry.metrics:
        [family] = metric.describe()
        name = f"{family.name}_total" if family.type == "counter" else family.name
        labels = ", ".join(metric._labelnames)  # which says the library nowhere else
        meaning = family.documentation.replace("<", "&lt;")
        yield f"| `{name}` | {family.type} | {labels} | {meaning} |\n"


if __name__ == "__main__":
    write(ROOT, {PATH: metrics_page})
