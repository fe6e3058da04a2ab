"""What can be read off any object of the API."""

from __future__ import annotations

from holdfast.contract import labels
from holdfast_operator.kinds import Key, Kind, Object

RUN_ID_ANNOTATION = labels.RUN_ID
"""Id of the run, on its pods and on a TaskRun that the operator made."""


def key_of(kind: Kind, object: Object) -> Key:
    """Which object it is."""
    metadata = object["metadata"]
    return Key(kind, metadata.get("namespace", ""), metadata["name"])


def uid_of(object: Object) -> str:
    """Its uid, which no other object ever had or will have."""
    uid: str = object["metadata"].get("uid", "")
    return uid


def version_of(object: Object) -> int:
    """Its resourceVersion as a number: of two versions of an object, the greater is the newer."""
    version = object["metadata"].get("resourceVersion", "")
    return int(version) if version.isdecimal() else 0


def run_id_of(object: Object) -> str | None:
    """The id of the run that a pod, or a TaskRun made by the operator, belongs to."""
    annotations = object["metadata"].get("annotations") or {}
    run_id: str | None = annotations.get(RUN_ID_ANNOTATION)
    return run_id
