"""Which processes are ended."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from holdfast.contract.reasons import FailureClass
from holdfast.domain.states import State
from holdfast_engine.decide.stop import KILL_SECONDS, LEAVE_SECONDS, LiveAttempt, decide_stop
from holdfast_engine.launcher import AttemptId

_JUST_ENDED: dict[str, Any] = {"ended_for_seconds": 0.1}
_LONG_ENDED: dict[str, Any] = {"ended_for_seconds": LEAVE_SECONDS}

#: What the database says, and the grace with which the process is ended; None: it lives.
CASES: dict[str, tuple[dict[str, Any], float | None]] = {
    "runs": ({}, None),
    "starts": ({"state": State.STARTING}, None),
    "is canceled": ({"state": State.CANCELING, "remaining_seconds": 12.5}, 12.5),
    "is canceled, grace over": ({"state": State.CANCELING, "remaining_seconds": -3.0}, 0.0),
    "its run is deleted": ({"state": None, "current_attempt": None}, KILL_SECONDS),
    "a newer attempt runs": ({"current_attempt": 3}, KILL_SECONDS),
    "has just succeeded": ({"state": State.SUCCEEDED, "outcome": "Succeeded", **_JUST_ENDED}, None),
    "has succeeded and hangs": ({"state": State.SUCCEEDED, "outcome": "Succeeded", **_LONG_ENDED}, KILL_SECONDS),
    "has just parked": ({"state": State.WAITING, "outcome": "Parked", **_JUST_ENDED}, None),
    "has parked, and the next attempt runs": ({"current_attempt": 3, "outcome": "Parked", **_JUST_ENDED}, None),
    "has just failed": (
        {"state": State.BACKOFF, "outcome": "Failed", "failure": FailureClass.APP, **_JUST_ENDED},
        None,
    ),
    "was cut off by its deadline": (
        {"state": State.BACKOFF, "outcome": "Failed", "failure": FailureClass.DEADLINE, **_JUST_ENDED},
        KILL_SECONDS,
    ),
    "was cut off by the deadline of its run": (
        {"state": State.TIMED_OUT, "outcome": "Failed", "failure": FailureClass.DEADLINE, **_JUST_ENDED},
        KILL_SECONDS,
    ),
    "lost its lease": (
        {"state": State.BACKOFF, "outcome": "Lost", "failure": FailureClass.DISRUPTION, **_JUST_ENDED},
        KILL_SECONDS,
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_stop(case: str) -> None:
    changes, grace_seconds = CASES[case]
    attempt: dict[str, Any] = {
        "id": AttemptId(UUID(int=1), 2),
        "state": State.RUNNING,
        "current_attempt": 2,
        "outcome": None,
        "failure": None,
        "ended_for_seconds": None,
        "remaining_seconds": None,
    }
    stop = decide_stop(LiveAttempt(**{**attempt, **changes}))
    assert (stop and stop.grace_seconds) == grace_seconds
    assert stop is None or stop.sentence
