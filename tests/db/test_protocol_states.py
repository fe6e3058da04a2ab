"""The database and the table of states agree: on every pair of states, and on what people may ask for in each."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID, uuid4

import asyncpg
import pytest

from holdfast.domain.states import DEAD_LETTERS, FINAL, HOLDS_SLOT, TRANSITIONS, Event, State, follows
from tests.support.protocol import BAD_STATE, NOT_FOUND, ControlPlane, refused
from tests.support.states import run_in

each_state = pytest.mark.parametrize("state", list(State))

_COLUMNS_OF_A_STATE = """
    state = $2,
    session_hash = case when $2 in ('Running', 'Canceling') then 'hash'::bytea end,
    lease_expires_at = case when $2 in ('Running', 'Canceling') then holdfast.now() end,
    finished_at = case when $2 in ('Succeeded', 'Failed', 'TimedOut', 'Canceled', 'Expired') then holdfast.now() end,
    suspended_from = case when $2 = 'Suspended' then 'Queued' end,
    due_at = holdfast.now(), queued_at = holdfast.now(), result = null
"""


@each_state
async def test_the_database_accepts_exactly_the_states_that_follow(control: ControlPlane, state: State) -> None:
    run_id = await run_in(control, state)
    accepted, refusals = set(), {}
    for successor in State:
        transaction = control.connection.transaction()
        await transaction.start()
        try:
            await control.connection.execute(
                f"update holdfast.runs set {_COLUMNS_OF_A_STATE} where id = $1", run_id, successor
            )
            accepted.add(successor)
        except asyncpg.PostgresError as error:
            refusals[successor] = (error.sqlstate, str(error))
        finally:
            await transaction.rollback()
    for successor, refusal in refusals.items():
        assert refusal == (BAD_STATE, f"run {run_id} cannot go from {state} to {successor}")
    assert accepted == follows(state) | {state}


@each_state
async def test_a_run_is_announced_when_it_is_accepted_and_when_its_state_changes(
    control: ControlPlane, state: State
) -> None:
    heard: list[str] = []
    await control.connection.add_listener("holdfast", lambda *told: heard.append(told[3]))
    run_id = await run_in(control, state)
    await control.connection.execute("select 1")
    announced = [told.split(" ")[0] for told in heard if told.endswith(str(run_id))]
    assert announced[-1] == state
    assert announced[0] in ("Queued", "Delayed", "Suspended")


@each_state
async def test_only_what_can_still_happen_wakes_the_engine(control: ControlPlane, state: State) -> None:
    run = await control.run(await run_in(control, state))
    wakes = state not in FINAL | {State.SUSPENDED, State.QUEUED}
    assert (run["wake_at"] is not None) == wakes


async def _change(control: ControlPlane, run_id: UUID, function: str) -> tuple[str, str]:
    answer = await control.call(function, run_id)
    return answer, (await control.run(run_id))["state"]


@each_state
async def test_cancel(control: ControlPlane, state: State) -> None:
    run_id = await run_in(control, state)
    before = await control.everything(run_id)
    after = TRANSITIONS[state].get(Event.CANCEL, state)
    assert await _change(control, run_id, "cancel_run") == (after, after)
    if after is state:
        assert await control.everything(run_id) == before
    else:
        assert (await control.run(run_id))["cancel_requested_at"] is not None


@pytest.mark.parametrize("state", sorted(HOLDS_SLOT - {State.CANCELING}))
async def test_a_canceled_attempt_gets_a_grace(control: ControlPlane, state: State) -> None:
    run_id = await run_in(control, state)
    async with control.connection.transaction():
        await control.call("cancel_run", run_id, 12.0)
        run = await control.run(run_id)
    assert run["attempt_deadline_at"] - run["cancel_requested_at"] == timedelta(seconds=12)
    assert run["wake_at"] is not None


@each_state
async def test_suspend(control: ControlPlane, state: State) -> None:
    run_id = await run_in(control, state)
    before = await control.everything(run_id)
    if state in FINAL | {State.CANCELING}:
        async with refused(BAD_STATE, f"a run in state {state} cannot be suspended"):
            await control.call("suspend_run", run_id)
        assert await control.everything(run_id) == before
    elif state in HOLDS_SLOT:
        assert await _change(control, run_id, "suspend_run") == (state, state)
        assert (await control.run(run_id))["suspend_requested_at"] is not None
    else:
        assert await _change(control, run_id, "suspend_run") == ("Suspended", "Suspended")


@pytest.mark.parametrize("state", sorted(set(State) - FINAL - {State.CANCELING}))
async def test_suspend_and_unsuspend(control: ControlPlane, state: State) -> None:
    run_id = await run_in(control, state)
    origin = {State.BACKOFF: State.QUEUED, State.SUSPENDED: State.QUEUED}.get(state, state)
    await control.call("suspend_run", run_id)
    assert await _change(control, run_id, "unsuspend_run") == (origin, origin)
    run = await control.run(run_id)
    assert (run["suspend_requested_at"], run["suspended_at"], run["suspended_from"]) == (None, None, None)


@each_state
async def test_unsuspend_changes_no_other_state(control: ControlPlane, state: State) -> None:
    run_id = await run_in(control, state)
    before = await control.everything(run_id)
    answer = await control.call("unsuspend_run", run_id)
    if state is State.SUSPENDED:
        assert answer == "Queued"
    else:
        assert answer == state
        assert await control.everything(run_id) == before


async def test_the_deadline_of_a_run_rests_while_it_is_suspended(control: ControlPlane) -> None:
    pod = await control.opened(active_deadline_seconds=3600)
    await pod.park("timer", 60.0)
    await control.call("suspend_run", pod.run_id)
    before = await control.run(pod.run_id)
    await control.connection.execute(
        "update holdfast.runs set suspended_at = suspended_at - interval '1 hour' where id = $1", pod.run_id
    )
    await control.call("unsuspend_run", pod.run_id)
    after = await control.run(pod.run_id)
    assert after["run_deadline_at"] - before["run_deadline_at"] >= timedelta(hours=1)
    assert after["due_at"] == before["due_at"]


@each_state
async def test_resume(control: ControlPlane, state: State) -> None:
    run_id = await run_in(control, state)
    before = await control.everything(run_id)
    if state not in DEAD_LETTERS:
        async with refused(BAD_STATE, f"only a dead letter can be resumed; run {run_id} is {state}"):
            await control.call("resume_run", run_id)
        assert await control.everything(run_id) == before
        return
    assert await _change(control, run_id, "resume_run") == ("Queued", "Queued")
    run = await control.run(run_id)
    assert (run["failures"], run["failures_since_progress"], run["disruptions"]) == (0, 0, 0)
    assert (run["run_deadline_at"], run["finished_at"], run["error"], run["reason"]) == (None, None, None, None)
    following = await control.admit(run_id)
    await following.open()
    assert await following.finish() == "Succeeded"


async def test_a_resumed_run_is_no_longer_to_be_canceled_or_suspended(control: ControlPlane) -> None:
    """It timed out while it was being canceled; whoever resumes it wants it to go on."""
    pod = await control.opened(active_deadline_seconds=3600)
    await control.call("suspend_run", pod.run_id)
    await control.call("cancel_run", pod.run_id)
    await control.connection.execute(
        "update holdfast.runs set run_deadline_at = holdfast.now() where id = $1", pod.run_id
    )
    assert await control.call("time_out_run", pod.run_id) == "TimedOut"
    assert await control.call("resume_run", pod.run_id) == "Queued"
    following = await control.admit(pod.run_id)
    assert (await following.open())["flags"] == 0
    assert (await control.run(pod.run_id))["run_deadline_at"] is not None


@each_state
async def test_replay(control: ControlPlane, state: State) -> None:
    run_id = await run_in(control, state)
    before = await control.everything(run_id)
    row = await control.connection.fetchrow("select * from holdfast.replay_run($1)", run_id)
    assert row is not None
    assert await control.everything(run_id) == before
    old, new = await control.run(run_id), await control.run(row["run_id"])
    assert (new["state"], new["replay_of"], new["name"]) == ("Queued", run_id, row["run_name"])
    for column in ("task", "queue", "entrypoint", "input", "template", "launcher", "tags", "max_attempts"):
        assert new[column] == old[column], column


async def test_a_replay_takes_over_every_option_but_name_key_and_times(control: ControlPlane) -> None:
    options = {
        "name": "the-first",
        "idempotency_key": "once",
        "priority": 7,
        "concurrency_key": "customer",
        "tags": ["a"],
        "max_attempts": 9,
        "backoff_seconds": 2.5,
        "max_backoff_seconds": 30.0,
        "multiplier_percent": 150,
        "disruption_limit": 4,
        "active_deadline_seconds": 100,
        "attempt_deadline_seconds": 50,
        "pending_deadline_seconds": 25,
        "lease_seconds": 12,
        "ttl_seconds": 60,
        "template": {"image": "x"},
        "delay_seconds": 3600,
        "expire_after_seconds": 7200,
        "suspend": True,
    }
    old = await control.run(await control.trigger("work", '{"n": 1}', **options))
    row = await control.connection.fetchrow("select * from holdfast.replay_run($1)", old["id"])
    assert row is not None
    new = await control.run(row["run_id"])
    different = {name for name in old.keys() if old[name] != new[name]}  # noqa: SIM118  # a Record iterates values
    assert different == {
        "id", "name", "state", "idempotency_key", "replay_of", "created_at", "queued_at", "due_at", "expire_at",
        "suspended_from", "suspended_at",
    }  # fmt: skip


@each_state
async def test_discard(control: ControlPlane, state: State) -> None:
    run_id = await run_in(control, state)
    before = await control.everything(run_id)
    if state not in DEAD_LETTERS:
        async with refused(BAD_STATE, f"only a dead letter can be discarded; run {run_id} is {state}"):
            await control.call("discard_run", run_id)
        assert await control.everything(run_id) == before
        return
    assert await _change(control, run_id, "discard_run") == (state, state)
    discarded_at = (await control.run(run_id))["discarded_at"]
    await control.call("discard_run", run_id)
    assert (await control.run(run_id))["discarded_at"] == discarded_at is not None
    await control.call("resume_run", run_id)
    assert (await control.run(run_id))["discarded_at"] is None


@pytest.mark.parametrize(
    "function", ["cancel_run", "suspend_run", "unsuspend_run", "resume_run", "replay_run", "discard_run"]
)
async def test_an_unknown_run(control: ControlPlane, function: str) -> None:
    async with refused(NOT_FOUND, "no run"):
        await control.call(function, uuid4())


# --- what time does --------------------------------------------------------------------------------------------------


@each_state
async def test_a_passed_deadline_of_the_run(control: ControlPlane, state: State) -> None:
    run_id = await run_in(control, state)
    await control.connection.execute("update holdfast.runs set run_deadline_at = holdfast.now() where id = $1", run_id)
    before = await control.everything(run_id)
    after = TRANSITIONS[state].get(Event.TIME_OUT, state)
    assert await _change(control, run_id, "time_out_run") == (after, after)
    if after is state:
        assert await control.everything(run_id) == before
    else:
        assert (await control.run(run_id))["reason"] == "RunDeadlineExceeded"


@each_state
@pytest.mark.parametrize("deadline", ["null", "holdfast.now() + interval '1 hour'"])
async def test_no_passed_deadline(control: ControlPlane, state: State, deadline: str) -> None:
    """The engine may have seen a deadline that someone has removed since."""
    run_id = await run_in(control, state)
    await control.connection.execute(f"update holdfast.runs set run_deadline_at = {deadline} where id = $1", run_id)
    before = await control.everything(run_id)
    assert await control.call("time_out_run", run_id) == state
    assert await control.everything(run_id) == before


async def test_the_deadline_of_a_run_that_was_removed(control: ControlPlane) -> None:
    assert await control.call("time_out_run", uuid4()) is None


async def test_a_run_that_timed_out_ends_its_attempt(control: ControlPlane) -> None:
    pod = await control.opened()
    await control.connection.execute(
        "update holdfast.runs set run_deadline_at = holdfast.now() where id = $1", pod.run_id
    )
    await control.call("time_out_run", pod.run_id)
    attempt = await control.attempt(pod)
    assert (attempt["outcome"], attempt["class"], attempt["reason"]) == ("Failed", "Deadline", "RunDeadlineExceeded")
    async with refused("HF001", "has ended: the run is TimedOut"):
        await pod.record()
    async with refused("HF001", "has ended: the run is TimedOut"):
        await pod.finish("Failed")


@each_state
@pytest.mark.parametrize(("due", "is_due"), [("- interval '1 s'", True), ("+ interval '1 hour'", False)])
async def test_only_what_is_due_is_queued(control: ControlPlane, state: State, due: str, is_due: bool) -> None:
    run_id = await run_in(control, state)
    await control.connection.execute(f"update holdfast.runs set due_at = holdfast.now() {due} where id = $1", run_id)
    before = await control.everything(run_id)
    waits = state in (State.DELAYED, State.WAITING, State.BACKOFF)
    assert await control.call("queue_due_runs", [run_id]) == (is_due and waits)
    if is_due and waits:
        run = await control.run(run_id)
        assert (run["state"], run["due_at"], run["wait_kind"]) == ("Queued", None, None)
        assert run["queued_at"] is not None
    else:
        assert await control.everything(run_id) == before


@each_state
@pytest.mark.parametrize(("expire", "is_late"), [("- interval '1 s'", True), ("+ interval '1 hour'", False)])
async def test_only_what_has_not_started_expires(
    control: ControlPlane, state: State, expire: str, is_late: bool
) -> None:
    run_id = await run_in(control, state)
    await control.connection.execute(
        f"update holdfast.runs set expire_at = holdfast.now() {expire} where id = $1", run_id
    )
    before = await control.everything(run_id)
    expires = is_late and Event.EXPIRE in TRANSITIONS[state]
    assert await control.call("expire_runs", [run_id]) == expires
    if expires:
        run = await control.run(run_id)
        assert (run["state"], run["reason"]) == ("Expired", "Expired")
        assert run["message"].startswith("not started by 20")
    else:
        assert await control.everything(run_id) == before


# --- what a state means ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "change", "constraint"),
    [
        (State.QUEUED, "state = 'Paused'", "runs_state_known"),
        (State.QUEUED, "finished_at = now()", "runs_final_has_time"),
        (State.SUCCEEDED, "finished_at = null", "runs_final_has_time"),
        (State.RUNNING, "session_hash = null", "runs_running_is_open"),
        (State.RUNNING, "lease_expires_at = null", "runs_running_is_open"),
        (State.WAITING, "session_hash = 'x'", "runs_parked_has_no_session"),
        (State.SUCCEEDED, "lease_expires_at = now()", "runs_parked_has_no_session"),
        (State.DELAYED, "due_at = null", "runs_timed_state_is_due"),
        (State.BACKOFF, "due_at = null", "runs_timed_state_is_due"),
        (State.QUEUED, "queued_at = null", "runs_queued_has_time"),
        (State.QUEUED, "suspended_from = 'Queued'", "runs_suspended_knows_origin"),
        (State.SUSPENDED, "suspended_from = null", "runs_suspended_knows_origin"),
        (State.FAILED, "result = '1'", "runs_result_only_of_success"),
    ],
)
async def test_the_columns_of_a_run_fit_its_state(
    control: ControlPlane, state: State, change: str, constraint: str
) -> None:
    run_id = await run_in(control, state)
    await control.connection.execute("begin; alter table holdfast.runs disable trigger runs_state_changed")
    try:
        with pytest.raises(asyncpg.CheckViolationError) as caught:
            await control.connection.execute(f"update holdfast.runs set {change} where id = $1", run_id)
        assert caught.value.constraint_name == constraint
    finally:
        await control.connection.execute("rollback")


async def test_an_attempt_has_an_outcome_when_it_has_ended(control: ControlPlane) -> None:
    pod = await control.opened()
    for change in ("ended_at = now()", "outcome = 'Lost'"):
        with pytest.raises(asyncpg.CheckViolationError, match="attempts_ended_has_outcome"):
            await control.connection.execute(f"update holdfast.attempts set {change} where run_id = $1", pod.run_id)
