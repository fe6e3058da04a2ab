"""Which resource has to be looked at when something changes."""

from __future__ import annotations

from holdfast.contract import labels
from holdfast_operator.kinds import PODS, TASK_RUNS, Key, Kind, Object
from holdfast_operator.objects import key_of
from holdfast_operator.store import Store
from holdfast_operator.work_queue import WorkQueue


def enqueue_changes(store: Store, queue: WorkQueue) -> None:
    """From now on, add to ``queue`` what has to be looked at when an object in ``store`` changes."""

    def changed(kind: Kind, object: Object, is_deleted: bool) -> None:
        key = key_of(kind, object) if kind != PODS else owner_of(object)
        if key is not None:
            queue.add(key)

    store.on_change(changed)


def enqueue_unfinished(store: Store, queue: WorkQueue) -> None:
    """Add every TaskRun that is not finished: changes of their runs may have gone unheard."""
    for task_run in store.all(TASK_RUNS):
        if not task_run["status"].get("completionTime"):
            queue.add(key_of(TASK_RUNS, task_run))


def owner_of(pod: Object) -> Key | None:
    """The TaskRun that a pod belongs to; ``None`` if it is nobody's."""
    metadata = pod["metadata"]
    for owner in metadata.get("ownerReferences") or ():
        if owner["kind"] == TASK_RUNS.name and owner["apiVersion"] == TASK_RUNS.api_version:
            return Key(TASK_RUNS, metadata["namespace"], owner["name"])
    name = (metadata.get("labels") or {}).get(labels.RUN)
    return Key(TASK_RUNS, metadata["namespace"], name) if name else None
