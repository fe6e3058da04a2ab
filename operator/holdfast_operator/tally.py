"""Counts what happened to runs, from the difference between the status before and the run now."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from holdfast.contract.reasons import Reason
from holdfast_operator.build.status import UNKNOWN_REASON
from holdfast_operator.metrics import Metrics
from holdfast_operator.run_row import AttemptRow, RunRow

_KNOWN_REASONS = frozenset({*map(str, Reason), "Parked", "Suspended", "Canceled", "Lost", "Failed", "Succeeded"})


def count(metrics: Metrics, before: Mapping[str, Any], run: RunRow) -> None:
    """Count what is new in ``run``.

    Args:
        metrics: where.
        before: the status that was last written.
        run: the run now.
    """
    queue = (run.namespace, run.queue)
    known = {each["number"]: each for each in before.get("attempts") or ()}
    for attempt in run.attempts:
        if attempt.ended_at is not None and "completionTime" not in known.get(attempt.number, {}):
            _count_attempt(metrics, queue, attempt, run)
    if "startTime" not in before and run.started_at is not None:
        metrics.admission_wait_seconds.labels(*queue).observe(_seconds(run.created_at, run.started_at))
    steps = run.recorded_steps - (before.get("checkpoint") or {}).get("sequence", 0)
    if steps > 0:
        metrics.steps.labels(*queue).inc(steps)
    if run.is_final and before.get("phase") != str(run.state):
        metrics.runs_finished.labels(*queue, str(run.state)).inc()


def _count_attempt(metrics: Metrics, queue: tuple[str, str], attempt: AttemptRow, run: RunRow) -> None:
    failure = "" if attempt.failure is None else str(attempt.failure)
    reason = attempt.reason or attempt.outcome or ""
    # A runner may report any reason, and each would be a series for ever.
    metrics.attempts.labels(*queue, failure, reason if reason in _KNOWN_REASONS else UNKNOWN_REASON).inc()
    if attempt.ended_at is not None and attempt.opened_at is not None:
        metrics.attempt_duration_seconds.labels(*queue).observe(_seconds(attempt.opened_at, attempt.ended_at))
    if attempt.launched_at is not None and attempt.opened_at is not None:
        metrics.pod_start_seconds.labels(*queue).observe(_seconds(attempt.launched_at, attempt.opened_at))
    if attempt.replayed_steps:
        metrics.resumed_attempts.labels(*queue).inc()
    due_at = run.next_due_at(attempt)
    if failure and due_at is not None and attempt.ended_at is not None:
        metrics.retries.labels(*queue, failure).inc()
        metrics.retry_backoff_seconds.labels(*queue).observe(_seconds(attempt.ended_at, due_at))


def _seconds(begin: datetime, end: datetime) -> float:
    return max(0.0, (end - begin).total_seconds())
