"""The status of a TaskRun, from its run and its pods."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from holdfast.contract import patterns
from holdfast.contract.reasons import Reason
from holdfast.domain.states import State
from holdfast_operator.build.names import pod_name
from holdfast_operator.kinds import Object
from holdfast_operator.pods import PodTrouble, PodView
from holdfast_operator.run_row import AttemptRow, RunRow

SUCCEEDED = "Succeeded"
MESSAGE_CHARACTERS = 1024
UNKNOWN_REASON = "Other"
_WORD = re.compile(f"(?=.{{1,128}}$){patterns.CAMEL_CASE}")

_ACTIVE_REASONS = {
    State.DELAYED: Reason.DELAYED,
    State.QUEUED: Reason.QUEUED,
    State.STARTING: Reason.STARTING,
    State.RUNNING: Reason.RUNNING,
    State.WAITING: Reason.PARKED,
    State.BACKOFF: Reason.WAITING_FOR_RETRY,
    State.SUSPENDED: Reason.SUSPENDED,
    State.CANCELING: Reason.CANCELING,
}


def run_status(
    resource: Object, run: RunRow, pods: Iterable[PodView], image_id: str | None, trouble: PodTrouble | None = None
) -> dict[str, Any]:
    """The status that shows ``run``.

    Args:
        resource: the TaskRun with the status it has now, from which times of transitions and what is not known any
            more are kept.
        run: its run.
        pods: those of its pods that are there.
        image_id: image of the first attempt, as far as it was seen.
        trouble: what keeps the pod of the newest attempt from starting.
    """
    before = resource.get("status") or {}
    name = resource["metadata"]["name"]
    by_attempt = {pod.attempt: pod for pod in pods}
    status = {
        **_observed(resource),
        "phase": str(run.state),
        "conditions": with_condition(before, _succeeded(run, name, trouble), run.now, resource),
        "runID": str(run.id),
        "taskName": run.task,
        "queueName": run.queue,
        "attempt": run.attempt,
        "failures": run.failures,
        "disruptions": run.disruptions,
        "attempts": [_attempt(each, name, by_attempt.get(each.number), before) for each in run.attempts] or None,
        "checkpoint": _checkpoint(run),
        "nextAttemptTime": _text(run.due_at) if run.state is State.BACKOFF else None,
        "startTime": _text(run.started_at),
        "completionTime": _text(run.finished_at),
        "imageID": before.get("imageID") or image_id,
        **_result(run),
    }
    return {key: value for key, value in status.items() if value is not None}


def refused_status(resource: Object, reason: str, sentence: str, now: datetime, *, is_final: bool) -> dict[str, Any]:
    """The status of a TaskRun without a run: it has none, and says why.

    Args:
        resource: the TaskRun with the status it has now.
        reason: one word in CamelCase.
        sentence: for people.
        now: the time.
        is_final: whether it stays so.
    """
    before = resource.get("status") or {}
    condition = {
        "type": SUCCEEDED,
        "status": "False" if is_final else "Unknown",
        "reason": reason,
        "message": sentence[:MESSAGE_CHARACTERS],
    }
    status = {**before, **_observed(resource), "conditions": with_condition(before, condition, now, resource)}
    if is_final:
        status["phase"] = str(State.FAILED)
        status.setdefault("completionTime", _text(now))
    return status


def status_patch(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any] | None:
    """What to merge into the status ``before`` to get ``after``; ``None`` if nothing is different."""
    patch = {key: value for key, value in after.items() if before.get(key) != value}
    patch.update({key: None for key in before if key not in after})
    return patch or None


def is_finished(resource: Object) -> bool:
    """Whether the status says that the run, or its refusal, is final."""
    return any(
        each["type"] == SUCCEEDED and each["status"] != "Unknown"
        for each in (resource.get("status") or {}).get("conditions") or ()
    )


def with_condition(
    before: Mapping[str, Any], condition: Mapping[str, Any], now: datetime, resource: Object
) -> list[dict[str, Any]]:
    """The conditions of ``before`` with this one, whose time changes only if its status does."""
    others = [dict(each) for each in before.get("conditions") or () if each["type"] != condition["type"]]
    old = next((each for each in before.get("conditions") or () if each["type"] == condition["type"]), None)
    is_same = old is not None and old["status"] == condition["status"]
    time = old["lastTransitionTime"] if is_same and old is not None else _text(now)
    return [{**condition, "lastTransitionTime": time, **_observed(resource)}, *others]


def _observed(resource: Object) -> dict[str, Any]:
    generation = resource["metadata"].get("generation")
    return {} if generation is None else {"observedGeneration": generation}


def _succeeded(run: RunRow, name: str, trouble: PodTrouble | None) -> dict[str, Any]:
    if run.state is State.SUCCEEDED:
        status, reason, message = "True", str(Reason.SUCCEEDED), _success(run)
    elif run.is_final:
        status, reason, message = "False", _word(run.reason or str(run.state)), run.message or f"the run is {run.state}"
    else:
        status = "Unknown"
        reason, message = _active(run, name, trouble)
    return {"type": SUCCEEDED, "status": status, "reason": reason, "message": message[:MESSAGE_CHARACTERS]}


def _success(run: RunRow) -> str:
    steps = f" and {run.recorded_steps} recorded steps" if run.recorded_steps else ""
    return f"the run succeeded with {_count(run.attempt, 'attempt')}{steps}"


def _active(run: RunRow, name: str, trouble: PodTrouble | None) -> tuple[str, str]:
    reason = str(_ACTIVE_REASONS[run.state])
    if run.state is State.STARTING:
        if trouble is not None:
            return trouble.reason, trouble.sentence
        return reason, f"the pod {pod_name(name, run.attempt)} is started"
    if run.state is State.RUNNING:
        return reason, f"attempt {run.attempt} runs in pod {pod_name(name, run.attempt)}"
    if run.state is State.BACKOFF:
        return (
            reason,
            f"attempt {run.attempt} ended ({run.reason}): {run.message}. The next one is due at {_text(run.due_at)}",
        )
    if run.state is State.QUEUED:
        return reason, f"the run waits for a slot of the queue {run.queue}"
    if run.state is State.WAITING:
        return reason, f"the run waits without a pod until {_text(run.due_at)}"
    if run.state is State.DELAYED:
        return reason, f"the run starts at {_text(run.due_at)}"
    return reason, _ACTIVE_REASONS[run.state].meaning


def _attempt(attempt: AttemptRow, name: str, pod: PodView | None, before: Mapping[str, Any]) -> dict[str, Any]:
    empty: Mapping[str, Any] = {}
    old = next((each for each in before.get("attempts") or () if each["number"] == attempt.number), empty)
    reason = attempt.reason or (attempt.outcome if attempt.ended_at is not None else None)
    shown = {
        "number": attempt.number,
        "podName": pod_name(name, attempt.number),
        "nodeName": old.get("nodeName") if pod is None or pod.node is None else pod.node,
        "startTime": _text(attempt.launched_at or attempt.admitted_at),
        "completionTime": _text(attempt.ended_at),
        "failureClass": None if attempt.failure is None else str(attempt.failure),
        "reason": None if reason is None else _word(reason),
        "message": None if attempt.message is None else attempt.message[:MESSAGE_CHARACTERS],
        "exitCode": attempt.exit_code,
    }
    return {key: value for key, value in shown.items() if value is not None}


def _checkpoint(run: RunRow) -> dict[str, Any] | None:
    if run.step_name is None:
        return None
    return {"step": run.step_name, "sequence": run.recorded_steps, "time": _text(run.step_recorded_at)}


def _result(run: RunRow) -> dict[str, Any]:
    if run.state is not State.SUCCEEDED or not run.result_bytes or run.result == "null":
        return {}
    if run.result is not None:
        result = json.loads(run.result)
        if not _has_null(result) and not _is_beyond_json(result):
            return {"result": result}
    return {"resultLocation": f"holdfast runs get {run.id} --namespace {run.namespace}"}


def _has_null(value: object) -> bool:
    """Whether a merge patch would lose something: it takes null for "remove this field"."""
    if isinstance(value, dict):
        return any(each is None or _has_null(each) for each in value.values())
    return False


def _is_beyond_json(value: object) -> bool:
    """Whether it came as JSON and cannot go as JSON: 1e999."""
    try:
        json.dumps(value, allow_nan=False)
    except ValueError:
        return True
    return False


def _word(reason: str) -> str:
    """A reason as a condition may have it: a runner in another language may report any."""
    return reason if _WORD.fullmatch(reason) else UNKNOWN_REASON


def _text(time: datetime | None) -> str | None:
    return None if time is None else time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
