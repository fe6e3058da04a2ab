"""What a run can wait for outside of itself."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID


class SubjectOutcome(StrEnum):
    """How what a run waited for was resolved."""

    COMPLETED = "Completed"
    TIMED_OUT = "TimedOut"


@dataclass(frozen=True, slots=True)
class Subject:
    """Something outside that a run waits for, a token by its id, as it was when the database looked.

    Attributes:
        id: which one.
        outcome: how it was resolved; None while it is not.
        value: JSON text of what it was completed with.
        remaining_seconds: until it times out; None if it does not.
    """

    id: UUID
    outcome: SubjectOutcome | None
    value: str | None
    remaining_seconds: float | None
