"""What surrounds the operator breaks: quotas, nodes, the API server, the database, a watch that misses something."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing

import pytest

from tests.cluster.rig.control_plane import ControlPlane, running_control_plane
from tests.cluster.rig.fake_nodes import FakeNodes
from tests.cluster.rig.kubectl import Kubectl
from tests.cluster.rig.namespace import fresh_namespace
from tests.support.databases import Database, Server
from tests.support.played_kubelet import PlayedKubelet
from tests.support.running_operators import running_operator
from tests.support.task_run_scene import Scene, condition

QUICK_RETRY = {"backoffSeconds": 1, "maxBackoffSeconds": 1}


@pytest.fixture
async def scene(api_server: ControlPlane, namespace: Kubectl, database: Database) -> AsyncIterator[Scene]:
    connection = await database.connect()
    async with running_operator(api_server.kubeconfig, database.dsn, str(namespace.namespace)):
        yield Scene(namespace, PlayedKubelet(namespace), connection)


@pytest.fixture
def plane_to_break() -> Iterator[ControlPlane]:
    with running_control_plane(controllers=True) as plane:
        yield plane


def quota(pods: int) -> dict[str, object]:
    return {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "few"},
        "spec": {"hard": {"pods": str(pods)}},
    }


async def test_a_quota_that_is_used_up_is_told_and_holds_up_no_other_namespace(
    api_server: ControlPlane, namespace: Kubectl, database: Database
) -> None:
    connection = await database.connect()
    with fresh_namespace(api_server.kubectl) as elsewhere:
        both = (str(namespace.namespace), str(elsewhere.namespace))
        async with running_operator(api_server.kubeconfig, database.dsn, both[0], namespaces=both):
            full = Scene(namespace, PlayedKubelet(namespace), connection)
            other = Scene(elsewhere, PlayedKubelet(elsewhere), connection)
            await namespace.apply(quota(0))
            await namespace.until("resourcequota", "few", lambda each: "hard" in each.get("status", {}))
            await full.apply(task={"image": "shop:1", "entrypoint": "shop:order", "retry": QUICK_RETRY})
            run = await namespace.until("taskrun", "order-42", lambda run: "exceeded quota" in str(condition(run)))
            assert condition(run)["status"] == "Unknown"
            async with aclosing(namespace.watch("events.events.k8s.io")) as events:
                async for _, event in events:
                    if event["reason"] == "AttemptLost" and "exceeded quota" in event["note"]:
                        break
            await other.apply()
            await (await other.runner("order-42-1")).finish()
            await other.until("Succeeded")
            await namespace.apply(quota(5))
            attempts = await connection.fetchval("select attempt from holdfast.runs where namespace = $1", both[0])
            async with aclosing(namespace.watch("pods")) as pods:
                async for _, pod in pods:
                    name = pod["metadata"]["name"]
                    break
            assert int(name.rpartition("-")[2]) >= attempts
            await (await full.runner(name)).finish()
            run = await full.until("Succeeded")
            assert (run["status"]["failures"], run["status"]["disruptions"]) == (0, 0), "nobody's code failed"


async def test_a_lost_node_is_a_disruption(fake_nodes: FakeNodes, namespace: Kubectl, database: Database) -> None:
    connection = await database.connect()
    here = str(namespace.namespace)
    async with running_operator(fake_nodes.plane.kubeconfig, database.dsn, here):
        scene = Scene(namespace, PlayedKubelet(namespace), connection)
        container = {"name": "attempt", "image": "shop:1"}
        template = {"spec": {**fake_nodes.placement(), "containers": [container]}}
        task = {"image": "shop:1", "entrypoint": "shop:order", "retry": QUICK_RETRY, "podTemplate": template}
        # a toleration of nothing, so that the node is given up at once
        template["spec"]["tolerations"] += [
            {"key": f"node.kubernetes.io/{key}", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 0}
            for key in ("not-ready", "unreachable")
        ]
        await scene.apply(task=task)
        pod = await namespace.until("pod", "order-42-1", lambda pod: pod["status"]["phase"] == "Running")
        await scene.opened(pod)
        node = pod["spec"]["nodeName"]
        await fake_nodes.lose(node)
        try:
            await namespace.until("pod", "order-42-1", lambda pod: "deletionTimestamp" in pod["metadata"])
            await scene.kubelet.lets_go("order-42-1")  # as the garbage collection of pods does
            pod = await namespace.until("pod", "order-42-2", lambda pod: pod["status"]["phase"] == "Running")
            assert pod["spec"]["nodeName"] != node
            await (await scene.opened(pod)).finish()
            run = await scene.until("Succeeded")
        finally:
            await fake_nodes.find(node)
    [lost, _] = run["status"]["attempts"]
    assert (lost["failureClass"], lost["reason"]) == ("Disruption", "NodeTainted")


async def test_the_api_server_is_restarted_in_mid_run(plane_to_break: ControlPlane, database: Database) -> None:
    connection = await database.connect()
    with fresh_namespace(plane_to_break.kubectl) as namespace:
        scene = Scene(namespace, PlayedKubelet(namespace), connection)
        # Nobody would start this operator again, had it to give up its Lease meanwhile.
        async with running_operator(
            plane_to_break.kubeconfig, database.dsn, str(namespace.namespace), lease_seconds=600
        ):
            await scene.apply()
            await scene.apply("order-43")
            first = await scene.runner("order-42-1")
            second = await scene.runner("order-43-1")
            await asyncio.to_thread(plane_to_break.api_server.kill)
            await first.finish()
            await asyncio.to_thread(plane_to_break.start, controllers=True)
            await scene.until("Succeeded")
            await second.finish()
            await scene.until("Succeeded", "order-43")
    assert [(row["state"], row["attempt"]) for row in await scene.runs()] == [("Succeeded", 1)] * 2


async def test_the_database_is_restarted_in_mid_run(
    api_server: ControlPlane, namespace: Kubectl, private_server: Server
) -> None:
    async with private_server.database() as database:
        here = str(namespace.namespace)
        async with running_operator(api_server.kubeconfig, database.dsn, here):
            before = Scene(namespace, PlayedKubelet(namespace), await database.connect())
            await before.apply()
            runner = await before.runner("order-42-1")
            await private_server.postgres.stop()
            await before.apply("order-43")
            await private_server.postgres.start()
            scene = Scene(namespace, PlayedKubelet(namespace), await database.connect())
            await runner.on(scene.connection).finish()
            await scene.until("Succeeded")
            await (await scene.runner("order-43-1")).finish()
            await scene.until("Succeeded", "order-43")
        assert [(row["state"], row["attempt"]) for row in await scene.runs()] == [("Succeeded", 1)] * 2
