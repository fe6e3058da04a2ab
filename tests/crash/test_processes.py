"""Every shape of program in real processes, killed by SIGKILL: what a kill leaves behind is not simulated here.

`--crash-kills` of them per shape, each at a moment of another kind; 0 stands for each moment that it reaches.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from random import Random
from typing import Any

import pytest

from holdfast.runtime.faults import FaultPoint
from holdfast.sdk.task import Task
from holdfast.testing import CrashPoint
from tests.crash.cases import Case, Corpus, crash_points
from tests.crash.test_shapes import SHAPES, has_one_history

AT_ONCE = 2


@pytest.mark.parametrize("task", SHAPES, ids=lambda task: task.name)
async def test_it_survives_kills(
    corpus: Corpus, crash_seed: int, pytestconfig: pytest.Config, task: Task[..., Any]
) -> None:
    expected, plan = await corpus.uncrashed(task)
    points = of_many_kinds(Random(f"{crash_seed} {task.name}"), crash_points(plan))
    points = points[: pytestconfig.getoption("--crash-kills") or None]
    gate = asyncio.Semaphore(AT_ONCE)

    async def survives(case: Case) -> None:
        async with gate:
            result, kills = await corpus.in_processes(case)
        assert kills == 1, f"{case}: killed {kills} times"
        corpus.judge(case, result, expected, same_history=has_one_history(task))

    await asyncio.gather(*(survives(Case(task, (point,))) for point in points))


def of_many_kinds(chance: Random, points: list[CrashPoint]) -> list[CrashPoint]:
    """In an order by chance, in which one of each kind comes first, then a second one, and so on."""
    # a process counts from its own beginning, so a later occurrence may be one that no process reaches
    shuffled = chance.sample(points, len(points))
    rounds: Counter[FaultPoint] = Counter()
    order: list[tuple[int, CrashPoint]] = []
    for point in shuffled:
        if point.occurrence == 1:
            order.append((rounds[point.point], point))
            rounds[point.point] += 1
    return [point for _, point in sorted(order, key=lambda entry: entry[0])]
