"""A run whose program is changed while it is in flight."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from holdfast.contract.environment import AttemptEnvironment
from holdfast.runtime.attempt import Attempt
from holdfast.runtime.faults import FaultPoint
from holdfast.sdk.task import Task, task
from holdfast.testing import RunResult, TaskEnvironment

AnyTask = Task[..., Any]

PARKED = "parked"


@task
async def any_result() -> Any:
    """Says how to read the result of a program of which nothing is known."""


async def run_changed(
    environment: TaskEnvironment,
    before: AnyTask,
    after: AnyTask | None,
    *,
    recorded: str = "",
    occurrence: int = 1,
    input: Mapping[str, object] | None = None,
    change: Callable[[], None] = lambda: None,
) -> RunResult:
    """Let the first attempt run ``before`` and every later one ``after``.

    Args:
        environment: where.
        before: the program as it was.
        after: the program as it is now; None: what the run's entrypoint names now.
        recorded: the first attempt dies when this step is recorded, or at ``PARKED``; default: before it could tell
            its end.
        occurrence: for the n-th time.
        input: of the run; default: none.
        change: is called once, when the first attempt is over.
    """
    run_id = await environment.trigger(before, dict(input or {}))
    if recorded == PARKED:
        environment.crash_at(FaultPoint.AFTER_PARK)
    elif recorded:
        environment.crash_at(FaultPoint.AFTER_RECORD, step=recorded, occurrence=occurrence)
    else:
        environment.crash_at(FaultPoint.BEFORE_FINISH)
    plan = environment._take_plan()

    async def launch(attempt: AttemptEnvironment) -> str:
        if attempt.attempt == 1:
            died = await environment.attempt(attempt, before, plan)
            change()
            return died
        if after is None:
            return f"the process ended with {await Attempt(attempt, owns_process=False).run()!r}"
        return await environment.attempt(attempt, after, plan)

    result = await environment.drive_with(after or any_result, run_id, launch)
    assert not plan.waiting, "the program as it was did not come to where it is changed"
    return result
