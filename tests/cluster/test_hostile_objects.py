"""Objects that somebody made to fool the operator, or that nobody thought of: each harms itself at most."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from tests.cluster.rig.control_plane import ControlPlane
from tests.cluster.rig.kubectl import Kubectl, Object
from tests.cluster.rig.namespace import fresh_namespace
from tests.support.databases import Database
from tests.support.operator_process import running_operator as running_process
from tests.support.played_kubelet import PlayedKubelet
from tests.support.running_operators import running_operator

if TYPE_CHECKING:
    import asyncpg

    Connection = asyncpg.Connection[asyncpg.Record]

COMMAND = {"image": "make:1", "command": ["make"], "retry": {"maxAttempts": 1}}


@dataclass
class Scene:
    """A namespace, another one, and one operator for both."""

    here: Kubectl
    elsewhere: Kubectl
    kubelet: PlayedKubelet
    connection: Connection

    async def running(self, name: str = "order-42") -> Object:
        """Apply a TaskRun of a command; returns its pod, which runs."""
        await self.here.apply(task_run(name, task=COMMAND))
        pod = await self.here.until("pod", f"{name}-1", lambda pod: True)
        await self.kubelet.starts(f"{name}-1")
        await self.here.until("taskrun", name, phase_is("Running"))
        return pod

    async def ends(self, name: str = "order-42") -> Object:
        """Let the command of a run succeed; returns the TaskRun when that shows."""
        await self.kubelet.ends(f"{name}-1", 0, "Completed")
        return await self.here.until("taskrun", name, lambda run: "completionTime" in run.get("status", {}))


def task_run(name: str, annotations: dict[str, str] | None = None, **spec: Any) -> dict[str, Any]:
    metadata = {"name": name, "annotations": annotations or {}}
    return {"apiVersion": "holdfast.dev/v1alpha1", "kind": "TaskRun", "metadata": metadata, "spec": spec}


def forged(name: str, run_id: str, attempt: str) -> dict[str, Any]:
    """A pod that looks like that of an attempt."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "labels": {"holdfast.dev/run": "order-42", "holdfast.dev/attempt": attempt},
            "annotations": {"holdfast.dev/run-id": run_id},
        },
        "spec": {"containers": [{"name": "attempt", "image": "evil:1"}]},
    }


def phase_is(phase: str) -> Any:
    return lambda run: run.get("status", {}).get("phase") == phase


def condition(run: Object) -> dict[str, Any]:
    found = [each for each in run.get("status", {}).get("conditions", ()) if each["type"] == "Succeeded"]
    return dict(found[0]) if found else {}


@pytest.fixture
def elsewhere(api_server: ControlPlane) -> Iterator[Kubectl]:
    with fresh_namespace(api_server.kubectl) as kubectl:
        yield kubectl


@pytest.fixture
async def scene(
    api_server: ControlPlane, namespace: Kubectl, elsewhere: Kubectl, database: Database
) -> AsyncIterator[Scene]:
    connection = await database.connect()
    both = (str(namespace.namespace), str(elsewhere.namespace))
    async with running_operator(api_server.kubeconfig, database.dsn, both[0], namespaces=both):
        yield Scene(namespace, elsewhere, PlayedKubelet(namespace), connection)


async def test_a_pod_with_an_absurd_number_holds_up_nobody(scene: Scene) -> None:
    run_id = (await scene.running())["metadata"]["annotations"]["holdfast.dev/run-id"]
    await scene.elsewhere.apply(forged("absurd", run_id, "99999999999"))
    await PlayedKubelet(scene.elsewhere).ends("absurd", 1)
    # only a failure asks for what an absurd number breaks
    await scene.kubelet.ends("order-42-1", 2)
    await scene.here.until("taskrun", "order-42", phase_is("Failed"))


