"""Pods on the real node that are lost in mid-step, in every way that Kubernetes knows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.cluster.installation import Installation
from tests.cluster.node_scene import NodeScene, ends, fresh_scene

pytestmark = pytest.mark.asyncio(loop_scope="module")

#: Runs, each named after what happens to its first pod, and the reason that is shown.
LOSSES = {
    "killed": "ProcessLost",
    "deleted": "PodDeleted",
    "deleted-by-force": "PodDeleted",
    "evicted": "Evicted",
    "stays-terminating": "PodDeleted",
}
FINALIZERS = '{"metadata":{"finalizers":%s}}'


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def struck(installed: Installation) -> AsyncIterator[NodeScene]:
    """A scene whose runs lost their first pods side by side, and now go on."""
    async with fresh_scene(installed) as scene:
        scene.witness.hold("second")
        await asyncio.gather(*(scene.apply(name=name) for name in LOSSES))
        for attempt in (1, 2):
            seen = [await scene.witness.arrival("second") for _ in LOSSES]
            assert {(each.run, each.attempt) for each in seen} == {(name, attempt) for name in LOSSES}
            if attempt == 1:
                await strike(scene)
        scene.witness.release("second")
        yield scene


async def strike(scene: NodeScene) -> None:
    """Take the pods of the first attempts away, each in its own way."""
    kubectl = scene.kubectl
    await kubectl("patch", "pod", "stays-terminating-1", "--type=merge", "-p", FINALIZERS % '["test.dev/stuck"]')
    await asyncio.gather(
        scene.kill("killed-1", "SIGKILL"),
        kubectl("delete", "pod", "deleted-1", "--grace-period=1", "--wait=false"),
        kubectl("delete", "pod", "deleted-by-force-1", "--grace-period=0", "--force", "--wait=false"),
        scene.evict("evicted-1"),
        kubectl("delete", "pod", "stays-terminating-1", "--grace-period=1", "--wait=false"),
    )


@pytest.mark.parametrize(("name", "reason"), LOSSES.items())
async def test_a_lost_pod_is_no_failure_and_its_run_goes_on(struck: NodeScene, name: str, reason: str) -> None:
    status = await struck.until_phase("Succeeded", name)
    assert ends(status) == [("Disruption", reason), (None, "Succeeded")]
    assert (status["failures"], status["disruptions"]) == (0, 1)
    assert status["result"] == ["first in attempt 1", "second in attempt 2", "third in attempt 2"]


async def test_a_pod_that_stays_terminating_does_not_hold_up_its_run(struck: NodeScene) -> None:
    await struck.until_phase("Succeeded", "stays-terminating")
    pod = await struck.kubectl.get("pod", "stays-terminating-1")
    assert "deletionTimestamp" in pod["metadata"], "it is still there"
    await struck.kubectl("patch", "pod", "stays-terminating-1", "--type=merge", "-p", FINALIZERS % "null")
    await struck.kubectl.until_gone("pod", "stays-terminating-1")
