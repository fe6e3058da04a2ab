"""Leaving: parking and finishing, and both again when the answer was lost."""

from __future__ import annotations

import json
from typing import Any

import asyncpg
import pytest

from tests.support.protocol import BAD_STATE, FENCED, ControlPlane, refused

# --- park ------------------------------------------------------------------------------------------------------------


async def test_a_run_waits_for_its_time(control: ControlPlane) -> None:
    pod = await control.opened()
    assert await pod.park("timer", 3600.0) == "Waiting"
    run, attempt = await control.run(pod.run_id), await control.attempt(pod)
    assert (run["state"], run["wait_kind"]) == ("Waiting", "timer")
    assert (run["due_at"] - attempt["ended_at"]).total_seconds() == 3600
    assert run["wake_at"] == run["due_at"]
    assert (run["session_hash"], run["lease_expires_at"], run["attempt_deadline_at"]) == (None, None, None)
    assert (attempt["outcome"], attempt["reason"]) == ("Parked", "timer")


async def test_a_handover_goes_on_at_once(control: ControlPlane) -> None:
    pod = await control.opened()
    assert await pod.park("handover", 0.0) == "Waiting"
    assert await control.call("queue_due_runs", [pod.run_id]) == 1
    assert (await control.run(pod.run_id))["wait_kind"] is None
    assert (await control.admit(pod.run_id)).attempt == 2


async def test_a_suspended_run_stays(control: ControlPlane) -> None:
    pod = await control.opened()
    await control.call("suspend_run", pod.run_id)
    assert await pod.park("suspend", None) == "Suspended"
    run = await control.run(pod.run_id)
    assert (run["suspended_from"], run["wake_at"], run["suspend_requested_at"]) == ("Queued", None, None)
    assert (await control.attempt(pod))["outcome"] == "Suspended"


@pytest.mark.parametrize(("kind", "goes_on_as"), [("timer", "Waiting"), ("handover", "Queued")])
async def test_a_run_that_parks_when_it_is_to_be_suspended(control: ControlPlane, kind: str, goes_on_as: str) -> None:
    pod = await control.opened()
    await control.call("suspend_run", pod.run_id)
    assert await pod.park(kind, 3600.0) == "Suspended"
    assert (await control.run(pod.run_id))["suspended_from"] == goes_on_as
    assert await control.call("unsuspend_run", pod.run_id) == goes_on_as


async def test_a_run_that_parks_when_it_is_being_canceled_ends(control: ControlPlane) -> None:
    pod = await control.opened()
    await control.call("cancel_run", pod.run_id)
    assert await pod.park() == "Canceled"
    run, attempt = await control.run(pod.run_id), await control.attempt(pod)
    assert (run["state"], run["reason"], attempt["outcome"]) == ("Canceled", "Canceled", "Canceled")


@pytest.mark.parametrize("kind", ["nap", "", None])
async def test_an_unknown_kind_of_wait(control: ControlPlane, kind: str | None) -> None:
    pod = await control.opened()
    async with refused(BAD_STATE, "unknown kind of wait"):
        await pod.park(kind)
    assert (await control.run(pod.run_id))["state"] == "Running"


@pytest.mark.parametrize("kind", ["timer", "handover", "suspend"])
async def test_parking_again_is_accepted(control: ControlPlane, kind: str) -> None:
    pod = await control.opened()
    state = await pod.park(kind)
    before = await control.everything(pod.run_id)
    assert await pod.park(kind) == state
    assert await control.everything(pod.run_id) == before


async def test_parking_again_after_the_next_attempt_opened(control: ControlPlane) -> None:
    pod = await control.opened()
    await pod.park("handover", 0.0)
    await control.requeue(pod.run_id)
    await (await control.admit(pod.run_id)).open()
    async with refused(FENCED, "was replaced by attempt 2"):
        await pod.park("handover", 0.0)


async def test_parking_after_the_end(control: ControlPlane) -> None:
    pod = await control.opened()
    await pod.finish()
    async with refused(FENCED, "has ended: the run is Succeeded"):
        await pod.park()


# --- finish ----------------------------------------------------------------------------------------------------------


async def test_success(control: ControlPlane) -> None:
    pod = await control.opened()
    assert await pod.finish(value='{"answer": 42}') == "Succeeded"
    run, attempt = await control.run(pod.run_id), await control.attempt(pod)
    assert (run["state"], run["result"], run["reason"]) == ("Succeeded", '{"answer": 42}', "Succeeded")
    assert run["finished_at"] == attempt["ended_at"]
    assert (run["wake_at"], run["session_hash"], attempt["outcome"]) == (None, None, "Succeeded")


async def test_success_after_failures_leaves_no_error(control: ControlPlane) -> None:
    pod = await control.opened()
    assert await pod.finish("Failed", retry_after_seconds=0.0) == "Backoff"
    assert (await control.run(pod.run_id))["error"] is not None
    await control.requeue(pod.run_id)
    pod = await control.admit(pod.run_id)
    await pod.open()
    assert await pod.finish() == "Succeeded"
    assert (await control.run(pod.run_id))["error"] is None


