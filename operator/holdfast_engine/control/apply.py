"""Apply manifests: make what they say true, and tell what was done. The same again changes nothing."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from holdfast.contract.manifest import Resource
from holdfast.contract.resources.task import Task
from holdfast.contract.resources.task_queue import TaskQueue
from holdfast.contract.resources.task_run import TaskRun
from holdfast.contract.resources.task_schedule import TaskSchedule
from holdfast.domain.errors import ConflictError, ControlError
from holdfast_engine.control.inputs import check_input, check_schema
from holdfast_engine.control.plane import ControlPlane
from holdfast_engine.control.specs import (
    applied_spec,
    changed_fields,
    inline_task_name,
    run_options,
    task_options,
    task_template,
)
from holdfast_engine.control.views import RunDetail

_ORDER = (TaskQueue, Task, TaskRun)


@dataclass(frozen=True, slots=True)
class Applied:
    """What became of one resource."""

    #: "TaskRun shop/order-42"
    address: str
    #: created, configured or unchanged
    outcome: str
    #: Only for a TaskRun.
    run_id: UUID | None = None


async def apply(plane: ControlPlane, resources: Sequence[Resource]) -> list[Applied]:
    """Apply resources, queues and tasks before runs.

    Raises:
        ConflictError: a field that cannot change is different; names it.
        ControlError: there is a TaskSchedule, and nothing was applied; or the database refused a resource, and what
            was applied before it stays.
    """
    _refuse_schedules(resources)
    ordered = sorted(resources, key=lambda resource: _ORDER.index(type(resource)))
    return [await _apply(plane.in_namespace(each.metadata.namespace), each) for each in ordered]


async def _apply(plane: ControlPlane, resource: Resource) -> Applied:
    if isinstance(resource, TaskQueue):
        return await _apply_queue(plane, resource)
    if isinstance(resource, Task):
        return await _apply_task(plane, resource)
    assert isinstance(resource, TaskRun)
    return await _apply_run(plane, resource)


def _refuse_schedules(resources: Sequence[Resource]) -> None:
    schedules = [resource.address for resource in resources if isinstance(resource, TaskSchedule)]
    if schedules:
        raise ControlError(
            f"{', '.join(schedules)}: this version of Holdfast does not run schedules yet. Nothing was applied: take "
            "them out of the file, and let something else call `holdfast trigger` at the wanted times."
        )


async def _apply_queue(plane: ControlPlane, resource: TaskQueue) -> Applied:
    spec = resource.spec
    outcome = await plane.put_queue(
        resource.metadata.name,
        concurrency=spec.concurrency,
        concurrency_per_key=spec.concurrency_per_key,
        starts_per_minute=spec.starts_per_minute,
        paused=spec.paused,
        spec=spec.model_dump(mode="json", exclude_none=True),
    )
    return Applied(resource.address, outcome)


async def _apply_task(plane: ControlPlane, resource: Task) -> Applied:
    spec = resource.spec
    outcome = await plane.put_task(
        resource.metadata.name,
        entrypoint=spec.entrypoint,
        queue=spec.queue_name or "default",
        input_schema=spec.input_schema,
        defaults=task_options(spec),
        template=task_template(spec),
    )
    return Applied(resource.address, outcome)


async def _apply_run(plane: ControlPlane, resource: TaskRun) -> Applied:
    known = await plane.named(resource.metadata.name)
    if known is not None:
        return await _apply_again(plane, resource, known)
    spec = resource.spec
    if spec.task is not None:
        task = inline_task_name(spec.task, resource)
        if spec.task.input_schema is not None:
            check_schema(spec.task.input_schema, task)
            check_input(json.dumps(spec.input), spec.task.input_schema, task)
    else:
        assert spec.task_ref is not None
        task = await _registered_name(plane, spec.task_ref.name)
    triggered = await plane.trigger(task, spec.input, run_options(resource))
    if triggered.created and spec.cancel:
        await plane.cancel(triggered.run_id)
    return Applied(resource.address, "created" if triggered.created else "unchanged", triggered.run_id)


async def _registered_name(plane: ControlPlane, name: str) -> str:
    """Kubernetes allows no underscore in a name: `process-order` also means the function `process_order`."""
    names = await plane.task_names()
    return next((each for each in (name, name.replace("-", "_")) if each in names), name)


async def _apply_again(plane: ControlPlane, resource: TaskRun, run: RunDetail) -> Applied:
    before = run.template.get("applied")
    if before is None:
        raise ConflictError(f"{resource.address} exists and was not applied: choose another name.")
    now = applied_spec(resource.spec)
    for path, old, new in changed_fields({**before, "input": run.input}, {**now, "input": resource.spec.input}):
        raise ConflictError(
            f"{resource.address}: {path} cannot change after the run was accepted "
            f"(it is {_spelled(old)}, and {_spelled(new)} was applied). Apply it under another name."
        )
    if now == before:
        return Applied(resource.address, "unchanged", run.id)
    await _apply_mutable(plane, resource, run)
    await plane.remember_applied(run.id, now)
    return Applied(resource.address, "configured", run.id)


async def _apply_mutable(plane: ControlPlane, resource: TaskRun, run: RunDetail) -> None:
    before, spec = run.template["applied"], resource.spec
    if before.get("cancel") and not spec.cancel:
        raise ConflictError(f"{resource.address}: spec.cancel cannot be taken back.")
    if spec.cancel and not before.get("cancel"):
        await plane.cancel(run.id)
    if spec.ttl_seconds_after_finished != before.get("ttlSecondsAfterFinished"):
        await plane.set_ttl(run.id, spec.ttl_seconds_after_finished)
    if spec.suspend != before.get("suspend", False) and not spec.cancel and not run.is_final:
        await (plane.suspend(run.id) if spec.suspend else plane.unsuspend(run.id))


def _spelled(value: object) -> str:
    text = "not set" if value is None else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else text[:79] + "…"
