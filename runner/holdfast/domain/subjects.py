"""What a run can wait for outside of itself."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID


class SubjectOutcome(StrEnum):
    """How what a run waited for was resolved: a token, a signal or an event (the first two), or a run that it had
    triggered (its state).
    """

    COMPLETED = "Completed"
    TIMED_OUT = "TimedOut"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    CANCELED = "Canceled"
    EXPIRED = "Expired"


@dataclass(frozen=True, slots=True)
class Subject:
    """A token, a run, or a wait for a signal or an event, by its id, as it was when the database looked.

    Attributes:
        id: which one.
        outcome: how it was resolved; None while it is not.
        value: JSON text of what it was completed with, of the message, of the result, or of the error.
        message: why a run ended, in one sentence.
        remaining_seconds: until it times out; None if it does not.
    """

    id: UUID
    outcome: SubjectOutcome | None
    value: str | None
    message: str | None
    remaining_seconds: float | None


@dataclass(frozen=True, slots=True)
class Subscription:
    """What a run waits for by name.

    Attributes:
        kind: ``signal`` or ``event``.
        name: of the signal or event.
        timeout_seconds: how long; None: for ever.
        match: JSON text of an object that an event must contain; None: any event.
        look_back_seconds: how long before the wait an event may have been published.
    """

    kind: str
    name: str
    timeout_seconds: float | None
    match: str | None = None
    look_back_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class ChildRequest:
    """A run to trigger from a run.

    Attributes:
        key: place of the call, and which one of a batch: the same key is the same run.
        task: name of the task.
        input: JSON text of an object.
        options: JSON text of the options of the trigger.
    """

    key: str
    task: str
    input: str
    options: str


@dataclass(frozen=True, slots=True)
class Child:
    """A run that a run has triggered.

    Attributes:
        id: identity of the run.
        name: its name in the namespace.
    """

    id: UUID
    name: str
