"""Which resource has to be looked at when something changes."""

from __future__ import annotations

from holdfast.contract import labels
from holdfast.domain.states import FINAL, State
from holdfast_operator.decide.notable import is_notable
from holdfast_operator.kinds import PODS, TASK_QUEUES, TASK_RUNS, TASKS, Key, Kind, Object
from holdfast_operator.objects import key_of
from holdfast_operator.run_index import RunIndex
from holdfast_operator.store import Store
from holdfast_operator.work_queue import WorkQueue

SHOWN_AFTER_SECONDS = {State.QUEUED: 0.3, State.STARTING: 1.0}
"""States that often do not last: what follows within so many seconds is shown in their place."""
SOON_SECONDS = 0.05
"""For other states that are not final: several changes at once are one look."""


def enqueue_changes(store: Store, queue: WorkQueue) -> None:
    """From now on, add to ``queue`` what has to be looked at when an object in ``store`` changes."""

    def changed(kind: Kind, object: Object, is_deleted: bool) -> None:
        if not is_notable(kind, object, is_deleted):
            return
        key = key_of(kind, object) if kind != PODS else owner_of(object)
        if key is not None:
            queue.add(key)

    store.on_change(changed)


def enqueue_run(index: RunIndex, queue: WorkQueue, state: str, run_id: str) -> None:
    """Add the TaskRuns of a run that is in this state now."""
    seconds = 0.0 if state in FINAL else SHOWN_AFTER_SECONDS.get(State(state), SOON_SECONDS)
    for key in index.keys_of(run_id):
        queue.add_after(key, seconds)


def enqueue_unfinished(store: Store, queue: WorkQueue) -> None:
    """Add everything that may have changed unheard, or that has to be looked at again at some time."""
    for task_run in store.all(TASK_RUNS):
        is_over = bool(task_run["status"].get("completionTime"))
        if not is_over or task_run["spec"].get("ttlSecondsAfterFinished") is not None:
            queue.add(key_of(TASK_RUNS, task_run))
    for kind in (TASKS, TASK_QUEUES):
        for resource in store.all(kind):
            queue.add(key_of(kind, resource))


def owner_of(pod: Object) -> Key | None:
    """The TaskRun that a pod belongs to; ``None`` if it is nobody's."""
    metadata = pod["metadata"]
    for owner in metadata.get("ownerReferences") or ():
        if owner["kind"] == TASK_RUNS.name and owner["apiVersion"] == TASK_RUNS.api_version:
            return Key(TASK_RUNS, metadata["namespace"], owner["name"])
    name = (metadata.get("labels") or {}).get(labels.RUN)
    return Key(TASK_RUNS, metadata["namespace"], name) if name else None
