"""Which pods are ours."""

from __future__ import annotations

from typing import Final

from holdfast.contract import labels
from holdfast_operator.kinds import TASK_RUNS, Object

POD_SELECTOR: Final = labels.RUN
"""A label selector: the pods that carry this label, whatever its value."""

STRAY_SELECTOR: Final = f"{labels.ATTEMPT},!{labels.RUN}"
"""The pods that somebody took that label off: no watch tells of them."""


def is_stray(pod: Object) -> bool:
    """Whether the pod does not carry the label that our watches ask for."""
    return labels.RUN not in (pod["metadata"].get("labels") or {})


def with_label(pod: Object) -> Object:
    """A pod as it is with the label that somebody took off it: the name of the TaskRun that owns it."""
    metadata = pod["metadata"]
    its_labels = dict(metadata.get("labels") or {})
    for owner in metadata.get("ownerReferences") or ():
        if owner["kind"] == TASK_RUNS.name:
            its_labels[labels.RUN] = owner["name"]
    return {**pod, "metadata": {**metadata, "labels": its_labels}}
