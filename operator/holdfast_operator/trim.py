"""What the operator keeps of an object that it has seen: the fields that it reads, and no others.

Pure: object in, smaller object out. Keys come from the tuples below or are interned, so that thousands of objects share
them: each parsed text has its own otherwise, which is half of what a small object takes. Who needs another field adds
it here.
"""

from __future__ import annotations

from collections.abc import Iterable
from sys import intern
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
)
_OWNER = ("apiVersion", "kind", "name")
_ONLY_TO_ACCEPT = ("input", "task")
"""Fields of a TaskRun's spec that are read once, when the run is accepted."""
_STATUS_LISTS = ("conditions", "attempts")
_POD_SPEC = ("nodeName",)
_POD_STATUS = ("phase", "reason", "message")
_POD_CONDITIONS = ("PodScheduled", "DisruptionTarget")
_CONDITION = ("type", "status", "reason", "message")
_CONTAINER_LISTS = ("containerStatuses", "initContainerStatuses")
_CONTAINER = ("name", "state", "imageID")


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
    kept = _shared(status)
    for entries in _STATUS_LISTS:
        if status.get(entries):
            kept[entries] = [_shared(each) for each in status[entries]]
    return {"spec": _shared(spec), "status": kept}


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
    for notes in ("labels", "annotations"):
        found = metadata.get(notes) or {}
        ours = _shared({key: value for key, value in found.items() if key.startswith(labels.PREFIX)})
        if ours:
            kept[notes] = ours
    if metadata.get("ownerReferences"):
        kept["ownerReferences"] = [_picked(owner, _OWNER) for owner in metadata["ownerReferences"]]
    return kept


def _picked(object: Object, keys: Iterable[str]) -> dict[str, Any]:
    return {key: object[key] for key in keys if key in object}


def _shared(object: Object) -> dict[str, Any]:
    """The object with the keys that all others have. What is in it stays: users nest as deep as they like."""
    return {intern(key): value for key, value in object.items()}


_TRIM = {TASK_RUNS: _task_run, TASKS: _whole, TASK_QUEUES: _whole, PODS: _pod}