async def test_success_when_a_cancel_came_too_late(control: ControlPlane) -> None:
    pod = await control.opened()
    await control.call("cancel_run", pod.run_id)
    assert await pod.finish() == "Succeeded"


async def test_failure_tells_why(control: ControlPlane) -> None:
    pod = await control.opened(max_attempts=1)
    assert await pod.finish("Failed", reason="InputInvalid", message="no", value='{"type": "x"}') == "Failed"
    run, attempt = await control.run(pod.run_id), await control.attempt(pod)
    assert (run["reason"], run["message"], run["error"]) == ("InputInvalid", "no", '{"type": "x"}')
    assert (attempt["outcome"], attempt["class"], attempt["reason"]) == ("Failed", "App", "InputInvalid")
    assert run["result"] is None


async def test_failed_steps_are_reopened_for_the_next_attempt(control: ControlPlane) -> None:
    pod = await control.opened()
    await pod.record("0/good#1", sequence=1)
    await pod.record("0/bad#1", '"why"', sequence=2, outcome="Failed", tries=3)
    await pod.record("0/caught#1", '"why"', sequence=3, outcome="Failed", tries=3)
    await pod.finish("Failed", reopen_keys=["0/bad#1", "0/good#1", "0/unknown#1"])
    steps = {step["key"]: (step["outcome"], step["tries"], step["value"]) for step in await control.steps(pod.run_id)}
    assert steps == {
        "0/good#1": ("Succeeded", 1, '"done"'),
        "0/bad#1": ("Retrying", 0, '"why"'),
        "0/caught#1": ("Failed", 3, '"why"'),
    }


async def test_a_disruption_reopens_nothing(control: ControlPlane) -> None:
    pod = await control.opened()
    await pod.record("0/bad#1", outcome="Failed")
    await pod.finish("Disrupted", reopen_keys=["0/bad#1"])
    assert (await control.steps(pod.run_id))[0]["outcome"] == "Failed"


async def test_a_canceled_run(control: ControlPlane) -> None:
    pod = await control.opened()
    await control.call("cancel_run", pod.run_id)
    assert await pod.finish("Canceled", message=None, value=None) == "Canceled"
    run = await control.run(pod.run_id)
    assert (run["reason"], run["message"], run["error"]) == ("Canceled", "canceled on request", None)


@pytest.mark.parametrize("outcome", ["Failed", "Disrupted"])
async def test_whatever_ends_a_run_that_is_being_canceled(control: ControlPlane, outcome: str) -> None:
    pod = await control.opened()
    await control.call("cancel_run", pod.run_id)
    assert await pod.finish(outcome) == "Canceled"


@pytest.mark.parametrize(
    ("outcome", "failure_class"),
    [("Failed", None), ("Failed", "OOM"), ("Failed", "Disruption"), ("Done", "App"), (None, None), ("Canceled", None)],
)
async def test_what_a_runner_cannot_say(control: ControlPlane, outcome: str | None, failure_class: str | None) -> None:
    pod = await control.opened()
    before = await control.everything(pod.run_id)
    async with refused(BAD_STATE, "is not one that a runner reports"):
        await pod.finish(outcome, **{"class": failure_class})
    assert await control.everything(pod.run_id) == before


ENDINGS: dict[str, dict[str, Any]] = {
    "success": {"outcome": "Succeeded"},
    "success without a value": {"outcome": "Succeeded", "value": None},
    "failure": {"outcome": "Failed"},
    "failure without a message": {"outcome": "Failed", "message": None},
    "pointless": {"outcome": "Failed", "class": "NonRetryable"},
    "disruption": {"outcome": "Disrupted"},
}


@pytest.mark.parametrize("is_canceled", [False, True])
@pytest.mark.parametrize("ending", ENDINGS.values(), ids=ENDINGS)
async def test_the_same_ending_again_is_accepted(
    control: ControlPlane, ending: dict[str, Any], is_canceled: bool
) -> None:
    pod = await control.opened()
    if is_canceled:
        await control.call("cancel_run", pod.run_id)
    state = await pod.finish(**ending)
    before = await control.everything(pod.run_id)
    assert await pod.finish(**ending) == state
    assert await control.everything(pod.run_id) == before


async def test_a_cancellation_again_is_accepted(control: ControlPlane) -> None:
    pod = await control.opened()
    await control.call("cancel_run", pod.run_id)
    assert await pod.finish("Canceled") == "Canceled"
    assert await pod.finish("Canceled") == "Canceled"


