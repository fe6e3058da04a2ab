"""Attempts on the real node that cannot start, or end before their task begins."""

from __future__ import annotations

import pytest

from tests.cluster.node_scene import NodeScene, ends


async def test_an_image_that_does_not_exist_is_shown_and_ends_by_the_pending_deadline(scene: NodeScene) -> None:
    await scene.apply(image="no-such-image:1", pendingDeadlineSeconds=5)
    shown = await scene.until_reason("ErrImagePull", "ImagePullBackOff")
    assert "no-such-image:1" in shown["message"]

    status = await scene.until_phase("Failed")
    assert status["conditions"][0]["reason"] == "PendingDeadlineExceeded"
    assert ends(status) == [("Start", "PendingDeadlineExceeded")]
    assert (status["failures"], status["disruptions"]) == (0, 0)
    await scene.kubectl.until_gone("pod", "run-1")


async def test_a_task_that_the_image_does_not_have_is_not_tried_again(scene: NodeScene) -> None:
    await scene.apply("four_steps")
    status = await scene.until_phase("Failed")
    assert ends(status) == [("NonRetryable", "UnknownTask")]
    assert "three_steps" in status["conditions"][0]["message"], "it says which tasks there are"


async def test_a_module_that_the_image_does_not_have_is_not_tried_again(scene: NodeScene) -> None:
    await scene.apply(inline={"entrypoint": "good_days:three_steps"})
    status = await scene.until_phase("Failed")
    assert ends(status) == [("NonRetryable", "ImportFailed")]


async def test_a_container_that_dies_before_the_runner_opens_is_a_failure(scene: NodeScene) -> None:
    container = {"name": "attempt", "command": ["sh", "-c", "exit 7"]}
    await scene.apply(inline={"podTemplate": {"spec": {"containers": [container]}}})
    status = await scene.until_phase("Failed")
    assert ends(status) == [("App", "ExitCode")] * 2
    assert [each["exitCode"] for each in status["attempts"]] == [7, 7]


async def test_a_program_that_does_not_exist_does_not_consume_attempts(scene: NodeScene) -> None:
    container = {"name": "attempt", "command": ["no-such-program"]}
    await scene.apply(inline={"podTemplate": {"spec": {"containers": [container]}}}, pendingDeadlineSeconds=3)
    status = await scene.until_phase("Failed")
    assert status["conditions"][0]["reason"] == "PendingDeadlineExceeded"
    assert status["failures"] == 0
    assert set(ends(status)) == {("Start", "ContainerCannotRun")}
    assert "no-such-program" in status["attempts"][0]["message"]


async def test_a_missing_secret_is_shown_and_the_run_goes_on_when_it_is_there(scene: NodeScene) -> None:
    variable = {"name": "API_KEY", "valueFrom": {"secretKeyRef": {"name": "late", "key": "key"}}}
    container = {"name": "attempt", "env": [variable]}
    await scene.apply(inline={"podTemplate": {"spec": {"containers": [container]}}})
    shown = await scene.until_reason("CreateContainerConfigError")
    assert 'secret "late" not found' in shown["message"]

    await scene.kubectl("create", "secret", "generic", "late", "--from-literal=key=value")
    status = await scene.until_phase("Succeeded")
    assert status["attempt"] == 1


async def test_a_quota_that_is_used_up_is_told_and_holds_up_nobody_else(scene: NodeScene) -> None:
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "memory"},
        "spec": {"hard": {"requests.memory": "256Mi"}},
    }
    await scene.kubectl.apply(quota)
    await scene.kubectl("wait", "--for=jsonpath={.status.hard}", "resourcequota/memory", "--timeout=30s")

    def asking_for(memory: str) -> dict[str, object]:
        container = {"name": "attempt", "resources": {"requests": {"memory": memory}}}
        return {"podTemplate": {"spec": {"containers": [container]}}}

    await scene.apply(name="large", queueName="large", inline=asking_for("1Gi"))
    await scene.kubectl.until("taskrun", "large", lambda run: "exceeded quota" in str(run.get("status")))
    assert "exceeded quota: memory" in await scene.kubectl("describe", "taskrun", "large")
    await scene.apply(name="small", queueName="small", inline=asking_for("64Mi"))
    await scene.until_phase("Succeeded", "small")

    quota["spec"] = {"hard": {"requests.memory": "2Gi"}}
    await scene.kubectl.apply(quota)
    status = await scene.until_phase("Succeeded", "large")
    assert status["failures"] == 0


@pytest.mark.parametrize(("code", "phase"), [(0, "Succeeded"), (3, "Failed")])
async def test_the_exit_code_of_a_command_in_an_image_without_the_sdk_decides(
    scene: NodeScene, code: int, phase: str
) -> None:
    program = f"import os, sys; assert os.environ['HOLDFAST_INPUT'] == '{{}}'; sys.exit({code})"
    await scene.apply_run(
        task={
            "image": "python:3.11-slim",
            "command": ["python3", "-c", program],
            "retry": {"maxAttempts": 2, "backoffSeconds": 0},
            "podTemplate": {"spec": {"securityContext": {"runAsUser": 65532}}},
        }
    )
    status = await scene.until_phase(phase)
    assert ends(status) == ([(None, "Succeeded")] if code == 0 else [("App", "ExitCode")] * 2)


async def test_an_image_that_runs_as_root_is_refused_and_says_so(scene: NodeScene) -> None:
    await scene.apply_run(task={"image": "python:3.11-slim", "command": ["python3", "--version"]})
    shown = await scene.until_reason("CreateContainerConfigError")
    assert "runAsNonRoot" in shown["message"]
