"""TaskRuns on a real API server, with the whole operator. The test plays the kubelet and the runner."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.cluster.rig.control_plane import ControlPlane
from tests.cluster.rig.kubectl import Kubectl
from tests.support.databases import Database
from tests.support.played_kubelet import IMAGE_ID, PlayedKubelet, variable
from tests.support.running_operators import running_operator
from tests.support.task_run_scene import Scene, condition


@pytest.fixture
async def scene(api_server: ControlPlane, namespace: Kubectl, database: Database) -> AsyncIterator[Scene]:
    connection = await database.connect()
    async with running_operator(api_server.kubeconfig, database.dsn, str(namespace.namespace)):
        yield Scene(namespace, PlayedKubelet(namespace), connection)


async def test_a_run_succeeds(scene: Scene) -> None:
    await scene.apply()
    runner = await scene.runner("order-42-1")
    run = await scene.until("Running")
    assert condition(run)["status"] == "Unknown"
    assert run["status"]["runID"] == str(runner.run_id)
    await runner.record()
    await runner.finish(value='{"receipt": "r-1"}')
    run = await scene.until("Succeeded")
    status = run["status"]
    assert condition(run)["status"] == "True"
    assert status["result"] == {"receipt": "r-1"}
    assert (status["attempt"], status["failures"], status["disruptions"]) == (1, 0, 0)
    assert status["checkpoint"]["sequence"] == 1
    await scene.kubelet.ends("order-42-1", 0, "Completed")
    await scene.kubelet.lets_go("order-42-1")


async def test_a_deleted_pod_is_a_disruption_and_the_run_goes_on(scene: Scene) -> None:
    await scene.apply()
    first = await scene.runner("order-42-1")
    await first.record()
    await scene.kubectl("delete", "pod", "order-42-1", "--wait=false")
    await scene.kubelet.lets_go("order-42-1")
    second = await scene.runner("order-42-2")
    pod = await scene.pod("order-42-2")
    assert pod["spec"]["containers"][0]["image"] == IMAGE_ID
    await second.finish()
    run = await scene.until("Succeeded")
    assert (run["status"]["failures"], run["status"]["disruptions"]) == (0, 1)
    [lost, _] = run["status"]["attempts"]
    assert (lost["failureClass"], lost["reason"]) == ("Disruption", "PodDeleted")


async def test_a_container_that_fails_counts_and_shows_its_code(scene: Scene) -> None:
    await scene.apply()
    await scene.runner("order-42-1")
    await scene.kubelet.ends("order-42-1", 137, "OOMKilled")
    await (await scene.runner("order-42-2")).finish()
    run = await scene.until("Succeeded")
    [lost, _] = run["status"]["attempts"]
    assert (lost["failureClass"], lost["reason"], lost["exitCode"]) == ("OOM", "OutOfMemory", 137)
    assert run["status"]["failures"] == 1


async def test_a_pod_that_cannot_start_shows_why(scene: Scene) -> None:
    await scene.apply()
    await scene.pod("order-42-1")
    await scene.kubelet.waits("order-42-1", "ImagePullBackOff", 'Back-off pulling image "shop:1"')
    run = await scene.until_reason("ImagePullBackOff")
    assert condition(run)["status"] == "Unknown"
    assert "Back-off pulling image" in condition(run)["message"]


async def test_a_command_needs_no_sdk(scene: Scene) -> None:
    await scene.apply(task={"image": "make:1", "command": ["make", "all"]}, input={"target": "all"})
    pod = await scene.pod("order-42-1")
    assert pod["spec"]["containers"][0]["command"] == ["make", "all"]
    assert variable(pod, "HOLDFAST_INPUT") == '{"target": "all"}'
    assert not any(each["name"] == "HOLDFAST_TOKEN" for each in pod["spec"]["containers"][0]["env"])
    await scene.kubelet.starts("order-42-1")
    await scene.until("Running")
    await scene.kubelet.ends("order-42-1", 0, "Completed")
    run = await scene.until("Succeeded")
    assert condition(run)["status"] == "True"


async def test_a_command_ends_although_another_container_of_its_pod_does_not(scene: Scene) -> None:
    helper = {"name": "helper", "image": "proxy:1"}
    template = {"spec": {"containers": [{"name": "attempt"}, helper]}}
    await scene.apply(task={"image": "make:1", "command": ["make"], "podTemplate": template})
    await scene.pod("order-42-1")
    await scene.kubelet.starts("order-42-1")
    await scene.until("Running")
    await scene.kubelet.ends_beside_another("order-42-1", 0)
    await scene.until("Succeeded")
    await scene.kubectl.until_gone("pod", "order-42-1")  # long after its attempt, by the kubelet's clock


async def test_a_command_that_fails_is_tried_again(scene: Scene) -> None:
    task = {"image": "make:1", "command": ["make"], "retry": {"maxAttempts": 2, "backoffSeconds": 0}}
    await scene.apply(task=task)
    for attempt in (1, 2):
        await scene.pod(f"order-42-{attempt}")
        await scene.kubelet.ends(f"order-42-{attempt}", 2)
    run = await scene.until("Failed")
    assert condition(run)["status"] == "False"
    assert "exit code 2" in condition(run)["message"]
    assert run["status"]["failures"] == 2


@pytest.mark.parametrize("phase", ["Delayed", "Suspended", "Starting", "Running", "Succeeded"])
async def test_a_deleted_task_run_takes_its_run_along(scene: Scene, phase: str) -> None:
    spec = {"Delayed": {"startAfter": "2099-01-01T00:00:00Z"}, "Suspended": {"suspend": True}}.get(phase, {})
    await scene.apply(**spec)
    if phase in ("Running", "Succeeded"):
        runner = await scene.runner("order-42-1")
        if phase == "Succeeded":
            await runner.finish()
    await scene.until(phase)
    await scene.kubectl("delete", "taskrun", "order-42")
    final = {"Succeeded": "Succeeded"}.get(phase, "Canceled")
    if phase in ("Starting", "Running"):
        await scene.kubectl.until_gone("pod", "order-42-1")  # at once: no node has it
    await scene.until_row(final)


async def test_a_task_run_that_is_made_again_is_another_run(scene: Scene) -> None:
    await scene.apply(startAfter="2099-01-01T00:00:00Z")
    await scene.until("Delayed")
    await scene.kubectl("delete", "taskrun", "order-42")
    await scene.apply(startAfter="2098-01-01T00:00:00Z")
    await scene.until("Delayed")
    [old, new] = await scene.runs()
    assert (old["state"], new["state"]) == ("Canceled", "Delayed")
    assert new["name"] == "order-42"


async def test_cancel_suspend_and_unsuspend_by_the_spec(scene: Scene) -> None:
    await scene.apply(startAfter="2099-01-01T00:00:00Z")
    await scene.until("Delayed")
    await scene.kubectl("patch", "taskrun", "order-42", "--type=merge", "-p", '{"spec": {"suspend": true}}')
    await scene.until("Suspended")
    await scene.kubectl("patch", "taskrun", "order-42", "--type=merge", "-p", '{"spec": {"suspend": false}}')
    await scene.until("Delayed")
    await scene.kubectl("patch", "taskrun", "order-42", "--type=merge", "-p", '{"spec": {"cancel": true}}')
    run = await scene.until("Canceled")
    assert condition(run)["status"] == "False"


async def test_a_finished_task_run_is_removed_after_its_time(scene: Scene) -> None:
    await scene.apply(cancel=True, startAfter="2099-01-01T00:00:00Z", ttlSecondsAfterFinished=0)
    await scene.kubectl.until_gone("taskrun", "order-42")
    await scene.until_row("Canceled")


async def test_a_task_that_comes_later(scene: Scene) -> None:
    await scene.apply(taskRef={"name": "process-order"})
    run = await scene.until_reason("TaskNotFound")
    assert condition(run)["status"] == "Unknown"
    task = {"apiVersion": "holdfast.dev/v1alpha1", "kind": "Task", "metadata": {"name": "process-order"}}
    await scene.kubectl.apply({**task, "spec": {"image": "shop:1", "entrypoint": "shop:order"}})
    await (await scene.runner("order-42-1")).finish()
    await scene.until("Succeeded")


async def test_an_input_that_does_not_fit_is_refused_in_words(scene: Scene) -> None:
    schema = {"type": "object", "properties": {"cents": {"type": "integer"}}, "required": ["cents"]}
    task = {"image": "shop:1", "entrypoint": "shop:order", "inputSchema": schema}
    await scene.apply(task=task, input={"cents": "many"})
    run = await scene.until_reason("InputInvalid")
    assert condition(run)["status"] == "False"
    assert "cents" in condition(run)["message"]
    assert await scene.runs() == []


async def test_a_run_from_code_gets_a_task_run(scene: Scene) -> None:
    namespace = str(scene.kubectl.namespace)
    run_id = await scene.connection.fetchval(
        "select run_id from holdfast.trigger_run($1, 'make_it', '{\"n\": 1}', $2)",
        namespace,
        '{"name": "from-code", "entrypoint": "shop:order", "template": {"image": "shop:1"}}',
    )
    runner = await scene.runner("from-code-1")
    assert runner.run_id == run_id
    run = await scene.until("Running", "from-code")
    assert run["spec"]["input"] == {"n": 1}
    await runner.finish()
    await scene.until("Succeeded", "from-code")
    [row] = await scene.runs()
    assert row["resource_uid"] == run["metadata"]["uid"]


async def test_a_pod_of_that_name_is_there_already(scene: Scene) -> None:
    container = {"name": "x", "image": "x:1"}
    await scene.kubectl.apply(
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "order-42-1"}, "spec": {"containers": [container]}}
    )
    await scene.apply()
    await (await scene.runner("order-42-2")).finish()
    run = await scene.until("Succeeded")
    [clash, _] = run["status"]["attempts"]
    assert clash["failureClass"] == "Start"
    assert "order-42-1 exists" in clash["message"]


async def test_the_story_is_told_in_events(scene: Scene) -> None:
    await scene.apply()
    first = await scene.runner("order-42-1")
    await first.record()
    await scene.kubelet.ends("order-42-1", 3)
    await (await scene.runner("order-42-2")).finish()
    await scene.until("Succeeded")
    told: set[str] = set()
    async for _, event in scene.kubectl.watch("events.events.k8s.io"):
        if event["regarding"]["kind"] == "TaskRun":
            told.add(event["reason"])
        if told >= {"AttemptFailed", "RetryScheduled", "AttemptStarted", "CheckpointResumed", "Succeeded"}:
            break


async def test_a_queue_shows_what_is_in_it(scene: Scene) -> None:
    queue = {"apiVersion": "holdfast.dev/v1alpha1", "kind": "TaskQueue", "metadata": {"name": "orders"}}
    await scene.kubectl.apply({**queue, "spec": {"concurrency": 1, "podDefaults": {"labels": {"team": "shop"}}}})
    await scene.kubectl.until("taskqueue", "orders", lambda each: bool(each.get("status", {}).get("conditions")))
    await scene.apply(queueName="orders")
    pod = await scene.pod("order-42-1")
    assert pod["metadata"]["labels"]["team"] == "shop"
    assert pod["metadata"]["labels"]["holdfast.dev/queue"] == "orders"
