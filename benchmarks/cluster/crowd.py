"""Many runs of one step at once, beside as many Jobs and bare pods of the same image."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from benchmarks.budget import Budget
from benchmarks.cluster.measured_node import bare_pod, bare_pod_spec, define_queue, task_run
from benchmarks.cluster.watching import changes
from benchmarks.line import Line
from benchmarks.samples import Samples
from holdfast_operator.kinds import PODS, TASK_RUNS, Kind, Object
from tests.cluster.node_scene import NodeScene

JOBS = Kind("batch", "v1", "jobs", "Job")
_FLOOR = "benchmarks.programs.read_row"


@dataclass(frozen=True)
class Crowd:
    """Objects of one kind.

    Attributes:
        kind: of all of them.
        make: one of that name.
        has_succeeded: whether people are told that it has.
    """

    kind: Kind
    make: Callable[[str], dict[str, Any]]
    has_succeeded: Callable[[Object], bool]


async def measure(scene: NodeScene, size: int, rounds: int) -> list[Line]:
    """Take turns, another crowd first each time; it is applied at once, and over when the last of it has succeeded."""
    await define_queue(scene, concurrency=size)
    crowds = {
        "runs": Crowd(TASK_RUNS, lambda name: task_run(scene, name, "one_step"), _has_condition("Succeeded")),
        "Jobs": Crowd(JOBS, lambda name: _job(scene, name), _has_condition("Complete")),
        "pods": Crowd(PODS, lambda name: bare_pod(scene, name, _FLOOR), lambda pod: _phase(pod) == "Succeeded"),
    }
    took = {what: Samples() for what in crowds}
    for number in range(rounds):
        for place in range(len(crowds)):
            what, crowd = list(crowds.items())[(number + place) % len(crowds)]
            took[what].add(await _seconds(scene, crowd, [f"{what.lower()}-{number}-{one}" for one in range(size)]))
    seconds = {what: samples.median / 1000 for what, samples in took.items()}
    return [
        Line(
            f"{size} runs of one step, beside as many Jobs",
            "s",
            seconds["runs"],
            seconds["Jobs"],
            Budget.times_floor(1.0),
        ),
        Line(f"  {size} Jobs, beside as many bare pods", "s", seconds["Jobs"], seconds["pods"]),
        Line(f"  {size} bare pods", "s", seconds["pods"]),
    ]


async def _seconds(scene: NodeScene, crowd: Crowd, names: Iterable[str]) -> float:
    objects = [crowd.make(name) for name in names]
    left = {each["metadata"]["name"] for each in objects}
    watch = changes(scene.kubectl.kubeconfig, crowd.kind, scene.namespace)
    async with aclosing(watch):
        began = time.perf_counter()
        applying = asyncio.create_task(scene.kubectl.apply(*objects))
        async for _, each in watch:
            if crowd.has_succeeded(each):
                left.discard(each["metadata"]["name"])
                if not left:
                    break
        took = time.perf_counter() - began
        await applying
    await scene.kubectl("delete", crowd.kind.plural, "--all", "--timeout=120s")
    await scene.kubectl("delete", "pods", "--all", "--timeout=120s")
    return took


def _job(scene: NodeScene, name: str) -> dict[str, Any]:
    template = {"spec": bare_pod_spec(scene, _FLOOR)}
    spec = {"backoffLimit": 0, "template": template}
    return {"apiVersion": JOBS.api_version, "kind": JOBS.name, "metadata": {"name": name}, "spec": spec}


def _has_condition(type: str) -> Callable[[Object], bool]:
    def has_it(resource: Object) -> bool:
        conditions = resource.get("status", {}).get("conditions") or ()
        return any(each["type"] == type and each["status"] == "True" for each in conditions)

    return has_it


def _phase(pod: Object) -> str:
    return str(pod.get("status", {}).get("phase", ""))
