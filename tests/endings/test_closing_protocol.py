"""What the database does with a run whose end is decided, and which has something left to do."""

from __future__ import annotations

import json

import pytest

from holdfast.domain.scopes import StepKey
from holdfast.protocol.messages import StepOutcome, StepRecord
from holdfast.runtime.compensations import steps_to_undo
from tests.support.databases import Database
from tests.support.protocol import BAD_STATE, ControlPlane, Pod, refused

CLOSES = '{"python": "3.11", "closes": true}'


@pytest.fixture
async def control(database: Database) -> ControlPlane:
    return ControlPlane(await database.connect())


async def took(control: ControlPlane, **options: object) -> Pod:
    """An open attempt that has recorded a step with a compensation."""
    pod = await control.opened(**options)
    await pod.record("0/take#1/compensable#1", '"tasks:take"', kind="compensable", name="compensable")
    await pod.record("0/take#1", sequence=2)
    return pod


async def next_attempt(control: ControlPlane, pod: Pod) -> Pod:
    """The next attempt, which is not open yet."""
    if (await control.run(pod.run_id))["state"] == "Backoff":
        await control.requeue(pod.run_id)
    return await control.admit(pod.run_id)


async def closing_attempt(control: ControlPlane, pod: Pod) -> Pod:
    """The attempt that closes a run."""
    closing = await next_attempt(control, pod)
    await closing.open(runner=CLOSES)
    return closing


async def compensated(pod: Pod) -> None:
    """Record the compensation."""
    await pod.record("closing/0/take#1/compensate#1", "null", kind="compensation", name="compensate", sequence=3)


async def fail(pod: Pod) -> str:
    return await pod.finish(outcome="Failed", **{"class": "NonRetryable"}, reason="ExceptionRaised", message="no")


async def test_a_failed_run_is_queued_to_be_closed(control: ControlPlane) -> None:
    pod = await took(control, active_deadline_seconds=60)
    assert await fail(pod) == "Backoff"
    closing = await next_attempt(control, pod)
    opened = await closing.open(runner=CLOSES)
    run = await control.run(pod.run_id)
    assert (opened["closing"]["state"], opened["closing"]["compensates"], run["run_deadline_at"]) == (
        "Failed",
        True,
        None,
    )
    await compensated(closing)
    assert await closing.finish(outcome="Closed") == "Failed"
    assert await closing.finish(outcome="Closed") == "Failed", "the answer may have been lost"
    run = await control.run(pod.run_id)
    assert (run["reason"], run["message"], run["failures"]) == ("ExceptionRaised", "no", 1)


async def test_a_step_that_has_not_succeeded_is_nothing_to_undo(control: ControlPlane) -> None:
    pod = await control.opened()
    await pod.record("0/take#1/compensable#1", '"tasks:take"', kind="compensable", name="compensable")
    await pod.record("0/take#1", "{}", sequence=2, outcome="Failed")
    assert await fail(pod) == "Failed"


@pytest.mark.parametrize("reason", ["HistoryMismatch", "ImportFailed", "UnknownTask"])
async def test_a_program_that_does_not_fit_undoes_nothing(control: ControlPlane, reason: str) -> None:
    pod = await took(control)
    ending = {"outcome": "Failed", "class": "NonRetryable", "reason": reason, "message": "no"}
    assert await pod.finish(**ending) == "Failed"
    assert await control.call("resume_run", pod.run_id) == "Queued"
    assert (await control.run(pod.run_id))["closing"] is None


async def test_an_older_runner_cannot_open_it(control: ControlPlane) -> None:
    pod = await took(control)
    await fail(pod)
    closing = await next_attempt(control, pod)
    async with refused(BAD_STATE, "cannot close it"):
        await closing.open()


async def test_nobody_succeeds_instead(control: ControlPlane) -> None:
    pod = await took(control)
    async with refused(BAD_STATE, "outcome Closed"):
        await pod.finish(outcome="Closed")
    await fail(pod)
    closing = await closing_attempt(control, pod)
    async with refused(BAD_STATE, "outcome Succeeded"):
        await closing.finish(outcome="Succeeded")


@pytest.mark.parametrize("state", ["Queued", "Waiting", "Backoff", "Suspended"])
async def test_a_parked_run_is_canceled(control: ControlPlane, state: str) -> None:
    pod = await took(control)
    if state == "Backoff":
        await control.end(pod, "Disruption")
    else:
        await pod.park("suspend" if state == "Suspended" else "timer", 60.0)
    if state == "Queued":
        await control.requeue(pod.run_id)
    assert (await control.run(pod.run_id))["state"] == state
    assert await control.call("cancel_run", pod.run_id) == "Queued"
    assert await control.call("cancel_run", pod.run_id) == "Queued"
    closing = await closing_attempt(control, pod)
    assert await control.call("cancel_run", pod.run_id) == "Running"
    await compensated(closing)
    assert await closing.finish(outcome="Closed") == "Canceled"
    assert (await control.run(pod.run_id))["cancel_requested_at"] is not None


