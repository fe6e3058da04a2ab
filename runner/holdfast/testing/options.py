"""What a task asks for itself, as options of a trigger."""

from __future__ import annotations

import json
from typing import Any

from holdfast.sdk.task import Task

_DISRUPTION_LIMIT = 1_000_000
"""Tests crash more often than machines do."""


def trigger_options(task: Task[..., Any], launcher: str) -> str:
    """The JSON of the options with which a test triggers ``task``."""
    options: dict[str, object] = {
        "entrypoint": task.entrypoint,
        "queue": task.queue,
        "launcher": launcher,
        "disruption_limit": _DISRUPTION_LIMIT,
        "active_deadline_seconds": _whole(task.timeout_seconds),
        "attempt_deadline_seconds": _whole(task.attempt_timeout_seconds),
    }
    if task.retry is not None:
        options |= {
            "max_attempts": task.retry.max_attempts,
            "backoff_seconds": task.retry.backoff,
            "max_backoff_seconds": task.retry.max_backoff,
            "multiplier_percent": round(task.retry.multiplier * 100),
        }
    return json.dumps({name: value for name, value in options.items() if value is not None})


def _whole(seconds: float | None) -> int | None:
    return None if seconds is None else max(1, round(seconds))
