"""From the commit of a run's end until the pod of the next one in the queue is seen."""

from __future__ import annotations

import asyncio
import secrets
import time
from contextlib import aclosing
from uuid import UUID

from benchmarks.budget import Budget
from benchmarks.cluster.lifecycles import apply_all
from benchmarks.cluster.scene import Scene
from benchmarks.cluster.watching import changes
from benchmarks.line import Line
from benchmarks.samples import Samples
from holdfast.contract import labels
from holdfast.contract.environment import ATTEMPT, RUN_ID, TOKEN
from holdfast.protocol.client import AttemptClient
from holdfast.protocol.messages import AttemptOutcome, Ending, Identity
from holdfast.protocol.shared import SharedConnections
from holdfast_operator.kinds import PODS, Object

_WARM_UP = 5


async def measure(scene: Scene, runs: int) -> list[Line]:
    """A queue with one slot; nobody waits for the kubelet to notice the end of a container."""
    handovers = Samples()
    async with scene.operator(pod_retention_seconds="3600") as operator:
        await operator.says("all watches are up")
        await scene.define(concurrency=1)
        database = SharedConnections(scene.runner_dsn, 1)
        watch = changes(scene.nodes.plane.kubeconfig, PODS, scene.namespace, labels=labels.RUN)
        async with aclosing(watch) as pods:
            applying = asyncio.create_task(apply_all(scene, [f"run-{number}" for number in range(runs + _WARM_UP)]))
            ended, number = 0.0, 0
            async for happened, pod in pods:
                if happened != "ADDED":
                    continue
                if number > _WARM_UP:
                    handovers.add(time.perf_counter() - ended)
                await applying  # all others wait in the queue
                number += 1
                await _finish(pod, database)
                ended = time.perf_counter()
                if number == runs + _WARM_UP:
                    break
        await database.close()
    return [
        Line("run finished to the next pod of its queue, p50", "ms", handovers.median, budget=Budget.at_most(50)),
        Line("run finished to the next pod of its queue, p99", "ms", handovers.p99),
    ]


async def _finish(pod: Object, database: SharedConnections) -> None:
    variables = {each["name"]: each.get("value", "") for each in pod["spec"]["containers"][0]["env"]}
    identity = Identity(UUID(variables[RUN_ID]), int(variables[ATTEMPT]), secrets.token_bytes(32))
    attempt = AttemptClient(database, identity)
    await attempt.open(variables[TOKEN], '{"python": "3.11"}')
    await attempt.finish(Ending(AttemptOutcome.SUCCEEDED, value='"done"'))
