"""A cluster of simulated nodes, a database, and what measures them."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import asyncpg

from tests.cluster.rig.fake_nodes import FakeNodes
from tests.cluster.rig.kubectl import Kubectl
from tests.cluster.rig.namespace import fresh_namespace
from tests.support.operator_process import OperatorProcess, running_operator

if TYPE_CHECKING:
    from benchmarks.server import Connection

QUEUE = "default"
TASK = "work"


@dataclass(frozen=True)
class Scene:
    """Where one measurement takes place.

    Attributes:
        nodes: simulated, beside an API server.
        kubectl: in the namespace of the measurement.
        dsn: of the database, as the control plane.
        runner_dsn: of the database, as a pod.
    """

    nodes: FakeNodes
    kubectl: Kubectl
    dsn: str
    runner_dsn: str

    @property
    def namespace(self) -> str:
        """Where everything is."""
        return str(self.kubectl.namespace)

    def operator(self, identity: str = "one", **settings: str) -> AbstractAsyncContextManager[OperatorProcess]:
        """An operator for the namespace, in a process of its own."""
        wanted = {"namespaces": self.namespace, "lease_namespace": self.namespace, "pod_retention_seconds": "0"}
        return running_operator(self.nodes.plane.kubeconfig, self.dsn, identity, **{**wanted, **settings})

    @asynccontextmanager
    async def runners(self, *, stay: bool = False) -> AsyncIterator[None]:
        """The runners of all pods, in a process of their own; with ``stay`` they leave their attempts open."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "benchmarks.cluster.played_runners"),
            *("--kubeconfig", str(self.nodes.plane.kubeconfig), "--dsn", self.runner_dsn),
            *("--namespace", self.namespace, *(["--stay"] if stay else [])),
            stdout=PIPE,
        )
        assert process.stdout is not None
        await process.stdout.readline()
        try:
            yield
            assert process.returncode is None, "the played runners ended"
        finally:
            if process.returncode is None:
                process.kill()
            await process.communicate()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """One connection as the control plane."""
        connection = await asyncpg.connect(self.dsn)
        try:
            yield connection
        finally:
            await connection.close()

    async def define(self, concurrency: int) -> None:
        """Apply the Task and its queue, and wait until the operator has taken note."""
        task = {"image": "shop:1", "entrypoint": "shop:work", "queueName": QUEUE, "podTemplate": self.pod_template()}
        await self.kubectl.apply(
            _resource("Task", TASK, task), _resource("TaskQueue", QUEUE, {"concurrency": concurrency})
        )
        await self.kubectl.until("task", TASK, _is_ready)
        await self.kubectl.until("taskqueue", QUEUE, _is_ready)

    def pod_template(self, annotations: Mapping[str, str] = MappingProxyType({})) -> dict[str, Any]:
        """Where pods run, and what tells their nodes how they do."""
        container = {"name": "attempt", "resources": {"requests": {"cpu": "1m"}}}
        spec = {**self.nodes.placement(), "containers": [container]}
        return {"metadata": {"annotations": dict(annotations)}, "spec": spec}


def task_run(name: str) -> dict[str, Any]:
    """A run of the Task of the measurement."""
    return _resource("TaskRun", name, {"taskRef": {"name": TASK}, "input": {"order": name}})


@contextmanager
def fresh_scene(nodes: FakeNodes, dsn: str, runner_dsn: str) -> Iterator[Scene]:
    """A namespace for one measurement."""
    with fresh_namespace(nodes.plane.kubectl) as kubectl:
        yield Scene(nodes, kubectl, dsn, runner_dsn)


def _resource(kind: str, name: str, spec: Any) -> dict[str, Any]:
    return {"apiVersion": "holdfast.dev/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec}


def _is_ready(resource: Any) -> bool:
    return any(each["status"] == "True" for each in resource.get("status", {}).get("conditions", ()))
