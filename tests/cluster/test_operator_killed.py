"""The operator is killed between every two of its writes; the next one goes on, and nothing happens twice."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from typing import Any
from uuid import UUID

import pytest

from tests.cluster.rig.control_plane import ControlPlane
from tests.cluster.rig.kubectl import Kubectl
from tests.support.databases import Database
from tests.support.played_kubelet import PlayedKubelet, variable
from tests.support.protocol import Pod
from tests.support.running_operators import running_operator
from tests.support.task_run_scene import Scene

TASK_RUN: dict[str, Any] = {
    "apiVersion": "holdfast.dev/v1alpha1",
    "kind": "TaskRun",
    "metadata": {"name": "order-42"},
    "spec": {"task": {"image": "shop:1", "entrypoint": "shop:order"}},
}

POINTS = [
    "before:trigger_run:1",
    "after:trigger_run:1",
    "before:create:pods:1",
    "after:create:pods:1",
    "before:patch:taskruns/status:1",
    "after:patch:taskruns/status:1",
]


async def _killed_at(point: str, kubeconfig: str, database: str, namespace: str) -> None:
    """Run an operator of its own process until it dies at ``point``."""
    variables = {
        "KUBECONFIG": kubeconfig,
        "HOLDFAST_OPERATOR_DATABASE": database,
        "HOLDFAST_OPERATOR_NAMESPACES": namespace,
        "HOLDFAST_OPERATOR_LEASE_NAMESPACE": namespace,
        "HOLDFAST_OPERATOR_LEASE_NAME": "first",
        "HOLDFAST_OPERATOR_LISTEN": "127.0.0.1:0",
        "HOLDFAST_OPERATOR_POD_RETENTION_SECONDS": "0",
        "HOLDFAST_OPERATOR_FAULT": point,
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "holdfast_operator", env={**os.environ, **variables}
    )
    assert await process.wait() == -signal.SIGKILL


async def test_a_task_run_that_was_deleted_while_nobody_watched(
    api_server: ControlPlane, namespace: Kubectl, database: Database
) -> None:
    connection = await database.connect()
    here = str(namespace.namespace)
    states: asyncio.Queue[str] = asyncio.Queue()
    await connection.add_listener("holdfast", lambda *heard: states.put_nowait(str(heard[-1]).partition(" ")[0]))
    async with running_operator(api_server.kubeconfig, database.dsn, here, lease_name="first"):
        await namespace.apply(TASK_RUN)
        await namespace.until("pod", "order-42-1", lambda pod: True)
    await namespace("delete", "taskrun", "order-42")
    async with running_operator(api_server.kubeconfig, database.dsn, here, lease_name="second"):
        while await states.get() != "Canceled":
            pass


@pytest.mark.parametrize("point", POINTS)
async def test_the_next_operator_goes_on(
    api_server: ControlPlane, namespace: Kubectl, database: Database, point: str
) -> None:
    connection = await database.connect()
    here = str(namespace.namespace)
    await namespace.apply(TASK_RUN)
    await _killed_at(point, str(api_server.kubeconfig), database.dsn, here)
    async with running_operator(api_server.kubeconfig, database.dsn, here, lease_name="second"):
        pod = await namespace.until("pod", "order-42-1", lambda pod: True)
        await PlayedKubelet(namespace).starts("order-42-1")
        run_id = UUID(pod["metadata"]["annotations"]["holdfast.dev/run-id"])
        runner = Pod(connection, run_id, 1, variable(pod, "HOLDFAST_TOKEN"))
        await runner.open()
        await runner.finish()
        run = await namespace.until("taskrun", "order-42", lambda each: each["status"].get("phase") == "Succeeded")
    assert run["status"]["runID"] == str(run_id)
    assert run["status"]["attempt"] == 1
    assert await connection.fetchval("select count(*) from holdfast.runs") == 1
    assert len(await namespace.list_all("pods")) == 1


API = "holdfast.dev/v1alpha1"
TASK = {"apiVersion": API, "kind": "Task", "metadata": {"name": "process-order"}}
QUEUE = {"apiVersion": API, "kind": "TaskQueue", "metadata": {"name": "orders"}, "spec": {"concurrency": 1}}
TASK_SPEC = {"image": "shop:1", "entrypoint": "shop:order", "queueName": "orders"}
RUN_SPEC = {"taskRef": {"name": "process-order"}, "ttlSecondsAfterFinished": 3600}
TTL_IS_OVER = '{"spec": {"ttlSecondsAfterFinished": 0}}'

WHOLE_LIFE = [
    "after:put_queue:1",
    "after:put_task:1",
    "after:patch:taskqueues/status:1",
    "after:patch:tasks/status:1",
    "after:patch:taskruns/status:2",
    "after:create:events:1",
    "after:delete:pods:1",
    "before:delete:taskruns:1",
    "after:delete:taskruns:1",
]


async def _played(scene: Scene, pod: str) -> None:
    """The one attempt of a run, whichever operator made its pod."""
    await (await scene.runner(pod)).finish()
    await scene.kubelet.ends(pod, 0, "Completed")


async def _played_step_by_step(scene: Scene, pod: str) -> None:
    """The same, each step once the one before shows: so each of the operator's writes takes place."""
    await scene.until("Starting")
    runner = await scene.runner(pod)
    await scene.until("Running")
    await runner.finish()
    await scene.kubelet.ends(pod, 0, "Completed")
    await scene.until("Succeeded")
    await scene.kubectl("patch", "taskrun", "order-42", "--type=merge", "-p", TTL_IS_OVER)


