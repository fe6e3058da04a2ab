"""Attempts on the real node that are ended from outside, in mid-run."""

from __future__ import annotations

import pytest

from holdfast.contract.exit_codes import RunnerExit
from tests.cluster.node_scene import NodeScene, ends
from tests.cluster.rig.addresses import NODE_NAME
from tests.cluster.rig.kubectl import Object

GOES_ON = ["first in attempt 1", "second in attempt 2", "third in attempt 2"]


@pytest.fixture
async def in_second(scene: NodeScene) -> NodeScene:
    """A run whose first attempt is in its second step, and stays there."""
    scene.witness.hold("second")
    await scene.apply()
    await scene.witness.arrival("second")
    return scene


async def succeeded(scene: NodeScene) -> Object:
    """Let the run go on to its end; its status. Each step was executed by the attempt that recorded it."""
    scene.witness.release("second")
    status = await scene.until_phase("Succeeded")
    assert status["result"] == GOES_ON
    assert status["failures"] == 0
    return status


async def test_a_drain_is_no_failure_and_shows_that_no_node_is_left(in_second: NodeScene) -> None:
    kubectl = in_second.kubectl
    try:
        await kubectl("drain", NODE_NAME, "--pod-selector=holdfast.dev/run=run", "--grace-period=1")
        shown = await in_second.until_reason("Unschedulable")
        assert "unschedulable" in shown["message"]
    finally:
        await kubectl("uncordon", NODE_NAME)
    await in_second.witness.arrival("second")
    assert ends(await succeeded(in_second))[0] == ("Disruption", "Evicted")


async def test_sigterm_finishes_the_step_and_hands_over(in_second: NodeScene) -> None:
    in_second.witness.hold("third")
    await in_second.kill("run-1", "SIGTERM")
    in_second.witness.release("second")
    assert (await in_second.witness.arrival("third")).attempt == 2
    in_second.witness.release("third")
    status = await in_second.until_phase("Succeeded")
    assert status["result"] == ["first in attempt 1", "second in attempt 1", "third in attempt 2"]
    assert ends(status)[0] == ("Disruption", "ShutdownRequested")


async def test_an_attempt_that_was_stopped_past_its_lease_is_refused(in_second: NodeScene) -> None:
    await in_second.kill("run-1", "SIGSTOP")
    run = await in_second.row()
    await in_second.installation.rows(
        "update holdfast.runs set lease_expires_at = holdfast.now() - interval '1 second' where id = $1", run["id"]
    )
    assert await exit_code_after_sigcont(in_second) == RunnerExit.FENCED
    await in_second.witness.arrival("second")
    assert ends(await succeeded(in_second))[0] == ("Disruption", "LeaseExpired")


async def exit_code_after_sigcont(scene: NodeScene) -> int:
    """Continue the first attempt as soon as the operator gives it up; the exit code of its process."""
    is_continued = False
    async for happened, pod in scene.kubectl.watch("pod", "run-1"):
        if "deletionTimestamp" in pod["metadata"] and not is_continued:
            await scene.kill("run-1", "SIGCONT")
            is_continued = True
        state = pod["status"]["containerStatuses"][0]["state"]
        if "terminated" in state or happened == "DELETED":
            return int(state["terminated"]["exitCode"])
    raise AssertionError("the watch ended")


async def test_a_deleted_task_run_takes_its_pod_and_its_run_along(in_second: NodeScene) -> None:
    await in_second.kubectl("delete", "taskrun", "run")
    await in_second.kubectl.until_gone("pod", "run-1")
    assert (await in_second.row())["state"] == "Canceled"
