"""Every program handed over to another attempt after each of its steps: the same answer, and nothing executed twice."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from holdfast.sdk.task import Task
from holdfast.testing import TaskEnvironment
from tests.crash.cases import Case, Corpus
from tests.crash.programs import Draw, answer, carry_out, carry_out_def
from tests.crash.test_shapes import SHAPES, has_one_history
from tests.support.databases import Database
from tests.support.oracle import Oracle

PROGRAMS = 20


@pytest.mark.parametrize("task", SHAPES, ids=lambda task: task.name)
async def test_a_shape(corpus: Corpus, database: Database, oracle: Oracle, task: Task[..., Any]) -> None:
    expected, _ = await corpus.uncrashed(task)
    case = Case(task)
    async with TaskEnvironment(database.dsn, always_replay=True) as environment:
        result = await Corpus(environment, oracle).here(case)
    corpus.judge(case, result, expected, same_history=has_one_history(task))
    assert result.attempts > 1


async def test_programs_drawn_by_chance(database: Database, oracle: Oracle, crash_seed: int) -> None:
    async with TaskEnvironment(database.dsn, always_replay=True) as environment:
        corpus = Corpus(environment, oracle)
        for number in range(PROGRAMS):
            chance = Random(f"always {crash_seed} {number}")
            is_async = chance.random() < 0.75
            program = Draw(chance, is_async=is_async, size=8).program()
            case = Case(carry_out if is_async else carry_out_def, (), {"program": program})
            result = await corpus.here(case)
            corpus.judge(case, result, result, same_history=False)
            assert result.result == answer(program), str(case)
