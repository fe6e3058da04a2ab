"""What the operator keeps of an object that it has seen: the fields that it reads, and no others.

Pure: object in, smaller object out. Keys come from the tuples below, so that thousands of objects share them. Who
needs another field adds it here.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from holdfast.contract import labels
from holdfast_operator.kinds import PODS, TASK_QUEUES, TASK_RUNS, TASKS, Kind, Object

_METADATA = (
    "name",
    "namespace",
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "labels",
    "ownerReferences",
)
_ONLY_TO_ACCEPT = ("input", "task")
"""Fields of a TaskRun's spec that are read once, when the run is accepted."""
_POD_SPEC = ("nodeName", "terminationGracePeriodSeconds", "activeDeadlineSeconds")
_POD_STATUS = ("phase", "reason", "message", "startTime")
_POD_CONDITIONS = ("PodScheduled", "Ready", "DisruptionTarget")
_CONDITION = ("type", "status", "reason", "message", "lastTransitionTime")
_CONTAINER_LISTS = ("containerStatuses", "initContainerStatuses")
_CONTAINER = ("name", "state", "lastState", "ready", "restartCount", "imageID")


def without_managed_fields(kind: Kind, object: Object) -> Object:
    """The object without the record of who set which field, which is a fifth of it."""
    metadata = {key: value for key, value in object["metadata"].items() if key != "managedFields"}
    return {**object, "apiVersion": kind.api_version, "kind": kind.name, "metadata": metadata}


def trimmed(kind: Kind, object: Object) -> Object:
    """What the store keeps of an object."""
    return {
        "apiVersion": kind.api_version,
        "kind": kind.name,
        "metadata": _metadata(object["metadata"]),
        **_TRIM[kind](object),
    }


def _task_run(object: Object) -> dict[str, Any]:
    spec, status = object.get("spec") or {}, object.get("status") or {}
    if status.get("runID"):
        spec = {key: value for key, value in spec.items() if key not in _ONLY_TO_ACCEPT}
    return {"spec": spec, "status": status}


def _whole(object: Object) -> dict[str, Any]:
    return {"spec": object.get("spec") or {}, "status": object.get("status") or {}}


def _pod(object: Object) -> dict[str, Any]:
    spec, status = object.get("spec") or {}, object.get("status") or {}
    kept = _picked(status, _POD_STATUS)
    kept["conditions"] = [
        _picked(condition, _CONDITION)
        for condition in status.get("conditions") or ()
        if condition["type"] in _POD_CONDITIONS
    ]
    for containers in _CONTAINER_LISTS:
        if status.get(containers):
            kept[containers] = [_picked(container, _CONTAINER) for container in status[containers]]
    return {"spec": _picked(spec, _POD_SPEC), "status": kept}


def _metadata(metadata: Object) -> dict[str, Any]:
    kept = _picked(metadata, _METADATA)
    annotations = metadata.get("annotations") or {}
    ours = {key: value for key, value in annotations.items() if key.startswith(labels.PREFIX)}
    if ours:
        kept["annotations"] = ours
    return kept


def _picked(object: Object, keys: Iterable[str]) -> dict[str, Any]:
    return {key: object[key] for key in keys if key in object}


_TRIM = {TASK_RUNS: _task_run, TASKS: _whole, TASK_QUEUES: _whole, PODS: _pod}
