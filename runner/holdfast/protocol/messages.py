"""The values that cross the protocol: named tuples, whose classes are made in a fifth of the time of dataclasses."""

from __future__ import annotations

from datetime import datetime
from enum import IntFlag, StrEnum
from typing import NamedTuple
from uuid import UUID

from holdfast.domain.scopes import StepKey


class Flags(IntFlag):
    """What is pending for a run; every answer of the protocol carries it."""

    NONE = 0
    CANCEL = 1
    SUSPEND = 2


class StepOutcome(StrEnum):
    """How a recorded step ended. ``Succeeded`` is for ever; the others may be replaced by a later record."""

    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    RETRYING = "Retrying"
    CANCELED = "Canceled"


class AttemptOutcome(StrEnum):
    """How an attempt ends by its own word."""

    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    CANCELED = "Canceled"
    DISRUPTED = "Disrupted"
    CLOSED = "Closed"


class WaitKind(StrEnum):
    """Why an attempt leaves before its run has ended."""

    TIMER = "timer"
    TOKEN = "token"
    CHILD = "child"
    SIGNAL = "signal"
    EVENT = "event"
    HANDOVER = "handover"
    SUSPEND = "suspend"


class StepRecord(NamedTuple):
    """One recorded operation of a run; its fields stand in the order in which ``record`` takes them.

    Attributes:
        key: identity across attempts.
        sequence: order in which the run's steps were recorded, from 1.
        position: place within its branch, from 1; 0 for explicit keys.
        kind: ``step``, ``now``, ``random``, ``uuid4``, ``checkpoint``, ``patch``, ``sleep``, ``token``, ``child``,
            ``signal``, ``event``, ``compensable`` or ``compensation``.
        name: the author's name for it.
        outcome: how it ended.
        tries: executions of the body that came to an end, over all attempts.
        elapsed_ms: duration of the last try, in milliseconds.
        input_digest: digest of the arguments; None where there are none to compare.
        value: JSON text of the result or the failure; None when it has to be fetched, or for canceled steps.
    """

    key: StepKey
    sequence: int
    position: int
    kind: str
    name: str
    outcome: StepOutcome
    tries: int
    elapsed_ms: int
    input_digest: bytes | None
    value: str | None


class Identity(NamedTuple):
    """Who is calling: one attempt of one run, and the secret that it made up for this session."""

    run_id: UUID
    attempt: int
    session: bytes


class Closing(NamedTuple):
    """How a run will end, and what is left to do before.

    Attributes:
        state: the state in which it will end.
        reason: why, in one CamelCase word.
        message: the same in one sentence.
        compensates: whether what its steps did is to be undone.
        after_attempt: number of the last attempt that executed the task; 0 if there was none.
        error: JSON text of how that failed; None if it did not.
    """

    state: str
    reason: str
    message: str | None
    compensates: bool
    after_attempt: int
    error: str | None


class Opened(NamedTuple):
    """What an attempt learns when it opens: its run, the input, and everything recorded before.

    The remaining times are seconds at ``database_now``; None where there is no deadline. ``hooks`` are those that the
    database knows of. ``closing`` is there if this attempt is not to execute the task any more.
    """

    flags: Flags
    namespace: str
    name: str
    task: str
    queue: str
    entrypoint: str | None
    input: str
    tags: tuple[str, ...]
    idempotency_key: str | None
    created_at: datetime
    failures: int
    disruptions: int
    max_attempts: int
    lease_seconds: int
    attempt_remaining_seconds: float | None
    run_remaining_seconds: float | None
    database_now: datetime
    python_version: str | None
    history: tuple[StepRecord, ...]
    hooks: tuple[str, ...] = ()
    closing: Closing | None = None


class Ending(NamedTuple):
    """The outcome of an attempt as reported to ``finish``.

    Attributes:
        outcome: how it ended.
        failure_class: a ``FailureClass`` value for failures, else None.
        reason: a ``Reason`` value, CamelCase.
        message: one sentence for people.
        value: JSON text of the result or of the failure.
        retry_after_seconds: a delay that the code asked for; wins over the backoff.
        reopen_keys: failed steps that the next attempt executes again.
    """

    outcome: AttemptOutcome
    failure_class: str | None = None
    reason: str | None = None
    message: str | None = None
    value: str | None = None
    retry_after_seconds: float | None = None
    reopen_keys: tuple[StepKey, ...] = ()


class LogLine(NamedTuple):
    """One line of output. ``age_ms`` is how long ago it was written, in milliseconds."""

    line_number: int
    age_ms: int
    stream: str
    step_key: str | None
    line: str


class Pulse(NamedTuple):
    """The answer to a heartbeat. Remaining times are in seconds; None where there is no deadline."""

    flags: Flags
    attempt_remaining_seconds: float | None
    run_remaining_seconds: float | None
