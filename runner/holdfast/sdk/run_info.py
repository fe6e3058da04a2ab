"""What a run may know about itself."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from holdfast.sdk.journal import require_strand


@dataclass(frozen=True, slots=True)
class RunInfo:
    """Who and where this run is. Stable across attempts, but for ``attempt``, ``failures`` and ``disruptions``.

    Attributes:
        run_id: identity of the run.
        name: its name, unique in the namespace.
        namespace: where it lives.
        task: name of its task.
        queue: the queue that admitted it.
        attempt: number of this attempt, from 1.
        failures: attempts that failed before, against ``max_attempts``.
        disruptions: attempts that were lost through nobody's fault.
        max_attempts: failures after which the run is a dead letter.
        idempotency_key: key that the trigger gave, or None.
        tags: tags that the trigger gave.
        created_at: when the run was accepted.
    """

    run_id: UUID
    name: str
    namespace: str
    task: str
    queue: str
    attempt: int
    failures: int
    disruptions: int
    max_attempts: int
    idempotency_key: str | None
    tags: tuple[str, ...]
    created_at: datetime


def run_info() -> RunInfo:
    """Return the facts about the run that the caller is part of.

    Raises:
        BranchError: outside of a run.
    """
    return require_strand("run_info()").journal.info
