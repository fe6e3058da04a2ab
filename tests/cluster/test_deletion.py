"""A TaskRun is deleted in every phase, and made again under the same name at once: another run, and one pod each."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.cluster.rig.control_plane import ControlPlane
from tests.cluster.rig.kubectl import Kubectl
from tests.support.databases import Database
from tests.support.played_kubelet import PlayedKubelet
from tests.support.running_operators import running_operator
from tests.support.task_run_scene import Scene

PAUSED = {
    "apiVersion": "holdfast.dev/v1alpha1",
    "kind": "TaskQueue",
    "metadata": {"name": "paused"},
    "spec": {"concurrency": 1, "paused": True},
}
LATER = {"startAfter": "2099-01-01T00:00:00Z"}
SLOW_RETRY = {
    "image": "shop:1",
    "entrypoint": "shop:order",
    "retry": {"backoffSeconds": 3600, "maxBackoffSeconds": 3600},
}


@pytest.fixture
async def scene(api_server: ControlPlane, namespace: Kubectl, database: Database) -> AsyncIterator[Scene]:
    connection = await database.connect()
    async with running_operator(api_server.kubeconfig, database.dsn, str(namespace.namespace)):
        yield Scene(namespace, PlayedKubelet(namespace), connection)


async def bring_to(scene: Scene, phase: str) -> None:
    """Apply a TaskRun and let it come to that phase."""
    match phase:
        case "Queued":
            await scene.kubectl.apply(PAUSED)
            await scene.kubectl.until("taskqueue", "paused", lambda queue: "conditions" in queue.get("status", {}))
            await scene.apply(queueName="paused")
        case "Suspended":
            await scene.apply(suspend=True)
        case "Starting":
            await scene.apply()
            await scene.pod("order-42-1")
        case "Backoff":
            await scene.apply(task=SLOW_RETRY)
            await (await scene.runner("order-42-1")).finish("Failed")
        case _:
            await scene.apply()
            runner = await scene.runner("order-42-1")
            if phase == "Waiting":
                await runner.park()
            elif phase == "Succeeded":
                await runner.finish()
            elif phase == "Canceling":
                await scene.kubectl("patch", "taskrun", "order-42", "--type=merge", "-p", '{"spec": {"cancel": true}}')
    await scene.until_row(phase)


@pytest.mark.parametrize(
    "phase", ["Queued", "Starting", "Running", "Backoff", "Waiting", "Suspended", "Canceling", "Succeeded"]
)
async def test_one_that_is_made_again_at_once_is_another_run(scene: Scene, phase: str) -> None:
    await bring_to(scene, phase)
    await scene.kubectl("delete", "taskrun", "order-42", "--wait=false")
    await scene.apply(**LATER)
    ending = "Succeeded" if phase == "Succeeded" else "Canceling" if phase in ("Running", "Canceling") else "Canceled"
    [old, new] = await scene.until_rows([{ending, "Canceled"}, {"Delayed"}])
    await scene.until("Delayed")
    again = await scene.kubectl.get("taskrun", "order-42")
    assert (new["name"], new["resource_uid"]) == ("order-42", again["metadata"]["uid"])
    assert old["name"] != "order-42"
    assert again["status"]["runID"] == str(new["id"])
    await scene.kubectl.until_gone("pod", "order-42-1")
