"""DBOS: record steps of 1 KiB beside the floor; or, started again, resume a workflow of 1000 steps.

Arguments: DSN of a database, DSN of the floor, steps to record; 0 resumes what an earlier process left behind. Prints
one JSON object, and leaves without ending its workflow.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import time

from dbos import DBOS

from benchmarks.floor import connected_floor
from benchmarks.payload import PAYLOAD
from benchmarks.peer_report import STEPS, PeerSamples

_dsn, _floor_dsn, _records = sys.argv[1], sys.argv[2], int(sys.argv[3])


@DBOS.step()
async def store(number: int) -> str:
    """Return the payload."""
    return PAYLOAD


@DBOS.workflow()
async def take_steps() -> None:
    """Take 1000 steps or replay them, then more; the process ends in between."""
    samples = PeerSamples()
    began = time.perf_counter()
    for number in range(STEPS):
        await store(number)
    if not _records:
        samples.resumes.add(time.perf_counter() - began)
    async with connected_floor(_floor_dsn) as floor:
        for number in range(1, _records + 1):
            with samples.steps.timed():
                await store(number)
            with samples.inserts.timed():
                await floor.insert(number)
    samples.print()
    os._exit(0)


if __name__ == "__main__":
    DBOS(config={"name": "benchmark", "system_database_url": _dsn, "application_version": "1", "log_level": "ERROR"})
    DBOS.launch()
    if _records:
        asyncio.run(take_steps())
    threading.Event().wait()  # the resumed workflow runs in a thread of DBOS, and ends the process
