"""The TaskRun that the pods of a run belong to; a run from code gets one when it is admitted."""

from __future__ import annotations

from uuid import UUID

from holdfast.contract import labels
from holdfast.domain.errors import LaunchError
from holdfast_engine.launcher import Launch
from holdfast_operator.build.names import task_run_name
from holdfast_operator.build.task_run import build_task_run
from holdfast_operator.kinds import TASK_RUNS, Object
from holdfast_operator.kube import Kube
from holdfast_operator.kube_errors import AlreadyExists, NotFound
from holdfast_operator.objects import key_of, uid_of
from holdfast_operator.rows import TaskRunRows
from holdfast_operator.run_index import RunIndex
from holdfast_operator.store import Store


class TaskRunOfRun:
    """Finds TaskRuns, and makes them.

    Args:
        kube: the cluster.
        store: what was last seen of it.
        rows: the database.
        index: which TaskRun is which run.
    """

    def __init__(self, kube: Kube, store: Store, rows: TaskRunRows, index: RunIndex) -> None:
        self._kube = kube
        self._store = store
        self._rows = rows
        self._index = index

    def note_image(self, run_id: UUID, image_id: str) -> None:
        """The image of an attempt became known."""
        self._index.note_image(run_id, image_id)

    def image_of(self, run_id: UUID) -> str | None:
        """The image of the run's first attempt, if it was seen."""
        return self._index.image_of(run_id)

    async def task_run(self, launch: Launch) -> Object:
        """The TaskRun of the run that is launched.

        Raises:
            LaunchError: it is deleted, or another one has its name.
            KubeError: the API server refuses to say, or to make it.
            ControlError: the database does.
        """
        seen = self._store.get(TASK_RUNS, launch.namespace, task_run_name(launch.name))
        if seen is not None and self._index.is_run(seen, launch.id.run_id):
            return seen
        order = await self._rows.order(launch.id.run_id)
        if order is None:
            raise LaunchError("the run was removed")
        if order["resource_uid"] is not None:
            return await self._existing(launch, order["resource_uid"])
        resource = await self._made(launch, build_task_run(order))
        await self._rows.bind(launch.id.run_id, uid_of(resource))
        return resource

    async def _existing(self, launch: Launch, uid: str) -> Object:
        try:
            resource = await self._kube.get(TASK_RUNS, launch.namespace, task_run_name(launch.name))
        except NotFound:
            raise LaunchError(f"the TaskRun {launch.name} is deleted") from None
        if uid_of(resource) != uid:
            raise LaunchError(f"the TaskRun {launch.name} is deleted, and another one has its name")
        return self._noted(launch, resource)

    async def _made(self, launch: Launch, body: Object) -> Object:
        name = body["metadata"]["name"]
        try:
            resource = await self._kube.create(TASK_RUNS, launch.namespace, body)
        except AlreadyExists:
            resource = await self._kube.get(TASK_RUNS, launch.namespace, name)
            annotations = resource["metadata"].get("annotations") or {}
            if annotations.get(labels.RUN_ID) != str(launch.id.run_id):
                raise LaunchError(f"a TaskRun named {name} exists that does not belong to this run") from None
        return self._noted(launch, resource)

    def _noted(self, launch: Launch, resource: Object) -> Object:
        self._index.note(launch.id.run_id, key_of(TASK_RUNS, resource), uid_of(resource))
        self._store.put(TASK_RUNS, resource)
        return resource
