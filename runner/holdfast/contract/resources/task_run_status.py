"""How a run stands, as `kubectl get` shows it. Postgres knows more."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from holdfast.contract.reasons import FailureClass
from holdfast.contract.resources.condition import Conditions
from holdfast.contract.resources.model import Model
from holdfast.contract.resources.scalar import (
    AnyJson,
    Count,
    Generation,
    Int32,
    Message,
    Name,
    PositiveCount,
    ShortText,
    Subdomain,
    Time,
    Word,
)
from holdfast.domain.states import State


class AttemptStatus(Model):
    """One attempt: a pod that was launched for the run."""

    number: PositiveCount
    """Number of the attempt, from 1."""

    pod_name: Subdomain | None = None
    """Name of the pod."""

    node_name: Subdomain | None = None
    """Name of the node on which the pod ran."""

    start_time: Time | None = None
    """When the attempt was launched."""

    completion_time: Time | None = None
    """When the attempt ended."""

    failure_class: FailureClass | None = None
    """Whose failure ended the attempt: App, NonRetryable, OOM, Disruption, Start or Deadline."""

    reason: Word | None = None
    """Why the attempt ended, in one CamelCase word."""

    message: Message | None = None
    """Why the attempt ended, in a sentence."""

    exit_code: Int32 | None = None
    """Exit code of the process."""


class CheckpointStatus(Model):
    """The last recorded step."""

    step: ShortText
    """Name of the step."""

    sequence: PositiveCount
    """How many steps the run has recorded."""

    time: Time
    """When it was recorded."""


class TaskRunStatus(Model):
    """The run as it stands."""

    observed_generation: Generation | None = None
    """The generation of the spec that was looked at."""

    phase: State | None = None
    """The run's state, for people. Programs read the condition Succeeded."""

    conditions: Conditions = ()
    """Succeeded: Unknown while the run is active."""

    run_id: Annotated[str, Field(max_length=64)] | None = None
    """Id of the run in Postgres."""

    task_name: Annotated[str, Field(max_length=200)] | None = None
    """Name of the task, also of an inline one."""

    queue_name: Name | None = None
    """Queue of the run."""

    attempt: Count = 0
    """Attempts launched so far."""

    failures: Count = 0
    """Failures that count against maxAttempts."""

    disruptions: Count = 0
    """Attempts lost through nobody's fault, which count against disruptionLimit."""

    attempts: Annotated[
        tuple[AttemptStatus, ...],
        Field(
            max_length=10,
            json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["number"]},
        ),
    ] = ()
    """The last ten attempts, the newest last."""

    checkpoint: CheckpointStatus | None = None
    """The last recorded step."""

    next_attempt_time: Time | None = None
    """When the next attempt is due, while the run waits for it."""

    start_time: Time | None = None
    """When the run was first admitted."""

    completion_time: Time | None = None
    """When the run ended."""

    result: AnyJson = None
    """What the task returned, up to 4 KiB of JSON. A larger result is at resultLocation."""

    result_location: Annotated[str, Field(max_length=2048)] | None = None
    """Where to read a result that is too large for here."""

    image_id: Annotated[str, Field(max_length=1024)] | None = None
    """Digest of the image of the first attempt, which retries keep."""
