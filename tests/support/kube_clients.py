"""Clients of a real API server, and objects to send to it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from kubernetes.aio.client import ApiClient
from prometheus_client import CollectorRegistry

from holdfast_operator.api_client import api_client
from holdfast_operator.client_metrics import ClientMetrics
from holdfast_operator.kinds import TASK_RUNS
from holdfast_operator.kube import Kube


@asynccontextmanager
async def connected(
    kubeconfig: Path, *, timeout_seconds: float = 30.0, registry: CollectorRegistry | None = None
) -> AsyncIterator[Kube]:
    """A client with the rights of that kubeconfig."""
    client = await api_client(kubeconfig)
    metrics = ClientMetrics(registry or CollectorRegistry(), client.configuration.host)
    async with Kube(client, metrics, timeout_seconds=timeout_seconds) as kube:
        yield kube
    await asyncio.sleep(0)  # connections are closed by the loop


async def closed(client: ApiClient) -> None:
    """Close a client that no `Kube` owns."""
    await client.close()  # type: ignore[no-untyped-call]  # the package is typed in part
    await asyncio.sleep(0)


def task_run(name: str, **spec: Any) -> dict[str, Any]:
    """A TaskRun of a command."""
    return {
        "apiVersion": TASK_RUNS.api_version,
        "kind": TASK_RUNS.name,
        "metadata": {"name": name},
        "spec": {"task": {"image": "shop:1", "command": ["true"]}, **spec},
    }


def pod(name: str, labels: dict[str, str] | None = None) -> dict[str, Any]:
    """A pod that asks for almost nothing."""
    resources = {"requests": {"cpu": "1m"}}
    container = {"name": "attempt", "image": "shop:1", "resources": resources}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": labels or {}},
        "spec": {"containers": [container], "restartPolicy": "Never"},
    }
