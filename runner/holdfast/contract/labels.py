"""Labels that the operator writes on pods and on what belongs to them.

They are a public contract: network policies, dashboards and `kubectl get -l` select on them. Only the
operator writes keys under ``holdfast.dev/``; a pod template that carries one is refused.
"""

from __future__ import annotations

from typing import Final

PREFIX: Final = "holdfast.dev/"

RUN: Final = "holdfast.dev/run"
"""Name of the TaskRun."""

ATTEMPT: Final = "holdfast.dev/attempt"
"""Number of the attempt, from 1."""

QUEUE: Final = "holdfast.dev/queue"
"""Name of the queue; what the queue's NetworkPolicy selects."""

TASK: Final = "holdfast.dev/task"
"""Name of the task; absent for a run with an inline task."""

RUN_ID: Final = "holdfast.dev/run-id"
"""Annotation: id of the run, on its pods and on a TaskRun that was made for a run from code."""

CONTAINER: Final = "holdfast.dev/container"
"""Annotation on a pod: name of the container that is the attempt."""

COMMAND: Final = "holdfast.dev/command"
"""Annotation on a pod: `true` if the container is the task's own command, which records no outcome."""

MANAGED_BY: Final = "app.kubernetes.io/managed-by"
"""Kubernetes' own label for who manages an object; its value here is ``MANAGER``."""

MANAGER: Final = "holdfast"


def is_reserved(label: str) -> bool:
    """Return whether only the operator may write this label."""
    return label.startswith(PREFIX) or label == MANAGED_BY
