"""A task: the code of a run, where it runs, and its defaults."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from holdfast.contract.resources.condition import Conditions
from holdfast.contract.resources.environment_variable import Environment
from holdfast.contract.resources.metadata import KubernetesObject
from holdfast.contract.resources.model import Model
from holdfast.contract.resources.pod_template import PodTemplate
from holdfast.contract.resources.retry import RetryPolicy
from holdfast.contract.resources.scalar import (
    Argument,
    Entrypoint,
    Generation,
    Image,
    JsonObject,
    Name,
    PositiveSeconds,
)
from holdfast.contract.resources.union import check_one_of, one_of_rule
from holdfast.contract.resources.warm_pool import WarmPool


class VersionPolicy(StrEnum):
    """Which image a retry uses."""

    PINNED = "Pinned"
    """The one of the run's first attempt, so that a deploy cannot break a run in flight."""

    LATEST = "Latest"
    """The one that the task names when the attempt is launched."""


class InlineTask(Model):
    """A task that belongs to one run. Without an image it runs only as a local process."""

    model_config = ConfigDict(json_schema_extra={"x-kubernetes-validations": [one_of_rule("entrypoint", "command")]})

    image: Image | None = None
    """Container image with the code. Local processes need none."""

    entrypoint: Entrypoint | None = None
    """The function to run, as package.module:function. Exactly one of entrypoint and command."""

    command: Annotated[tuple[Argument, ...], Field(min_length=1, max_length=256)] | None = Field(
        default=None, json_schema_extra={"x-kubernetes-list-type": "atomic"}
    )
    """A command to run in an image without the SDK; its exit code decides. Exactly one of entrypoint and
    command."""

    input_schema: JsonObject | None = None
    """JSON Schema of the input. Default: what the function's parameters say."""

    queue_name: Name | None = None
    """Queue of runs that name none. Default: default."""

    retry: RetryPolicy = RetryPolicy()
    """How often and how soon a run is tried again."""

    active_deadline_seconds: PositiveSeconds | None = None
    """Longest time for a whole run, waiting included, in seconds. Default: no limit."""

    attempt_deadline_seconds: PositiveSeconds | None = None
    """Longest time for one attempt, in seconds. Default: no limit."""

    pending_deadline_seconds: PositiveSeconds = 600
    """Longest time for a pod that cannot start, in seconds."""

    pod_template: PodTemplate | None = None
    """A Kubernetes PodTemplateSpec (metadata and spec) on which the pods are built. What would break the
    isolation between runs is refused; any other field is passed through."""

    machine: Name | None = None
    """Name of a size of pod (CPU and memory) that the platform offers. Default: the queue's."""

    warm: WarmPool | None = None
    """Pods that are kept ready for this task. Default: none."""

    version_policy: VersionPolicy = VersionPolicy.PINNED
    """Which image a retry uses: Pinned keeps that of the first attempt, Latest takes the task's."""

    env: Environment = ()
    """Environment variables of the attempts."""

    @model_validator(mode="after")
    def _check_union(self) -> Self:
        check_one_of(self, "entrypoint", "command")
        return self


class TaskSpec(InlineTask):
    """A task that runs can refer to."""

    image: Image
    """Container image with the code."""


class TaskStatus(Model):
    """What is known of a task."""

    observed_generation: Generation | None = None
    """The generation of the spec that was looked at."""

    conditions: Conditions = ()
    """Ready: runs of this task are accepted."""


class Task(KubernetesObject):
    """A registered durable function: its code, its image and the defaults of its runs."""

    kind: Literal["Task"] = "Task"
    """The kind of object."""

    spec: TaskSpec
    """The task as wanted."""

    status: TaskStatus | None = None
    """What is known of the task."""
