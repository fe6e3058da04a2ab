"""One run on one page, for people."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from holdfast.cli.tables import age

if TYPE_CHECKING:
    from holdfast_engine.control.views import AttemptView, RunDetail


def run_page(run: RunDetail, attempts: Sequence[AttemptView]) -> str:
    """Lines of ``label: value``; what is not known is left out."""
    lines = [f"{label + ':':<12}{value}" for label, value in _facts(run) if value is not None]
    lines += [f"{'attempt ' + str(each.number) + ':':<12}{attempt_sentence(each)}" for each in attempts]
    return "\n".join(lines)


def attempt_sentence(attempt: AttemptView) -> str:
    """What became of an attempt, in a few words."""
    pid, host = attempt.runner.get("pid"), attempt.runner.get("host")
    words = [attempt.outcome or ("running" if attempt.opened_at else "starting")]
    if pid is not None:
        words.append(f"(process {pid} on {host})")
    if attempt.replayed_steps:
        words.append(f"{attempt.replayed_steps} steps replayed")
    if attempt.reason and attempt.reason != attempt.outcome:
        words.append(f"{attempt.reason}: {attempt.message}" if attempt.message else attempt.reason)
    return " ".join(words)


def _facts(run: RunDetail) -> Iterator[tuple[str, Any]]:
    yield "run", f"{run.name} ({run.id})"
    yield "task", run.task if run.entrypoint in (None, run.task) else f"{run.task} ({run.entrypoint})"
    yield "state", run.state if run.reason in (None, run.state) else f"{run.state} ({run.reason})"
    yield "message", run.message
    yield "queue", f"{run.queue}, priority {run.priority}" if run.priority else run.queue
    yield "tags", ", ".join(run.tags) or None
    yield "key", run.idempotency_key
    yield "created", _moment(run.created_at)
    yield "started", _moment(run.started_at)
    yield "finished", _moment(run.finished_at)
    yield "next", None if run.is_final else _moment(run.wake_at)
    yield "steps", f"{run.recorded_steps} recorded, {run.replayed_steps} replayed"
    yield "failures", f"{run.failures} of {run.max_attempts}; {run.disruptions} disruptions"
    yield "input", json.dumps(run.input, ensure_ascii=False)
    if run.state == "Succeeded":
        yield "result", json.dumps(run.result, ensure_ascii=False, indent=2)
    elif run.error is not None:
        yield "error", run.error.get("traceback") or json.dumps(run.error, ensure_ascii=False)


def _moment(moment: datetime | None) -> str | None:
    return None if moment is None else f"{moment.astimezone():%Y-%m-%d %H:%M:%S} ({age(moment)})"
