"""Runs through one operator on simulated nodes: processor time, writes and memory per run; none lost, none doubled."""

from __future__ import annotations

from benchmarks.budget import Budget
from benchmarks.cluster.bare_lives import bare_cpu_seconds
from benchmarks.cluster.census import running_census
from benchmarks.cluster.lifecycles import Lifecycles, apply_all, live
from benchmarks.cluster.process_cost import ProcessCost
from benchmarks.cluster.scene import Scene
from benchmarks.line import Line
from benchmarks.statements import statement

_MOST_BARE_RUNS = 500


async def measure_lifecycles(scene: Scene, runs: int, concurrency: int) -> list[Line]:
    """All runs at once, through a queue with few slots; the floor is measured before and after them."""
    bare_runs = min(runs, _MOST_BARE_RUNS)
    bare_seconds = await bare_cpu_seconds(scene, bare_runs, concurrency)
    lived = await live(scene, runs, concurrency)
    bare_seconds += await bare_cpu_seconds(scene, bare_runs, concurrency)
    return lines_of(lived, concurrency, floor_ms=bare_seconds * 1000 / (2 * bare_runs))


def lines_of(lived: Lifecycles, concurrency: int, *, floor_ms: float) -> list[Line]:
    """What the table says of them."""
    what = f"{lived.runs:,} runs, concurrency {concurrency}"
    for problem in lived.problems[:10]:
        print(f"{what}: {problem}")
    cpu_ms = lived.cpu_seconds * 1000 / lived.runs
    cpu_budget = Budget.at_most(8, set_at_floor=6.3)
    return [
        Line(f"{what}: operator CPU per run; floor: bare kopf", "ms", cpu_ms, floor_ms, cpu_budget),
        Line("  API writes per run", "", lived.writes / lived.runs, budget=Budget.at_most(6)),
        Line("  runs through everything on this machine", "runs/s", lived.runs / lived.seconds),
        Line("  memory of the operator afterwards", "MB", lived.memory_megabytes),
        Line("  lost, doubled or left over", "", len(lived.problems), budget=Budget.at_most(0)),
    ]


async def measure_memory(scene: Scene, runs: int) -> list[Line]:
    """All runs active at the same time, with open attempts."""
    kubeconfig = scene.nodes.plane.kubeconfig
    async with scene.operator() as operator, running_census(kubeconfig, scene.namespace) as census:
        await operator.says("all watches are up")
        cost = ProcessCost(operator.process.pid)
        before = cost.memory_megabytes
        await scene.define(concurrency=runs)
        await apply_all(scene, [f"run-{number}" for number in range(runs)])
        await census.until_all(runs, "Starting")
        async with scene.connection() as connection:
            await connection.execute(statement("lengthen_leases"), scene.namespace)
        async with scene.runners(stay=True):
            await census.until_all(runs, "Running")
            return [
                Line(
                    f"memory of the operator with {runs:,} active runs",
                    "MB",
                    cost.memory_megabytes,
                    before,
                    Budget.at_most(150),
                ),
                Line("  its peak", "MB", cost.peak_memory_megabytes),
            ]
