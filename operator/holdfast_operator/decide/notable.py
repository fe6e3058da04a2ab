"""Whether a change of an object is worth a look at its resource. Pure.

A pod changes six times and a status as often as the operator writes it; few of these changes ask for anything. The
changes of a run itself are heard of from the database.
"""

from __future__ import annotations

from holdfast_operator.decide.pod_trouble import trouble_of
from holdfast_operator.kinds import PODS, TASK_RUNS, Kind, Object
from holdfast_operator.pods import pod_view


def is_notable(kind: Kind, object: Object, is_deleted: bool) -> bool:
    """Whether somebody has to look.

    Args:
        kind: of the object.
        object: as it is now, or was last.
        is_deleted: whether it is gone.
    """
    if kind == PODS:
        return not is_deleted and _is_notable_pod(object)
    if is_deleted:
        return True
    metadata, status = object["metadata"], object.get("status") or {}
    if metadata.get("deletionTimestamp") or status.get("observedGeneration") != metadata.get("generation"):
        return True
    # One that was refused for now, or that waits to be removed, has to be looked at after a restart.
    return kind == TASK_RUNS and not status.get("runID") and not status.get("completionTime")


def _is_notable_pod(object: Object) -> bool:
    pod = pod_view(object)
    if pod is None:
        return False
    return pod.has_ended or trouble_of(pod) is not None or (pod.is_command and pod.has_begun)
