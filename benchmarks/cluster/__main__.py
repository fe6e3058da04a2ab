"""``python -m benchmarks.cluster``: measure the operator, print a table, write ``benchmarks/latest-cluster.json``.

Some benchmarks are on simulated nodes, with the operator as a process beside them; the others on the one real node of
this machine, where Holdfast is installed as its users install it.

Exit code 0 when every budget is kept, 1 when one is missed (unless ``--no-fail``).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.cluster import calm, cold_attempt, crowd, next_pod, node_next_pod, scale
from benchmarks.cluster.measured_node import installed, measured_node
from benchmarks.cluster.scene import Scene, fresh_scene
from benchmarks.line import Line
from benchmarks.report import report
from benchmarks.server import running_server
from benchmarks.table import render
from tests.cluster.node_scene import NodeScene
from tests.cluster.node_scene import fresh_scene as fresh_node_scene
from tests.cluster.rig import requirements
from tests.cluster.rig.control_plane import running_control_plane
from tests.cluster.rig.errors import Unavailable
from tests.cluster.rig.fake_nodes import FakeNodes, running_fake_nodes
from tests.cluster.rig.node import Node

_LATEST = Path(__file__).parents[1] / "latest-cluster.json"

_ON_FAKE_NODES: dict[str, Callable[[Scene, argparse.Namespace], Awaitable[list[Line]]]] = {
    "scale": lambda scene, given: scale.measure_lifecycles(scene, given.runs, given.concurrency),
    "memory": lambda scene, given: scale.measure_memory(scene, given.active),
    "next-pod": lambda scene, given: next_pod.measure(scene, given.handovers),
    "idle": lambda scene, given: calm.measure_idle(scene, given.idle_seconds),
    "failover": lambda scene, given: calm.measure_failover(scene),
}
_ON_THE_NODE: dict[str, Callable[[NodeScene, argparse.Namespace], Awaitable[list[Line]]]] = {
    "cold-attempt": lambda scene, given: cold_attempt.measure(scene, given.cold_attempts),
    "node-next-pod": lambda scene, given: node_next_pod.measure(scene, given.node_handovers),
    "crowd": lambda scene, given: crowd.measure(scene, given.crowd, given.rounds),
}
_BENCHMARKS = (*_ON_FAKE_NODES, *_ON_THE_NODE)


def main() -> None:
    """Measure what the arguments ask for."""
    given = _parser().parse_args()
    try:
        lines = _measure(given)
    except Unavailable as reason:
        sys.exit(f"{reason}. --only names the benchmarks that can run here")
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
    parser.add_argument("--cold-attempts", type=int, default=10, help="samples of `cold-attempt` (10)")
    parser.add_argument("--node-handovers", type=int, default=30, help="samples of `node-next-pod` (30)")
    parser.add_argument("--crowd", type=int, default=30, help="runs, Jobs and pods of `crowd` (30)")
    parser.add_argument("--rounds", type=int, default=10, help="how often each crowd of `crowd` comes (10)")
    parser.add_argument("--no-fail", action="store_true", help="exit with 0 when a budget is missed too")
    return parser


def _measure(given: argparse.Namespace) -> list[Line]:
    names = given.only or _BENCHMARKS
    on_fake_nodes = [name for name in _ON_FAKE_NODES if name in names]
    on_the_node = [name for name in _ON_THE_NODE if name in names]
    if on_the_node:
        requirements.check()  # before minutes are spent on the others
    lines: list[Line] = []
    if on_fake_nodes:
        with running_control_plane(controllers=True, scheduler=True) as plane, running_fake_nodes(plane) as nodes:
            lines += asyncio.run(_measure_on_fake_nodes(nodes, on_fake_nodes, given))
    if on_the_node:
        _say("Bringing up the node, as soon as nobody else has it, and building images")
        with measured_node() as node:
            lines += asyncio.run(_measure_on_the_node(node, on_the_node, given))
    return lines


async def _measure_on_fake_nodes(nodes: FakeNodes, names: Iterable[str], given: argparse.Namespace) -> list[Line]:
    lines: list[Line] = []
    for name in names:
        # Each has a database and a namespace of its own.
        async with running_server() as server:
            with _told(name), fresh_scene(nodes, server.dsn, server.runner_dsn) as scene:
                lines += await _ON_FAKE_NODES[name](scene, given)
    return lines


async def _measure_on_the_node(node: Node, names: Iterable[str], given: argparse.Namespace) -> list[Line]:
    lines: list[Line] = []
    async with installed(node) as installation:
        for name in names:
            async with fresh_node_scene(installation) as scene:
                with _told(name):
                    lines += await _ON_THE_NODE[name](scene, given)
    return lines


@contextmanager
def _told(name: str) -> Iterator[None]:
    """Say what is measured, how busy the machine is, and how long it took."""
    _say(f"{name} (load {os.getloadavg()[0]:.1f})")
    began = time.monotonic()
    yield
    _say(f"{time.monotonic() - began:.1f} s")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
