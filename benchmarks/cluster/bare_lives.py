"""The floor of `lifecycles`: the same TaskRuns through a bare loop of kopf, on the same cluster."""

from __future__ import annotations

import asyncio
import json
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

from benchmarks.cluster.bare_loop import READY
from benchmarks.cluster.census import running_census
from benchmarks.cluster.lifecycles import apply_all
from benchmarks.cluster.process_cost import ProcessCost
from benchmarks.cluster.scene import QUEUE, TASK, Scene, fresh_scene, task_run
from holdfast_engine.launcher import AttemptId, Launch
from holdfast_operator.build.pod import PodSettings, build_pod
from holdfast_operator.kinds import Object

_ENDS_AT_ONCE = {"fake.test/run-for": "1ms"}


async def bare_cpu_seconds(scene: Scene, runs: int, concurrency: int) -> float:
    """Processor time of the bare loop for so many runs, in a namespace of their own."""
    with fresh_scene(scene.nodes, scene.dsn, scene.runner_dsn) as fresh:
        kubeconfig = fresh.nodes.plane.kubeconfig
        async with _loop(fresh, concurrency) as process, running_census(kubeconfig, fresh.namespace) as census:
            cost = ProcessCost(process.pid)
            before = cost.cpu_seconds
            await apply_all(fresh, [f"run-{number}" for number in range(runs)])
            await census.until_all(runs, "Succeeded")
            await census.until_no_pods()
            return cost.cpu_seconds - before


@asynccontextmanager
async def _loop(scene: Scene, concurrency: int) -> AsyncIterator[Process]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.cluster.bare_loop", "--kubeconfig", str(scene.nodes.plane.kubeconfig)),
        *("--namespace", scene.namespace, "--concurrency", str(concurrency), "--pod", json.dumps(_pod(scene))),
        stdout=PIPE,
    )
    assert process.stdout is not None
    try:
        assert (await process.stdout.readline()).decode().strip() == READY, "the bare loop ended"
        yield process
        assert process.returncode is None, "the bare loop ended"
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


def _pod(scene: Scene) -> Object:
    """The pod that the operator would make: as large, and on the same nodes."""
    launch = Launch(
        id=AttemptId(UUID(int=0), 1),
        namespace=scene.namespace,
        name="run",
        task=TASK,
        queue=QUEUE,
        entrypoint="shop:work",
        template={"image": "shop:1", "podTemplate": scene.pod_template(_ENDS_AT_ONCE)},
        token="0" * 64,
        database="",
        database_grace_seconds=300,
        shutdown_grace_seconds=25,
    )
    owner = task_run("run")
    return build_pod(launch, {**owner, "metadata": {"name": "run", "uid": ""}}, PodSettings(), queue_defaults={})
