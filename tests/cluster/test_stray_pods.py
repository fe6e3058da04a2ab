"""Somebody takes the label off a live pod by which the operator watches it: never are two attempts alive for that."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from tests.cluster.rig.control_plane import ControlPlane
from tests.cluster.rig.kubectl import Kubectl
from tests.support.databases import Database
from tests.support.played_kubelet import PlayedKubelet
from tests.support.running_operators import running_operator
from tests.support.task_run_scene import Scene

FINALIZERS = '{"metadata":{"finalizers":%s}}'
COMMAND = {"image": "make:1", "command": ["make"]}


@dataclass
class StrayScene(Scene):
    """A namespace, with an operator from time to time."""

    api_server: ControlPlane
    database: Database

    @asynccontextmanager
    async def operator(self) -> AsyncIterator[None]:
        """An operator that looks after it."""
        here = str(self.kubectl.namespace)
        async with running_operator(self.api_server.kubeconfig, self.database.dsn, here):
            yield

    async def running(self) -> None:
        """A run whose first pod runs, and takes its time to leave when it is deleted."""
        await self.apply(task=COMMAND)
        await self.pod("order-42-1")
        await self.kubelet.starts("order-42-1")
        await self.until("Running")
        await self._finalizers('["test.dev/slow"]')

    async def stray(self) -> None:
        """Take the label off the first pod."""
        await self.kubectl("label", "pod", "order-42-1", "holdfast.dev/run-")

    async def leaves(self) -> None:
        """The first pod is gone."""
        await self._finalizers("null")

    async def until_deleted(self) -> None:
        """Wait until somebody has asked for the end of the first pod."""
        await self.kubectl.until("pod", "order-42-1", lambda pod: "deletionTimestamp" in pod["metadata"])

    async def pods_are(self, *names: str) -> bool:
        """Whether these are the pods of the run, after the operator had time to make another."""
        await self.apply("later", task=COMMAND)
        await self.pod("later-1")
        pods = await self.kubectl.list_all("pods")
        return {pod["metadata"]["name"] for pod in pods} == {*names, "later-1"}

    async def _finalizers(self, text: str) -> None:
        await self.kubectl("patch", "pod", "order-42-1", "--type=merge", "-p", FINALIZERS % text)


@pytest.fixture
async def scene(api_server: ControlPlane, namespace: Kubectl, database: Database) -> StrayScene:
    return StrayScene(namespace, PlayedKubelet(namespace), await database.connect(), api_server, database)


async def goes_on(scene: StrayScene) -> None:
    """The pod goes, and only then the next attempt comes, for which nobody's code is blamed."""
    await scene.until_deleted()
    assert await scene.pods_are("order-42-1")
    await scene.leaves()
    await scene.pod("order-42-2")
    await scene.kubelet.ends("order-42-2", 0, "Completed")
    run = await scene.until("Succeeded")
    assert (run["status"]["failures"], run["status"]["disruptions"]) == (0, 1)


async def test_while_an_operator_watches(scene: StrayScene) -> None:
    async with scene.operator():
        await scene.running()
        await scene.stray()
        await goes_on(scene)


async def test_while_no_operator_watches(scene: StrayScene) -> None:
    async with scene.operator():
        await scene.running()
    await scene.stray()
    async with scene.operator():
        await goes_on(scene)
