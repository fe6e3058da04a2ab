"""PostgreSQL, or the API server, dies under a real installation while a run is in mid-step."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.cluster.installation import Installation
from tests.cluster.node_scene import NodeScene, ends
from tests.cluster.rig.directory import program


@pytest.fixture
async def scene(scene: NodeScene) -> AsyncIterator[NodeScene]:
    """A scene after which the database is there again, whatever happened."""
    yield scene
    await scene.installation.let_postgres_up()


async def restarts(installed: Installation) -> int:
    """How often the kubelet has started a replica of the operator again."""
    pods = await installed.system.list_all("pods", "-l", "app.kubernetes.io/name=holdfast-operator")
    return sum(pod["status"]["containerStatuses"][0]["restartCount"] for pod in pods)


async def says(scene: NodeScene, pod: str, text: str) -> None:
    """Wait until the pod has printed it."""
    await scene.kubectl("wait", "--for=jsonpath={.status.phase}=Running", f"pod/{pod}", "--timeout=30s")
    words = ("--kubeconfig", scene.kubectl.kubeconfig, "--namespace", scene.namespace, "logs", "--follow", pod)
    logs = await asyncio.create_subprocess_exec(program("kubectl"), *words, stdout=asyncio.subprocess.PIPE)
    assert logs.stdout is not None
    try:
        async for line in logs.stdout:
            if text in line.decode():
                return
        raise AssertionError(f"{pod} ended without saying {text!r}")
    finally:
        if logs.returncode is None:
            logs.kill()
        await logs.communicate()


async def test_an_attempt_outlives_a_database_that_is_down(scene: NodeScene) -> None:
    before = await restarts(scene.installation)
    scene.witness.hold("second", "third")
    await scene.apply()
    await scene.witness.arrival("second")

    await scene.installation.kill_postgres(keep_down=True)
    scene.witness.release("second")
    await says(scene, "run-1", "the database is away")
    await scene.apply(name="applied-meanwhile")
    await scene.installation.let_postgres_up()

    await scene.witness.arrival("third")
    scene.witness.release("third")
    status = await scene.until_phase("Succeeded")
    assert ends(status) == [(None, "Succeeded")]
    assert status["result"] == [f"{place} in attempt 1" for place in ("first", "second", "third")]
    assert ends(await scene.until_phase("Succeeded", "applied-meanwhile")) == [(None, "Succeeded")]
    assert await restarts(scene.installation) == before, "no replica died of it"


async def test_a_server_that_is_killed_and_restarted_is_no_disruption(scene: NodeScene) -> None:
    scene.witness.hold("second")
    await scene.apply()
    await scene.witness.arrival("second")
    await scene.installation.kill_postgres()
    scene.witness.release("second")
    assert ends(await scene.until_phase("Succeeded")) == [(None, "Succeeded")]


async def test_a_run_goes_on_while_the_api_server_is_down(scene: NodeScene) -> None:
    before = await restarts(scene.installation)
    plane = scene.installation.node.plane
    scene.witness.hold("second", "third")
    await scene.apply()
    await scene.witness.arrival("second")

    plane.api_server.kill()
    try:
        scene.witness.release("second")
        await scene.witness.arrival("third")
    finally:
        await asyncio.to_thread(plane.start, controllers=True, scheduler=True)
    await scene.apply(name="applied-afterwards")
    scene.witness.release("third")
    for name in ("run", "applied-afterwards"):
        assert ends(await scene.until_phase("Succeeded", name)) == [(None, "Succeeded")]
    # A leader that could not renew its Lease for long enough ends, and the other one, or it itself, goes on.
    assert await restarts(scene.installation) - before <= 1
