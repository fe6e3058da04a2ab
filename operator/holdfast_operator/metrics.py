"""What the operator tells about runs, in the names that dashboards and alerts use. No label ever holds a run's id."""

from __future__ import annotations

from importlib.metadata import version

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

from holdfast_operator.queue_metrics import QueueMetrics
from holdfast_operator.work_queue import WorkQueue

_QUEUE = ("namespace", "queue")
_DURATIONS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200, 86400)


class Metrics:
    """All metrics of one operator.

    Counters and histograms are fed where something happens; the gauges of queues and runs are set from one look at
    the database when somebody asks.

    Args:
        registry: where they are registered. Default: one of their own.
    """

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry or CollectorRegistry()
        ProcessCollector(registry=self.registry)

        self.queue_depth = self._gauge("queue_depth", "Runs that wait for a slot", *_QUEUE)
        self.queue_oldest_seconds = self._gauge("queue_oldest_seconds", "How long the oldest of them waits", *_QUEUE)
        self.queue_slots_used = self._gauge("queue_slots_used", "Runs that hold a slot", *_QUEUE)
        self.runs = self._gauge("runs", "Runs that are not final", "namespace", "state")
        self.dead_letters = self._gauge("dead_letters", "Runs that wait for a decision", "namespace")

        self.runs_finished = self._counter("runs_finished", "Runs that came to a final state", *_QUEUE, "state")
        self.attempts = self._counter("attempts", "Attempts that ended, by failure class", *_QUEUE, "class", "reason")
        self.retries = self._counter("retries", "Attempts that are tried again, by failure class", *_QUEUE, "class")
        self.resumed_attempts = self._counter("resumed_attempts", "Attempts that began with recorded steps", *_QUEUE)
        self.steps = self._counter("steps", "Steps recorded", *_QUEUE)

        self.retry_backoff_seconds = self._histogram("retry_backoff_seconds", "Delay before a retry", *_QUEUE)
        self.admission_wait_seconds = self._histogram(
            "admission_wait_seconds", "From a run's acceptance to its first slot", *_QUEUE
        )
        self.pod_start_seconds = self._histogram(
            "pod_start_seconds", "From the creation of a pod to its first line", *_QUEUE
        )
        self.attempt_duration_seconds = self._histogram(
            "attempt_duration_seconds", "From the start of an attempt to its end", *_QUEUE
        )

        self.reconcile_errors = self._counter("reconcile_errors", "Reconciliations that failed", "kind", "reason")
        self.sweep_corrections = self._counter("sweep_corrections", "Objects that no watch had told of", "kind")
        self.events_dropped = self._counter("events_dropped", "Events that were not posted")
        self.leader = self._gauge("leader", "1 if this replica leads")
        self.leader.set(0)
        self._gauge("build_info", "The version that runs", "version").labels(version("holdfast")).set(1)

        self.work_queue = QueueMetrics(self.registry, "resources")

    def observe_queue(self, queue: WorkQueue, name: str = "resources") -> None:
        """Read from ``queue`` what it holds, whenever somebody asks."""
        for metric, help, read in (
            ("workqueue_depth", "Keys that wait for a worker", lambda: queue.depth),
            ("workqueue_unfinished_work_seconds", "Work under way", lambda: queue.unfinished_work_seconds),
            (
                "workqueue_longest_running_processor_seconds",
                "The longest work under way",
                lambda: queue.longest_work_seconds,
            ),
        ):
            Gauge(metric, help, ["name"], registry=self.registry).labels(name).set_function(read)

    def _counter(self, name: str, help: str, *labels: str) -> Counter:
        return Counter(f"holdfast_{name}", help, labels, registry=self.registry)

    def _gauge(self, name: str, help: str, *labels: str) -> Gauge:
        return Gauge(f"holdfast_{name}", help, labels, registry=self.registry)

    def _histogram(self, name: str, help: str, *labels: str) -> Histogram:
        return Histogram(f"holdfast_{name}", help, labels, buckets=_DURATIONS, registry=self.registry)
