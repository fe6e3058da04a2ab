"""Tasks: what triggers need to know of them goes to the database."""

from __future__ import annotations

from datetime import UTC, datetime

from holdfast.domain.errors import InputError
from holdfast_operator.apply.acceptance import register_task
from holdfast_operator.apply.specs import Refused
from holdfast_operator.build.status import status_patch, with_condition
from holdfast_operator.kinds import TASK_RUNS, TASKS, Key, Object
from holdfast_operator.kube import Kube
from holdfast_operator.kube_errors import NotFound
from holdfast_operator.rows import TaskRunRows
from holdfast_operator.store import Store
from holdfast_operator.work_queue import WorkQueue

READY = "Ready"


class TaskReconciler:
    """Registers Tasks.

    Args:
        kube: shows whether runs are accepted, and confirms that a Task is gone.
        store: has the Tasks, and the TaskRuns that wait for one.
        rows: the database.
        queue: of keys; TaskRuns that waited are looked at again.
    """

    name = "Task"

    def __init__(self, kube: Kube, store: Store, rows: TaskRunRows, queue: WorkQueue) -> None:
        self._kube = kube
        self._store = store
        self._rows = rows
        self._queue = queue

    async def reconcile(self, key: Key) -> float | None:
        """Register the Task as it is now, or forget it."""
        resource = self._store.get(TASKS, key.namespace, key.name)
        if resource is None or resource["metadata"].get("deletionTimestamp"):
            if await self._is_gone(key):
                await self._rows.delete_task(key.namespace, key.name)
            return None
        try:
            await register_task(self._rows, resource)
        except (InputError, Refused) as error:
            await self._show(key, resource, "False", "InputSchemaInvalid", str(error))
            return None
        await self._show(key, resource, "True", "Registered", "runs of this task are accepted")
        for task_run in self._store.all(TASK_RUNS):
            if _waits_for(task_run, key):
                self._queue.add(Key(TASK_RUNS, key.namespace, task_run["metadata"]["name"]))
        return None

    async def _is_gone(self, key: Key) -> bool:
        try:
            resource = await self._kube.get(TASKS, key.namespace, key.name)
        except NotFound:
            return True
        self._store.put(TASKS, resource)
        return bool(resource["metadata"].get("deletionTimestamp"))

    async def _show(self, key: Key, resource: Object, status: str, reason: str, message: str) -> None:
        before = resource.get("status") or {}
        condition = {"type": READY, "status": status, "reason": reason, "message": message[:1024]}
        after = {
            **before,
            "observedGeneration": resource["metadata"]["generation"],
            "conditions": with_condition(before, condition, datetime.now(UTC), resource),
        }
        patch = status_patch(before, after)
        if patch is None:
            return
        try:
            written = await self._kube.patch(TASKS, key.namespace, key.name, {"status": patch}, subresource="status")
        except NotFound:
            return
        self._store.put(TASKS, written)


def _waits_for(task_run: Object, task: Key) -> bool:
    return (
        task_run["metadata"]["namespace"] == task.namespace
        and not (task_run.get("status") or {}).get("runID")
        and (task_run["spec"].get("taskRef") or {}).get("name") == task.name
    )
