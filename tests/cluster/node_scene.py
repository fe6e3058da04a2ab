"""What tests on the real node have at hand: a namespace that admits runs, a witness, and the whole installation."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import asyncpg

from tests.cluster.installation import VERSION, Installation, admit_runs
from tests.cluster.rig.kubectl import Kubectl, Object
from tests.cluster.rig.namespace import fresh_namespace
from tests.cluster.witness import Witness, listening

IMAGE = f"holdfast-bad-days:{VERSION}"


@dataclass(frozen=True)
class NodeScene:
    """A namespace of the real node, where Holdfast is installed."""

    installation: Installation
    kubectl: Kubectl
    witness: Witness

    @property
    def namespace(self) -> str:
        """Its name."""
        return str(self.kubectl.namespace)

    async def apply(self, task: str = "three_steps", name: str = "run", **spec: Any) -> None:
        """Apply a TaskRun of a task that reports to the witness."""
        env = [{"name": "WITNESS", "value": self.witness.address}]
        await self.apply_runs({name: {"task": inline_task(task, env=env), **spec}})

    async def apply_runs(self, specs: Mapping[str, Any]) -> None:
        """Apply TaskRuns, by name."""
        kind = {"apiVersion": "holdfast.dev/v1alpha1", "kind": "TaskRun"}
        await self.kubectl.apply(*({**kind, "metadata": {"name": name}, "spec": spec} for name, spec in specs.items()))

    async def until_phase(self, phase: str, name: str = "run") -> Object:
        """The status of the TaskRun, once it is in that phase."""
        run = await self.kubectl.until("taskrun", name, lambda run: run.get("status", {}).get("phase") == phase)
        status: Object = run["status"]
        return status

    async def until_reason(self, *reasons: str, name: str = "run") -> Object:
        """The condition Succeeded of the TaskRun, once it has one of these reasons."""
        run = await self.kubectl.until("taskrun", name, lambda run: condition(run).get("reason") in reasons)
        return condition(run)

    async def kill(self, pod: str, signal: str = "SIGKILL") -> None:
        """Send a signal to the first process of a pod, from outside."""
        await self.installation.node.kill(pod, signal, namespace=self.namespace)

    async def evict(self, pod: str) -> None:
        """Evict a pod through the API, with a second to leave."""
        eviction = {
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"name": pod, "namespace": self.namespace},
            "deleteOptions": {"gracePeriodSeconds": 1},
        }
        path = f"/api/v1/namespaces/{self.namespace}/pods/{pod}/eviction"
        await self.kubectl("create", "--raw", path, "-f", "-", stdin=json.dumps(eviction))

    async def live_pods(self) -> list[str]:
        """The pods that are not over, by name."""
        return sorted(pod["metadata"]["name"] for pod in await self.kubectl.list_all("pods") if not is_over(pod))

    async def until_no_pod_lives(self) -> None:
        """Wait until every pod is over, or gone."""
        live = set(await self.live_pods())
        async with aclosing(self.kubectl.watch("pods")) as changes:
            while live:
                happened, pod = await anext(changes)
                if happened == "DELETED" or is_over(pod):
                    live.discard(pod["metadata"]["name"])

    async def row(self, name: str = "run") -> asyncpg.Record:
        """The run as the database knows it."""
        query = "select * from holdfast.runs where namespace = $1 and name = $2"
        (row,) = await self.installation.rows(query, self.namespace, name)
        return row


@asynccontextmanager
async def fresh_scene(installation: Installation) -> AsyncIterator[NodeScene]:
    """A fresh namespace where runs are admitted, and a witness of what happens in their pods."""
    with fresh_namespace(installation.kubectl) as kubectl:
        await admit_runs(installation.kubectl, str(kubectl.namespace))
        async with listening() as witness:
            yield NodeScene(installation, kubectl, witness)


def inline_task(name: str, **fields: Any) -> dict[str, Any]:
    """A task of our image, which is tried a second time without a delay."""
    retry = {"backoffSeconds": 0, "maxAttempts": 2}
    return {"image": IMAGE, "entrypoint": f"bad_days:{name}", "retry": retry, **fields}


def condition(run: Object) -> Object:
    """The condition Succeeded; empty as long as there is none."""
    return next((each for each in run.get("status", {}).get("conditions", ()) if each["type"] == "Succeeded"), {})


def is_over(pod: Object) -> bool:
    """Whether no container of the pod will run again."""
    return pod.get("status", {}).get("phase") in ("Succeeded", "Failed")


def ends(status: Object) -> list[tuple[str | None, str]]:
    """Class and reason of the end of each attempt."""
    return [(each.get("failureClass"), each["reason"]) for each in status["attempts"]]