async def test_a_pod_of_another_namespace_ends_nobodys_attempt(scene: Scene) -> None:
    run_id = (await scene.running())["metadata"]["annotations"]["holdfast.dev/run-id"]
    await scene.elsewhere.apply(forged("order-42-1", run_id, "1"))
    await PlayedKubelet(scene.elsewhere).ends("order-42-1", 137, "OOMKilled")
    # what comes later is seen later
    await scene.running("another")
    assert await scene.connection.fetchval("select state from holdfast.runs where name = 'order-42'") == "Running"
    assert condition(await scene.ends())["status"] == "True"


async def test_a_task_run_shows_no_run_of_another_namespace(scene: Scene) -> None:
    run_id = (await scene.running())["metadata"]["annotations"]["holdfast.dev/run-id"]
    await scene.elsewhere.apply(task_run("spy", {"holdfast.dev/run-id": run_id}, task=COMMAND))
    spy = await scene.elsewhere.until("taskrun", "spy", lambda run: bool(condition(run)))
    assert condition(spy)["reason"] == "RunMissing"
    assert "runID" not in spy["status"]


async def test_a_run_from_code_is_bound_to_no_task_run_elsewhere(scene: Scene) -> None:
    run_id = await scene.connection.fetchval(
        "select run_id from holdfast.trigger_run($1, 'make_it', '{}', $2)",
        str(scene.here.namespace),
        '{"name": "from-code", "entrypoint": "shop:order", "template": {"image": "shop:1"}, "delay_seconds": 5000}',
    )
    await scene.elsewhere.apply(task_run("thief", {"holdfast.dev/run-id": str(run_id)}, task=COMMAND))
    await scene.here.apply(task_run("thief", {"holdfast.dev/run-id": str(run_id)}, task=COMMAND))
    await scene.elsewhere.until("taskrun", "thief", lambda run: bool(condition(run)))
    await scene.here.until("taskrun", "thief", lambda run: bool(condition(run)))
    assert await scene.connection.fetchval("select resource_uid from holdfast.runs where id = $1", run_id) is None


async def test_an_input_of_many_levels_holds_up_nobody(
    api_server: ControlPlane, namespace: Kubectl, database: Database
) -> None:
    here = str(namespace.namespace)
    async with running_process(api_server.kubeconfig, database.dsn, "one", namespaces=here, lease_namespace=here):
        levels = 9_000
        text = json.dumps(task_run("deep", task=COMMAND, input="%"))
        deep = text.replace('"%"', '{"a": ' * levels + "1" + "}" * levels)
        await namespace("create", "--validate=false", "-f", "-", stdin=deep)
        # read by kubectl, because Python cannot
        await namespace("wait", "--for=condition=Succeeded=False", "taskrun/deep", "--timeout=60s")
        await namespace.apply(task_run("order-42", task=COMMAND))
        await namespace.until("pod", "order-42-1", lambda pod: True)


async def test_a_task_whose_schema_is_none_refuses_its_runs_in_words(scene: Scene) -> None:
    task = {"apiVersion": "holdfast.dev/v1alpha1", "kind": "Task", "metadata": {"name": "odd"}}
    spec = {"image": "shop:1", "entrypoint": "shop:order", "inputSchema": {"type": "nonsense"}}
    await scene.here.apply({**task, "spec": spec}, task_run("order-42", taskRef={"name": "odd"}))
    run = await scene.here.until("taskrun", "order-42", lambda run: bool(condition(run)))
    assert "inputSchema" in condition(run)["message"]


async def test_a_schema_that_takes_years_holds_up_nobody(
    api_server: ControlPlane, namespace: Kubectl, database: Database
) -> None:
    here = str(namespace.namespace)
    async with running_process(api_server.kubeconfig, database.dsn, "one", namespaces=here, lease_namespace=here):
        schema = {"properties": {"x": {"pattern": "^(a+)+$"}}}
        await namespace.apply(task_run("slow", task={**COMMAND, "inputSchema": schema}, input={"x": "a" * 60 + "!"}))
        slow = await namespace.until("taskrun", "slow", lambda run: bool(condition(run)))
        assert condition(slow)["reason"] == "InputInvalid"
        await namespace.apply(task_run("order-42", task=COMMAND))
        await namespace.until("pod", "order-42-1", lambda pod: True)
