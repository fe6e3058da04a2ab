"""The launcher of pods on a real API server: what another leader did at the last moment is found."""

from __future__ import annotations

from holdfast.contract import labels
from holdfast_engine.database import EngineDatabase
from holdfast_engine.launches import Launches
from holdfast_engine.services.adoption import Adoption
from holdfast_operator.apply.task_run_of_run import TaskRunOfRun
from holdfast_operator.build.pod import PodSettings
from holdfast_operator.pod_launcher import PodLauncher
from holdfast_operator.rows import TaskRunRows
from holdfast_operator.run_index import RunIndex
from holdfast_operator.store import Store
from tests.cluster.rig.control_plane import ControlPlane
from tests.cluster.rig.kubectl import Kubectl
from tests.support.databases import Database
from tests.support.kube_clients import connected, pod

LAUNCHES = Launches(database="", database_grace_seconds=1, shutdown_grace_seconds=1)


async def test_the_last_pod_of_an_earlier_leader_is_not_lost(
    api_server: ControlPlane, namespace: Kubectl, database: Database
) -> None:
    here = str(namespace.namespace)
    connection = await database.connect()
    engine_database, rows, store = EngineDatabase(database.dsn), TaskRunRows(database.dsn), Store()
    await engine_database.open()
    await rows.open()
    async with connected(api_server.kubeconfig) as kube:
        owners = TaskRunOfRun(kube, store, rows, RunIndex())
        launcher = PodLauncher(kube, store, rows, owners, PodSettings(), namespaces=[here])
        await launcher.start(lambda: None)
        adoption = Adoption(engine_database, launcher, LAUNCHES)

        # no watch has told of this pod when its row is read
        options = '{"name": "order-42", "entrypoint": "shop:order", "template": {"image": "shop:1"}}'
        run_id = await connection.fetchval(
            "select run_id from holdfast.trigger_run($1, 'order', '{}', $2)", here, options
        )
        await connection.fetch("select * from holdfast.admit_runs(array[''], $1, 10)", launcher.name)
        body = pod("order-42-1", {labels.RUN: "order-42", labels.ATTEMPT: "1"})
        body["metadata"]["annotations"] = {labels.RUN_ID: str(run_id)}
        await namespace.apply(body)
        await connection.execute("update holdfast.attempts set launched_at = now()")

        await adoption.run_once()
        assert await connection.fetchval("select state from holdfast.runs") == "Starting"
        assert list(launcher.live()) == [(run_id, 1)]
        await launcher.aclose()
    await rows.aclose()
    await engine_database.aclose()
