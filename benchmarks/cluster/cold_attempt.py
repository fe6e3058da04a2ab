"""From a TaskRun that is applied to the first line of its task, beside a bare pod of the same image."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from prometheus_client import CollectorRegistry

from benchmarks.budget import Budget
from benchmarks.cluster.measured_node import bare_pod, task_run
from benchmarks.line import Line
from benchmarks.programs.witness_call import PLACE
from benchmarks.samples import Samples
from holdfast_operator.api_client import api_client
from holdfast_operator.client_metrics import ClientMetrics
from holdfast_operator.kinds import PODS, TASK_RUNS
from holdfast_operator.kube import Kube
from tests.cluster.node_scene import NodeScene

Apply = Callable[[dict[str, Any]], Awaitable[object]]

_WARM_UP = 1
_BUDGET = Budget.times_floor(1.3)


async def measure(scene: NodeScene, samples: int) -> list[Line]:
    """Take turns, with ``kubectl apply`` and with a bare request, which takes a tenth of a second less."""
    client = await api_client(scene.kubectl.kubeconfig)
    async with Kube(client, ClientMetrics(CollectorRegistry(), "")) as kube:

        async def post(resource: dict[str, Any]) -> object:
            kind = PODS if resource["kind"] == PODS.name else TASK_RUNS
            return await kube.create(kind, scene.namespace, resource)

        ways: dict[str, Apply] = {"applied by kubectl": scene.kubectl.apply, "created by a request": post}
        runs, pods = {way: Samples() for way in ways}, {way: Samples() for way in ways}
        for number in range(samples + _WARM_UP):
            for place, (way, apply) in enumerate(ways.items()):
                if number == _WARM_UP:
                    runs[way].forget()
                    pods[way].forget()
                run, pod = f"run-{number}-{place}", f"bare-{number}-{place}"
                runs[way].add(await _seconds(scene, apply, task_run(scene, run, "first_line"), f"{run}-1"))
                pods[way].add(await _seconds(scene, apply, bare_pod(scene, pod, "benchmarks.programs.pod_floor"), pod))
    return [
        Line(f"TaskRun {way} to the first line of its task", "ms", runs[way].median, pods[way].median, _BUDGET)
        for way in ways
    ]


async def _seconds(scene: NodeScene, apply: Apply, resource: dict[str, Any], pod: str) -> float:
    async def arrival() -> float:
        report = await scene.witness.arrival(PLACE)
        assert report.run == pod, f"{report.run} arrived, and not {pod}"
        return time.perf_counter()

    began = time.perf_counter()
    arrived, _ = await asyncio.gather(arrival(), apply(resource))
    # The next one begins when the kubelet has done with this one.
    await scene.kubectl.until("pod", pod, lambda pod: pod.get("status", {}).get("phase") == "Succeeded")
    return arrived - began
