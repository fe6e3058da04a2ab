"""Calls whose place cannot be recorded are errors at the line, not results in the wrong place."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from holdfast import BranchError, StepFailedError, run_info, step, task
from holdfast.sdk.journal import claim_process, require_strand
from holdfast.testing import TaskEnvironment
from tests.support.databases import Database


@step
async def add(a: int, b: int) -> int:
    return a + b


@step
def multiply(a: int, b: int) -> int:
    return a * b


@pytest.fixture
async def environment(database: Database) -> AsyncIterator[TaskEnvironment]:
    async with TaskEnvironment(database.dsn) as environment:
        yield environment


@task
async def one_key_twice() -> int:
    keyed = add.with_key("total")
    return await keyed(1, 2) + await keyed(1, 2)


async def test_an_explicit_key_identifies_one_call(environment: TaskEnvironment) -> None:
    result = await environment.run(one_key_twice)
    assert result.state == "Failed"
    assert isinstance(result.error, BranchError)
    assert "'total'" in str(result.error)


@task
def step_in_a_loop_of_its_own() -> int:
    async def both() -> list[int]:
        return list(await asyncio.gather(add(1, 2), add(3, 4)))

    return sum(asyncio.run(both()))


async def test_a_step_in_another_event_loop(environment: TaskEnvironment) -> None:
    result = await environment.run(step_in_a_loop_of_its_own)
    assert result.state == "Failed"
    assert isinstance(result.error, BranchError | StepFailedError)


@task
async def step_in_a_task_behind_the_factory() -> int:
    return await asyncio.Task(add(1, 2))


async def test_a_step_in_a_task_that_the_factory_did_not_make(environment: TaskEnvironment) -> None:
    result = await environment.run(step_in_a_task_behind_the_factory)
    assert result.state == "Failed"
    assert isinstance(result.error, BranchError)
    assert "create_task" in str(result.error)


_started_before: Callable[[Callable[[], object]], Future[object]]


@task
async def step_in_a_thread_of_the_program() -> int:
    release = claim_process(require_strand("the test").journal)
    try:
        outcome = _started_before(lambda: multiply(2, 3))
        return int(str(await asyncio.wrap_future(outcome)))
    finally:
        release()


async def test_a_step_in_a_thread_that_began_before_the_run(environment: TaskEnvironment) -> None:
    global _started_before
    calls: queue.SimpleQueue[tuple[Callable[[], object], Future[object]] | None] = queue.SimpleQueue()

    def serve() -> None:
        while (wanted := calls.get()) is not None:
            call, outcome = wanted
            try:
                outcome.set_result(call())
            except BaseException as error:
                outcome.set_exception(error)

    def hand_over(call: Callable[[], object]) -> Future[object]:
        outcome: Future[object] = Future()
        calls.put((call, outcome))
        return outcome

    thread = threading.Thread(target=serve)
    thread.start()
    _started_before = hand_over
    result = await environment.run(step_in_a_thread_of_the_program)
    calls.put(None)
    thread.join()
    assert result.state == "Failed"
    assert isinstance(result.error, BranchError)
    assert "thread" in str(result.error)


async def test_outside_of_a_run_a_step_is_its_function() -> None:
    assert await add(1, 2) == 3
    assert multiply(2, 3) == 6
    with pytest.raises(BranchError, match="needs a run"):
        run_info()


@task
async def a_thread_that_the_loop_waits_for() -> int:
    thread = threading.Thread(target=multiply, args=(2, 3))
    thread.start()
    thread.join()
    return 6


async def test_a_loop_that_waits_for_a_thread_that_waits_for_the_loop(
    environment: TaskEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[object] = []
    monkeypatch.setattr(threading, "excepthook", lambda failed: told.append(failed.exc_value))
    result = await environment.run(a_thread_that_the_loop_waits_for)
    assert result.state == "Succeeded"
    assert isinstance(told[0], BranchError)
    assert "waits for this thread" in str(told[0])


@task
async def a_pool_that_the_loop_waits_for() -> list[int]:
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(lambda number: multiply(number, 2), range(3)))


async def test_a_loop_that_waits_for_a_pool(environment: TaskEnvironment) -> None:
    result = await environment.run(a_pool_that_the_loop_waits_for)
    assert result.state == "Failed"
    assert isinstance(result.error, BranchError)
