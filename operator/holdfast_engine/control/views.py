"""What the control plane shows: frozen pictures of rows, made at one moment."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from holdfast.domain.states import FINAL, State

if TYPE_CHECKING:
    from asyncpg import Record as Row


@dataclass(frozen=True, slots=True)
class Triggered:
    """The answer to a trigger: which run it is, and whether this call created it."""

    run_id: UUID
    name: str
    created: bool


@dataclass(frozen=True, slots=True)
class Forked:
    """The answer to a fork: which run it is, and how it begins."""

    run_id: UUID
    name: str
    #: The step before which it goes on.
    step: str
    #: How many records of the older run it has.
    kept_steps: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RunView:
    """A run as lists show it. Times are aware; those that have not come, or are over, are None."""

    id: UUID
    namespace: str
    name: str
    task: str
    queue: str
    state: State
    #: "module:function"; None if the attempts run a command.
    entrypoint: str | None
    #: The one engine that may launch its attempts; None: any.
    launcher: str | None
    tags: tuple[str, ...]
    priority: int
    concurrency_key: str | None
    idempotency_key: str | None
    #: Number of the latest attempt; 0 before the first.
    attempt: int
    #: Attempts that failed by the code's fault, counted against `max_attempts`.
    failures: int
    #: Attempts lost through nobody's fault.
    disruptions: int
    max_attempts: int
    #: Why it ended or waits, in one CamelCase word and one sentence.
    reason: str | None
    message: str | None
    replay_of: UUID | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    #: When time alone will next do something to it: a retry, a wait, a deadline. Every heartbeat moves it.
    wake_at: datetime | None = field(compare=False)
    cancel_requested_at: datetime | None
    suspend_requested_at: datetime | None
    #: The state in which it will end, while it compensates what it did and calls its hooks before; else None.
    closing: State | None

    @property
    def is_final(self) -> bool:
        """Whether nothing happens to it any more unless someone asks."""
        return self.state in FINAL

    @classmethod
    def from_row(cls, row: Row) -> RunView:
        """Read a row of `read_runs`."""
        return cls(**_run_fields(row))


@dataclass(frozen=True, slots=True, kw_only=True)
class RunDetail(RunView):
    """A run with its payload."""

    #: The input, an object.
    input: dict[str, Any]
    #: What the task returned; None until it succeeded, and also if it returned None.
    result: Any
    #: How the latest failed attempt ended: type, message, traceback; None if none failed.
    error: dict[str, Any] | None
    template: dict[str, Any]
    #: Steps that succeeded.
    recorded_steps: int
    #: Recorded steps that attempts did not execute again, over all attempts.
    replayed_steps: int
    #: What must happen outside before it goes on: "token ID", "run NAME", "signal NAME" or "event NAME"; the first 20.
    waits_for: tuple[str, ...]

    @classmethod
    def from_rows(cls, row: Row, payload: Row) -> RunDetail:
        """Read a row of `read_runs` and the same run's of `read_run_payload`."""
        return cls(
            **_run_fields(row),
            input=json.loads(payload["input"]),
            result=_parsed(payload["result"]),
            error=_parsed(payload["error"]),
            template=_parsed(payload["template"]) or {},
            recorded_steps=payload["recorded_steps"],
            replayed_steps=payload["replayed_steps"] or 0,
            waits_for=tuple(payload["waits_for"]),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptView:
    """One process launched for a run."""

    number: int
    admitted_at: datetime
    launched_at: datetime | None
    opened_at: datetime | None
    ended_at: datetime | None
    #: Steps that were recorded before it opened; None until then.
    replayed_steps: int | None
    #: What the process said of itself: host, pid, versions.
    runner: dict[str, Any]
    #: Succeeded, Failed, Parked, Suspended, Canceled or Lost; None while it goes on.
    outcome: str | None
    failure_class: str | None
    reason: str | None
    message: str | None
    exit_code: int | None

    @classmethod
    def from_row(cls, row: Row) -> AttemptView:
        """Read a row of `list_attempts`."""
        fields = dict(row)
        fields["failure_class"] = fields.pop("class")
        fields["runner"] = _parsed(fields["runner"]) or {}
        return cls(**fields)


@dataclass(frozen=True, slots=True, kw_only=True)
class StepView:
    """One recorded operation of a run."""

    key: str
    #: Order in which it was recorded, from 1.
    sequence: int
    #: The attempt that recorded it; 0: it is of the run that this one was forked from.
    attempt: int
    #: Executions of the body, over all attempts.
    tries: int
    recorded_at: datetime
    elapsed_ms: int
    kind: str
    outcome: str
    name: str
    #: The recorded JSON: its result, or its failure.
    value: Any

    @classmethod
    def from_row(cls, row: Row) -> StepView:
        """Read a row of `list_steps`."""
        return cls(**{**row, "value": _parsed(row["value"])})


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    """One line that an attempt printed or logged."""

    attempt: int
    #: Place within the attempt, from 1.
    line_number: int
    logged_at: datetime
    #: stdout, stderr or log.
    stream: str
    step_key: str | None
    line: str

    @classmethod
    def from_row(cls, row: Row) -> LogLine:
        """Read a row of `list_log_lines`."""
        return cls(**row)


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueView:
    """A queue, its limits (None: no limit) and what is in it."""

    name: str
    concurrency: int | None
    concurrency_per_key: int | None
    starts_per_minute: int | None
    paused: bool
    #: Runs that wait for a slot.
    depth: int
    #: Runs that hold one.
    running: int
    oldest_queued_at: datetime | None

    @classmethod
    def from_row(cls, row: Row) -> QueueView:
        """Read a row of `list_queues`."""
        return cls(**row)


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskView:
    """A registered task."""

    name: str
    entrypoint: str | None
    queue: str
    #: JSON Schema of the input; None: any object is accepted.
    input_schema: dict[str, Any] | None
    #: `defaults` of trigger options, and the `template` of its runs.
    spec: dict[str, Any]

    @classmethod
    def from_row(cls, row: Row) -> TaskView:
        """Read a row of `find_task`."""
        return cls(**{**row, "input_schema": _parsed(row["input_schema"]), "spec": _parsed(row["spec"]) or {}})


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenView:
    """A token: what a run waits for until somebody completes it."""

    id: UUID
    #: The run that made it, and its name.
    run_id: UUID
    run_name: str | None
    tags: tuple[str, ...]
    idempotency_key: str | None
    created_at: datetime
    #: When it can be completed no more; None: never.
    expires_at: datetime | None
    resolved_at: datetime | None
    #: "Completed" or "TimedOut"; None while it is open.
    outcome: str | None
    #: What it was completed with.
    value: Any

    @classmethod
    def from_row(cls, row: Row) -> TokenView:
        """Read a row of `list_tokens`."""
        return cls(**{**row, "tags": tuple(row["tags"]), "value": _parsed(row["value"])})


@dataclass(frozen=True, slots=True, kw_only=True)
class EventView:
    """An event: a fact that was published to whoever subscribed."""

    id: UUID
    name: str
    #: Unique among the events of its name; None: it has none.
    key: str | None
    #: What was published.
    value: Any
    published_at: datetime

    @classmethod
    def from_row(cls, row: Row) -> EventView:
        """Read a row of `list_events`."""
        return cls(**{**row, "value": _parsed(row["value"])})


def _run_fields(row: Row) -> dict[str, Any]:
    closing = None if row["closing"] is None else State(row["closing"])
    return {**row, "state": State(row["state"]), "tags": tuple(row["tags"]), "closing": closing}


def _parsed(text: str | None) -> Any:
    return None if text is None else json.loads(text)
