"""What the specs of manifests mean for the control plane. Pure: values in, values out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from holdfast.contract.resources.model import camel_case
from holdfast.contract.resources.task import InlineTask
from holdfast.contract.resources.task_run import MUTABLE_FIELDS, TaskRun, TaskRunSpec
from holdfast_engine.control.options import TriggerOptions

MUTABLE = frozenset(camel_case(name) for name in MUTABLE_FIELDS)

_TEMPLATE_FIELDS = {"image", "command", "env", "pod_template", "machine", "warm", "version_policy"}


def applied_spec(spec: TaskRunSpec) -> dict[str, Any]:
    """What is kept of an applied spec: everything but the input, which the run has anyway."""
    return spec.model_dump(mode="json", exclude_none=True, exclude={"input"})


def changed_fields(
    before: Mapping[str, Any], now: Mapping[str, Any], path: str = "spec"
) -> Iterator[tuple[str, Any, Any]]:
    """The immutable fields that differ: path, value before, value now (None: not set)."""
    for name in dict.fromkeys([*before, *now]):
        if path == "spec" and name in MUTABLE:
            continue
        old, new = before.get(name), now.get(name)
        if isinstance(old, dict) and isinstance(new, dict):
            yield from changed_fields(old, new, f"{path}.{name}")
        elif old != new:
            yield f"{path}.{name}", old, new


def run_options(resource: TaskRun) -> TriggerOptions:
    """The options of the trigger that a TaskRun means."""
    spec = resource.spec
    inline = None if spec.task is None else task_options(spec.task).given()
    retry = {} if spec.retry is None else spec.retry.model_dump(by_alias=False, exclude_none=True)
    own = TriggerOptions(
        name=resource.metadata.name,
        queue=spec.queue_name,
        priority=spec.priority,
        concurrency_key=spec.concurrency_key,
        idempotency_key=spec.idempotency_key,
        start_after=spec.start_after,
        expire_after_seconds=spec.expire_after_seconds,
        active_deadline_seconds=spec.active_deadline_seconds,
        attempt_deadline_seconds=spec.attempt_deadline_seconds,
        pending_deadline_seconds=spec.pending_deadline_seconds,
        ttl_seconds=spec.ttl_seconds_after_finished,
        suspend=spec.suspend or None,
        **retry,
    )
    template = {} if spec.task is None else task_template(spec.task)
    given = {name: value for name, value in own.given().items() if name != "start_after"}
    return TriggerOptions(
        **{**(inline or {}), **given},
        start_after=spec.start_after,
        template={**template, "applied": applied_spec(spec)},
    )


def task_options(task: InlineTask) -> TriggerOptions:
    """The options that runs of a task have unless they say otherwise."""
    return TriggerOptions(
        queue=task.queue_name,
        entrypoint=task.entrypoint,
        active_deadline_seconds=task.active_deadline_seconds,
        attempt_deadline_seconds=task.attempt_deadline_seconds,
        pending_deadline_seconds=task.pending_deadline_seconds,
        **task.retry.model_dump(by_alias=False),
    )


def task_template(task: InlineTask) -> dict[str, Any]:
    """What the launcher needs to know of a task, spelled as in the manifest."""
    return task.model_dump(mode="json", include=_TEMPLATE_FIELDS, exclude_none=True)


def inline_task_name(task: InlineTask, resource: TaskRun) -> str:
    """What the task of a run of its own is called: its entrypoint, which no registered task is named like."""
    return task.entrypoint or resource.metadata.name
