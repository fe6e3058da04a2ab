"""A run whose program is changed while it is in flight."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from holdfast.contract.environment import AttemptEnvironment
from holdfast.runtime.faults import FaultPoint
from holdfast.sdk.task import Task
from holdfast.testing import RunResult, TaskEnvironment

AnyTask = Task[..., Any]


async def run_changed(
    environment: TaskEnvironment,
    before: AnyTask,
    after: AnyTask,
    *,
    recorded: str = "",
    occurrence: int = 1,
    input: Mapping[str, object] | None = None,
) -> RunResult:
    """Let the first attempt run ``before`` and every later one ``after``.

    Args:
        environment: where.
        before: the program as it was.
        after: the program as it is now.
        recorded: the first attempt dies when this step is recorded; default: before it could tell its end.
        occurrence: for the n-th time.
        input: of the run; default: none.
    """
    run_id = await environment.trigger(before, dict(input or {}))
    programs = iter([before])
    if recorded:
        environment.crash_at(FaultPoint.AFTER_RECORD, step=recorded, occurrence=occurrence)
    else:
        environment.crash_at(FaultPoint.BEFORE_FINISH)
    plan = environment._take_plan()

    async def launch(attempt: AttemptEnvironment) -> str:
        return await environment.attempt(attempt, next(programs, after), plan)

    result = await environment.drive_with(after, run_id, launch)
    assert not plan.waiting, "the program as it was did not come to where it is changed"
    return result
