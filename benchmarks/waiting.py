"""Runs that wait: ten thousand of them must cost no processor time."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

from benchmarks.bench import Bench
from benchmarks.budget import Budget
from benchmarks.line import Line
from benchmarks.noting_launcher import NotingLauncher
from benchmarks.statements import statement
from holdfast_engine.engine import Engine, EngineSettings
from holdfast_engine.services.admission import Admission

WAITING = 10_000
_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


async def measure(bench: Bench) -> list[Line]:
    """The engine and its database with nothing to do, and with ten thousand runs that wait for a year."""
    without = await _cpu_ms_per_second(bench)
    async with bench.server.connection() as client:
        await client.execute(statement("insert_waiting_runs"), WAITING)
        within = await _cpu_ms_per_second(bench)
        await client.execute(statement("forget_waiting_runs"))
    what = f"{WAITING:,} waiting runs: CPU of engine and database; floor: none"
    return [Line(what, "ms/s", within, without, Budget.at_most(20))]


async def _cpu_ms_per_second(bench: Bench) -> float:
    engine = Engine(bench.server.dsn, NotingLauncher(), EngineSettings(runner_dsn=bench.server.runner_dsn))
    async with engine:
        await engine.wait_for_pass(Admission.name)
        await asyncio.sleep(1)
        began, spent = time.monotonic(), _spent_seconds(bench.server.pid)
        await asyncio.sleep(bench.repeat(12, quick=4))
        return (_spent_seconds(bench.server.pid) - spent) * 1000 / (time.monotonic() - began)


def _spent_seconds(postmaster: int) -> float:
    """Processor time of this process, and of the database with all its servers, those that have ended too."""
    ticks = 0.0
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        parent, user, system, children_user, children_system = (int(fields[at]) for at in (1, 11, 12, 13, 14))
        if int(status.parent.name) == postmaster:
            ticks += user + system + children_user + children_system
        elif parent == postmaster:
            ticks += user + system
    return time.process_time() + ticks / _TICKS_PER_SECOND
