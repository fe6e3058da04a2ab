"""Trigger to launch: from the call of ``trigger_run`` until the engine calls its launcher."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from benchmarks.bench import Bench
from benchmarks.budget import Budget
from benchmarks.line import Line
from benchmarks.noting_launcher import NotingLauncher
from benchmarks.samples import Samples
from benchmarks.statements import statement
from holdfast_engine.engine import Engine, EngineSettings
from holdfast_engine.services.admission import Admission

_WARM_UP = 20


async def measure(bench: Bench) -> list[Line]:
    """Take turns: a trigger until its launch, and a NOTIFY until another connection hears of it."""
    launches, notifies = Samples(), Samples()
    launcher = NotingLauncher()
    engine = Engine(bench.server.dsn, launcher, EngineSettings(runner_dsn=bench.server.runner_dsn))
    async with engine, bench.server.connection() as client, bench.server.connection() as other:
        heard: asyncio.Queue[None] = asyncio.Queue()
        await other.add_listener("floor", _put_in(heard))
        await engine.wait_for_pass(Admission.name)
        for number in range(bench.repeat(500, quick=100) + _WARM_UP):
            if number == _WARM_UP:
                launches.forget()
                notifies.forget()
            with launches.timed():
                run_id = await client.fetchval(statement("trigger_run"), "benchmarks.launch:nothing")
                await launcher.launched.get()
            # the pass that launched ends, and the one after it finds no more
            await engine.wait_for_pass(Admission.name)
            await engine.wait_for_pass(Admission.name)
            await client.execute(statement("forget_run"), run_id)
            with notifies.timed():
                await client.execute(statement("notify"))
                await heard.get()
    return [
        Line("trigger to launch, p50", "ms", launches.median, notifies.median, Budget.at_most(3)),
        Line("trigger to launch, p99", "ms", launches.p99, notifies.p99),
    ]


def _put_in(heard: asyncio.Queue[None]) -> Callable[..., None]:
    return lambda *_: heard.put_nowait(None)
