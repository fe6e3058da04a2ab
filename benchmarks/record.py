"""Record one step of 1 KiB: the author's ``await step(...)`` beside the INSERT of the same row."""

from __future__ import annotations

import secrets
from uuid import UUID

from benchmarks.bench import Bench
from benchmarks.budget import Budget
from benchmarks.line import Line
from benchmarks.payload import PAYLOAD, step_row
from benchmarks.runs import run_attempt
from benchmarks.samples import Samples
from benchmarks.statements import statement
from holdfast import step, task
from holdfast.protocol.connection import Connection

_WARM_UP = 300


@step
async def store(number: int) -> str:
    """Return the payload."""
    return PAYLOAD


async def measure(bench: Bench) -> list[Line]:
    """Take turns: a step, the call of the protocol alone, the bare INSERT; each on a connection of its own."""
    steps, calls, inserts = Samples(), Samples(), Samples()
    rounds = bench.repeat(3000, quick=500)
    async with bench.runner_connection() as floor, bench.runner_connection() as bare:
        insert = await floor.prepare(statement("insert_step"))
        record = await bare.prepare(statement("record_step"))
        floor_run = UUID(bytes=secrets.token_bytes(16))
        opened = await bench.runs.begin("benchmarks.record:record_steps")
        session = secrets.token_bytes(32)
        await bare.fetchrow(statement("open_attempt"), opened.run_id, opened.attempt, opened.token, session)

        @task
        async def record_steps() -> None:
            for number in range(1, rounds + _WARM_UP + 1):
                if number == _WARM_UP + 1:
                    for samples in (steps, calls, inserts):
                        samples.forget()
                with steps.timed():
                    await store(number)
                row = step_row(floor_run, number)
                with inserts.timed():
                    await insert.fetch(*row)
                with calls.timed():
                    await record.fetchval(opened.run_id, opened.attempt, session, *row[2:])

        environment = await bench.runs.begin("benchmarks.record:record_steps")
        database = Connection(environment.database)
        await run_attempt(environment, record_steps, database)
        await database.close()
    return [
        Line("record one 1 KiB step, p50", "ms", steps.median, inserts.median, Budget.times_floor(1.3)),
        Line("record one 1 KiB step, p99", "ms", steps.p99, inserts.p99, Budget.times_floor(1.6)),
        Line("  of it the function holdfast_v1.record, p50", "ms", calls.median, inserts.median),
        Line("  of it the function holdfast_v1.record, p99", "ms", calls.p99, inserts.p99),
    ]
