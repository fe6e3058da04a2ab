"""What the operator costs while nothing happens, and how long nobody leads when the leader is killed."""

from __future__ import annotations

import asyncio
import time

from benchmarks.budget import Budget
from benchmarks.cluster.process_cost import ProcessCost
from benchmarks.cluster.scene import Scene
from benchmarks.line import Line


async def measure_idle(scene: Scene, seconds: float) -> list[Line]:
    """An operator with a queue and a task, and no runs."""
    async with scene.operator() as operator:
        await operator.says("all watches are up")
        await scene.define(concurrency=10)
        cost = ProcessCost(operator.process.pid)
        before = cost.cpu_seconds
        await asyncio.sleep(seconds)
        spent = cost.cpu_seconds - before
    return [Line("idle operator: CPU per second", "ms", spent * 1000 / seconds, budget=Budget.at_most(10))]


async def measure_failover(scene: Scene) -> list[Line]:
    """Two replicas with the default Lease; from the kill of the leader until the other one acts."""
    async with scene.operator(identity="one") as first:
        await first.says("one leads")
        async with scene.operator(identity="two") as second:
            await second.says("standing by")
            await first.says("all watches are up")
            await scene.define(concurrency=10)
            first.process.kill()
            began = time.monotonic()
            await second.says("two leads")
            took_seconds = time.monotonic() - began
    return [Line("leader killed until the other replica acts", "s", took_seconds, budget=Budget.at_most(20))]
