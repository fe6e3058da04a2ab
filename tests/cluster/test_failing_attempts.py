"""Attempts on the real node that fail by themselves: they cannot start, or end badly."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from tests.cluster.installation import Installation
from tests.cluster.node_scene import NodeScene, ends, fresh_scene, inline_task
from tests.cluster.rig.kubectl import Object

pytestmark = pytest.mark.asyncio(loop_scope="module")


def with_container(**fields: Any) -> dict[str, Any]:
    return {"podTemplate": {"spec": {"containers": [{"name": "attempt", **fields}]}}}


def command(*words: str, **fields: Any) -> dict[str, Any]:
    """A task in an image without the SDK."""
    retry = {"maxAttempts": 2, "backoffSeconds": 0}
    return {"image": "python:3.11-slim", "command": list(words), "retry": retry, **fields}


NO_ROOT = {"podTemplate": {"spec": {"securityContext": {"runAsUser": 65532}}}}
LATE_SECRET = {"name": "API_KEY", "valueFrom": {"secretKeyRef": {"name": "late", "key": "key"}}}
LITTLE_MEMORY = with_container(resources={"limits": {"memory": "128Mi"}})
READS_INPUT = "import os, sys; assert os.environ['HOLDFAST_INPUT'] == '{}'; sys.exit(%d)"

#: Specs of runs by name. They start side by side, because most of their time they wait.
RUNS: dict[str, dict[str, Any]] = {
    "no-image": {"task": inline_task("does_nothing", image="no-such-image:1"), "pendingDeadlineSeconds": 3600},
    "late-secret": {"task": inline_task("does_nothing", **with_container(env=[LATE_SECRET]))},
    "no-program": {
        "task": inline_task("does_nothing", **with_container(command=["no-such-program"])),
        "pendingDeadlineSeconds": 3600,
    },
    "no-task": {"task": inline_task("does_anything")},
    "no-module": {"task": {**inline_task(""), "entrypoint": "good_days:does_nothing"}},
    "dies-early": {"task": inline_task("does_nothing", **with_container(command=["sh", "-c", "exit 7"]))},
    "leaves": {"task": inline_task("leaves"), "input": {"code": 3}},
    "hungry": {"task": inline_task("hungry", **LITTLE_MEMORY)},
    "hungry-child": {"task": inline_task("has_a_hungry_child", **LITTLE_MEMORY)},
    "as-root": {"task": command("python3", "--version")},
    "command-0": {"task": command("python3", "-c", READS_INPUT % 0, **NO_ROOT)},
    "command-3": {"task": command("python3", "-c", READS_INPUT % 3, **NO_ROOT)},
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def started(installed: Installation) -> AsyncIterator[NodeScene]:
    """A scene in which all of `RUNS` are applied."""
    async with fresh_scene(installed) as scene:
        await scene.apply_runs({name: {"queueName": name, **spec} for name, spec in RUNS.items()})
        yield scene


async def let_pending_deadline_pass(scene: NodeScene, name: str) -> None:
    """Once the test has seen what comes before: how long twelve pods take to show it depends on the machine."""
    await scene.installation.rows(
        "update holdfast.runs set pending_deadline_at = holdfast.now() where namespace = $1 and name = $2",
        *(scene.namespace, name),
    )


def has_lost_an_attempt(run: Object) -> bool:
    return any("completionTime" in attempt for attempt in run.get("status", {}).get("attempts", ()))


# First of all, because the pod of an ended attempt stays for a minute only.
@pytest.mark.parametrize(("name", "code"), [("hungry", 137), ("hungry-child", 3)])
async def test_too_much_memory_is_shown_and_counts_as_a_failure(started: NodeScene, name: str, code: int) -> None:
    status = await started.until_phase("Failed", name)
    assert ends(status) == [("OOM", "OutOfMemory")] * 2
    assert [each["exitCode"] for each in status["attempts"]] == [code, code]
    assert status["failures"] == 2
    pod = await started.kubectl.get("pod", f"{name}-2")
    assert pod["status"]["containerStatuses"][0]["state"]["terminated"]["reason"] == "OOMKilled"


async def test_an_image_that_does_not_exist_is_shown_and_ends_by_the_pending_deadline(started: NodeScene) -> None:
    shown = await started.until_reason("ErrImagePull", "ImagePullBackOff", name="no-image")
    assert "no-such-image:1" in shown["message"]

    await let_pending_deadline_pass(started, "no-image")
    status = await started.until_phase("Failed", "no-image")
    assert status["conditions"][0]["reason"] == "PendingDeadlineExceeded"
    assert ends(status) == [("Start", "PendingDeadlineExceeded")]
    assert (status["failures"], status["disruptions"]) == (0, 0)
    await started.kubectl.until_gone("pod", "no-image-1")


async def test_a_missing_secret_is_shown_and_the_run_goes_on_when_it_is_there(started: NodeScene) -> None:
    shown = await started.until_reason("CreateContainerConfigError", name="late-secret")
    assert 'secret "late" not found' in shown["message"]

    await started.kubectl("create", "secret", "generic", "late", "--from-literal=key=value")
    status = await started.until_phase("Succeeded", "late-secret")
    assert status["attempt"] == 1


async def test_a_program_that_does_not_exist_does_not_consume_attempts(started: NodeScene) -> None:
    await started.kubectl.until("taskrun", "no-program", has_lost_an_attempt)
    await let_pending_deadline_pass(started, "no-program")
    status = await started.until_phase("Failed", "no-program")
    assert status["conditions"][0]["reason"] == "PendingDeadlineExceeded"
    assert status["failures"] == 0
    assert {failure for failure, _ in ends(status)} == {"Start"}
    assert ends(status)[0] == ("Start", "ContainerCannotRun")
    assert "no-such-program" in status["attempts"][0]["message"]


async def test_a_task_that_the_image_does_not_have_is_not_tried_again(started: NodeScene) -> None:
    status = await started.until_phase("Failed", "no-task")
    assert ends(status) == [("NonRetryable", "UnknownTask")]
    assert "three_steps" in status["conditions"][0]["message"], "it says which tasks there are"


async def test_a_module_that_the_image_does_not_have_is_not_tried_again(started: NodeScene) -> None:
    status = await started.until_phase("Failed", "no-module")
    assert ends(status) == [("NonRetryable", "ImportFailed")]


@pytest.mark.parametrize(("name", "code"), [("dies-early", 7), ("leaves", 3), ("command-3", 3)])
async def test_a_process_that_ends_without_an_outcome_is_a_failure(started: NodeScene, name: str, code: int) -> None:
    status = await started.until_phase("Failed", name)
    assert ends(status) == [("App", "ExitCode")] * 2
    assert [each["exitCode"] for each in status["attempts"]] == [code, code]


async def test_a_command_in_an_image_without_the_sdk_that_ends_well_succeeds(started: NodeScene) -> None:
    assert ends(await started.until_phase("Succeeded", "command-0")) == [(None, "Succeeded")]


async def test_an_image_that_runs_as_root_is_refused_and_says_so(started: NodeScene) -> None:
    shown = await started.until_reason("CreateContainerConfigError", name="as-root")
    assert "runAsNonRoot" in shown["message"]


async def test_a_quota_that_is_used_up_is_told_and_holds_up_nobody_else(installed: Installation) -> None:
    def run(memory: str, queue: str) -> dict[str, Any]:
        container = with_container(resources={"requests": {"memory": memory}})
        return {"task": inline_task("does_nothing", **container), "queueName": queue}

    def quota(memory: str) -> dict[str, Any]:
        spec = {"hard": {"requests.memory": memory}}
        return {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "memory"}, "spec": spec}

    async with fresh_scene(installed) as scene:
        await scene.kubectl.apply(quota("256Mi"))
        await scene.kubectl("wait", "--for=jsonpath={.status.hard}", "resourcequota/memory", "--timeout=30s")
        await scene.apply_runs({"large": run("1Gi", "large"), "small": run("64Mi", "small")})
        await scene.kubectl.until("taskrun", "large", lambda seen: "exceeded quota" in str(seen.get("status")))
        assert "exceeded quota: memory" in await scene.kubectl("describe", "taskrun", "large")
        await scene.until_phase("Succeeded", "small")

        await scene.kubectl.apply(quota("2Gi"))
        status = await scene.until_phase("Succeeded", "large")
        assert status["failures"] == 0
