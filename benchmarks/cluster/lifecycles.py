"""Many runs through one operator: what each costs it, and that none is lost and none is there twice."""

from __future__ import annotations

import asyncio
import re
import time
from dataclasses import dataclass

from prometheus_client import CollectorRegistry

from benchmarks.cluster.census import Census, running_census
from benchmarks.cluster.process_cost import ProcessCost
from benchmarks.cluster.scene import Scene, task_run
from benchmarks.statements import statement
from holdfast_operator.api_client import api_client
from holdfast_operator.client_metrics import ClientMetrics
from holdfast_operator.kinds import TASK_RUNS
from holdfast_operator.kube import Kube
from tests.support.operator_process import OperatorProcess

APPLIED_AT_ONCE = 16
_REQUESTS = re.compile(r'^rest_client_requests_total\{.*method="(POST|PATCH|PUT|DELETE)".*\} (\S+)$', re.MULTILINE)


@dataclass(frozen=True)
class Lifecycles:
    """What came out.

    Attributes:
        runs: how many there were.
        seconds: from the first that was applied until the last pod was gone.
        cpu_seconds: of the operator meanwhile.
        writes: requests of the operator that change something, meanwhile.
        memory_megabytes: of the operator afterwards.
        peak_memory_megabytes: the most it ever held.
        problems: what was lost, doubled or left over, in words; nothing is well.
    """

    runs: int
    seconds: float
    cpu_seconds: float
    writes: int
    memory_megabytes: float
    peak_memory_megabytes: float
    problems: list[str]


async def live(scene: Scene, runs: int, concurrency: int) -> Lifecycles:
    """Apply so many TaskRuns at once, and wait for their end."""
    names = [f"run-{number}" for number in range(runs)]
    kubeconfig = scene.nodes.plane.kubeconfig
    async with scene.operator() as operator, scene.runners(), running_census(kubeconfig, scene.namespace) as census:
        await operator.says("all watches are up")
        await scene.define(concurrency)
        cost = ProcessCost(operator.process.pid)
        cpu_seconds, writes, began = cost.cpu_seconds, await _writes(operator), time.monotonic()
        await apply_all(scene, names)
        await census.until_all(runs, "Succeeded")
        await census.until_no_pods()
        return Lifecycles(
            runs=runs,
            seconds=time.monotonic() - began,
            cpu_seconds=cost.cpu_seconds - cpu_seconds,
            writes=await _writes(operator) - writes,
            memory_megabytes=cost.memory_megabytes,
            peak_memory_megabytes=cost.peak_memory_megabytes,
            problems=await _problems(scene, names, census),
        )


async def apply_all(scene: Scene, names: list[str]) -> None:
    """Create a TaskRun of each name, some at the same time."""
    client = await api_client(scene.nodes.plane.kubeconfig)
    left = iter(names)
    async with Kube(client, ClientMetrics(CollectorRegistry(), "")) as kube:

        async def create() -> None:
            for name in left:
                await kube.create(TASK_RUNS, scene.namespace, task_run(name))

        await asyncio.gather(*(create() for _ in range(APPLIED_AT_ONCE)))


async def _writes(operator: OperatorProcess) -> int:
    _, text = await operator.get("/metrics")
    return sum(int(float(count)) for _, count in _REQUESTS.findall(text))


async def _problems(scene: Scene, names: list[str], census: Census) -> list[str]:
    """Compare what was applied with what the database and the API server say became of it."""
    async with scene.connection() as connection:
        rows = await connection.fetch(statement("read_lived_runs"), scene.namespace)
    problems = []
    if sorted(row["name"] for row in rows) != sorted(names):
        problems.append(f"{len(rows)} rows for {len(names)} TaskRuns")
    problems += [f"run {row['name']} is {row['state']}" for row in rows if row["state"] != "Succeeded"]
    problems += [f"run {row['name']} had {row['attempt']} attempts" for row in rows if row["attempt"] != 1]
    problems += [f"run {name} had {census.pods_made[name]} pods" for name in names if census.pods_made[name] != 1]
    problems += [f"the pod {uid} is left over" for uid in census.pods_there]
    return problems