@pytest.mark.parametrize(
    ("ending", "other"),
    [
        ("success", {"outcome": "Succeeded", "value": '"other"'}),
        ("success", {"outcome": "Failed"}),
        ("failure", {"outcome": "Succeeded"}),
        ("failure", {"outcome": "Failed", "message": "something else"}),
        ("failure", {"outcome": "Disrupted"}),
        ("disruption", {"outcome": "Failed"}),
    ],
)
async def test_another_ending_is_refused(control: ControlPlane, ending: str, other: dict[str, Any]) -> None:
    pod = await control.opened()
    await pod.finish(**ENDINGS[ending])
    before = await control.everything(pod.run_id)
    async with refused(FENCED, "has ended"):
        await pod.finish(**other)
    assert await control.everything(pod.run_id) == before


async def test_an_ending_again_with_another_secret(control: ControlPlane) -> None:
    pod = await control.opened()
    await pod.finish()
    async with refused(FENCED, "has ended"):
        await pod.finish(session=b"x" * 32)


async def test_the_end_frees_the_slot_and_is_announced(control: ControlPlane) -> None:
    queue, heard = "slots-of-one", []
    await control.connection.execute(
        "insert into holdfast.queues (namespace, name, concurrency) values ('tests', $1, 1) on conflict do nothing",
        queue,
    )
    await control.connection.add_listener("holdfast", lambda *told: heard.append(told[3]))
    first = await control.opened(queue=queue)
    second = await control.trigger(queue=queue, launcher="another")
    with pytest.raises(ValueError, match="not enough values"):
        await control.admit(second)
    await first.finish()
    assert (await control.admit(second)).attempt == 1
    assert f"Succeeded {first.run_id}" in heard


# --- heartbeat -------------------------------------------------------------------------------------------------------


async def test_a_heartbeat_renews_the_lease(control: ControlPlane) -> None:
    pod = await control.opened(lease_seconds=45)
    async with control.connection.transaction():
        await pod.heartbeat()
        lease = (await control.run(pod.run_id))["lease_expires_at"]
        assert (lease - await control.connection.fetchval("select holdfast.now()")).total_seconds() == 45


async def test_a_heartbeat_says_what_is_pending(control: ControlPlane) -> None:
    pod = await control.opened(attempt_deadline_seconds=100, active_deadline_seconds=1000)
    beat = await pod.heartbeat()
    assert beat["flags"] == 0
    assert 0 < beat["attempt_remaining_seconds"] <= 100 < beat["run_remaining_seconds"] <= 1000
    await control.call("suspend_run", pod.run_id)
    assert (await pod.heartbeat())["flags"] == 2
    await control.call("cancel_run", pod.run_id)
    assert (await pod.heartbeat())["flags"] == 3


async def test_lines_are_kept_in_order_with_their_time(control: ControlPlane) -> None:
    pod = await control.opened()
    async with control.connection.transaction():
        await pod.heartbeat(
            "one", "zwö 🦑", line_ages_ms=[1500, 0], streams=["stdout", "log"], step_keys=[None, "0/a#1"]
        )
        now = await control.connection.fetchval("select holdfast.now()")
    rows = await control.connection.fetch(
        "select * from holdfast.logs where run_id = $1 order by line_number", pod.run_id
    )
    assert [(row["line_number"], row["stream"], row["step_key"], row["line"]) for row in rows] == [
        (1, "stdout", None, "one"),
        (2, "log", "0/a#1", "zwö 🦑"),
    ]
    assert [(now - row["logged_at"]).total_seconds() for row in rows] == [1.5, 0]


async def test_lines_that_were_delivered_before_are_passed_over(control: ControlPlane) -> None:
    pod = await control.opened()
    await pod.heartbeat("one", "two")
    await pod.heartbeat("two, changed", "three", first=2)
    lines = await control.connection.fetch(
        "select line from holdfast.logs where run_id = $1 order by line_number", pod.run_id
    )
    assert [row["line"] for row in lines] == ["one", "two", "three"]


async def test_lines_are_numbered_within_the_attempt(control: ControlPlane) -> None:
    first = await control.opened()
    await first.heartbeat("first")
    second = await control.next_attempt(first)
    await second.open()
    await second.heartbeat("second")
    assert await control.connection.fetchval("select count(*) from holdfast.logs where run_id = $1", first.run_id) == 2


@pytest.mark.parametrize("broken", [{"streams": ["elsewhere"]}, {"streams": []}, {"line_numbers": [None]}], ids=repr)
async def test_lines_that_make_no_sense_are_refused(control: ControlPlane, broken: dict[str, Any]) -> None:
    pod = await control.opened()
    with pytest.raises(asyncpg.IntegrityConstraintViolationError):
        await pod.heartbeat("line", **broken)


async def test_the_error_may_hold_what_json_can(control: ControlPlane) -> None:
    pod = await control.opened(max_attempts=1)
    error = json.dumps({"message": "nul \0, surrogate \ud800, 🦑"})
    await pod.finish("Failed", value=error)
    assert (await control.run(pod.run_id))["error"] == error
