"""Pods written by hand in the shape in which the API server shows those of a real node, without what nobody reads."""

from __future__ import annotations

from typing import Any

RUN_ID = "0198f7a1-0000-7000-8000-000000000001"


def pod(status: dict[str, Any], *, is_command: bool = False, **metadata: Any) -> dict[str, Any]:
    """The pod of the first attempt of a run."""
    annotations = {"holdfast.dev/run-id": RUN_ID}
    if is_command:
        annotations["holdfast.dev/command"] = "true"
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": "order-42-1",
            "namespace": "shop",
            "uid": "5d6f",
            "creationTimestamp": "2026-11-21T10:00:00Z",
            "labels": {"holdfast.dev/run": "order-42", "holdfast.dev/attempt": "1"},
            "annotations": annotations,
            **metadata,
        },
        "spec": {"nodeName": "node-1"},
        "status": status,
    }


def ended(code: int, reason: str = "Error", message: str = "", **fields: Any) -> dict[str, Any]:
    """The state of a container that ended."""
    state = {"exitCode": code, "reason": reason, "finishedAt": "2026-11-21T10:05:00Z", **fields}
    return {"terminated": {**state, "message": message} if message else state}


def failed(state: dict[str, Any] | None, **fields: Any) -> dict[str, Any]:
    """The status of a pod that failed with its container in this state; ``None``: no container is told of."""
    containers = [] if state is None else [{"name": "attempt", "state": state, "imageID": "shop@sha256:1f"}]
    return {"phase": "Failed", "containerStatuses": containers, **fields}


def targeted(reason: str, message: str = "") -> list[dict[str, Any]]:
    """The condition by which Kubernetes says that it ended the pod."""
    return [{"type": "DisruptionTarget", "status": "True", "reason": reason, "message": message}]


def waiting(reason: str, message: str = "") -> dict[str, Any]:
    """The status of a pod whose container waits."""
    state = {"waiting": {"reason": reason, "message": message}}
    return {"phase": "Pending", "containerStatuses": [{"name": "attempt", "state": state}]}


DELETED = {"deletionTimestamp": "2026-11-21T10:05:25Z", "deletionGracePeriodSeconds": 30}
"""Deletion was asked for at 10:04:55, five seconds before the container ended."""
