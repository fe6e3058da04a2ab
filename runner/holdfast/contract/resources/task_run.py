"""A run: one execution of a task with an input."""

from __future__ import annotations

from typing import Annotated, Final, Literal, Self

from pydantic import ConfigDict, Field, JsonValue, model_validator

from holdfast.contract.resources.metadata import KubernetesObject
from holdfast.contract.resources.model import Model
from holdfast.contract.resources.retry import RetryOverrides
from holdfast.contract.resources.scalar import (
    ConcurrencyKey,
    Flag,
    IdempotencyKey,
    Input,
    Name,
    PositiveSeconds,
    Seconds,
    Time,
)
from holdfast.contract.resources.task import InlineTask
from holdfast.contract.resources.task_run_status import TaskRunStatus
from holdfast.contract.resources.union import check_one_of, one_of_rule

MUTABLE_FIELDS: Final = frozenset({"cancel", "suspend", "ttl_seconds_after_finished"})
"""Fields of the spec that may change while the run lives."""

_NO_WAY_BACK: Final[JsonValue] = {
    "rule": "self || !oldSelf",
    "message": "a canceled run stays canceled; create another run",
    "reason": "FieldValueForbidden",
}

Priority = Annotated[int, Field(strict=True, ge=-1_000_000_000, le=1_000_000_000)]


class TaskRef(Model):
    """Names a task in the same namespace."""

    name: Name
    """Name of the Task."""


class TaskRunSpec(Model):
    """A run as wanted. Only cancel, suspend and ttlSecondsAfterFinished may change later."""

    model_config = ConfigDict(json_schema_extra={"x-kubernetes-validations": [one_of_rule("task", "task_ref")]})

    task_ref: TaskRef | None = None
    """The task to run. Exactly one of taskRef and task."""

    task: InlineTask | None = None
    """A task of this run alone. Exactly one of taskRef and task."""

    queue_name: Name | None = None
    """Queue in which the run waits for admission. Default: the task's, else default."""

    input: Input = Field(default_factory=dict)
    """The task's parameters by name: one JSON object, up to 1 MiB."""

    retry: RetryOverrides | None = None
    """Retries of this run. A field that is not set is the task's."""

    active_deadline_seconds: PositiveSeconds | None = None
    """Longest time for the whole run, waiting included, in seconds. Default: the task's, else no limit."""

    attempt_deadline_seconds: PositiveSeconds | None = None
    """Longest time for one attempt, in seconds. Default: the task's, else no limit."""

    pending_deadline_seconds: PositiveSeconds | None = None
    """Longest time for a pod that cannot start, in seconds. Default: the task's, else 600."""

    priority: Priority = 0
    """Runs of higher priority are admitted first within their queue."""

    concurrency_key: ConcurrencyKey | None = None
    """Runs with the same key share the queue's concurrencyPerKey."""

    idempotency_key: IdempotencyKey | None = None
    """A second run of the task with the same key is not started: it shows the first."""

    start_after: Time | None = None
    """Not before this time. Default: at once."""

    expire_after_seconds: PositiveSeconds | None = None
    """A run that has not started after this many seconds is Expired. Default: never."""

    suspend: Flag = False
    """True stops the run before its next step and releases its pod and its slot; false lets it go on."""

    cancel: Flag = Field(default=False, json_schema_extra={"x-kubernetes-validations": [_NO_WAY_BACK]})
    """True ends the run. There is no way back."""

    ttl_seconds_after_finished: Seconds | None = None
    """A finished run is removed after this many seconds. Default: kept."""

    @model_validator(mode="after")
    def _check_union(self) -> Self:
        check_one_of(self, "task", "task_ref")
        return self


class TaskRun(KubernetesObject):
    """One execution of a task with an input. It resumes from its last recorded step whatever happens to its
    pods."""

    kind: Literal["TaskRun"] = "TaskRun"
    """The kind of object."""

    spec: TaskRunSpec
    """The run as wanted."""

    status: TaskRunStatus | None = None
    """The run as it stands."""
