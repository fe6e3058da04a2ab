"""What becomes of a run at which the engine must look because of the time.

Rules are asked in their order; the first that applies decides. What they decide is applied by functions of the database
that check the state again, so a decision that comes too late changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from holdfast.contract.reasons import FailureClass, Reason
from holdfast.domain.states import State

_HAS_DEADLINE = frozenset({State.QUEUED, State.STARTING, State.RUNNING, State.WAITING, State.BACKOFF, State.CANCELING})


@dataclass(frozen=True, kw_only=True)
class DueRun:
    """A run and its times; each is set only while it can still happen."""

    run_id: UUID
    state: State
    attempt: int
    due_at: datetime | None = None
    expire_at: datetime | None = None
    lease_expires_at: datetime | None = None
    attempt_deadline_at: datetime | None = None
    pending_deadline_at: datetime | None = None
    run_deadline_at: datetime | None = None


class Action(StrEnum):
    """What the engine does to a run."""

    QUEUE = "queue"
    EXPIRE = "expire"
    TIME_OUT = "time out"
    END_ATTEMPT = "end attempt"


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What to do with a run, and why."""

    run_id: UUID
    attempt: int
    action: Action
    reason: Reason
    #: For people: what happened.
    sentence: str
    #: Of the attempt that ends; ``None`` for other actions.
    failure: FailureClass | None = None


Rule = Callable[[DueRun, datetime], Decision | None]


def decide(run: DueRun, now: datetime) -> Decision | None:
    """Return what to do with ``run``; ``None`` if it is not due any more."""
    for rule in RULES:
        decision = rule(run, now)
        if decision is not None:
            return decision
    return None


def run_deadline_passed(run: DueRun, now: datetime) -> Decision | None:
    """The whole run took too long, whatever it is doing."""
    if run.state in _HAS_DEADLINE and _passed(run.run_deadline_at, now):
        return _decision(run, Action.TIME_OUT, Reason.RUN_DEADLINE_EXCEEDED, "the run took too long")
    return None


def not_started_in_time(run: DueRun, now: datetime) -> Decision | None:
    """It was only worth starting until now. Asked before `its_time_has_come`: a late start is what nobody wants."""
    if run.state in (State.DELAYED, State.QUEUED) and _passed(run.expire_at, now):
        return _decision(run, Action.EXPIRE, Reason.EXPIRED, "the run was not started in time")
    return None


def its_time_has_come(run: DueRun, now: datetime) -> Decision | None:
    """A delay, a backoff or a timer is over."""
    if run.state in (State.DELAYED, State.BACKOFF, State.WAITING) and _passed(run.due_at, now):
        return _decision(run, Action.QUEUE, Reason.QUEUED, f"the time of a {run.state} run has come")
    return None


def cancel_grace_is_over(run: DueRun, now: datetime) -> Decision | None:
    """A canceled attempt had time to clean up, or is not heard of any more."""
    if run.state is State.CANCELING and _passed(run.attempt_deadline_at, now):
        return _end(run, FailureClass.APP, Reason.CANCELED, "canceled; the attempt did not end within its grace")
    if run.state is State.CANCELING and _passed(run.lease_expires_at, now):
        return _end(run, FailureClass.DISRUPTION, Reason.CANCELED, "canceled; the attempt was not heard of any more")
    return None


def lease_expired(run: DueRun, now: datetime) -> Decision | None:
    """Nobody has heard of the attempt. Asked before `attempt_deadline_passed`: who is gone did not take too long."""
    if run.state is State.RUNNING and _passed(run.lease_expires_at, now):
        sentence = "the attempt was not heard of for longer than its lease"
        return _end(run, FailureClass.DISRUPTION, Reason.LEASE_EXPIRED, sentence)
    return None


def attempt_deadline_passed(run: DueRun, now: datetime) -> Decision | None:
    """The attempt took too long."""
    if run.state in (State.STARTING, State.RUNNING) and _passed(run.attempt_deadline_at, now):
        sentence = "the attempt ran longer than its deadline"
        return _end(run, FailureClass.DEADLINE, Reason.ATTEMPT_DEADLINE_EXCEEDED, sentence)
    return None


def pending_deadline_passed(run: DueRun, now: datetime) -> Decision | None:
    """No attempt could start since the run was first admitted."""
    if run.state is State.STARTING and _passed(run.pending_deadline_at, now):
        sentence = "no attempt could start in time"
        return _end(run, FailureClass.START, Reason.PENDING_DEADLINE_EXCEEDED, sentence)
    return None


RULES: tuple[Rule, ...] = (
    run_deadline_passed,
    not_started_in_time,
    its_time_has_come,
    cancel_grace_is_over,
    lease_expired,
    attempt_deadline_passed,
    pending_deadline_passed,
)


def _passed(time: datetime | None, now: datetime) -> bool:
    return time is not None and time <= now


def _decision(run: DueRun, action: Action, reason: Reason, sentence: str) -> Decision:
    return Decision(run_id=run.run_id, attempt=run.attempt, action=action, reason=reason, sentence=sentence)


def _end(run: DueRun, failure: FailureClass, reason: Reason, sentence: str) -> Decision:
    return Decision(
        run_id=run.run_id,
        attempt=run.attempt,
        action=Action.END_ATTEMPT,
        reason=reason,
        sentence=sentence,
        failure=failure,
    )
