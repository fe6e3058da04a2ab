"""Who owns what the operator makes: what Kubernetes deletes along with it."""

from __future__ import annotations

from typing import Any

from holdfast_operator.kinds import TASK_RUNS, Object


def owner_reference(task_run: Object) -> dict[str, Any]:
    """The entry in ``ownerReferences`` of what belongs to this TaskRun. It never holds up its deletion."""
    metadata = task_run["metadata"]
    return {
        "apiVersion": TASK_RUNS.api_version,
        "kind": TASK_RUNS.name,
        "name": metadata["name"],
        "uid": metadata["uid"],
        "controller": True,
        "blockOwnerDeletion": False,
    }
