"""The first run of a new user, on the real node, whose pods somebody deletes."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.cluster.installation import ROOT, VERSION
from tests.cluster.node_scene import NodeScene, ends
from tests.cluster.rig.kubectl import Kubectl

#: Up to what is different each time: a time, a number of steps.
BEGINNING = re.compile(r"( due at| goes on after|\)(?=:)).*")
CENSUS = str(ROOT / "examples/census/taskrun.yaml")
#: A fifth of a core per pod: alone the census takes 3 s, less than a busy machine may need to delete a pod.
SLOW = {
    "apiVersion": "v1",
    "kind": "LimitRange",
    "metadata": {"name": "slow"},
    "spec": {"limits": [{"type": "Container", "default": {"cpu": "200m"}, "defaultRequest": {"cpu": "10m"}}]},
}


async def counted_by_a_plain_loop(kubectl: Kubectl) -> Any:
    """The same census without Holdfast, in a pod of the same image."""
    command = ["python", "-m", "examples.census.plain"]
    container = {"name": "plain", "image": f"holdfast-census:{VERSION}", "command": command}
    spec = {"containers": [container], "restartPolicy": "Never"}
    await kubectl.apply({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "plain"}, "spec": spec})
    await kubectl("wait", "--for=jsonpath={.status.phase}=Succeeded", "pod/plain", "--timeout=180s")
    return json.loads(await kubectl("logs", "plain"))


@pytest.mark.timeout(400, func_only=True)
async def test_the_census_goes_on_whoever_deletes_its_pods(scene: NodeScene) -> None:
    kubectl = scene.kubectl
    await kubectl.apply(SLOW)
    await kubectl("apply", "-f", CENSUS)
    for attempt in (1, 2):
        await until_in_mid_run(scene, attempt)
        await kubectl("delete", "pod", f"census-{attempt}")
    await kubectl("wait", "--for=condition=Succeeded", "taskrun/census", "--timeout=180s")

    run = await scene.row("census")
    assert json.loads(run["result"]) == await counted_by_a_plain_loop(kubectl)
    status = (await kubectl.get("taskrun", "census"))["status"]
    assert ends(status) == [("Disruption", "ShutdownRequested")] * 2 + [(None, "Succeeded")]
    assert (status["failures"], status["disruptions"]) == (0, 2)

    (line,) = (await kubectl("get", "tkr", "--no-headers")).splitlines()
    assert line.split()[:6] == ["census", "Succeeded", "examples.census.census:census", "default", "3", "count"]
    assert await told(kubectl) == [
        "AttemptLost attempt 1 was lost (Disruption, ShutdownRequested)",
        "RetryScheduled attempt 2 is due at",
        "AttemptStarted attempt 2 starts in pod census-2",
        "CheckpointResumed attempt 2 goes on after",
        "AttemptLost attempt 2 was lost (Disruption, ShutdownRequested)",
        "RetryScheduled attempt 3 is due at",
        "AttemptStarted attempt 3 starts in pod census-3",
        "CheckpointResumed attempt 3 goes on after",
        "Succeeded the run succeeded with 3 attempts",
    ]
    described = await kubectl("describe", "taskrun", "census")
    assert "attempt 3 goes on after" in described.split("Events:")[1]


async def until_in_mid_run(scene: NodeScene, attempt: int) -> None:
    """Wait until that attempt has recorded a step, from which the next one can go on."""
    recorded = """
        select 1 from holdfast.steps s join holdfast.runs r on r.id = s.run_id
        where r.namespace = $1 and r.name = 'census' and s.attempt = $2 limit 1
    """
    while not await scene.installation.rows(recorded, scene.namespace, attempt):
        pass


async def told(kubectl: Kubectl) -> list[str]:
    """The Events of the run in their order: reason and the beginning of the sentence."""
    lines = (await kubectl("events", "--for", "taskrun/census", "--no-headers")).splitlines()
    words = [line.split(maxsplit=4) for line in lines]
    return [BEGINNING.sub(r"\1", f"{reason} {sentence}") for _, _, reason, _, sentence in words]
