"""Replays a run in this process: with its recorded results, executing no step, touching nothing outside."""

from __future__ import annotations

import asyncio
import bdb
import json
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from holdfast.domain.errors import HistoryMismatch, RunParked
from holdfast.domain.states import State
from holdfast.protocol.recorded_run import RecordedRun
from holdfast.runtime.attempt import refuse_other_python
from holdfast.runtime.author_call import call_task
from holdfast.runtime.branches import branching_threads
from holdfast.runtime.replay_session import ReplaySession
from holdfast.sdk.failure import Failure, describe
from holdfast.sdk.journal import claim_process
from holdfast.sdk.task import Task

_GRACE_SECONDS = 1.0

STUCK_SECONDS = 5.0


class ReplayEnd(StrEnum):
    """How a replay ended."""

    RETURNED = "returned"
    RAISED = "raised"
    END_OF_HISTORY = "end of history"
    MISMATCH = "mismatch"


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalReplay:
    """What came of a replay.

    Attributes:
        end: how it ended.
        agrees: whether the program and the run tell the same story, as far as it goes.
        message: the same in one sentence, or the mismatch with both sides.
        result: JSON text of what the task returned; None unless it did.
        error: what the task raised; None unless it did.
        replayed_steps: how many records the program asked for.
        ends: what it asked for that is not recorded.
        left_over: keys of records that it could still have asked for, and did not.
    """

    end: ReplayEnd
    agrees: bool
    message: str
    result: str | None = None
    error: Failure | None = None
    replayed_steps: int
    ends: tuple[str, ...]
    left_over: tuple[str, ...]


async def replay_locally(
    task: Task[..., Any], run: RecordedRun, *, stuck_seconds: float = STUCK_SECONDS
) -> LocalReplay:
    """Run ``task`` with the input and the recorded results of ``run`` until nothing more is recorded.

    No body of a step is executed and nothing is recorded; code between steps runs as it always does.

    Args:
        task: the program, as it is now.
        run: what is replayed.
        stuck_seconds: when a branch is at the end of its history and nothing has moved for so long, it is over.
    """
    session = ReplaySession(run, stuck_seconds)
    release = claim_process(session)
    error: BaseException | None = None
    result: str | None = None
    try:
        with branching_threads():
            try:
                refuse_other_python(run.opened)
                result = await call_task(task, run.input, session, _GRACE_SECONDS)
            except BaseException as raised:
                _pass_on(raised)
                error = raised
            error = session.departure.ending or error
    finally:
        release()
        await session.close()
    return _told(session, run, error, result)


def _pass_on(error: BaseException) -> None:
    """Whoever interrupts the replay, or leaves its debugger, wants it to be over."""
    if isinstance(error, bdb.BdbQuit):
        raise KeyboardInterrupt from error
    current = asyncio.current_task()
    if isinstance(error, asyncio.CancelledError) and current is not None and current.cancelling():
        raise error


def _told(session: ReplaySession, run: RecordedRun, error: BaseException | None, result: str | None) -> LocalReplay:
    end, failure = _end_of(error)
    agrees, message = _verdict(run, end, result if error is None else None, failure, session.ends, error)
    return LocalReplay(
        end=end,
        agrees=agrees,
        message=message,
        result=result if end is ReplayEnd.RETURNED else None,
        error=failure if end is ReplayEnd.RAISED else None,
        replayed_steps=session.history.replayed,
        ends=tuple(session.ends),
        left_over=tuple(record.key for record in session.history.not_asked_for()),
    )


def _end_of(error: BaseException | None) -> tuple[ReplayEnd, Failure | None]:
    if error is None:
        return ReplayEnd.RETURNED, None
    if isinstance(error, RunParked):
        return ReplayEnd.END_OF_HISTORY, None
    if isinstance(error, HistoryMismatch):
        return ReplayEnd.MISMATCH, None
    return ReplayEnd.RAISED, describe(error)


def _verdict(
    run: RecordedRun,
    end: ReplayEnd,
    result: str | None,
    failure: Failure | None,
    ends: list[str],
    error: BaseException | None,
) -> tuple[bool, str]:
    recorded = None if run.error is None else Failure.from_json(run.error)
    match end:
        case ReplayEnd.MISMATCH:
            return False, str(error)
        case ReplayEnd.END_OF_HISTORY:
            where = f"it ends at {', '.join(ends)}" if ends else str(error)
            if run.state == State.SUCCEEDED:
                return False, f"the run has succeeded, and the program asks for more than it recorded: {where}"
            return True, f"reached the end of what is recorded: {where}; the run is {run.state}"
        case ReplayEnd.RETURNED if run.state == State.SUCCEEDED:
            is_same = json.loads(result or "null") == json.loads(run.result or "null")
            other = "the result that is recorded" if is_same else f"another result than is recorded: {run.result}"
            return is_same, f"the task returned {other}"
        case ReplayEnd.RETURNED if run.state == State.FAILED and recorded is not None:
            return False, f"the task returned a result, and the run has failed with {recorded.type}: {recorded.message}"
        case ReplayEnd.RETURNED:
            return True, f"the task returned a result; the run is {run.state}"
        case ReplayEnd.RAISED:
            assert failure is not None
            what = f"the task raised {failure.type}: {failure.message}"
            if run.state == State.SUCCEEDED:
                return False, f"{what}; the run has succeeded"
            if recorded is None:
                return True, f"{what}; the run is {run.state}"
            is_same = (recorded.type, recorded.message) == (failure.type, failure.message)
            return (
                is_same,
                f"{what}, {'as is recorded' if is_same else f'and recorded is {recorded.type}: {recorded.message}'}",
            )
