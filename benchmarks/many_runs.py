"""100 runs of 10 steps in one process: steps per second, openings and endings included."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack

from benchmarks.bench import Bench
from benchmarks.budget import Budget
from benchmarks.floor import Floor, connected_floor
from benchmarks.line import Line
from benchmarks.payload import PAYLOAD
from benchmarks.runs import run_attempt
from holdfast import step, task
from holdfast.protocol.shared import SharedConnections

RUNS = 100
STEPS = 10
CONNECTIONS = 8


@step
async def store(number: int) -> str:
    """Return the payload."""
    return PAYLOAD


@task
async def store_some() -> None:
    """Take the steps of one run."""
    for number in range(STEPS):
        await store(number)


async def measure(bench: Bench) -> list[Line]:
    """Take turns: all runs at once over a few shared connections, and as many INSERTs over as many connections."""
    rates: list[float] = []
    floors: list[float] = []
    database = SharedConnections(bench.server.runner_dsn, CONNECTIONS)
    for _ in range(bench.repeat(10, quick=3) + 1):
        floors.append(await _insert_rate(bench))
        environments = [await bench.runs.begin("benchmarks.many_runs:store_some") for _ in range(RUNS)]
        began = time.perf_counter()
        await asyncio.gather(*(run_attempt(each, store_some, database) for each in environments))
        rates.append(RUNS * STEPS / (time.perf_counter() - began))
    await database.close()
    value, floor = (statistics.median(figures[1:]) for figures in (rates, floors))  # the first is the warm-up
    what = f"{RUNS} runs x {STEPS} steps, {CONNECTIONS} connections"
    return [Line(what, "steps/s", value, floor, Budget.at_least(2500))]


async def _insert_rate(bench: Bench) -> float:
    async with AsyncExitStack() as stack:
        dsn = bench.server.runner_dsn
        connections = [await stack.enter_async_context(connected_floor(dsn)) for _ in range(CONNECTIONS)]
        numbers = iter(range(1, RUNS * STEPS + 1))
        began = time.perf_counter()
        await asyncio.gather(*(_insert(floor, numbers) for floor in connections))
        return RUNS * STEPS / (time.perf_counter() - began)


async def _insert(floor: Floor, numbers: Iterator[int]) -> None:
    for number in numbers:
        await floor.insert(number)
