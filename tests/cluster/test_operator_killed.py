"""The operator is killed between every two of its writes; the next one goes on, and nothing happens twice."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from uuid import UUID

import pytest

from tests.cluster.rig.control_plane import ControlPlane
from tests.cluster.rig.kubectl import Kubectl
from tests.support.databases import Database
from tests.support.played_kubelet import PlayedKubelet, variable
from tests.support.protocol import Pod
from tests.support.running_operators import running_operator

TASK_RUN = {
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
