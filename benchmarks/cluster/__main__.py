"""``python -m benchmarks.cluster``: measure the operator, print a table, write ``benchmarks/latest-cluster.json``.

Exit code 0 when every budget is kept, 1 when one is missed (unless ``--no-fail``).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from benchmarks.cluster import calm, next_pod, scale
from benchmarks.cluster.scene import Scene, fresh_scene
from benchmarks.line import Line
from benchmarks.report import report
from benchmarks.server import running_server
from benchmarks.table import render
from tests.cluster.rig.control_plane import running_control_plane
from tests.cluster.rig.fake_nodes import FakeNodes, running_fake_nodes

_LATEST = Path(__file__).parents[1] / "latest-cluster.json"

Benchmark = Callable[[Scene, argparse.Namespace], Awaitable[list[Line]]]

_BENCHMARKS: dict[str, Benchmark] = {
    "scale": lambda scene, given: scale.measure_lifecycles(scene, given.runs, given.concurrency),
    "memory": lambda scene, given: scale.measure_memory(scene, given.active),
    "next-pod": lambda scene, given: next_pod.measure(scene, given.handovers),
    "idle": lambda scene, given: calm.measure_idle(scene, given.idle_seconds),
    "failover": lambda scene, given: calm.measure_failover(scene),
}


def main() -> None:
    """Measure what the arguments ask for."""
    given = _parser().parse_args()
    lines = _measure(given)
    _LATEST.write_text(json.dumps(report(lines, is_quick=False), indent=2, ensure_ascii=False) + "\n")
    print(render(lines))
    missed = [line.what for line in lines if not line.is_ok]
    if missed and not given.no_fail:
        sys.exit(f"Over budget: {'; '.join(missed)}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cluster", description="What the operator costs.")
    parser.add_argument("--only", action="append", choices=_BENCHMARKS, help="only this benchmark (may be repeated)")
    parser.add_argument("--runs", type=int, default=10_000, help="runs of `scale` (10,000)")
    parser.add_argument("--concurrency", type=int, default=10, help="slots of its queue (10)")
    parser.add_argument("--active", type=int, default=5000, help="active runs of `memory` (5,000)")
    parser.add_argument("--handovers", type=int, default=100, help="samples of `next-pod` (100)")
    parser.add_argument("--idle-seconds", type=float, default=30.0, help="how long `idle` looks (30)")
    parser.add_argument("--no-fail", action="store_true", help="exit with 0 when a budget is missed too")
    return parser


def _measure(given: argparse.Namespace) -> list[Line]:
    with running_control_plane(controllers=True, scheduler=True) as plane, running_fake_nodes(plane) as nodes:
        return asyncio.run(_measure_on(nodes, given))


async def _measure_on(nodes: FakeNodes, given: argparse.Namespace) -> list[Line]:
    lines: list[Line] = []
    names = given.only or list(_BENCHMARKS)
    for number, name in enumerate(names, start=1):
        _say(f"[{number}/{len(names)}] {name}")
        began = time.monotonic()
        # Each has a database and a namespace of its own.
        async with running_server() as server:
            with fresh_scene(nodes, server.dsn, server.runner_dsn) as scene:
                lines += await _BENCHMARKS[name](scene, given)
        _say(f"{time.monotonic() - began:.1f} s")
    return lines


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
