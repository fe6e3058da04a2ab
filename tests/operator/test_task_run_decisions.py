"""What is done about a TaskRun, and what its status says."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from holdfast.contract.reasons import FailureClass
from holdfast.contract.resources.task_run_status import TaskRunStatus
from holdfast.domain.states import State
from holdfast_operator.build.status import run_status, status_patch
from holdfast_operator.decide.news import news_of
from holdfast_operator.decide.snapshot import TaskRunSnapshot
from holdfast_operator.decide.task_run import Act, Policy, decide
from holdfast_operator.kinds import TASK_RUNS, Key
from holdfast_operator.metrics import Metrics
from holdfast_operator.pods import pod_view
from holdfast_operator.run_row import AttemptRow, RunRow
from holdfast_operator.tally import count
from tests.operator.pod_samples import RUN_ID, ended, failed, pod

NOW = datetime(2026, 11, 21, 10, 10, tzinfo=UTC)
KEY = Key(TASK_RUNS, "shop", "order-42")
POLICY = Policy(pod_retention_seconds=60)


def attempt(number: int = 1, **fields: Any) -> AttemptRow:
    nothing = dict.fromkeys(
        (
            "launched_at",
            "opened_at",
            "ended_at",
            "replayed_steps",
            "outcome",
            "failure",
            "reason",
            "message",
            "exit_code",
        )
    )
    return AttemptRow(**{**nothing, "number": number, "admitted_at": NOW, **fields})


def run(state: State = State.RUNNING, **fields: Any) -> RunRow:
    usual: dict[str, Any] = {
        "id": UUID(RUN_ID), "namespace": "shop", "name": "order-42", "task": "process-order", "queue": "orders",
        "state": state, "resource_uid": "u-1", "attempt": 1, "failures": 0, "disruptions": 0, "max_attempts": 3,
        "disruption_limit": 20, "reason": None, "message": None, "created_at": NOW, "started_at": NOW,
        "finished_at": None, "due_at": None, "is_cancel_requested": False, "is_suspend_requested": False,
        "is_command": False, "version_policy": "Pinned", "result": None, "result_bytes": 0, "attempts": (attempt(),),
        "step_name": None, "step_recorded_at": None, "recorded_steps": 0, "now": NOW,
    }  # fmt: skip
    return RunRow(**{**usual, **fields})


def resource(status: dict[str, Any] | None = None, spec: dict[str, Any] | None = None, **meta: Any) -> dict[str, Any]:
    metadata = {"name": "order-42", "namespace": "shop", "uid": "u-1", "generation": 1, **meta}
    return {"metadata": metadata, "spec": spec or {}, "status": status or {}}


def snapshot(**fields: Any) -> TaskRunSnapshot:
    usual: dict[str, Any] = {"resource": resource(), "run": None, "namesake": None, "pods": (), "image_id": None}
    return TaskRunSnapshot(**{"key": KEY, "now": NOW, **usual, **fields})


FINISHED = {"conditions": [{"type": "Succeeded", "status": "True"}], "completionTime": "2026-11-21T10:09:00Z"}


@pytest.mark.parametrize(
    ("seen", "acts"),
    [
        (snapshot(), (Act.ACCEPT,)),
        (snapshot(namesake=run(resource_uid="older")), (Act.RELEASE_NAME,)),
        (snapshot(namesake=run(State.SUCCEEDED, resource_uid=None, finished_at=NOW)), (Act.RELEASE_NAME,)),
        (snapshot(resource=None, namesake=run()), (Act.CANCEL,)),
        (snapshot(resource=None, namesake=run(resource_uid=None)), ()),
        (snapshot(resource=None, run=run(State.SUCCEEDED)), ()),
        (snapshot(resource=resource(deletionTimestamp="x"), run=run()), (Act.CANCEL,)),
        (snapshot(resource=resource(deletionTimestamp="x"), run=run(resource_uid="another")), ()),
        (snapshot(resource=resource(deletionTimestamp="x"), run=run(is_cancel_requested=True)), ()),
        (snapshot(resource=resource(spec={"cancel": True}), run=run()), (Act.CANCEL,)),
        (snapshot(resource=resource(spec={"cancel": True}), run=run(State.SUCCEEDED, finished_at=NOW)), ()),
        (snapshot(resource=resource({"observedGeneration": 1}, {"suspend": True}, generation=2), run=run()),
         (Act.SUSPEND,)),
        (snapshot(resource=resource({"observedGeneration": 1}, generation=2), run=run(State.SUSPENDED)),
         (Act.UNSUSPEND,)),
        (snapshot(resource=resource({"observedGeneration": 1}), run=run(State.SUSPENDED)), ()),
        (snapshot(resource=resource(annotations={"holdfast.dev/run-id": RUN_ID}), run=run(resource_uid=None)),
         (Act.BIND,)),
        (snapshot(resource=resource(FINISHED)), ()),
    ],
)  # fmt: skip
def test_what_is_done(seen: TaskRunSnapshot, acts: tuple[Act, ...]) -> None:
    assert decide(seen, POLICY).acts == acts


@pytest.mark.parametrize(
    ("seen", "reason"),
    [
        (snapshot(resource=resource({"runID": RUN_ID})), "RunMissing"),
        (snapshot(resource=resource(annotations={"holdfast.dev/run-id": RUN_ID})), "RunMissing"),
        (snapshot(namesake=run(resource_uid=None)), "NameTaken"),
    ],
)
def test_what_is_refused_for_good(seen: TaskRunSnapshot, reason: str) -> None:
    decision = decide(seen, POLICY)
    assert decision.acts == ()
    assert decision.status is not None
    [condition] = decision.status["conditions"]
    assert (condition["status"], condition["reason"]) == ("False", reason)


def test_a_finished_task_run_is_kept_until_its_time_is_over() -> None:
    kept = snapshot(resource=resource(FINISHED, {"ttlSecondsAfterFinished": 90}))
    assert not decide(kept, POLICY).delete_resource
    assert decide(kept, POLICY).again_seconds == 30
    assert decide(replace(kept, now=NOW + timedelta(seconds=30)), POLICY).delete_resource


def test_a_command_is_opened_when_its_container_runs() -> None:
    running = {"phase": "Running", "containerStatuses": [{"name": "attempt", "state": {"running": {}}}]}
    views = tuple(view for view in (pod_view(pod(running, is_command=True)),) if view is not None)
    starting = run(State.STARTING, is_command=True)
    assert decide(snapshot(run=starting, pods=views), POLICY).acts == (Act.OPEN_COMMAND,)
    assert decide(snapshot(run=starting), POLICY).acts == ()
    assert decide(snapshot(run=replace(starting, is_command=False), pods=views), POLICY).acts == ()
    assert decide(snapshot(run=replace(starting, attempt=2), pods=views), POLICY).acts == ()


def test_pods_of_ended_attempts_are_kept_for_a_while() -> None:
    view = pod_view(pod(failed(ended(1))))
    assert view is not None
    over = run(State.BACKOFF, due_at=NOW, attempts=(attempt(ended_at=NOW, outcome="Failed"),))
    assert decide(snapshot(run=over, pods=(view,)), POLICY).pods_to_delete == (view,)
    kept = decide(snapshot(run=over, pods=(view,)), Policy(pod_retention_seconds=600))
    assert (kept.pods_to_delete, kept.again_seconds) == ((), 300)
    # the database does not know yet how it ended
    assert decide(snapshot(run=run(), pods=(view,)), POLICY).pods_to_delete == ()


def test_what_goes_on_beside_an_ended_attempt_is_given_time_to_leave() -> None:
    own = {"name": "attempt", "state": ended(0, "Completed")}  # at 10:05
    helper = {"name": "helper", "state": {"running": {}}}
    view = pod_view(pod({"phase": "Running", "containerStatuses": [own, helper]}, is_command=True))
    assert view is not None
    over = run(State.SUCCEEDED, finished_at=NOW, attempts=(attempt(ended_at=NOW, outcome="Succeeded"),))
    seen = snapshot(run=over, pods=(view,), now=datetime(2026, 11, 21, 10, 5, 4, tzinfo=UTC))
    policy = Policy(pod_retention_seconds=0, leave_seconds=10)
    assert decide(seen, policy).pods_to_delete == ()
    assert decide(seen, policy).again_seconds == 6
    assert decide(replace(seen, now=NOW), policy).pods_to_delete == (view,)


def test_a_status_that_is_the_same_is_not_written() -> None:
    first = run_status(resource(), run(), (), None)
    later = run_status(resource(first), replace(run(), now=NOW + timedelta(hours=1)), (), None)
    assert status_patch(first, later) is None
    TaskRunStatus.model_validate(first, by_alias=True, by_name=False)


def test_a_condition_keeps_its_time_while_its_status_is_the_same() -> None:
    before = run_status(resource(), run(State.QUEUED), (), None)
    later = NOW + timedelta(hours=1)
    running = run_status(resource(before), run(now=later), (), None)
    over = run_status(resource(running), run(State.SUCCEEDED, now=later, finished_at=later), (), None)
    times = [status["conditions"][0]["lastTransitionTime"] for status in (before, running, over)]
    assert times == ["2026-11-21T10:10:00Z", "2026-11-21T10:10:00Z", "2026-11-21T11:10:00Z"]


def test_what_is_over_leaves_the_status() -> None:
    waiting = run_status(resource(), run(State.BACKOFF, due_at=NOW), (), None)
    assert status_patch(waiting, run_status(resource(waiting), run(), (), None)) is not None
    assert (status_patch(waiting, run_status(resource(waiting), run(), (), None)) or {})["nextAttemptTime"] is None


@pytest.mark.parametrize(
    ("text", "shown"),
    [('{"a": 1}', {"result": {"a": 1}}), ("null", {}), ('{"a": null}', None), ("[null]", {"result": [None]})],
)
def test_a_result_is_shown_or_where_it_is(text: str, shown: dict[str, Any] | None) -> None:
    over = run(State.SUCCEEDED, result=text, result_bytes=len(text), finished_at=NOW)
    status = run_status(resource(), over, (), None)
    got = {key: status[key] for key in ("result", "resultLocation") if key in status}
    if shown is None:
        assert RUN_ID in got["resultLocation"]
    else:
        assert got == shown


def test_the_story_in_events() -> None:
    lost = attempt(
        ended_at=NOW,
        opened_at=NOW,
        outcome="Lost",
        failure=FailureClass.DISRUPTION,
        reason="Evicted",
        message="drained",
    )
    before = run_status(resource(), run(), (), None)
    backoff = run(State.BACKOFF, disruptions=1, due_at=NOW, attempts=(lost,))
    assert [news.reason for news in news_of(before, backoff, "order-42")] == ["AttemptLost", "RetryScheduled"]
    shown = run_status(resource(before), backoff, (), None)
    assert list(news_of(shown, backoff, "order-42")) == []
    again = run(attempt=2, attempts=(lost, attempt(2, opened_at=NOW, replayed_steps=7)))
    assert [news.reason for news in news_of(shown, again, "order-42")] == ["AttemptStarted", "CheckpointResumed"]
    shown = run_status(resource(shown), again, (), None)
    over = replace(again, state=State.FAILED, finished_at=NOW, reason="ExitCode")
    assert [news.reason for news in news_of(shown, over, "order-42")] == ["DeadLettered"]


def test_a_reason_that_no_condition_may_have_is_shown_as_another() -> None:
    odd = "what a runner in another language says"
    lost = attempt(ended_at=NOW, outcome="Failed", failure=FailureClass.APP, reason=odd)
    shown = run_status(resource(), run(State.FAILED, finished_at=NOW, reason=odd, attempts=(lost,)), (), None)
    assert (shown["conditions"][0]["reason"], shown["attempts"][0]["reason"]) == ("Other", "Other")
    TaskRunStatus.model_validate(shown)


def test_a_result_that_came_as_json_and_cannot_go_as_json_is_elsewhere() -> None:
    done = run(State.SUCCEEDED, finished_at=NOW, result='{"x": 1e999}', result_bytes=12)
    shown = run_status(resource(), done, (), None)
    assert "result" not in shown
    assert "resultLocation" in shown


def test_reasons_that_nobody_knows_are_one_series() -> None:
    metrics = Metrics()
    for number in range(100):
        lost = attempt(ended_at=NOW, outcome="Failed", failure=FailureClass.APP, reason=f"Reason{number}")
        count(metrics, {}, run(State.FAILED, finished_at=NOW, attempts=(lost,)))
    [series] = [each for each in metrics.attempts.collect()[0].samples if each.name.endswith("_total")]
    assert (series.labels["reason"], series.value) == ("Other", 100)


AFTER_THE_FIRST = {
    "in its backoff": run(State.BACKOFF, due_at=NOW + timedelta(seconds=5)),
    "in the queue": run(State.QUEUED, now=NOW + timedelta(seconds=5)),
    "in the next attempt": run(State.STARTING, attempt=2),
}


@pytest.mark.parametrize("seen", AFTER_THE_FIRST)
def test_a_retry_is_told_and_counted_however_late_somebody_looks(seen: str) -> None:
    lost = attempt(ended_at=NOW, outcome="Failed", failure=FailureClass.APP, reason="ExitCode")
    following = attempt(2, admitted_at=NOW + timedelta(seconds=5))
    now = AFTER_THE_FIRST[seen]
    now = replace(now, attempts=(lost, following)[: now.attempt])
    metrics, before = Metrics(), {"phase": "Running", "attempt": 1, "attempts": [{"number": 1}]}

    count(metrics, before, now)
    told = [news.sentence for news in news_of(before, now, "order-42") if news.reason == "RetryScheduled"]

    assert told == ["attempt 2 is due at 2026-11-21T10:10:05Z (0 of 3 failures)"]
    labels = {"namespace": "shop", "queue": "orders"}
    value = metrics.registry.get_sample_value
    assert value("holdfast_retries_total", {**labels, "class": "App"}) == 1
    assert value("holdfast_retry_backoff_seconds_sum", labels) == 5


def test_a_failure_that_was_the_last_one_is_no_retry() -> None:
    lost = attempt(ended_at=NOW, outcome="Failed", failure=FailureClass.APP, reason="ExitCode")
    metrics, over = Metrics(), run(State.FAILED, finished_at=NOW, attempts=(lost,))
    count(metrics, {}, over)
    assert list(metrics.retries.collect()[0].samples) == []
    assert "RetryScheduled" not in [news.reason for news in news_of({}, over, "order-42")]
