"""Does what was decided about a TaskRun: first the database, then the cluster."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from holdfast.domain.errors import NotFoundError, WrongStateError
from holdfast_operator.build.status import status_patch
from holdfast_operator.decide.news import news_of
from holdfast_operator.decide.task_run import Act, Decision
from holdfast_operator.events import Events
from holdfast_operator.faults import reach
from holdfast_operator.kinds import PODS, TASK_RUNS, Key, Object
from holdfast_operator.kube import Kube
from holdfast_operator.kube_errors import NotFound
from holdfast_operator.metrics import Metrics
from holdfast_operator.objects import uid_of
from holdfast_operator.rows import TaskRunRows
from holdfast_operator.run_row import RunRow
from holdfast_operator.store import Store
from holdfast_operator.tally import count

CANCEL_GRACE_SECONDS = 30.0


class TaskRunWrites:
    """The writes.

    Args:
        kube: the cluster.
        store: learns what was written at once.
        rows: the database.
        events: what people see in `kubectl describe`.
        metrics: counts what happened.
    """

    def __init__(self, kube: Kube, store: Store, rows: TaskRunRows, events: Events, metrics: Metrics) -> None:
        self._kube = kube
        self._store = store
        self._rows = rows
        self._events = events
        self._metrics = metrics

    async def do(self, act: Act, run: RunRow, resource: Object | None) -> None:
        """Do something about a run in the database. One that is final or gone by now stays as it is."""
        plane = self._rows.plane(run.namespace)
        reach(f"before:{act}")
        try:
            match act:
                case Act.RELEASE_NAME:
                    await self._rows.release_name(run.id)
                case Act.BIND:
                    assert resource is not None
                    await self._rows.bind(run.id, uid_of(resource))
                case Act.CANCEL:
                    await plane.cancel(run.id, CANCEL_GRACE_SECONDS)
                case Act.SUSPEND:
                    await plane.suspend(run.id)
                case Act.UNSUSPEND:
                    await plane.unsuspend(run.id)
                case Act.OPEN_COMMAND:
                    await self._rows.open_command(run.id, run.attempt)
                case _:
                    raise AssertionError(f"{act} is not about a run")
        except (NotFoundError, WrongStateError):
            pass
        reach(f"after:{act}")

    async def show(self, key: Key, resource: Object, decision: Decision) -> None:
        """Write the status if it differs, and tell what is new."""
        before = resource.get("status") or {}
        if decision.status is not None and await self._patch_status(key, before, decision.status) and decision.run:
            # Others that share its idempotency key show the run, too.
            if decision.run.resource_uid == uid_of(resource):
                count(self._metrics, before, decision.run)
            for news in news_of(before, decision.run, key.name):
                self._events.post(resource, news.type, news.reason, news.sentence)
        for pod in decision.pods_to_delete:
            await self._kube.delete(PODS, pod.namespace, pod.name, uid=pod.uid)
        if decision.delete_resource:
            await self._kube.delete(TASK_RUNS, key.namespace, key.name, uid=uid_of(resource))

    async def _patch_status(self, key: Key, before: Mapping[str, Any], status: Mapping[str, Any]) -> bool:
        patch = status_patch(before, status)
        if patch is None:
            return False
        try:
            written = await self._kube.patch(
                TASK_RUNS, key.namespace, key.name, {"status": patch}, subresource="status"
            )
        except NotFound:
            return False
        self._store.put(TASK_RUNS, written)
        return True
