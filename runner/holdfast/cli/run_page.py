"""One run on one page, for people."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from holdfast.cli.tables import age
from holdfast.cli.tracebacks import without_machinery
from holdfast.domain.states import State

if TYPE_CHECKING:
    from holdfast_engine.control.views import AttemptView, RunDetail

_WAITS_FOR_A_TIME = frozenset({State.DELAYED, State.BACKOFF, State.WAITING})
_HAS_A_PROCESS = frozenset({State.STARTING, State.RUNNING})


def run_page(run: RunDetail, attempts: Sequence[AttemptView]) -> str:
    """Lines of ``label: value``; what is not known is left out."""
    lines = [f"{label + ':':<12}{value}" for label, value in _facts(run) if value is not None]
    lines += [f"{'attempt ' + str(each.number) + ':':<12}{attempt_sentence(each)}" for each in attempts]
    return "\n".join(lines)


def count(number: int, thing: str) -> str:
    """A number of things: "1 step", "2 steps"."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def attempt_sentence(attempt: AttemptView) -> str:
    """What became of an attempt, in a few words."""
    pid, host = attempt.runner.get("pid"), attempt.runner.get("host")
    words = [attempt.outcome or ("running" if attempt.opened_at else "starting")]
    if pid is not None:
        words.append(f"(process {pid} on {host})")
    if attempt.replayed_steps:
        words.append(f"{count(attempt.replayed_steps, 'step')} replayed")
    if attempt.reason and attempt.reason != attempt.outcome:
        words.append(f"{attempt.reason}: {attempt.message}" if attempt.message else attempt.reason)
    return " ".join(words)


def _facts(run: RunDetail) -> Iterator[tuple[str, Any]]:
    yield "run", f"{run.name} ({run.id})"
    yield "task", run.task if run.entrypoint in (None, run.task) else f"{run.task} ({run.entrypoint})"
    yield "state", run.state if run.reason in (None, run.state) else f"{run.state} ({run.reason})"
    yield "closing", None if run.closing is None else f"it will end as {run.closing}"
    yield "message", run.message
    yield "queue", f"{run.queue}, priority {run.priority}" if run.priority else run.queue
    yield "tags", ", ".join(run.tags) or None
    yield "key", run.idempotency_key
    yield "created", _moment(run.created_at)
    yield "started", _moment(run.started_at)
    yield "finished", _moment(run.finished_at)
    yield "requested", _request(run)
    yield "waits for", ", ".join(run.waits_for) or None
    yield "next", _moment(run.wake_at) if run.state in _WAITS_FOR_A_TIME else None
    yield "steps", f"{run.recorded_steps} recorded, {run.replayed_steps} replayed"
    yield "failures", f"{run.failures} of {run.max_attempts}; {count(run.disruptions, 'disruption')}"
    yield "input", json.dumps(run.input, ensure_ascii=False)
    if run.state == "Succeeded":
        yield "result", json.dumps(run.result, ensure_ascii=False, indent=2)
    elif run.error is not None:
        yield "error", _error(run.error)


def _request(run: RunDetail) -> str | None:
    """What somebody asked for that is still to come."""
    if run.state is State.CANCELING:
        return f"to cancel, {_moment(run.cancel_requested_at)}"
    if run.state in _HAS_A_PROCESS and run.suspend_requested_at is not None:
        return f"to suspend before its next step, {_moment(run.suspend_requested_at)}"
    return None


def _error(error: dict[str, Any]) -> str:
    traceback = error.get("traceback")
    return without_machinery(traceback) if traceback else json.dumps(error, ensure_ascii=False)


def _moment(moment: datetime | None) -> str | None:
    return None if moment is None else f"{moment.astimezone():%Y-%m-%d %H:%M:%S} ({age(moment)})"
