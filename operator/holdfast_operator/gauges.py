"""The metrics that are read from the database: what waits and what runs now."""

from __future__ import annotations

from holdfast_operator.metrics import Metrics
from holdfast_operator.rows import TaskRunRows


async def refresh_gauges(rows: TaskRunRows, metrics: Metrics) -> None:
    """Set the gauges of queues and runs from one look at the database.

    Raises:
        UnavailableError: it cannot be reached; the gauges stay as they were.
    """
    queues = await rows.rows("queue_gauges")
    runs = await rows.rows("run_gauges")
    dead_letters = await rows.rows("dead_letter_gauges")
    # What no row tells of any more, such as a queue that was deleted, is told no more.
    for gauge in (
        metrics.queue_depth,
        metrics.queue_slots_used,
        metrics.queue_oldest_seconds,
        metrics.runs,
        metrics.dead_letters,
    ):
        gauge.clear()
    for row in queues:
        of_queue = row["namespace"], row["queue"]
        metrics.queue_depth.labels(*of_queue).set(row["depth"])
        metrics.queue_slots_used.labels(*of_queue).set(row["running"])
        metrics.queue_oldest_seconds.labels(*of_queue).set(row["oldest_seconds"])
    for row in runs:
        metrics.runs.labels(row["namespace"], row["state"]).set(row["runs"])
    for row in dead_letters:
        metrics.dead_letters.labels(row["namespace"]).set(row["runs"])
