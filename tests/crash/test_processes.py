"""Every shape of program in real processes, killed by SIGKILL: what a kill leaves behind is not simulated here."""

from __future__ import annotations

import asyncio
from random import Random
from typing import Any

import pytest

from holdfast.sdk.task import Task
from holdfast.testing import CrashPoint
from tests.crash.cases import Case, Corpus, crash_points
from tests.crash.test_shapes import SHAPES, has_one_history

KILLS_PER_SHAPE = 2
AT_ONCE = 2


@pytest.mark.parametrize("task", SHAPES, ids=lambda task: task.name)
async def test_it_survives_kills(corpus: Corpus, crash_seed: int, task: Task[..., Any]) -> None:
    expected, plan = await corpus.uncrashed(task)
    points = _some(Random(f"{crash_seed} {task.name}"), crash_points(plan))
    gate = asyncio.Semaphore(AT_ONCE)

    async def survives(case: Case) -> None:
        async with gate:
            result, kills = await corpus.in_processes(case)
        assert kills == 1, f"{case}: killed {kills} times"
        corpus.judge(case, result, expected, same_history=has_one_history(task))

    await asyncio.gather(*(survives(Case(task, (point,))) for point in points))


def _some(chance: Random, points: list[CrashPoint]) -> list[CrashPoint]:
    # a process counts from its own beginning, so a later occurrence may be one that no process reaches
    return chance.sample([point for point in points if point.occurrence == 1], KILLS_PER_SHAPE)
