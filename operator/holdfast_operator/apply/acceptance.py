"""Accepts the run of a TaskRun, exactly once."""

from __future__ import annotations

import json
from dataclasses import replace
from uuid import UUID

from holdfast.contract.reasons import Reason
from holdfast.contract.resources.metadata import Metadata
from holdfast.contract.resources.task import TaskSpec
from holdfast.contract.resources.task_run import TaskRun, TaskRunSpec
from holdfast.domain.errors import (
    ConflictError,
    ControlError,
    InputError,
    LimitError,
    NotFoundError,
    UnavailableError,
)
from holdfast_engine.control.inputs import check_input, check_schema
from holdfast_engine.control.plane import ControlPlane
from holdfast_engine.control.specs import inline_task_name, run_options, task_options, task_template
from holdfast_operator.apply.specs import Refused, parsed_spec
from holdfast_operator.faults import reach
from holdfast_operator.kinds import TASKS, Key, Object
from holdfast_operator.objects import uid_of
from holdfast_operator.rows import TaskRunRows
from holdfast_operator.store import Store


class Acceptance:
    """Makes runs of TaskRuns.

    Args:
        rows: the database.
        store: has the Tasks; one that came with its TaskRun may not have been registered yet.
    """

    def __init__(self, rows: TaskRunRows, store: Store) -> None:
        self._rows = rows
        self._store = store

    async def accept(self, key: Key, resource: Object) -> UUID:
        """Accept the run and return its id. The same resource again is the same run.

        Raises:
            Refused: it cannot be accepted, or not now; says why.
            UnavailableError: the database cannot be reached.
        """
        task_run = _parsed(key, resource)
        try:
            return await self._trigger(task_run, uid_of(resource))
        except NotFoundError as error:
            if await self._register(task_run):
                return await self._trigger(task_run, uid_of(resource))
            raise Refused(Reason.TASK_NOT_FOUND, str(error), is_final=False) from error

    async def _trigger(self, task_run: TaskRun, uid: str) -> UUID:
        spec, plane = task_run.spec, self._rows.plane(task_run.metadata.namespace)
        # In a cluster the resource has the time to live, and the row the retention of the installation.
        options = replace(run_options(task_run), ttl_seconds=None, resource_uid=uid)
        options = replace(options, template={k: v for k, v in (options.template or {}).items() if k != "applied"})
        try:
            if spec.task is not None:
                task = inline_task_name(spec.task, task_run)
                if spec.task.input_schema is not None:
                    check_schema(spec.task.input_schema, task)
                    check_input(json.dumps(spec.input), spec.task.input_schema, task)
            else:
                assert spec.task_ref is not None
                task = await self._task_name(plane, spec.task_ref.name)
            reach("before:trigger_run")
            triggered = await plane.trigger(task, spec.input, options)
            reach("after:trigger_run")
        except (NotFoundError, UnavailableError):
            raise
        except (InputError, LimitError, ConflictError) as error:
            reason = Reason.REFUSED if isinstance(error, ConflictError) else Reason.INPUT_INVALID
            raise Refused(reason, str(error)) from error
        except ControlError as error:
            raise Refused(Reason.REFUSED, str(error)) from error
        return triggered.run_id

    async def _task_name(self, plane: ControlPlane, wanted: str) -> str:
        """The name of the task that is meant; one that was registered from code may have an underscore in its name."""
        if self._store.get(TASKS, plane.namespace, wanted) is not None:
            return wanted
        names = await plane.task_names()
        return next((each for each in (wanted, wanted.replace("-", "_")) if each in names), wanted)

    async def _register(self, task_run: TaskRun) -> bool:
        """Register the Task that the run names, if the cluster has it. Returns whether it has."""
        namespace, ref = task_run.metadata.namespace, task_run.spec.task_ref
        resource = None if ref is None else self._store.get(TASKS, namespace, ref.name)
        if resource is None or resource["metadata"].get("deletionTimestamp"):
            return False
        try:
            await register_task(self._rows, resource)
        except InputError as error:
            # The Task may be mended.
            raise Refused(Reason.REFUSED, str(error), is_final=False) from error
        return True


async def register_task(rows: TaskRunRows, resource: Object) -> None:
    """Register a Task, or change it.

    Raises:
        InputError: its inputSchema is no JSON Schema.
        Refused: its spec cannot be read.
    """
    spec = parsed_spec(TaskSpec, resource)
    reach("before:put_task")
    await rows.plane(resource["metadata"]["namespace"]).put_task(
        resource["metadata"]["name"],
        entrypoint=spec.entrypoint,
        queue=spec.queue_name or "default",
        input_schema=spec.input_schema,
        defaults=task_options(spec),
        template=task_template(spec),
    )
    reach("after:put_task")


def _parsed(key: Key, resource: Object) -> TaskRun:
    metadata = Metadata(name=key.name, namespace=key.namespace)
    return TaskRun(metadata=metadata, spec=parsed_spec(TaskRunSpec, resource))
