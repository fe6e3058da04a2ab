"""Programs drawn by chance, killed at moments drawn by chance: `--crash-cases` of them, from `--crash-seed`."""

from __future__ import annotations

from random import Random

import pytest

from holdfast.testing import CrashPoint
from tests.crash.cases import Case, Corpus, crash_points
from tests.crash.programs import Draw, answer, carry_out, carry_out_def

CASES_PER_TEST = 50
CASES_PER_PROGRAM = 5


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "part" in metafunc.fixturenames:
        cases: int = metafunc.config.getoption("--crash-cases")
        metafunc.parametrize("part", range(-(-cases // CASES_PER_TEST)))


async def test_a_program_survives_crashes(corpus: Corpus, crash_seed: int, part: int) -> None:
    chance = Random(f"{crash_seed} {part}")
    for number in range(CASES_PER_TEST // CASES_PER_PROGRAM):
        is_async = chance.random() < 0.75
        program = Draw(chance, is_async=is_async, size=chance.randint(3, 12)).program()
        task = carry_out if is_async else carry_out_def
        expected, plan = await corpus.uncrashed(task, {"program": program})
        assert expected.result == answer(program), f"program {number}: {program}"
        points = crash_points(plan)
        for _ in range(CASES_PER_PROGRAM):
            case = Case(task, _some(chance, points), {"program": program})
            corpus.judge(case, await corpus.here(case), expected, same_history=False)


def _some(chance: Random, points: list[CrashPoint]) -> tuple[CrashPoint, ...]:
    return tuple(chance.choice(points) for _ in range(chance.choice([1, 1, 2, 3])))
