"""A namespace with an operator that looks after its TaskRuns; the test plays the kubelet and the runners."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

from tests.cluster.rig.kubectl import Kubectl, Object
from tests.support.played_kubelet import PlayedKubelet, variable
from tests.support.protocol import Pod

if TYPE_CHECKING:
    import asyncpg

    Connection = asyncpg.Connection[asyncpg.Record]


@dataclass
class Scene:
    """A namespace with an operator that looks after it."""

    kubectl: Kubectl
    kubelet: PlayedKubelet
    connection: Connection

    async def apply(self, name: str = "order-42", **spec: Any) -> None:
        """Apply a TaskRun of a function, tried again without a delay."""
        task = {"image": "shop:1", "entrypoint": "shop:order", "retry": {"backoffSeconds": 0}}
        if "taskRef" not in spec and "task" not in spec:
            spec["task"] = task
        await self.kubectl.apply(task_run(name, spec))

    async def pod(self, name: str) -> Object:
        """The pod of that name, once it is there."""
        return await self.kubectl.until("pod", name, lambda pod: True)

    async def runner(self, name: str) -> Pod:
        """The runner of a pod, which has opened its attempt."""
        pod = await self.pod(name)
        await self.kubelet.starts(name)
        return await self.opened(pod)

    async def opened(self, pod: Object) -> Pod:
        """The runner of a pod that runs."""
        run_id = UUID(pod["metadata"]["annotations"]["holdfast.dev/run-id"])
        runner = Pod(self.connection, run_id, int(variable(pod, "HOLDFAST_ATTEMPT")), variable(pod, "HOLDFAST_TOKEN"))
        await runner.open()
        return runner

    async def until(self, phase: str, name: str = "order-42") -> Object:
        """The TaskRun, once it is in that phase."""
        return await self.kubectl.until("taskrun", name, lambda run: run.get("status", {}).get("phase") == phase)

    async def until_reason(self, reason: str, name: str = "order-42") -> Object:
        """The TaskRun, once its condition has that reason."""
        return await self.kubectl.until("taskrun", name, lambda run: condition(run).get("reason") == reason)

    async def runs(self) -> list[asyncpg.Record]:
        """All rows."""
        return await self.connection.fetch("select * from holdfast.runs order by id")

    async def until_row(self, state: str) -> None:
        """Wait until the only run is in that state."""
        await self.until_rows([{state}])

    async def until_rows(self, states: list[set[str]]) -> list[asyncpg.Record]:
        """The runs, the oldest first, once each is in one of its states."""
        heard = asyncio.Event()

        def hear(*_: object) -> None:
            heard.set()

        await self.connection.add_listener("holdfast", hear)
        try:
            while not _match(rows := await self.runs(), states):
                await heard.wait()
                heard.clear()
            return rows
        finally:
            await self.connection.remove_listener("holdfast", hear)


def _match(rows: list[asyncpg.Record], states: list[set[str]]) -> bool:
    return len(rows) == len(states) and all(row["state"] in allowed for row, allowed in zip(rows, states, strict=True))


def task_run(name: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": "holdfast.dev/v1alpha1", "kind": "TaskRun", "metadata": {"name": name}, "spec": spec}


def condition(run: Object) -> dict[str, Any]:
    found = [each for each in run.get("status", {}).get("conditions", ()) if each["type"] == "Succeeded"]
    return dict(found[0]) if found else {}
