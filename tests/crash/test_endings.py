"""Programs that undo what they did and call hooks, killed at every moment: each once, in reverse."""

from __future__ import annotations

import asyncio
from collections import Counter
from itertools import product
from random import Random
from typing import Any

import pytest

from holdfast.runtime.faults import FaultPoint
from holdfast.sdk.task import Task
from holdfast.testing import RunResult, TaskEnvironment
from tests.crash import ending_shapes
from tests.crash.cases import Case, Corpus, crash_points
from tests.crash.test_processes import AT_ONCE, of_many_kinds
from tests.crash.test_shapes import tasks_of
from tests.support.databases import Database
from tests.support.oracle import Oracle, effects

SUCCESSFUL = (ending_shapes.success_with_hooks, ending_shapes.saga_that_waits)
SHAPES = [task for task in tasks_of(ending_shapes) if task not in SUCCESSFUL]
MOMENTS = (FaultPoint.BEFORE_BODY, FaultPoint.AFTER_BODY, FaultPoint.AFTER_RECORD)


def judge_order(oracle: Oracle, result: RunResult) -> None:
    """Fail unless everything is undone, the latest first."""
    succeeded = {step.key for step in result.steps if step.outcome == "Succeeded"}
    promised = {step.key.removesuffix("/compensable#1") for step in result.steps if step.kind == "compensable"}
    done = [step.key for step in result.steps if step.key in promised & succeeded]
    undone = [step.key for step in result.steps if step.kind == "compensation"]
    assert undone == [f"closing/{key}/compensate#1" for key in reversed(done)]
    events = oracle.events().get(str(result.run_id), [])
    last = {event.key: place for place, event in enumerate(events) if event.key in undone and event.what == "effect"}
    assert sorted(undone, key=last.__getitem__) == undone
    assert effects(events).keys() >= set(undone)


def effects_of_closing(oracle: Oracle, result: RunResult) -> Counter[str]:
    """How often each act of the closing happened."""
    events = oracle.events()[str(result.run_id)]
    return Counter(event.key for event in events if event.what == "effect" and event.key.startswith("closing/"))


def hooks_of(result: RunResult) -> list[tuple[str, str]]:
    """The hooks that were called, but for the attempt after which."""
    return [(step.name, step.outcome) for step in result.steps if step.kind == "hook"]


@pytest.mark.parametrize("task", SHAPES, ids=lambda task: task.name)
async def test_it_survives_a_crash_at_every_moment(corpus: Corpus, oracle: Oracle, task: Task[..., Any]) -> None:
    expected, plan = await corpus.uncrashed(task, state="Failed")
    judge_order(oracle, expected)
    for point in crash_points(plan):
        case = Case(task, (point,))
        result = await corpus.here(case)
        corpus.judge(case, result, expected, same_history=False)
        judge_order(oracle, result)
        assert (result.reason, result.message) == (expected.reason, expected.message), str(case)
        assert hooks_of(result) == hooks_of(expected), str(case)


@pytest.mark.parametrize("task", SHAPES, ids=lambda task: task.name)
async def test_it_survives_kills(
    corpus: Corpus, oracle: Oracle, crash_seed: int, pytestconfig: pytest.Config, task: Task[..., Any]
) -> None:
    expected, plan = await corpus.uncrashed(task, state="Failed")
    closing = [point for point in crash_points(plan) if point.step.startswith(("closing/", "start/"))]
    points = of_many_kinds(Random(f"{crash_seed} {task.name}"), closing)
    points = points[: pytestconfig.getoption("--crash-kills") or None]
    gate = asyncio.Semaphore(AT_ONCE)

    async def survives(case: Case) -> None:
        async with gate:
            result, kills = await corpus.in_processes(case)
        assert kills == 1, f"{case}: killed {kills} times"
        corpus.judge(case, result, expected, same_history=False)
        judge_order(oracle, result)

    await asyncio.gather(*(survives(Case(task, (point,))) for point in points))


@pytest.mark.parametrize("task", SHAPES, ids=lambda task: task.name)
async def test_it_is_handed_over_after_every_step(
    corpus: Corpus, database: Database, oracle: Oracle, task: Task[..., Any]
) -> None:
    expected, _ = await corpus.uncrashed(task, state="Failed")
    case = Case(task)
    async with TaskEnvironment(database.dsn, always_replay=True) as environment:
        result = await Corpus(environment, oracle).here(case)
    corpus.judge(case, result, expected, same_history=False)
    judge_order(oracle, result)


async def test_a_success_with_hooks_survives_a_crash_at_every_moment(corpus: Corpus) -> None:
    expected, plan = await corpus.uncrashed(ending_shapes.success_with_hooks)
    for point in crash_points(plan):
        case = Case(ending_shapes.success_with_hooks, (point,))
        corpus.judge(case, await corpus.here(case), expected)


async def test_a_canceled_run_survives_a_crash_at_every_moment(
    corpus: Corpus, environment: TaskEnvironment, oracle: Oracle
) -> None:
    task = ending_shapes.saga_that_waits
    canceled = await environment.cancel(await environment.run(task), task)
    closing = [step.key for step in canceled.steps if step.key.startswith("closing/")]
    assert len(closing) == 4
    for key, point in product(closing, MOMENTS):
        waiting = await environment.run(task)
        environment.crash_at(point, step=key)
        result = await environment.cancel(waiting, task)
        assert (result.state, result.attempts) == ("Canceled", canceled.attempts + 1), f"{key} {point}"
        judge_order(oracle, result)
        assert hooks_of(result) == hooks_of(canceled)
        again = [key] if point is FaultPoint.AFTER_BODY else []
        assert effects_of_closing(oracle, result) == Counter([*closing, *again]), f"{key} {point}"
