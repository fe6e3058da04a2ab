"""Runs and queues as rows of the database: frozen pictures of one moment."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from holdfast.contract.reasons import FailureClass
from holdfast.domain.states import FINAL, State


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptRow:
    """An attempt of a run; what has not happened is ``None``."""

    number: int
    admitted_at: datetime
    launched_at: datetime | None
    opened_at: datetime | None
    ended_at: datetime | None
    replayed_steps: int | None
    #: Succeeded, Failed, Parked, Suspended, Canceled or Lost.
    outcome: str | None
    failure: FailureClass | None
    reason: str | None
    message: str | None
    exit_code: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRow:
    """A run at one moment, ``now`` by the database's clock."""

    id: UUID
    namespace: str
    name: str
    task: str
    queue: str
    state: State
    #: Uid of the TaskRun that it is; ``None`` for a run from code that has none yet.
    resource_uid: str | None
    attempt: int
    failures: int
    disruptions: int
    max_attempts: int
    disruption_limit: int
    reason: str | None
    message: str | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    #: When a run that waits goes on; ``None`` in other states.
    due_at: datetime | None
    is_cancel_requested: bool
    is_suspend_requested: bool
    is_command: bool
    version_policy: str
    #: JSON text; ``None`` if there is none, or if it is too large for a status.
    result: str | None
    result_bytes: int
    #: The last ten, the newest last.
    attempts: tuple[AttemptRow, ...]
    step_name: str | None
    step_recorded_at: datetime | None
    recorded_steps: int
    now: datetime

    @property
    def is_final(self) -> bool:
        """Whether nothing happens to it any more unless someone asks."""
        return self.state in FINAL

    def next_due_at(self, attempt: AttemptRow) -> datetime | None:
        """When the attempt after this one is due, or was; ``None`` if there is none.

        A short backoff may be over before anybody looks: then the run waits in its queue, or goes on already.
        """
        if attempt.number < self.attempt:
            return next((each.admitted_at for each in self.attempts if each.number == attempt.number + 1), None)
        if self.state is State.QUEUED:
            return self.now
        return self.due_at if self.state is State.BACKOFF else None

    @property
    def newest_attempt(self) -> AttemptRow | None:
        """The latest attempt; ``None`` before the first."""
        return self.attempts[-1] if self.attempts else None


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceRef:
    """By what the run of a TaskRun is found."""

    uid: str
    namespace: str
    name: str
    #: The run that its status, or its annotation, names.
    run_id: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueRow:
    """What is in a queue."""

    depth: int
    running: int
    oldest_queued_at: datetime | None
