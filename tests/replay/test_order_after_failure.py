"""What was recorded in a try that failed, or under an explicit key, comes back in its order too."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from holdfast import Retry, Task, run_info, step, task
from holdfast.testing import FaultPoint, TaskEnvironment
from tests.support.databases import Database

MANY_HOPS = 20
SLOW_ATTEMPT = 3


@pytest.fixture
async def environment(shared_database: Database) -> AsyncIterator[TaskEnvironment]:
    async with TaskEnvironment(shared_database.dsn) as environment:
        yield environment


@step
async def fetch(name: str) -> str:
    return name


@step(key=lambda name: name)
async def fetch_by_key(name: str) -> str:
    return name


@step
async def see(names: list[str]) -> list[str]:
    return names


@step
async def fail_first() -> None:
    if run_info().attempt == 1:
        raise ConnectionError("in the first attempt")


async def slow(fetch: Callable[[str], Awaitable[str]], name: str) -> str:
    """Comes late to its step in one attempt: it does something that the event loop knows nothing of."""
    for _ in range(MANY_HOPS if run_info().attempt == SLOW_ATTEMPT else 0):
        await asyncio.to_thread(int)
    return await fetch(name)


async def race(fetch: Callable[[str], Awaitable[str]]) -> list[str]:
    """What is recorded after a failure that ends the attempt binds nobody when that is tried again."""
    failing = asyncio.create_task(fail_first())
    await asyncio.wait([failing])
    racers = [asyncio.create_task(slow(fetch, "early")), asyncio.create_task(second(fetch))]
    seen = []
    for earliest in asyncio.as_completed(racers):
        seen.append(await earliest)
        await see(seen)
        await failing
    return seen


async def second(fetch: Callable[[str], Awaitable[str]]) -> str:
    return await fetch("late")


@task(retry=Retry(max_attempts=2, backoff=0.0))
async def race_of_steps() -> list[str]:
    return await race(fetch)


@task(retry=Retry(max_attempts=2, backoff=0.0))
async def race_of_keys() -> list[str]:
    return await race(fetch_by_key)


@pytest.mark.parametrize("racing", [race_of_steps, race_of_keys], ids=lambda racing: racing.name)
async def test_a_late_call_keeps_its_turn(environment: TaskEnvironment, racing: Task[[], list[str]]) -> None:
    """Attempt 1 fails behind the first result, attempt 2 dies behind it, attempt 3 asks for it late."""
    environment.crash_at(FaultPoint.AFTER_RECORD, step="see", occurrence=2)
    result = await environment.run(racing)
    assert result.state == "Succeeded", result.message
    assert (result.attempts, result.failures, result.result) == (3, 1, ["early", "late"])
