"""Every shape of program, killed at every moment: it ends with the same answer and repeats nothing that is recorded."""

from __future__ import annotations

import inspect
from types import ModuleType
from typing import Any

import pytest

from holdfast.sdk.task import Task
from tests.crash import def_shapes, family_shapes, message_shapes, shapes
from tests.crash.cases import Case, Corpus, crash_points


def tasks_of(module: ModuleType) -> list[Task[..., Any]]:
    return [value for value in vars(module).values() if isinstance(value, Task)]


def has_one_history(task: Task[..., Any]) -> bool:
    """Not where it depends on a race what is recorded: who is canceled when the other fails, how many are done."""
    return not task.name.startswith("next_attempt") and task.name != "counted_completions"


def takes_no_input(task: Task[..., Any]) -> bool:
    return not inspect.signature(task.function).parameters


SHAPES = [
    *tasks_of(shapes),
    *tasks_of(def_shapes),
    *filter(takes_no_input, [*tasks_of(family_shapes), *tasks_of(message_shapes)]),
]


@pytest.mark.parametrize("task", SHAPES, ids=lambda task: task.name)
async def test_it_survives_a_crash_at_every_moment(corpus: Corpus, task: Task[..., Any]) -> None:
    expected, plan = await corpus.uncrashed(task)
    for point in crash_points(plan):
        case = Case(task, (point,))
        corpus.judge(case, await corpus.here(case), expected, same_history=has_one_history(task))
