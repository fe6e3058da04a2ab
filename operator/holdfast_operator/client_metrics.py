"""How the requests to the Kubernetes API go, in client-go's names."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Histogram

_BUCKETS = (0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0)


class ClientMetrics:
    """Counters of requests.

    Args:
        registry: where they are registered.
        host: of the API server, for the label ``host``.
    """

    def __init__(self, registry: CollectorRegistry, host: str) -> None:
        self._host = host
        self._requests = Counter(
            "rest_client_requests",
            "Requests to the Kubernetes API; code <error>: there was no answer",
            ["code", "method", "host"],
            registry=registry,
        )
        self._retries = Counter(
            "rest_client_request_retries",
            "Requests repeated because the API server asked for it",
            ["code", "verb", "host"],
            registry=registry,
        )
        self._durations = Histogram(
            "rest_client_request_duration_seconds",
            "How long a request takes, its answer included",
            ["verb", "host"],
            buckets=_BUCKETS,
            registry=registry,
        )

    def answered(self, method: str, status: int, seconds: float) -> None:
        """A request is over; status 0: there was no answer."""
        self._requests.labels(str(status) if status else "<error>", method, self._host).inc()
        self._durations.labels(method, self._host).observe(seconds)

    def repeated(self, method: str, status: int) -> None:
        """A request is made again."""
        self._retries.labels(str(status), method, self._host).inc()
