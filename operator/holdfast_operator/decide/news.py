"""What happened to a run since its status was last written, for Events. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from holdfast.contract.reasons import FailureClass
from holdfast.domain.states import DEAD_LETTERS, State
from holdfast_operator.build.names import pod_name
from holdfast_operator.run_row import AttemptRow, RunRow

_LOST = frozenset({FailureClass.DISRUPTION, FailureClass.START})


@dataclass(frozen=True, kw_only=True)
class News:
    """Something that happened."""

    type: Literal["Normal", "Warning"]
    reason: str
    sentence: str


def news_of(before: Mapping[str, Any], run: RunRow, name: str) -> Iterator[News]:
    """Tell what is new in ``run``.

    The first attempt's start is no news: the status shows it, and most runs have no other.

    Args:
        before: the status that was last written.
        run: the run now.
        name: of the TaskRun.
    """
    known = {each["number"]: each for each in before.get("attempts") or ()}
    for attempt in run.attempts:
        old = known.get(attempt.number, {})
        if attempt.number > 1 and attempt.number > before.get("attempt", 0):
            yield _normal("AttemptStarted", f"attempt {attempt.number} starts in pod {pod_name(name, attempt.number)}")
        if attempt.replayed_steps and _was_just_opened(attempt, before):
            steps = "1 recorded step" if attempt.replayed_steps == 1 else f"{attempt.replayed_steps} recorded steps"
            yield _normal("CheckpointResumed", f"attempt {attempt.number} goes on after {steps}")
        if attempt.ended_at is not None and "completionTime" not in old and attempt.failure is not None:
            yield from _ended(attempt, run)
    if run.is_final and before.get("phase") != str(run.state):
        yield _finished(run)


def _was_just_opened(attempt: AttemptRow, before: Mapping[str, Any]) -> bool:
    is_seen = attempt.number < before.get("attempt", 0) or (
        attempt.number == before.get("attempt", 0) and before.get("phase") != str(State.STARTING)
    )
    return attempt.opened_at is not None and not is_seen


def _ended(attempt: AttemptRow, run: RunRow) -> Iterator[News]:
    lost = attempt.failure in _LOST
    what = "was lost" if lost else "failed"
    sentence = f"attempt {attempt.number} {what} ({attempt.failure}, {attempt.reason}): {attempt.message}"
    yield News(type="Warning", reason="AttemptLost" if lost else "AttemptFailed", sentence=sentence)
    due_at = run.next_due_at(attempt)
    if due_at is not None:
        counted = (
            f"{run.disruptions} of {run.disruption_limit} disruptions"
            if attempt.failure is FailureClass.DISRUPTION
            else f"{run.failures} of {run.max_attempts} failures"
        )
        due = due_at.strftime("%Y-%m-%dT%H:%M:%SZ")
        yield _normal("RetryScheduled", f"attempt {attempt.number + 1} is due at {due} ({counted})")


def _finished(run: RunRow) -> News:
    if run.state is State.SUCCEEDED:
        attempts = "1 attempt" if run.attempt == 1 else f"{run.attempt} attempts"
        return _normal("Succeeded", f"the run succeeded with {attempts}")
    if run.state in DEAD_LETTERS:
        sentence = f"the run is a dead letter ({run.reason}): {run.message}. Resume, replay or discard it"
        return News(type="Warning", reason="DeadLettered", sentence=sentence)
    return _normal(str(run.state), run.message or f"the run is {run.state}")


def _normal(reason: str, sentence: str) -> News:
    return News(type="Normal", reason=reason, sentence=sentence)
