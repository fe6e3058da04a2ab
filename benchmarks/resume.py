"""Resume a run of 1000 recorded steps: open, and replay all of them through ``await step(...)``."""

from __future__ import annotations

import time

from benchmarks.bench import Bench
from benchmarks.budget import Budget
from benchmarks.floor import connected_floor
from benchmarks.line import Line
from benchmarks.payload import PAYLOAD
from benchmarks.runs import run_attempt
from benchmarks.samples import Samples
from holdfast import sleep, step, task
from holdfast.protocol.connection import Connection

STEPS = 1000
_WARM_UP = 3


@step
async def store(number: int) -> str:
    """Return the payload."""
    return PAYLOAD


async def measure(bench: Bench) -> list[Line]:
    """Take turns: an attempt that replays everything and parks, and one SELECT of the same rows."""
    resumes, selects = Samples(), Samples()
    began = 0.0

    @task
    async def replay_steps() -> None:
        for number in range(STEPS):
            await store(number)
        resumes.add(time.perf_counter() - began)
        await sleep(hours=1)

    environment = await bench.runs.begin("benchmarks.resume:replay_steps")
    database = Connection(environment.database)
    await run_attempt(environment, replay_steps, database)
    async with connected_floor(bench.server.runner_dsn) as floor:
        for number in range(1, STEPS + 1):
            await floor.insert(number)
        for number in range(bench.repeat(60, quick=15) + _WARM_UP):
            if number == _WARM_UP:
                resumes.forget()
                selects.forget()
            environment = await bench.runs.go_on(environment)
            began = time.perf_counter()
            await run_attempt(environment, replay_steps, database)
            with selects.timed():
                await floor.select(STEPS)
    await database.close()
    budget = Budget.at_most(10, set_at_floor=2)
    return [Line(f"resume {STEPS} recorded steps, p50", "ms", resumes.median, selects.median, budget)]
