"""What a task asks for itself, as options of a trigger."""

from __future__ import annotations

import json
from typing import Any

from holdfast.sdk.task import Task
from holdfast.sdk.trigger_options import task_defaults

_DISRUPTION_LIMIT = 1_000_000
"""Tests crash more often than machines do."""


def trigger_options(task: Task[..., Any], launcher: str) -> str:
    """The JSON of the options with which a test triggers ``task``."""
    return json.dumps({**task_defaults(task), "launcher": launcher, "disruption_limit": _DISRUPTION_LIMIT})
