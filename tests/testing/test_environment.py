"""The test kit does what it says to those who test their own tasks."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest

from holdfast import Retry, now, run_info, sleep, step, task
from holdfast.domain.errors import CrashNotReachedError
from holdfast.domain.states import State
from holdfast.testing import FaultPoint, TaskEnvironment
from holdfast.testing.store import own_queries
from tests.support.databases import Database

EVERY_MOMENT = list(FaultPoint)


executed: list[str] = []


@pytest.fixture(autouse=True)
def nothing_executed() -> None:
    executed.clear()


@step
async def charge(order: str, cents: int) -> str:
    executed.append(f"charge {order}")
    return f"receipt of {order} for {cents}"


@step
def pack(order: str) -> str:
    executed.append(f"pack {order}")
    return f"parcel {order}"


@task
async def fulfil(order: str, cents: int = 100) -> dict[str, str]:
    receipt = await charge(order, cents)
    await sleep(hours=24)
    return {"receipt": receipt, "parcel": pack(order)}


@task(retry=Retry(max_attempts=3, backoff=3600.0, max_backoff=3600.0))
async def stubborn() -> int:
    if run_info().attempt < 3:
        raise LookupError("not yet")
    return run_info().attempt


@task
async def hopeless() -> None:
    raise LookupError("never")


@task
async def careless() -> str:
    await charge("a", 1)
    return await charge("b", random.SystemRandom().randrange(1_000_000_000))


@task
async def what_time() -> list[datetime]:
    before = now()
    await charge("a", 1)
    return [before, now()]


async def test_it_runs_a_task_to_its_end(env: TaskEnvironment) -> None:
    result = await env.run(fulfil, order="7", cents=5)
    assert (result.state, result.error, result.attempts) == (State.SUCCEEDED, None, 2)
    assert result.result == {"receipt": "receipt of 7 for 5", "parcel": "parcel 7"}
    assert [(each.name, each.kind, each.attempt) for each in result.steps] == [
        ("charge", "step", 1),
        ("sleep", "sleep", 1),
        ("pack", "step", 2),
    ]
    assert await env.steps() == result.steps


@pytest.mark.parametrize("point", EVERY_MOMENT)
async def test_it_crashes_where_it_is_told_to(env: TaskEnvironment, point: FaultPoint) -> None:
    env.crash_at(point)
    result = await env.run(fulfil, order="7")
    assert result.result == {"receipt": "receipt of 7 for 100", "parcel": "parcel 7"}
    too_late = point in (FaultPoint.AFTER_PARK, FaultPoint.AFTER_FINISH)
    assert result.attempts == (2 if too_late else 3)
    assert executed.count("charge 7") == (2 if point is FaultPoint.AFTER_BODY else 1)


async def test_a_step_and_its_occurrence_are_meant_by_name(env: TaskEnvironment) -> None:
    env.crash_at(FaultPoint.AFTER_BODY, step="pack")
    env.crash_at(FaultPoint.AFTER_BODY, step="pack", occurrence=2)
    result = await env.run(fulfil, order="7")
    assert executed == ["charge 7", "pack 7", "pack 7", "pack 7"]
    assert result.attempts == 4


async def test_a_crash_is_for_one_run(env: TaskEnvironment) -> None:
    env.crash_at(FaultPoint.BEFORE_FINISH)
    assert (await env.run(fulfil, order="1")).attempts == 3
    assert (await env.run(fulfil, order="2")).attempts == 2


async def test_a_crash_that_never_comes_is_an_error(env: TaskEnvironment) -> None:
    env.crash_at(FaultPoint.AFTER_BODY, step="pakc")
    with pytest.raises(CrashNotReachedError, match=r"after body\|pakc\|1.*It reached: before body\|0/charge#1"):
        await env.run(fulfil, order="7")


async def test_backoff_takes_no_time(env: TaskEnvironment) -> None:
    before = await env.clock.now()
    assert (await env.run(stubborn)).result == 3
    assert await env.clock.now() >= before


async def test_a_failure_is_the_exception_itself(env: TaskEnvironment) -> None:
    result = await env.run(hopeless)
    assert (result.state, result.result, result.attempts) == (State.FAILED, None, 3)
    assert repr(result.error) == "LookupError('never')"
    resumed = await env.resume(result, fulfil_instead)
    assert (resumed.state, resumed.result) == (State.SUCCEEDED, "corrected")


@task
async def fulfil_instead() -> str:
    return "corrected"


async def test_always_replay_finds_what_differs_between_attempts(database: Database) -> None:
    async with TaskEnvironment(database.dsn) as env:
        assert (await env.run(careless)).state == State.SUCCEEDED
    async with TaskEnvironment(database.dsn, always_replay=True) as env:
        assert (await env.run(fulfil, order="7")).attempts == 4
        result = await env.run(careless)
    # the second step was recorded with another number than the last attempt asks for
    assert (result.state, result.reason) == (State.FAILED, "HistoryMismatch")


async def test_the_clock_goes_ahead_when_it_is_told_to(env: TaskEnvironment) -> None:
    before = await env.clock.now()
    assert abs(before - datetime.now(UTC)) < timedelta(hours=1)
    assert await env.clock.advance(days=40) - before >= timedelta(days=40)
    (first, _) = (await env.run(what_time)).result
    assert first - before >= timedelta(days=40)
    assert await env.clock.advance_to(before) - before >= timedelta(days=40)
    with pytest.raises(ValueError, match="cannot go back"):
        await env.clock.advance(-1)
    with pytest.raises(ValueError, match="time zone"):
        await env.clock.advance_to(datetime(2030, 1, 1))


async def test_the_database_gets_its_own_clock_back(database: Database) -> None:
    async with TaskEnvironment(database.dsn) as env:
        await env.clock.advance(days=400)
    connection = await database.connect()
    assert await connection.fetchval("select holdfast.now() = pg_catalog.now()")


async def test_attempts_have_the_rights_of_a_pod(env: TaskEnvironment) -> None:
    rows = await env._connections.rows("select current_user::text as name")
    assert [row["name"] for row in rows] == ["holdfast_runner"]


async def test_without_a_database_it_starts_one() -> None:
    async with TaskEnvironment() as env:
        assert (await env.run(fulfil, order="7")).state == State.SUCCEEDED


@pytest.mark.parametrize("name", sorted(own_queries()))
async def test_the_server_accepts_the_queries_of_the_kit(env: TaskEnvironment, database: Database, name: str) -> None:
    connection = await database.connect()
    assert (await connection.prepare(own_queries()[name].text)).get_query()
