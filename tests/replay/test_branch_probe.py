"""Branches whose steps have one name and one input: each gets its own results back, in 1000 replays of 1000."""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from itertools import count

import pytest

from holdfast import step, task
from holdfast.testing import FaultPoint, TaskEnvironment
from tests.support.databases import Database

REPLAYS = 1000
BRANCHES = 4
STEPS_PER_BRANCH = 3


@dataclass
class Probe:
    """What each branch was given, attempt by attempt; kept by the author's side, outside of the database."""

    delays: random.Random
    drawn: count[int] = field(default_factory=count)
    attempts: list[dict[int, list[int]]] = field(default_factory=list)

    def begin_attempt(self) -> None:
        self.attempts.append(defaultdict(list))

    def seen(self, branch: int, value: int) -> None:
        self.attempts[-1][branch].append(value)


_probe: Probe


@step
async def draw() -> int:
    """A new number each time the body is executed, after a delay that no branch can know."""
    await asyncio.sleep(_probe.delays.random() * 0.002)
    return next(_probe.drawn)


async def branch(number: int) -> list[int]:
    values = []
    for _ in range(STEPS_PER_BRANCH):
        value = await draw()
        _probe.seen(number, value)
        values.append(value)
    return values


@task
async def gathered() -> list[list[int]]:
    _probe.begin_attempt()
    return list(await asyncio.gather(*(branch(number) for number in range(BRANCHES))))


@task
async def grouped() -> list[list[int]]:
    _probe.begin_attempt()
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(branch(number)) for number in range(BRANCHES)]
    return [task.result() for task in tasks]


@task
async def waited_for() -> list[list[int]]:
    _probe.begin_attempt()
    return list(await asyncio.gather(*(asyncio.wait_for(branch(number), 60) for number in range(BRANCHES))))


Program = Callable[[], Awaitable[list[list[int]]]]


@pytest.mark.timeout(600)
async def test_no_result_reaches_the_wrong_branch(database: Database, pytestconfig: pytest.Config) -> None:
    global _probe
    given = int(pytestconfig.getoption("--crash-seed"))
    seed = random.SystemRandom().randrange(1_000_000) if given < 0 else given
    print(f"reproduce it with --crash-seed {seed}")
    chance = random.Random(seed)
    wrong, failed = [], []
    async with TaskEnvironment(database.dsn) as environment:
        for replay in range(REPLAYS):
            program = (gathered, grouped, waited_for)[replay % 3]
            _probe = Probe(random.Random(chance.random()))
            recorded = chance.randint(1, BRANCHES * STEPS_PER_BRANCH)
            environment.crash_at(FaultPoint.AFTER_RECORD, step="draw", occurrence=recorded)
            result = await environment.run(program)
            if result.state != "Succeeded" or result.attempts != 2:
                failed.append((replay, program.name, result.state, result.message))
                continue
            first, second = _probe.attempts
            kept = all(second[number][: len(values)] == values for number, values in first.items())
            if not kept or result.result != [second[number] for number in range(BRANCHES)]:
                wrong.append((replay, program.name, first, second))
    assert wrong == []
    assert failed == []
