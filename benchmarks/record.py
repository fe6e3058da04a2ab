"""Record one step of 1 KiB: the author's ``await step(...)`` beside the INSERT of the same row."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from benchmarks.bench import Bench
from benchmarks.budget import Budget
from benchmarks.floor import connected_floor
from benchmarks.line import Line
from benchmarks.payload import PAYLOAD, step_row
from benchmarks.runs import run_attempt
from benchmarks.samples import Samples
from benchmarks.statements import statement
from holdfast import step, task
from holdfast.protocol.connection import Connection as RunnerConnection

if TYPE_CHECKING:
    from benchmarks.server import Connection

_WARM_UP = 300


@step
async def store(number: int) -> str:
    """Return the payload."""
    return PAYLOAD


async def measure(bench: Bench) -> list[Line]:
    """Take turns: a step, the call of the protocol alone, the bare INSERT; each on a connection of its own."""
    steps, calls, inserts = Samples(), Samples(), Samples()
    rounds = bench.repeat(3000, quick=500)
    async with connected_floor(bench.server.runner_dsn) as floor, bench.runner_connection() as connection:
        call = await _opened_call(bench, connection)

        @task
        async def record_steps() -> None:
            for number in range(1, rounds + _WARM_UP + 1):
                if number == _WARM_UP + 1:
                    for samples in (steps, calls, inserts):
                        samples.forget()
                with steps.timed():
                    await store(number)
                with inserts.timed():
                    await floor.insert(number)
                with calls.timed():
                    await call(number)

        environment = await bench.runs.begin("benchmarks.record:record_steps")
        database = RunnerConnection(environment.database)
        await run_attempt(environment, record_steps, database)
        await database.close()
    return [
        Line("record one 1 KiB step, p50", "ms", steps.median, inserts.median, Budget.times_floor(1.3)),
        Line("record one 1 KiB step, p99", "ms", steps.p99, inserts.p99, Budget.times_floor(1.6)),
        Line("  of it the function holdfast_v1.record, p50", "ms", calls.median, inserts.median),
        Line("  of it the function holdfast_v1.record, p99", "ms", calls.p99, inserts.p99),
    ]


async def _opened_call(bench: Bench, connection: Connection) -> Callable[[int], Awaitable[object]]:
    """The function that records, for a run of its own that is open."""
    run = await bench.runs.begin("benchmarks.record:record_steps")
    session = secrets.token_bytes(32)
    await connection.fetch(statement("open_attempt"), run.run_id, run.attempt, run.token, session)
    record = await connection.prepare(statement("record_step"))

    async def call(number: int) -> None:
        run_id, attempt, *step = step_row(run.run_id, number)
        await record.fetch(run_id, attempt, session, *step)

    return call
