"""Reads one frozen picture of a TaskRun: the resource, its run, its pods."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from holdfast_operator.build.names import task_run_name
from holdfast_operator.decide.snapshot import TaskRunSnapshot, shown_run_id
from holdfast_operator.kinds import TASK_RUNS, Key, Object
from holdfast_operator.kube import Kube
from holdfast_operator.kube_errors import NotFound
from holdfast_operator.objects import uid_of
from holdfast_operator.pods import pod_view
from holdfast_operator.rows import TaskRunRows
from holdfast_operator.run_index import RunIndex
from holdfast_operator.run_row import ResourceRef, RunRow
from holdfast_operator.store import Store


class TaskRunGatherer:
    """Reads what is known.

    Args:
        kube: asked only for what the store does not have.
        store: what was last seen.
        rows: the database.
        index: which TaskRun is which run.
    """

    def __init__(self, kube: Kube, store: Store, rows: TaskRunRows, index: RunIndex) -> None:
        self._kube = kube
        self._store = store
        self._rows = rows
        self._index = index

    async def gather(self, key: Key) -> TaskRunSnapshot:
        """Read everything that concerns ``key``, in one round trip to the database."""
        resource = self._store.get(TASK_RUNS, key.namespace, key.name) or await self._fetch(key)
        rows = await self._rows.find(self._ref(key, resource))
        accepted = None if resource is None else self._index.accepted(uid_of(resource))
        run = _run_of(resource, rows, self._index.deleted(key), accepted)
        namesake = next((row for row in rows if row.name == key.name and (run is None or row.id != run.id)), None)
        pods = [] if run is None else [pod_view(pod) for pod in self._store.pods_of(str(run.id))]
        return TaskRunSnapshot(
            key=key,
            resource=resource,
            run=run,
            namesake=namesake,
            # Whoever may create pods elsewhere may annotate them as he likes.
            pods=tuple(pod for pod in pods if pod is not None and pod.namespace == key.namespace),
            image_id=None if run is None else self._index.image_of(run.id),
            now=rows[0].now if rows else datetime.now(UTC),
        )

    async def _fetch(self, key: Key) -> Object | None:
        """What the store does not have may only not have been seen yet: absence is confirmed."""
        try:
            resource = await self._kube.get(TASK_RUNS, key.namespace, key.name)
        except NotFound:
            return None
        self._store.put(TASK_RUNS, resource)
        return resource

    def _ref(self, key: Key, resource: Object | None) -> ResourceRef:
        if resource is None:
            return ResourceRef(uid=self._index.deleted(key) or "", namespace=key.namespace, name=key.name)
        uid = uid_of(resource)
        # One that shares an idempotency key was accepted as the run of another: nothing but its status will say so.
        run_id = self._index.accepted(uid) or shown_run_id(resource)
        return ResourceRef(uid=uid, namespace=key.namespace, name=key.name, run_id=run_id)


def _run_of(
    resource: Object | None, rows: list[RunRow], deleted_uid: str | None, accepted: UUID | None
) -> RunRow | None:
    uid = deleted_uid if resource is None else uid_of(resource)
    own = next((row for row in rows if row.resource_uid == uid), None) if uid else None
    if own is not None or resource is None:
        return own
    shown = next((row for row in rows if row.id == (accepted or shown_run_id(resource))), None)
    if shown is None or accepted is not None or (resource.get("status") or {}).get("runID"):
        return shown
    # Only its annotation says so, which anybody may write: the operator gives it the name of the run.
    return shown if task_run_name(shown.name) == resource["metadata"]["name"] else None
