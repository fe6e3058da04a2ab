"""Absurd: record steps of 1 KiB beside the floor, then resume a task of 1000 steps again and again.

Arguments: DSN of an empty database, DSN of the floor, steps to record, how often to resume. Prints one JSON object.
"""

from __future__ import annotations

import asyncio
import sys
import time
from typing import Any

import absurdctl
import asyncpg
from absurd_sdk import AsyncAbsurd

from benchmarks.floor import connected_floor
from benchmarks.payload import PAYLOAD
from benchmarks.peer_report import STEPS, PeerSamples


class _Interrupted(Exception):
    """Lets the attempt fail, so that the next one replays its steps."""


async def _payload() -> str:
    return PAYLOAD


async def main(dsn: str, floor_dsn: str, records: int, resumes: int) -> None:
    """Measure and print."""
    samples = PeerSamples()
    began = 0.0
    owner = await asyncpg.connect(dsn)
    await owner.execute(absurdctl.BUNDLED_SCHEMA_SQL)
    await owner.close()
    absurd = AsyncAbsurd(dsn, queue_name="benchmark")
    await absurd.create_queue()
    async with connected_floor(floor_dsn) as floor:

        @absurd.register_task("record")
        async def record(params: Any, context: Any) -> None:
            for number in range(1, records + 1):
                with samples.steps.timed():
                    await context.step(f"store-{number}", _payload)
                with samples.inserts.timed():
                    await floor.insert(number)

        @absurd.register_task("resume")
        async def resume(params: Any, context: Any) -> None:
            for number in range(STEPS):
                await context.step(f"store-{number}", _payload)
            samples.resumes.add(time.perf_counter() - began)
            raise _Interrupted

        await absurd.spawn("record", {})
        await absurd.work_batch()
        await absurd.spawn("resume", {}, max_attempts=resumes + 1, retry_strategy={"kind": "none"})
        await absurd.work_batch()
        samples.resumes.forget()
        for _ in range(resumes):
            began = time.perf_counter()
            await absurd.work_batch()
    await absurd.close()
    samples.print()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
