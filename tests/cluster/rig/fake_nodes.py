"""Simulated nodes: kwok plays the kubelet, so that thousands of pods cost no more than their writes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property

from tests.cluster.rig import programs
from tests.cluster.rig.addresses import SIMULATED_POD_RANGE
from tests.cluster.rig.control_plane import ControlPlane
from tests.cluster.rig.daemon import Daemon
from tests.cluster.rig.directory import HERE, program
from tests.cluster.rig.kubectl import Object

TAINT = {"key": "kwok.x-k8s.io/node", "value": "fake", "effect": "NoSchedule"}
LABEL = {"type": "kwok"}
LEASE_SECONDS = 40


@dataclass(frozen=True)
class FakeNodes:
    """Simulated nodes of a control plane, which needs its scheduler.

    A pod gets there by `placement()`; the annotations of `stages.yaml` say how it ends.
    """

    plane: ControlPlane

    def start(self, count: int = 10) -> None:
        """Start kwok and wait for `count` nodes, `fake-1` and up, to be ready."""
        programs.build("kwok")
        self.kwok.start()
        nodes = {"apiVersion": "v1", "kind": "List", "items": [_node(f"fake-{i}") for i in range(1, count + 1)]}
        self.plane.kubectl.run("apply", "-f", "-", stdin=json.dumps(nodes))
        self.plane.kubectl.run("wait", "--for=condition=Ready", "node", "-l", "type=kwok", "--timeout=120s")

    def stop(self) -> None:
        """Stop kwok; its nodes go silent."""
        self.kwok.stop()

    def placement(self) -> Object:
        """What a pod's spec needs to run on a simulated node, and only there."""
        return {"nodeSelector": LABEL, "tolerations": [{**TAINT, "operator": "Equal"}]}

    async def lose(self, name: str) -> None:
        """Mark the node as not ready and unreachable, as the node controller does when a kubelet went silent.

        Its pods are evicted when their tolerations of `node.kubernetes.io/unreachable` end.
        """
        await self._ignore(name)
        condition = {"type": "Ready", "status": "Unknown", "reason": "NodeStatusUnknown", "message": "made silent"}
        await self._patch(name, {"status": {"conditions": [condition]}}, "--subresource=status")

    async def find(self, name: str) -> None:
        """Let a lost node be ready again."""
        condition = {"type": "Ready", "status": "False", "reason": "KubeletNotReady", "message": "found again"}
        await self._patch(name, {"metadata": {"annotations": {"kwok.x-k8s.io/node": "fake"}}})
        await self._patch(name, {"status": {"conditions": [condition]}}, "--subresource=status")
        await self.plane.kubectl("wait", "--for=condition=Ready", f"node/{name}", "--timeout=60s")

    @cached_property
    def kwok(self) -> Daemon:
        """The process that plays all kubelets. Its pods' addresses lie where nothing answers."""
        return Daemon(
            "kwok",
            [
                program("kwok"),
                *("--kubeconfig", self.plane.kubeconfig, "--config", HERE / "stages.yaml"),
                *("--manage-all-nodes=false", "--manage-nodes-with-label-selector="),
                "--manage-nodes-with-annotation-selector=kwok.x-k8s.io/node=fake",
                *("--node-lease-duration-seconds", str(LEASE_SECONDS), "--cidr", SIMULATED_POD_RANGE),
                *("--node-ip", "127.0.0.1", "--server-address", ""),
            ],
            self.plane.directory,
            outlives_us=self.plane.outlives_us,
        )

    async def _ignore(self, name: str) -> None:
        """Take the node from kwok, so that nobody renews its lease."""
        await self._patch(name, {"metadata": {"annotations": {"kwok.x-k8s.io/node": "lost"}}})

    async def _patch(self, name: str, patch: Object, *options: str) -> None:
        await self.plane.kubectl("patch", "node", name, *options, "--type=strategic", "-p", json.dumps(patch))


def _node(name: str) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "annotations": {"kwok.x-k8s.io/node": "fake", "node.alpha.kubernetes.io/ttl": "0"},
            "labels": {
                **LABEL,
                "kubernetes.io/hostname": name,
                "kubernetes.io/os": "linux",
                "kubernetes.io/arch": "amd64",
            },
        },
        "spec": {"taints": [TAINT]},
    }


@contextmanager
def running_fake_nodes(plane: ControlPlane, count: int = 10) -> Iterator[FakeNodes]:
    """Simulated nodes beside a control plane; kwok ends afterwards."""
    nodes = FakeNodes(plane)
    try:
        nodes.start(count)
        yield nodes
    finally:
        nodes.stop()
