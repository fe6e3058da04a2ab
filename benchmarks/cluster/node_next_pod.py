"""On the real node: from the commit of a run's end until the pod of the next one in the queue is seen."""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing

import asyncpg

from benchmarks.budget import Budget
from benchmarks.cluster.measured_node import define_queue, task_run
from benchmarks.cluster.watching import changes
from benchmarks.line import Line
from benchmarks.samples import Samples
from holdfast.contract import labels
from holdfast.domain.states import State
from holdfast_engine.listener import CHANNEL
from holdfast_operator.kinds import PODS
from tests.cluster.node_scene import NodeScene

_WARM_UP = 2


async def measure(scene: NodeScene, runs: int) -> list[Line]:
    """A queue with one slot. PostgreSQL tells of the end of each run, and the API server of each pod."""
    await define_queue(scene, concurrency=1)
    handovers = Samples()
    ends: list[float] = []

    def hear(connection: object, pid: int, channel: str, payload: object) -> None:
        if str(payload).startswith(f"{State.SUCCEEDED} "):
            ends.append(time.perf_counter())

    connection = await asyncpg.connect(await scene.installation.dsn())
    try:
        await connection.add_listener(CHANNEL, hear)
        pods = changes(scene.kubectl.kubeconfig, PODS, scene.namespace, labels=labels.RUN)
        async with aclosing(pods):
            names = [f"run-{number}" for number in range(runs + _WARM_UP + 1)]
            applying = asyncio.create_task(scene.kubectl.apply(*(task_run(scene, name, "one_step") for name in names)))
            count = 0
            async for happened, _ in pods:
                if happened != "ADDED":
                    continue
                seen = time.perf_counter()
                assert len(ends) == count, f"pod {count + 1} was made when {len(ends)} runs had ended"
                if count > _WARM_UP:
                    handovers.add(seen - ends[-1])
                count += 1
                if count == len(names):
                    break
            await applying
    finally:
        await connection.close()
    return [
        Line("real node: run finished to the next pod, p50", "ms", handovers.median, budget=Budget.at_most(50)),
        Line("real node: run finished to the next pod, p99", "ms", handovers.p99),
    ]
