"""A new run from any step of an old one: what was recorded before it is kept, the rest is executed again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from holdfast import NonRetryableError, patched, step, task
from holdfast.domain.errors import ConflictError, NotFoundError
from holdfast.sdk.task import Task
from holdfast.testing import RunResult, TaskEnvironment
from holdfast.testing.crashes import CrashPlan
from holdfast_engine.control.plane import ControlPlane
from tests.support.databases import Database

executed: list[str] = []
is_broken = False


@step
async def forked_fetch(page: int) -> int:
    executed.append(f"fetch {page}")
    return page * 10


@step
async def forked_outer() -> int:
    executed.append("outer")
    return await forked_fetch(7) + await forked_fetch(8)


@step
async def forked_charge(cents: int) -> int:
    executed.append("charge")
    if is_broken:
        raise NonRetryableError("no money")
    return cents


@task
async def forked_sequence() -> list[int]:
    return [await forked_fetch(1), await forked_outer(), await forked_charge(5)]


@task
async def forked_branches() -> list[list[int]]:
    async def branch(number: int) -> list[int]:
        return [await forked_fetch(number), await forked_fetch(number + 10)]

    return list(await asyncio.gather(*map(branch, (1, 2, 3))))


@task
async def forked_patch() -> list[int]:
    first = await forked_fetch(1)
    return [first, await forked_fetch(2) if patched("forked") else 0, await forked_fetch(3)]


@pytest.fixture
async def environment(database: Database) -> AsyncIterator[TaskEnvironment]:
    global is_broken
    is_broken = False
    executed.clear()
    async with TaskEnvironment(database.dsn) as environment:
        yield environment


@pytest.fixture
async def plane(database: Database) -> AsyncIterator[ControlPlane]:
    async with asyncpg.create_pool(database.dsn, min_size=1, max_size=2) as pool:
        yield ControlPlane(pool, "testing")


async def fork(
    environment: TaskEnvironment, plane: ControlPlane, task: Task[..., Any], run: RunResult, step: str
) -> RunResult:
    """Fork a run, and run the fork to its end; ``executed`` has what that executed."""
    executed.clear()
    forked = await plane.fork(run.run_id, step)
    assert forked.kept_steps == next(each.sequence for each in run.steps if each.key == forked.step) - 1
    assert (await plane.get(forked.run_id)).replay_of == run.run_id
    return await environment.drive(task, forked.run_id, CrashPlan([]))


FORKS = [
    ("0/forked_fetch#1", ["fetch 1", "outer", "fetch 7", "fetch 8", "charge"]),
    ("0/forked_outer#1/forked_fetch#1", ["outer", "fetch 7", "fetch 8", "charge"]),
    ("0/forked_outer#1/forked_fetch#2", ["outer", "fetch 8", "charge"]),
    ("forked_outer", ["outer", "charge"]),
    ("forked_charge", ["charge"]),
]


@pytest.mark.parametrize(("key", "again"), FORKS, ids=[key for key, _ in FORKS])
async def test_it_executes_what_was_not_recorded_before_the_step(
    environment: TaskEnvironment, plane: ControlPlane, key: str, again: list[str]
) -> None:
    run = await environment.run(forked_sequence)
    before = await plane.steps(run.run_id)
    forked = await fork(environment, plane, forked_sequence, run, key)
    assert (forked.state, forked.result) == ("Succeeded", run.result), forked.message
    assert executed == again
    assert {step.key for step in forked.steps} == {step.key for step in run.steps}
    assert await plane.steps(run.run_id) == before, "the older run stays as it is"
    assert forked.run_id != run.run_id


async def test_any_step_of_branches_will_do(environment: TaskEnvironment, plane: ControlPlane) -> None:
    run = await environment.run(forked_branches)
    for cut in run.steps:
        forked = await fork(environment, plane, forked_branches, run, cut.key)
        assert (forked.state, forked.result) == ("Succeeded", run.result), forked.message
        assert len(executed) == len(run.steps) - cut.sequence + 1


async def test_a_dead_letter_is_forked_before_its_failure(environment: TaskEnvironment, plane: ControlPlane) -> None:
    global is_broken
    is_broken = True
    run = await environment.run(forked_sequence)
    assert run.state == "Failed"
    is_broken = False
    forked = await fork(environment, plane, forked_sequence, run, "forked_charge")
    assert (forked.state, forked.result, executed) == ("Succeeded", [10, 150, 5], ["charge"])
    assert (await plane.get(run.run_id)).state == "Failed"


async def test_a_fork_keeps_the_answers_of_patches_and_the_python(
    environment: TaskEnvironment, plane: ControlPlane, database: Database
) -> None:
    run = await environment.run(forked_patch)
    forked = await fork(environment, plane, forked_patch, run, "0/forked_fetch#3")
    assert (forked.result, executed) == ([10, 20, 30], ["fetch 3"])
    connection = await database.connect()
    await connection.execute("update holdfast.runs set python_version = '3.9' where id = $1", run.run_id)
    other = await fork(environment, plane, forked_patch, run, "0/forked_fetch#3")
    assert (other.state, other.reason) == ("Failed", "HistoryMismatch")


async def test_a_fork_can_be_forked(environment: TaskEnvironment, plane: ControlPlane) -> None:
    run = await environment.run(forked_sequence)
    forked = await fork(environment, plane, forked_sequence, run, "forked_charge")
    again = await fork(environment, plane, forked_sequence, forked, "forked_outer")
    assert (again.result, executed) == (run.result, ["outer", "charge"])


async def test_the_step_must_be_one(environment: TaskEnvironment, plane: ControlPlane) -> None:
    run = await environment.run(forked_sequence)
    with pytest.raises(ConflictError, match="0/forked_fetch#1, 0/forked_outer#1/forked_fetch#1"):
        await plane.fork(run.run_id, "forked_fetch")
    with pytest.raises(NotFoundError, match="Did you mean 0/forked_charge#1"):
        await plane.fork(run.run_id, "0/forked_charge#2")
    with pytest.raises(NotFoundError, match="No run 'nobody'"):
        await plane.fork("nobody", "forked_charge")
    assert len(await plane.runs()) == 1