async def test_a_run_that_could_not_be_undone_is_a_dead_letter(control: ControlPlane) -> None:
    pod = await took(control, max_attempts=2)
    await pod.park("timer", 60.0)
    await control.call("cancel_run", pod.run_id)
    closing = await closing_attempt(control, pod)
    await control.end(closing, "App")
    await control.requeue(pod.run_id)
    assert await control.end(await closing_attempt(control, pod), "OOM") == "Failed"
    run = await control.run(pod.run_id)
    assert (run["reason"], json.loads(run["closing"])["undone"]) == ("CompensationFailed", ["0/take#1"])
    assert "left undone: 0/take#1. The run had ended as Canceled (Canceled)" in run["message"]

    assert await control.call("resume_run", pod.run_id) == "Queued"
    closing = await closing_attempt(control, pod)
    await compensated(closing)
    assert await closing.finish(outcome="Closed") == "Canceled"


async def test_a_failure_after_progress_is_the_first(control: ControlPlane) -> None:
    pod = await took(control, max_attempts=2)
    await fail(pod)
    assert await control.end(await closing_attempt(control, pod), "App") == "Backoff"
    await control.requeue(pod.run_id)
    closing = await closing_attempt(control, pod)
    await compensated(closing)
    assert await control.end(closing, "App") == "Backoff"


async def test_a_closing_that_dies_when_all_is_undone_ends_as_decided(control: ControlPlane) -> None:
    pod = await took(control, max_attempts=1)
    await fail(pod)
    closing = await closing_attempt(control, pod)
    await compensated(closing)
    assert await control.end(closing, "App") == "Failed"
    assert (await control.run(pod.run_id))["reason"] == "ExceptionRaised"


async def test_disruptions_of_a_closing_have_their_limit(control: ControlPlane) -> None:
    pod = await took(control, disruption_limit=1)
    await control.end(pod, "Disruption")
    await control.requeue(pod.run_id)
    again = await control.admit(pod.run_id)
    await again.open()
    assert await control.end(again, "Disruption") == "Backoff"
    assert await control.end(await closing_attempt(control, pod), "Disruption") == "Backoff"
    await control.requeue(pod.run_id)
    assert await control.end(await closing_attempt(control, pod), "Disruption") == "Failed"


async def test_a_closing_may_be_suspended(control: ControlPlane) -> None:
    pod = await took(control)
    await fail(pod)
    assert await control.call("suspend_run", pod.run_id) == "Suspended"
    assert await control.call("unsuspend_run", pod.run_id) == "Queued"
    closing = await closing_attempt(control, pod)
    await control.call("suspend_run", pod.run_id)
    assert await closing.park("suspend", None) == "Suspended"
    assert await control.call("unsuspend_run", pod.run_id) == "Queued"


@pytest.mark.parametrize(("hooks", "state"), [(["on_failure"], "Queued"), (["on_cancel"], "Expired")])
async def test_a_delayed_run_expires(control: ControlPlane, hooks: list[str], state: str) -> None:
    run_id = await control.trigger(delay_seconds=3600, hooks=hooks)
    await control.connection.execute("update holdfast.runs set expire_at = created_at where id = $1", run_id)
    assert await control.call("expire_runs", [run_id]) == 1
    assert (await control.run(run_id))["state"] == state


@pytest.mark.parametrize(("hooks", "state"), [(["on_cancel"], "Queued"), (["on_failure"], "Canceled")])
async def test_a_delayed_run_is_canceled(control: ControlPlane, hooks: list[str], state: str) -> None:
    run_id = await control.trigger(delay_seconds=3600, hooks=hooks)
    assert await control.call("cancel_run", run_id) == state


async def test_a_replay_has_the_same_hooks(control: ControlPlane) -> None:
    run_id = await control.trigger(hooks=["on_failure"])
    again = await control.connection.fetchval("select run_id from holdfast.replay_run($1)", run_id)
    assert (await control.run(again))["hooks"] == ["on_failure"]


async def test_what_was_about_to_be_replaced_is_undone_once(control: ControlPlane) -> None:
    pod = await took(control, max_attempts=1)
    await pod.record("0/take#1~2", sequence=2, position=0, kind="replaced")
    await pod.record("0/take#1~2/compensable#1", '"tasks:take"', position=0, kind="compensable", name="compensable")
    await fail(pod)
    closing = await next_attempt(control, pod)
    assert [undoing.done.key for undoing in steps_to_undo(await recorded(closing))] == ["0/take#1~2"]
    assert await control.call("undone_steps", pod.run_id) == ["0/take#1~2"]


async def recorded(pod: Pod) -> list[StepRecord]:
    """What an attempt that opens gets, as the runner reads it."""
    return [
        StepRecord(
            StepKey(row["step_key"]), row["step_sequence"], row["step_position"], row["step_kind"], row["step_name"],
            StepOutcome(row["step_outcome"]), row["step_tries"], 0, row["step_input_digest"], row["step_value"],
        )
        for row in await pod.history(runner=CLOSES)
    ]  # fmt: skip
