"""The real node with Holdfast installed as its users install it, and the image that is measured."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from tests.cluster.installation import ROOT, SYSTEM, VERSION, Installation, build_images, install
from tests.cluster.node_scene import NodeScene
from tests.cluster.rig.node import Node, running_node

IMAGE = f"holdfast-benchmark:{VERSION}"
DATABASE = "HOLDFAST_DATABASE"
_SECRET = {"name": "holdfast-runner", "key": "dsn"}
_QUEUE = "default"


@contextmanager
def measured_node() -> Iterator[Node]:
    """The node with the images of this checkout.

    Raises:
        Unavailable: this machine lacks something that the node needs.
    """
    with running_node() as node:
        build_images(node.images, "holdfast-runner", "holdfast-operator", "holdfast-test-postgres")
        node.images.build_now(ROOT / "benchmarks/cluster/Dockerfile", ROOT / "benchmarks", IMAGE)
        yield node


@asynccontextmanager
async def installed(node: Node) -> AsyncIterator[Installation]:
    """Holdfast, for the time of the context."""
    await install(node.kubectl)
    try:
        yield Installation(node)
    finally:
        await node.kubectl("delete", "namespace", SYSTEM, "--wait=false")


def task_run(scene: NodeScene, name: str, task: str) -> dict[str, Any]:
    """A TaskRun of one of the tasks in `benchmarks.programs.pod_tasks`."""
    inline = {
        "image": IMAGE,
        "entrypoint": f"benchmarks.programs.pod_tasks:{task}",
        "env": [{"name": "WITNESS", "value": scene.witness.address}],
    }
    return {
        "apiVersion": "holdfast.dev/v1alpha1",
        "kind": "TaskRun",
        "metadata": {"name": name},
        "spec": {"task": inline, "queueName": _QUEUE},
    }


def bare_pod(scene: NodeScene, name: str, module: str) -> dict[str, Any]:
    """A pod of the same image that runs another program, and is made as lean as a pod of ours."""
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": bare_pod_spec(scene, module)}


def bare_pod_spec(scene: NodeScene, module: str) -> dict[str, Any]:
    """No token is mounted: a volume would cost a third of a second."""
    env: Sequence[Mapping[str, Any]] = [
        {"name": DATABASE, "valueFrom": {"secretKeyRef": _SECRET}},
        {"name": "WITNESS", "value": scene.witness.address},
    ]
    container = {"name": "bare", "image": IMAGE, "command": ["python", "-m", module], "env": env}
    return {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "containers": [container],
    }


async def define_queue(scene: NodeScene, concurrency: int) -> None:
    """Apply the queue of all runs, and wait until the operator has taken note."""
    queue = {
        "apiVersion": "holdfast.dev/v1alpha1",
        "kind": "TaskQueue",
        "metadata": {"name": _QUEUE},
        "spec": {"concurrency": concurrency},
    }
    await scene.kubectl.apply(queue)
    await scene.kubectl.until("taskqueue", _QUEUE, lambda queue: bool(queue.get("status", {}).get("conditions")))
