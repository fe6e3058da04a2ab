"""The program is not what was recorded: an error that shows both sides, and a run that can go on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from holdfast import checkpoint, step, task
from holdfast.sdk.task import Task
from holdfast.testing import FaultPoint, RunResult, TaskEnvironment
from tests.support.databases import Database


@step
async def fetch(page: int) -> int:
    return page * 10


@step
async def load(page: int) -> int:
    return page * 1000


@step(name="fetch")
async def fetch_as_text(page: int) -> str:
    return str(page)


@task
async def as_recorded() -> int:
    return await fetch(1) + await fetch(2) + await load(3)


@task
async def renamed() -> int:
    return await load(1) + await fetch(2) + await load(3)


@task
async def other_arguments() -> int:
    return await fetch(1) + await fetch(7) + await load(3)


@task
async def another_step_first() -> int:
    return await load(0) + await fetch(1) + await fetch(2) + await load(3)


@task
async def of_another_kind() -> int:
    return checkpoint("fetch", 5) + await fetch(2) + await load(3)


@task
async def of_another_type() -> str:
    return await fetch_as_text(1)


@task
async def swallowing() -> int:
    total = 0
    for page in (7, 8, 9):
        try:
            total += await fetch(page)
        except Exception:
            total -= 1
    return total


@task
async def one_removed() -> int:
    return await fetch(1) + await load(3)


@task
async def last_removed() -> int:
    return await fetch(1) + await fetch(2)


@task
async def one_added_behind() -> int:
    return await fetch(1) + await fetch(2) + await load(3) + await load(4)


@task
async def two_exchanged() -> int:
    third = await load(3)
    return await fetch(1) + await fetch(2) + third


@pytest.fixture
async def environment(database: Database) -> AsyncIterator[TaskEnvironment]:
    async with TaskEnvironment(database.dsn) as environment:
        yield environment


async def meet(environment: TaskEnvironment, now: Task[..., Any]) -> RunResult:
    """Record two fetches and a load with ``as_recorded``, then let ``now`` be what the next attempt runs."""
    run_id = await environment.trigger(as_recorded, {})
    programs = iter([as_recorded])
    environment.crash_at(FaultPoint.BEFORE_FINISH)
    plan = environment._take_plan()

    async def launch(attempt: Any) -> str:
        return await environment.attempt(attempt, next(programs, now), plan)

    return await environment.drive_with(now, run_id, launch)


@pytest.mark.parametrize(
    ("now", "sides"),
    [
        (renamed, ("0/load#1", "load(1)")),
        (other_arguments, ("0/fetch#2", "fetch(7)")),
        (another_step_first, ("0/load#1", "load(0)")),
        (of_another_kind, ("step 'fetch'", "checkpoint fetch")),
        (of_another_type, ("0/fetch#1", "str")),
        (one_removed, ("0/load#1", "number 3", "number 2")),
        (two_exchanged, ("0/load#1", "number 3", "number 1")),
        (swallowing, ("0/fetch#1", "fetch(7)")),
    ],
    ids=lambda value: value.name if isinstance(value, Task) else "",
)
async def test_it_is_an_error_that_shows_both_sides(
    environment: TaskEnvironment, now: Task[..., Any], sides: tuple[str, ...]
) -> None:
    result = await meet(environment, now)
    assert (result.state, result.reason) == ("Failed", "HistoryMismatch")
    for side in sides:
        assert side in (result.message or "")
    recorded = {record.key: record.value for record in await environment.steps(result)}
    assert recorded == {"0/fetch#1": "10", "0/fetch#2": "20", "0/load#1": "3000"}


async def test_the_old_program_goes_on(environment: TaskEnvironment) -> None:
    result = await meet(environment, other_arguments)
    resumed = await environment.resume(result, as_recorded)
    assert (resumed.state, resumed.result) == ("Succeeded", 3030)


@pytest.mark.parametrize(
    ("now", "answer"),
    [(last_removed, 30), (one_added_behind, 7030)],
    ids=lambda value: value.name if isinstance(value, Task) else "",
)
async def test_changes_that_cannot_confuse_are_taken(
    environment: TaskEnvironment, now: Task[..., Any], answer: int
) -> None:
    result = await meet(environment, now)
    assert (result.state, result.result) == ("Succeeded", answer)
