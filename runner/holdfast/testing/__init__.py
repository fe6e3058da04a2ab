"""The test kit: run a task on a real database, kill it where you like, and see that it goes on.

::

    async with TaskEnvironment() as env:
        env.crash_at(FaultPoint.AFTER_BODY, step="charge")
        result = await env.run(process_order, order_id="42")
        assert result.state == "Succeeded"
"""

from __future__ import annotations

from holdfast.runtime.faults import FaultPoint
from holdfast.testing.clock import Clock
from holdfast.testing.crashes import CrashPlan, CrashPoint, ProcessDied
from holdfast.testing.environment import TaskEnvironment
from holdfast.testing.results import RecordedStep, RunResult

__all__ = [
    "Clock",
    "CrashPlan",
    "CrashPoint",
    "FaultPoint",
    "ProcessDied",
    "RecordedStep",
    "RunResult",
    "TaskEnvironment",
]
