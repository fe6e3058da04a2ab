"""``python -m benchmarks.cluster.bare_loop``: the floor of the operator: kopf and the writes of a run, nothing else.

Each TaskRun gets two statuses, one pod, one Event, and its pod is deleted. There is no database, no queue but that of
the slots, nothing is compared, and nothing survives: what the operator costs beyond it is what its promises cost.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import kopf
from kubernetes.aio.client import ApiClient

from holdfast.contract import labels
from holdfast_operator.api_client import api_client
from holdfast_operator.kinds import EVENTS, PODS, TASK_RUNS, Kind, Object
from holdfast_operator.null_storages import NullDiffBase, NullProgress
from holdfast_operator.watch_session import watch_session

READY = "watching"
_JSON, _MERGE_PATCH = "application/json", "application/merge-patch+json"


class BareLoop:
    """Lives the lives of TaskRuns.

    Args:
        client: of the cluster.
        namespace: where the TaskRuns are.
        pod: what the pods of all runs have in common.
    """

    def __init__(self, client: ApiClient, namespace: str, pod: Mapping[str, Any]) -> None:
        self._client = client
        self._namespace = namespace
        self._pod = pod
        self._seen: set[str] = set()
        self._waiting: asyncio.Queue[Object] = asyncio.Queue()
        self._over: dict[str, asyncio.Event] = {}

    async def see_task_run(self, body: Object, **_: object) -> None:
        """A handler of kopf: each TaskRun has one life."""
        if body["metadata"]["name"] not in self._seen:
            self._seen.add(body["metadata"]["name"])
            self._waiting.put_nowait(body)

    async def see_pod(self, body: Object, **_: object) -> None:
        """A handler of kopf: the end of a pod is the end of its run."""
        over = self._over.get(body["metadata"]["labels"][labels.RUN])
        if over is not None and body["status"].get("phase") == "Succeeded":
            over.set()

    async def hold_slot(self) -> None:
        """One slot: one run after the other."""
        while True:
            await self._live(await self._waiting.get())

    async def _live(self, task_run: Object) -> None:
        name = task_run["metadata"]["name"]
        owner = {**_reference(task_run), "controller": True, "blockOwnerDeletion": False}
        del owner["namespace"]
        metadata = {"name": f"{name}-1", "labels": {labels.RUN: name}, "ownerReferences": [owner]}
        over = self._over[name] = asyncio.Event()
        pod = {**self._pod, "metadata": {**self._pod["metadata"], **metadata}}
        await self._ask("POST", PODS.path(self._namespace), pod)
        await self._show(name, "Starting")
        await over.wait()
        del self._over[name]
        await self._show(name, "Succeeded")
        await self._ask("POST", EVENTS.path(self._namespace), _event(task_run))
        await self._ask("DELETE", PODS.path(self._namespace, f"{name}-1"), {"kind": "DeleteOptions"})

    async def _show(self, name: str, phase: str) -> None:
        patch = {"status": {"phase": phase, "attempt": 1, "startTime": _now()}}
        await self._ask("PATCH", TASK_RUNS.path(self._namespace, name, "status"), patch, _MERGE_PATCH)

    async def _ask(self, method: str, path: str, body: Object, content_type: str = _JSON) -> None:
        headers = {"Accept": _JSON, "Content-Type": content_type, **self._client.default_headers}
        await self._client.update_params_for_auth(headers, [], ["BearerToken"], path, method, body)
        host = self._client.configuration.host
        response = await self._client.rest_client.request(method, host + path, headers=headers, body=body)  # type: ignore[no-untyped-call]  # the package is typed in part
        answer = json.loads(await response.read())
        assert response.status < 400, answer


def _reference(object: Object) -> dict[str, Any]:
    metadata = object["metadata"]
    named = {key: metadata[key] for key in ("namespace", "name", "uid")}
    return {"apiVersion": TASK_RUNS.api_version, "kind": TASK_RUNS.name, **named}


def _event(task_run: Object) -> dict[str, Any]:
    return {
        "metadata": {"generateName": "bare-"},
        "eventTime": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "reportingController": "holdfast.dev/bare",
        "reportingInstance": "bare",
        "action": "Succeeded",
        "reason": "Succeeded",
        "regarding": _reference(task_run),
        "note": "the run succeeded",
        "type": "Normal",
    }


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _registry(client: ApiClient, loop: BareLoop) -> kopf.OperatorRegistry:
    registry = kopf.OperatorRegistry()
    handlers = ((TASK_RUNS, loop.see_task_run), (PODS, loop.see_pod))
    unheard = {kind.plural for kind, _ in handlers}

    def hear(path: str) -> None:
        unheard.discard(path.rpartition("/")[2])
        if not unheard:
            print(READY, flush=True)

    @kopf.on.login(registry=registry, id="login")
    async def login(**_: object) -> kopf.AiohttpSession:
        return kopf.AiohttpSession(server=client.configuration.host, aiohttp_session=watch_session(client, hear))

    for kind, handler in handlers:
        kopf.on.event(kind.group, kind.version, kind.plural, id=kind.plural, registry=registry)(handler)
    return registry


def _settings() -> kopf.OperatorSettings:
    """As frugal as kopf can be made; see the watches of the operator."""
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False
    settings.scanning.disabled = True
    settings.persistence.diffbase_storage = NullDiffBase()
    settings.persistence.progress_storage = NullProgress()
    settings.queueing.idle_timeout = 0.1
    settings.watching.label_selectors[_name(PODS)] = labels.RUN
    return settings


def _name(kind: Kind) -> str:
    return f"{kind.api_version}/{kind.plural}"


async def _run(kubeconfig: Path, namespace: str, concurrency: int, pod: Mapping[str, Any]) -> None:
    client = await api_client(kubeconfig)
    loop = BareLoop(client, namespace, pod)
    async with asyncio.TaskGroup() as tasks:
        for _ in range(concurrency):
            tasks.create_task(loop.hold_slot())
        await kopf.operator(
            registry=_registry(client, loop), settings=_settings(), standalone=True, namespaces=[namespace]
        )


def main() -> None:
    """Run until killed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--kubeconfig", type=Path, required=True)
    parser.add_argument("--namespace", required=True)
    parser.add_argument("--concurrency", type=int, required=True)
    parser.add_argument("--pod", type=json.loads, required=True, help="the manifest of a pod, as JSON")
    given = parser.parse_args()
    asyncio.run(_run(given.kubeconfig, given.namespace, given.concurrency, given.pod))


if __name__ == "__main__":
    main()
