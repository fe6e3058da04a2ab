"""A schedule: triggers runs of a task by the clock."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from pydantic import Field

from holdfast.contract.resources.condition import Conditions
from holdfast.contract.resources.metadata import KubernetesObject
from holdfast.contract.resources.model import Model
from holdfast.contract.resources.scalar import (
    Count,
    Cron,
    Flag,
    Generation,
    Input,
    Name,
    Seconds,
    Time,
    TimeZone,
)
from holdfast.contract.resources.task_run import TaskRef


class OverlapPolicy(StrEnum):
    """What happens at a tick while the run of an earlier one is active."""

    SKIP = "Skip"
    """The tick is recorded as skipped."""

    QUEUE = "Queue"
    """The new run waits for the earlier one."""

    CANCEL_OTHER = "CancelOther"
    """The earlier run is canceled."""

    ALLOW = "Allow"
    """Both run."""


class TaskScheduleSpec(Model):
    """A schedule as wanted."""

    task_ref: TaskRef
    """The task to run."""

    cron: Cron
    """When: minute, hour, day of month, month, day of week; or a name such as @daily."""

    time_zone: TimeZone = "Etc/UTC"
    """Time zone of the cron fields, by its IANA name."""

    input: Input = Field(default_factory=dict)
    """Input of the runs: one JSON object, up to 1 MiB."""

    catch_up_seconds: Seconds = 3600
    """Ticks missed by no more than this many seconds are caught up; older ones are recorded as skipped."""

    overlap_policy: OverlapPolicy = OverlapPolicy.SKIP
    """What happens at a tick while an earlier run is active: Skip, Queue, CancelOther or Allow."""

    jitter_seconds: Seconds = 0
    """Runs start up to this many seconds after their tick, spread by the schedule's name."""

    suspend: Flag = False
    """True triggers no more runs; ticks meanwhile are recorded as skipped."""


class TaskScheduleStatus(Model):
    """A schedule as it stands."""

    observed_generation: Generation | None = None
    """The generation of the spec that was looked at."""

    last_schedule_time: Time | None = None
    """The last tick that triggered a run."""

    next_schedule_time: Time | None = None
    """The next tick."""

    last_run_name: Name | None = None
    """Name of the run of the last tick."""

    skipped: Count = 0
    """Ticks that were recorded as skipped."""

    conditions: Conditions = ()
    """Ready: the cron fields, the time zone and the task are good."""


class TaskSchedule(KubernetesObject):
    """Triggers runs of a task by the clock. Never skips a tick silently."""

    kind: Literal["TaskSchedule"] = "TaskSchedule"
    """The kind of object."""

    spec: TaskScheduleSpec
    """The schedule as wanted."""

    status: TaskScheduleStatus | None = None
    """The schedule as it stands."""
