"""What a test sees of a run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from holdfast.domain.states import State


@dataclass(frozen=True, slots=True)
class RecordedStep:
    """One recorded operation.

    Attributes:
        key: identity across attempts.
        name: the author's name for it.
        kind: ``step``, ``now``, ``random``, ``uuid4``, ``checkpoint``, ``patch``, ``sleep``, ``token`` or ``child``.
        outcome: ``Succeeded``, ``Failed``, ``Retrying`` or ``Canceled``.
        tries: executions of the body that came to an end, over all attempts.
        attempt: number of the attempt that recorded it.
        value: JSON text of the result or of the failure; None for canceled steps.
        sequence: order of the records, from 1.
        position: place within its branch, from 1; 0 where the place says nothing.
    """

    key: str
    name: str
    kind: str
    outcome: str
    tries: int
    attempt: int
    value: str | None
    sequence: int
    position: int


@dataclass(frozen=True, slots=True)
class RunResult:
    """How a run ended, or where it stands.

    Attributes:
        state: ``Succeeded``, ``Failed`` or another final state; ``Suspended`` for a run that someone suspended.
        result: what the task returned, rebuilt to its annotation; None unless it succeeded.
        error: what the last failed attempt raised; None if there is none.
        attempts: how many attempts were made.
        failures: how many of them failed by the task's own doing.
        steps: what is recorded, in the order of the records.
        reason: why it ended, in one CamelCase word.
        message: the same in one sentence.
        run_id: identity of the run.
    """

    state: State
    result: Any
    error: Exception | None
    attempts: int
    failures: int
    steps: tuple[RecordedStep, ...]
    reason: str | None
    message: str | None
    run_id: UUID