@pytest.mark.parametrize("point", WHOLE_LIFE)
async def test_the_whole_life_goes_on(
    api_server: ControlPlane, namespace: Kubectl, database: Database, point: str
) -> None:
    here = str(namespace.namespace)
    scene = Scene(namespace, PlayedKubelet(namespace), await database.connect())
    await namespace.apply({**TASK, "spec": TASK_SPEC}, QUEUE, {**TASK_RUN, "spec": RUN_SPEC})
    playing = asyncio.create_task(_played_step_by_step(scene, "order-42-1"))
    await _killed_at(point, str(api_server.kubeconfig), database.dsn, here)
    async with running_operator(api_server.kubeconfig, database.dsn, here, lease_name="second"):
        await playing
        await namespace.until_gone("taskrun", "order-42")
        await namespace.until_gone("pod", "order-42-1")
    [run] = await scene.runs()
    assert (run["state"], run["attempt"], run["failures"], run["disruptions"]) == ("Succeeded", 1, 0, 0)


@pytest.mark.parametrize("point", ["before:create:taskruns:1", "after:create:taskruns:1", "after:bind_resource:1"])
async def test_a_run_from_code_gets_one_task_run(
    api_server: ControlPlane, namespace: Kubectl, database: Database, point: str
) -> None:
    here = str(namespace.namespace)
    scene = Scene(namespace, PlayedKubelet(namespace), await database.connect())
    await scene.connection.execute(
        "select holdfast.trigger_run($1, 'make_it', '{}', $2)",
        here,
        '{"name": "order-42", "entrypoint": "shop:order", "template": {"image": "shop:1"}}',
    )
    await _killed_at(point, str(api_server.kubeconfig), database.dsn, here)
    async with running_operator(api_server.kubeconfig, database.dsn, here, lease_name="second"):
        await _played(scene, "order-42-1")
        shown = await scene.until("Succeeded")
    [run] = await scene.runs()
    assert (run["state"], run["attempt"]) == ("Succeeded", 1)
    assert run["resource_uid"] == shown["metadata"]["uid"]
    assert len(await namespace.list_all("taskruns")) == 1


async def test_one_that_is_made_again_takes_the_name(
    api_server: ControlPlane, namespace: Kubectl, database: Database
) -> None:
    here = str(namespace.namespace)
    scene = Scene(namespace, PlayedKubelet(namespace), await database.connect())
    later = {**TASK_RUN, "spec": {**TASK_RUN["spec"], "startAfter": "2099-01-01T00:00:00Z"}}
    async with running_operator(api_server.kubeconfig, database.dsn, here, lease_name="zeroth"):
        await namespace.apply(later)
        await scene.until("Delayed")
    await namespace("delete", "taskrun", "order-42")
    await namespace.apply(later)
    await _killed_at("after:release_name:1", str(api_server.kubeconfig), database.dsn, here)
    async with running_operator(api_server.kubeconfig, database.dsn, here, lease_name="second"):
        [old, new] = await scene.until_rows([{"Canceled"}, {"Delayed"}])
        await scene.until("Delayed")
    assert (old["name"] != "order-42", new["name"]) == (True, "order-42")
