"""Whether a process that lives should, by what the database says of its attempt."""

from __future__ import annotations

from dataclasses import dataclass

from holdfast.contract.reasons import FailureClass
from holdfast.domain.states import HOLDS_SLOT, State
from holdfast_engine.launcher import AttemptId

LEAVE_SECONDS = 10.0
"""What a process gets to leave by itself after it has reported its outcome: threads, exit handlers, open files."""

KILL_SECONDS = 2.0
"""What a process gets between SIGTERM and SIGKILL that cannot record anything any more."""


@dataclass(frozen=True, kw_only=True)
class LiveAttempt:
    """An attempt whose process lives, as the database sees it."""

    id: AttemptId
    #: ``None`` if the run is deleted.
    state: State | None
    #: Number of the run's newest attempt.
    current_attempt: int | None
    #: How the attempt ended; ``None`` if it has not.
    outcome: str | None
    failure: FailureClass | None
    ended_for_seconds: float | None
    #: Until the attempt's deadline; for a canceled one: the rest of its grace.
    remaining_seconds: float | None


@dataclass(frozen=True, kw_only=True)
class Stop:
    """End a process."""

    id: AttemptId
    #: Between SIGTERM and SIGKILL.
    grace_seconds: float
    #: For people: why.
    sentence: str


def decide_stop(attempt: LiveAttempt) -> Stop | None:
    """Return how to end the process; ``None`` if it may live, or is given time to leave by itself."""
    if attempt.state is None:
        return _stop(attempt, KILL_SECONDS, "its run is deleted")
    if _was_reported(attempt):
        if (attempt.ended_for_seconds or 0.0) < LEAVE_SECONDS:
            return None
        return _stop(attempt, KILL_SECONDS, "it has reported its outcome and does not leave")
    if attempt.outcome is not None or attempt.current_attempt != attempt.id.attempt or attempt.state not in HOLDS_SLOT:
        return _stop(attempt, KILL_SECONDS, f"its attempt is over (the run is {attempt.state})")
    if attempt.state is State.CANCELING:
        return _stop(attempt, max(0.0, attempt.remaining_seconds or 0.0), "its run is canceled")
    return None


def _was_reported(attempt: LiveAttempt) -> bool:
    """Whether the process itself told how it ended: then it is leaving."""
    if attempt.outcome == "Failed":
        return attempt.failure in (FailureClass.APP, FailureClass.NON_RETRYABLE)
    return attempt.outcome in ("Succeeded", "Parked", "Suspended")


def _stop(attempt: LiveAttempt, grace_seconds: float, sentence: str) -> Stop:
    return Stop(id=attempt.id, grace_seconds=grace_seconds, sentence=sentence)
