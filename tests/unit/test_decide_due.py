"""Every rule about time, over the whole chain: the order of the rules is part of what is tested."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from holdfast.contract.reasons import FailureClass, Reason
from holdfast.domain.states import FINAL, State
from holdfast_engine.decide.due import Action, DueRun, decide

NOW = datetime(2026, 1, 1, tzinfo=UTC)
PAST = NOW - timedelta(seconds=1)
FUTURE = NOW + timedelta(seconds=1)

_DISRUPTED = (Action.END_ATTEMPT, Reason.LEASE_EXPIRED, FailureClass.DISRUPTION)
_TIMED_OUT = (Action.TIME_OUT, Reason.RUN_DEADLINE_EXCEEDED, None)
_QUEUED = (Action.QUEUE, Reason.QUEUED, None)
_EXPIRED = (Action.EXPIRE, Reason.EXPIRED, None)

CASES: dict[str, tuple[State, dict[str, datetime], tuple[Action, Reason, FailureClass | None] | None]] = {
    "a delay is over": (State.DELAYED, {"due_at": PAST}, _QUEUED),
    "a delay is over at this very moment": (State.DELAYED, {"due_at": NOW}, _QUEUED),
    "a backoff is over": (State.BACKOFF, {"due_at": PAST}, _QUEUED),
    "a timer is over": (State.WAITING, {"due_at": PAST}, _QUEUED),
    "a timer is not over": (State.WAITING, {"due_at": FUTURE}, None),
    "a delay is over, but it is too late to start": (State.DELAYED, {"due_at": PAST, "expire_at": PAST}, _EXPIRED),
    "too late to start": (State.QUEUED, {"expire_at": PAST}, _EXPIRED),
    "not yet too late to start": (State.QUEUED, {"expire_at": FUTURE}, None),
    "queued with the time of a former backoff": (State.QUEUED, {"due_at": PAST}, None),
    "queued again, and the run takes too long": (State.QUEUED, {"run_deadline_at": PAST}, _TIMED_OUT),
    "a timer is over, but the run took too long": (
        State.WAITING,
        {"due_at": PAST, "run_deadline_at": PAST},
        _TIMED_OUT,
    ),
    "the run took too long before it could start": (
        State.STARTING,
        {"pending_deadline_at": PAST, "run_deadline_at": PAST},
        _TIMED_OUT,
    ),
    "the run took too long in mid-attempt": (
        State.RUNNING,
        {"lease_expires_at": FUTURE, "run_deadline_at": PAST},
        _TIMED_OUT,
    ),
    "the run took too long while it was canceled": (
        State.CANCELING,
        {"attempt_deadline_at": PAST, "run_deadline_at": PAST},
        _TIMED_OUT,
    ),
    "not heard of": (State.RUNNING, {"lease_expires_at": PAST}, _DISRUPTED),
    "heard of": (State.RUNNING, {"lease_expires_at": FUTURE, "attempt_deadline_at": FUTURE}, None),
    "not heard of, and past its deadline": (
        State.RUNNING,
        {"lease_expires_at": PAST, "attempt_deadline_at": PAST},
        _DISRUPTED,
    ),
    "an attempt takes too long": (
        State.RUNNING,
        {"lease_expires_at": FUTURE, "attempt_deadline_at": PAST},
        (Action.END_ATTEMPT, Reason.ATTEMPT_DEADLINE_EXCEEDED, FailureClass.DEADLINE),
    ),
    "canceled, and its grace is over": (
        State.CANCELING,
        {"lease_expires_at": FUTURE, "attempt_deadline_at": PAST},
        (Action.END_ATTEMPT, Reason.CANCELED, FailureClass.APP),
    ),
    "canceled, and not heard of": (
        State.CANCELING,
        {"lease_expires_at": PAST, "attempt_deadline_at": FUTURE},
        (Action.END_ATTEMPT, Reason.CANCELED, FailureClass.DISRUPTION),
    ),
    "canceled a moment ago": (State.CANCELING, {"lease_expires_at": FUTURE, "attempt_deadline_at": FUTURE}, None),
    "could not start": (
        State.STARTING,
        {"pending_deadline_at": PAST},
        (Action.END_ATTEMPT, Reason.PENDING_DEADLINE_EXCEEDED, FailureClass.START),
    ),
    "still starting": (State.STARTING, {"pending_deadline_at": FUTURE}, None),
}


@pytest.mark.parametrize("case", CASES)
def test_decision(case: str) -> None:
    state, times, expected = CASES[case]
    decision = decide(_run(state, **times), NOW)
    assert (decision and (decision.action, decision.reason, decision.failure)) == expected
    if decision is not None:
        assert decision.sentence
        assert decision.attempt == 3


@pytest.mark.parametrize("state", [*sorted(FINAL), State.SUSPENDED])
def test_time_changes_nothing_for_who_does_not_wait_for_it(state: State) -> None:
    every_time_is_past = dict.fromkeys(
        ("due_at", "expire_at", "lease_expires_at", "attempt_deadline_at", "pending_deadline_at", "run_deadline_at"),
        PAST,
    )
    assert decide(_run(state, **every_time_is_past), NOW) is None


def _run(state: State, **times: Any) -> DueRun:
    return DueRun(run_id=UUID(int=1), state=state, attempt=3, **times)
