"""The leader is killed while it makes pods; the other replica goes on, and nothing is launched twice."""

from __future__ import annotations

import signal

from tests.cluster.rig.control_plane import ControlPlane
from tests.cluster.rig.kubectl import Kubectl
from tests.support.databases import Database
from tests.support.kube_clients import task_run
from tests.support.operator_process import running_operator

SLOTS = 10
"""Of a queue that nobody defined."""


async def test_a_leader_dies_in_the_middle_of_a_batch(
    api_server: ControlPlane, namespace: Kubectl, database: Database
) -> None:
    here = str(namespace.namespace)
    settings = {"namespaces": here, "lease_namespace": here, "lease_seconds": "12", "lease_renew_seconds": "1"}
    names = [f"run-{number}" for number in range(SLOTS)]
    connection = await database.connect()
    async with running_operator(
        api_server.kubeconfig, database.dsn, "one", fault="after:create:pods:4", **settings
    ) as first:
        await first.says("one leads")
        async with running_operator(api_server.kubeconfig, database.dsn, "two", **settings) as second:
            await second.says("standing by: one leads")
            await namespace.apply(*(task_run(name) for name in names))
            assert await first.end() == -signal.SIGKILL
            await second.says("two leads")
            for name in names:
                await namespace.until("pods", f"{name}-1", lambda pod: True)
            assert len(await namespace.list_all("pods")) == SLOTS
    rows = await connection.fetch("select state, attempt, disruptions, failures from holdfast.runs")
    assert [tuple(row) for row in rows] == [("Starting", 1, 0, 0)] * SLOTS
