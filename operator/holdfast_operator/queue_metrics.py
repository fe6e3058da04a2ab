"""How a work queue is doing, in client-go's names."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Histogram

_BUCKETS = (0.0001, 0.001, 0.01, 0.1, 1.0, 10.0, 60.0)


class QueueMetrics:
    """Counters of one work queue; what it holds now is read from the queue when somebody asks.

    Args:
        registry: where they are registered.
        name: of the queue, for the label ``name``.
    """

    def __init__(self, registry: CollectorRegistry, name: str) -> None:
        self.adds = Counter("workqueue_adds", "Keys added to the work queue", ["name"], registry=registry).labels(name)
        self.retries = Counter(
            "workqueue_retries", "Keys added again after a failure", ["name"], registry=registry
        ).labels(name)
        self.waited = (
            Histogram(
                "workqueue_queue_duration_seconds",
                "How long a key waits for a worker",
                ["name"],
                buckets=_BUCKETS,
                registry=registry,
            )
            .labels(name)
            .observe
        )
        self.worked = (
            Histogram(
                "workqueue_work_duration_seconds",
                "How long the work on a key takes",
                ["name"],
                buckets=_BUCKETS,
                registry=registry,
            )
            .labels(name)
            .observe
        )
