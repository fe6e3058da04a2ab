"""TaskQueues: their limits go to the database, and what is in them is shown."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from holdfast.contract.resources.task_queue import TaskQueueSpec
from holdfast_operator.apply.specs import Refused, parsed_spec
from holdfast_operator.build.status import status_patch, with_condition
from holdfast_operator.faults import reach
from holdfast_operator.kinds import TASK_QUEUES, Key, Object
from holdfast_operator.kube import Kube
from holdfast_operator.kube_errors import NotFound
from holdfast_operator.rows import TaskRunRows
from holdfast_operator.run_row import QueueRow
from holdfast_operator.store import Store

READY = "Ready"
SHOW_AGAIN_SECONDS = 15.0
"""How old what a status says may be. `holdfast queues` and the metrics say it at once."""


class TaskQueueReconciler:
    """Brings TaskQueues in line. The row of a queue that is deleted stays: runs wait in it.

    Args:
        kube: shows what is in a queue.
        store: has the TaskQueues.
        rows: the database.
    """

    name = "TaskQueue"

    def __init__(self, kube: Kube, store: Store, rows: TaskRunRows) -> None:
        self._kube = kube
        self._store = store
        self._rows = rows

    async def reconcile(self, key: Key) -> float | None:
        """Set the limits and show the depth; look again as long as the queue is there."""
        resource = self._store.get(TASK_QUEUES, key.namespace, key.name)
        if resource is None or resource["metadata"].get("deletionTimestamp"):
            return None
        try:
            spec = parsed_spec(TaskQueueSpec, resource)
        except Refused as error:
            await self._show(key, resource, _condition("False", "Refused", str(error)), None)
            return None
        await self._put(key, spec)
        queue = await self._rows.queue(key.namespace, key.name)
        await self._show(key, resource, _ready(spec), queue)
        return SHOW_AGAIN_SECONDS

    async def _put(self, key: Key, spec: TaskQueueSpec) -> None:
        reach("before:put_queue")
        await self._rows.plane(key.namespace).put_queue(
            key.name,
            concurrency=spec.concurrency,
            concurrency_per_key=spec.concurrency_per_key,
            starts_per_minute=spec.starts_per_minute,
            paused=spec.paused,
            spec=spec.model_dump(mode="json", exclude_none=True),
        )
        reach("after:put_queue")

    async def _show(self, key: Key, resource: Object, ready: dict[str, Any], queue: QueueRow | None) -> None:
        before = resource.get("status") or {}
        after = {
            **before,
            "observedGeneration": resource["metadata"]["generation"],
            "conditions": with_condition(before, ready, datetime.now(UTC), resource),
        }
        if queue is not None:
            after |= {"depth": queue.depth, "running": queue.running}
            after.pop("oldestQueuedTime", None)
            if queue.oldest_queued_at is not None:
                after["oldestQueuedTime"] = queue.oldest_queued_at.strftime("%Y-%m-%dT%H:%M:%SZ")
        patch = status_patch(before, after)
        if patch is None:
            return
        try:
            written = await self._kube.patch(
                TASK_QUEUES, key.namespace, key.name, {"status": patch}, subresource="status"
            )
        except NotFound:
            return
        self._store.put(TASK_QUEUES, written)


def _ready(spec: TaskQueueSpec) -> dict[str, Any]:
    if spec.paused:
        return _condition("False", "Paused", "the queue is paused: no runs are admitted")
    if spec.concurrency == 0:
        return _condition("False", "NoSlots", "the queue has no slots: spec.concurrency is 0")
    return _condition("True", "Ready", "runs are admitted")


def _condition(status: str, reason: str, message: str) -> dict[str, Any]:
    return {"type": READY, "status": status, "reason": reason, "message": message[:1024]}
