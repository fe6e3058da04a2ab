"""Who was first stays first, also when a sleep beside it is due by the time of the replay."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from holdfast import Task, first_of, sleep, step, task
from holdfast.contract.environment import AttemptEnvironment
from holdfast.testing import CrashPlan, CrashPoint, FaultPoint, RunResult, TaskEnvironment

_LONG_SECONDS = 3600


@step
async def quick() -> str:
    return "quick"


@step
async def went(way: str) -> str:
    return way


@task(name="race-of-a-step-and-a-sleep")
async def step_and_sleep() -> str:
    sleeping = asyncio.create_task(sleep(_LONG_SECONDS))
    working = asyncio.create_task(quick())
    done, _ = await asyncio.wait({sleeping, working}, return_when=asyncio.FIRST_COMPLETED)
    way = await went("step" if working in done else "sleep")
    await sleeping
    return way


@task(name="race-of-two-sleeps")
async def two_sleeps() -> list[str]:
    async def after(seconds: float, name: str) -> str:
        await sleep(seconds)
        return name

    found = [await each for each in asyncio.as_completed([after(2 * _LONG_SECONDS, "b"), after(_LONG_SECONDS, "a")])]
    return [await went(name) for name in found]


@task(name="race-that-is-taken")
async def child_or_sleep() -> list[object]:
    index, value = await first_of(quick(), sleep(_LONG_SECONDS))
    await went(str(index))
    return [index, value]


async def test_a_step_that_was_first_stays_first(env: TaskEnvironment) -> None:
    run = await env.run(step_and_sleep)
    assert (run.state, run.result) == ("Succeeded", "step"), run.message


async def test_it_was_first_even_if_nothing_behind_it_was_recorded(env: TaskEnvironment) -> None:
    env.crash_at(FaultPoint.AFTER_RECORD, step="quick")
    run = await env.run(step_and_sleep)
    assert (run.state, run.result) == ("Succeeded", "step"), run.message


@pytest.mark.parametrize("point", list(FaultPoint)[:3])
async def test_sleeps_come_back_in_the_order_of_their_ends(env: TaskEnvironment, point: FaultPoint) -> None:
    env.crash_at(point, step="went")
    run = await env.run(two_sleeps)
    assert (run.state, run.result) == ("Succeeded", ["a", "b"]), run.message


async def _dies_and_wakes_late(env: TaskEnvironment, race: Task[..., Any], died_after: str) -> RunResult:
    """Drive a run whose first attempt dies after that record; the next begins when every sleep is over."""
    run_id = await env.trigger(race, {})

    async def launch(attempt: AttemptEnvironment) -> str:
        if attempt.attempt > 1:
            await env.clock.advance(2 * _LONG_SECONDS)
            return await env.attempt(attempt, race, CrashPlan())
        return await env.attempt(attempt, race, CrashPlan([CrashPoint(FaultPoint.AFTER_RECORD, died_after)]))

    return await env.drive_with(race, run_id, launch)


async def test_a_result_that_was_recorded_is_not_lost_to_a_sleep(env: TaskEnvironment) -> None:
    run = await _dies_and_wakes_late(env, child_or_sleep, "quick")
    assert (run.state, run.result) == ("Succeeded", [0, "quick"]), run.message
