"""What becomes of a run when an attempt is over without success: every class, in every state, at every count."""

from __future__ import annotations

from typing import Any

import pytest

from holdfast.contract.reasons import FailureClass
from holdfast.domain.retry import Retry
from tests.support.protocol import ControlPlane, Pod

COUNTED = ("App", "OOM", "Deadline")


async def _pod(control: ControlPlane, state: str, **options: Any) -> Pod:
    pod = await control.started(**options)
    if state != "Starting":
        await pod.open()
    if state == "Canceling":
        await control.call("cancel_run", pod.run_id)
    return pod


async def _set(control: ControlPlane, pod: Pod, **columns: object) -> None:
    for name, value in columns.items():
        await control.connection.execute(f"update holdfast.runs set {name} = $2 where id = $1", pod.run_id, value)


@pytest.mark.parametrize("state", ["Starting", "Running"])
@pytest.mark.parametrize("failure_class", list(FailureClass))
async def test_with_attempts_left_it_is_tried_again(
    control: ControlPlane, failure_class: FailureClass, state: str
) -> None:
    pod = await _pod(control, state)
    end = "Failed" if failure_class == "NonRetryable" else "Backoff"
    assert await control.end(pod, failure_class, exit_code=9) == end
    run, attempt = await control.run(pod.run_id), await control.attempt(pod)
    assert run["state"] == end
    assert run["failures"] == (failure_class in (*COUNTED, "NonRetryable"))
    assert run["failures_since_progress"] == (failure_class in COUNTED)
    assert run["disruptions"] == (failure_class == "Disruption")
    assert (run["session_hash"], run["lease_expires_at"], run["attempt_deadline_at"]) == (None, None, None)
    assert (run["due_at"] is None) == (end == "Failed")
    assert run["finished_at"] == (attempt["ended_at"] if end == "Failed" else None)
    assert attempt["outcome"] == ("Lost" if failure_class in ("Disruption", "Start") else "Failed")
    assert (attempt["class"], attempt["reason"], attempt["exit_code"]) == (failure_class, "ProcessLost", 9)


@pytest.mark.parametrize("state", ["Starting", "Running"])
@pytest.mark.parametrize("failure_class", list(FailureClass))
async def test_with_no_attempt_left_it_is_a_dead_letter(
    control: ControlPlane, failure_class: FailureClass, state: str
) -> None:
    """Disruptions and attempts that did not start are not counted against `maxAttempts`."""
    pod = await _pod(control, state, max_attempts=3)
    await _set(control, pod, failures=2)
    is_counted = failure_class in (*COUNTED, "NonRetryable")
    assert await control.end(pod, failure_class) == ("Failed" if is_counted else "Backoff")
    assert (await control.run(pod.run_id))["reason"] == "ProcessLost"


@pytest.mark.parametrize("failure_class", list(FailureClass))
async def test_a_run_that_is_being_canceled_is_canceled(control: ControlPlane, failure_class: FailureClass) -> None:
    pod = await _pod(control, "Canceling")
    assert await control.end(pod, failure_class) == "Canceled"
    run, attempt = await control.run(pod.run_id), await control.attempt(pod)
    assert (run["reason"], attempt["outcome"], attempt["class"]) == ("Canceled", "Canceled", failure_class)
    assert (run["failures"], run["disruptions"], run["message"]) == (0, 0, "canceled on request")
    assert attempt["reason"] == "Canceled"


@pytest.mark.parametrize("state", ["Starting", "Running"])
@pytest.mark.parametrize("failure_class", [each for each in FailureClass if each != "NonRetryable"])
async def test_a_run_that_is_to_be_suspended_rests(
    control: ControlPlane, failure_class: FailureClass, state: str
) -> None:
    pod = await _pod(control, state)
    await control.call("suspend_run", pod.run_id)
    assert await control.end(pod, failure_class) == "Suspended"
    run = await control.run(pod.run_id)
    assert (run["suspended_from"], run["suspend_requested_at"], run["due_at"]) == ("Queued", None, None)
    assert await control.call("unsuspend_run", pod.run_id) == "Queued"


async def test_a_dead_letter_is_not_suspended(control: ControlPlane) -> None:
    pod = await _pod(control, "Running", max_attempts=1)
    await control.call("suspend_run", pod.run_id)
    assert await control.end(pod, "App") == "Failed"


@pytest.mark.parametrize(("disruptions", "end"), [(1, "Backoff"), (2, "Failed")])
async def test_disruptions_have_a_limit_of_their_own(control: ControlPlane, disruptions: int, end: str) -> None:
    pod = await _pod(control, "Running", disruption_limit=2, max_attempts=1)
    await _set(control, pod, disruptions=disruptions)
    assert await control.end(pod, "Disruption") == end
    run, attempt = await control.run(pod.run_id), await control.attempt(pod)
    assert run["reason"] == ("DisruptionLimitReached" if end == "Failed" else "ProcessLost")
    assert (run["failures"], attempt["reason"]) == (0, "ProcessLost")


async def test_a_run_may_allow_no_disruption_at_all(control: ControlPlane) -> None:
    assert await control.end(await _pod(control, "Running", disruption_limit=0), "Disruption") == "Failed"


async def test_attempts_that_cannot_start_are_bounded_by_time(control: ControlPlane) -> None:
    pod = await _pod(control, "Starting", pending_deadline_seconds=60)
    deadline = (await control.run(pod.run_id))["pending_deadline_at"]
    assert await control.end(pod, "Start") == "Backoff"
    await control.requeue(pod.run_id)
    pod = await control.admit(pod.run_id)
    assert (await control.run(pod.run_id))["pending_deadline_at"] == deadline, "each attempt got a deadline of its own"
    await control.connection.execute(
        "update holdfast.runs set pending_deadline_at = holdfast.now() - interval '1 s' where id = $1", pod.run_id
    )
    assert await control.end(pod, "Start") == "Failed"
    assert (await control.run(pod.run_id))["reason"] == "PendingDeadlineExceeded"


async def test_an_attempt_that_started_gives_the_next_one_its_whole_time(control: ControlPlane) -> None:
    pod = await _pod(control, "Running", pending_deadline_seconds=60)
    assert await control.end(pod, "App") == "Backoff"
    assert (await control.run(pod.run_id))["pending_deadline_at"] is None


# --- how long it waits -----------------------------------------------------------------------------------------------


async def _waits_seconds(control: ControlPlane, pod: Pod, failure_class: str, **options: Any) -> float:
    """End the attempt in a transaction that is taken back, and return how long the run would wait."""
    transaction = control.connection.transaction()
    await transaction.start()
    try:
        assert await control.end(pod, failure_class, **options) == "Backoff"
        run, attempt = await control.run(pod.run_id), await control.attempt(pod)
        return float((run["due_at"] - attempt["ended_at"]).total_seconds())
    finally:
        await transaction.rollback()


@pytest.mark.parametrize("failure_class", COUNTED)
@pytest.mark.parametrize("failures", [1, 2, 3, 7, 200])
@pytest.mark.parametrize(
    "retry",
    [
        Retry(),
        Retry(backoff=3.0, max_backoff=40.0, multiplier=1.5),
        Retry(backoff=0.0),
        Retry(backoff=2.0**31 - 1, max_backoff=2.0**31 - 1, multiplier=100.0),
    ],
    ids=["usual", "gentle", "none", "largest"],
)
async def test_the_backoff_is_the_one_that_authors_are_told_of(
    control: ControlPlane, retry: Retry, failures: int, failure_class: str
) -> None:
    """Full jitter: evenly between 0 and the bound."""
    pod = await _pod(
        control,
        "Running",
        max_attempts=1000,
        backoff_seconds=retry.backoff,
        max_backoff_seconds=retry.max_backoff,
        multiplier_percent=round(retry.multiplier * 100),
    )
    await _set(control, pod, failures_since_progress=failures - 1)
    bound_seconds = retry.bound_seconds(failures)
    shares = []
    for seed in range(8):
        await control.connection.execute("select setseed($1)", seed / 8)
        drawn = await control.connection.fetchval("select random()")
        await control.connection.execute("select setseed($1)", seed / 8)
        waited = await _waits_seconds(control, pod, failure_class)
        assert waited == pytest.approx(drawn * bound_seconds, rel=1e-6, abs=1e-5)
        shares.append(drawn)
    assert max(shares) - min(shares) > 0.5, "the draws are too alike to tell"


@pytest.mark.parametrize(("failure_class", "seconds"), [("Disruption", 1), ("Start", 2)])
async def test_what_is_nobodys_fault_waits_short_and_flat(
    control: ControlPlane, failure_class: str, seconds: int
) -> None:
    pod = await _pod(control, "Running", backoff_seconds=1000)
    await _set(control, pod, failures_since_progress=5, disruptions=5)
    assert await _waits_seconds(control, pod, failure_class) == seconds


@pytest.mark.parametrize("failure_class", [*COUNTED, "Disruption", "Start"])
@pytest.mark.parametrize(
    ("wished_seconds", "waits_seconds"),
    [(7.5, 7.5), (0.0, 0.0), (-3.0, 0.0), (float("inf"), 2**31 - 1), (float("nan"), 2**31 - 1), (1e300, 2**31 - 1)],
)
async def test_a_delay_that_the_code_asked_for_wins(
    control: ControlPlane, failure_class: str, wished_seconds: float, waits_seconds: float
) -> None:
    pod = await _pod(control, "Running", backoff_seconds=0)
    waited = await _waits_seconds(control, pod, failure_class, retry_after_seconds=wished_seconds)
    assert waited == waits_seconds


async def _fail(control: ControlPlane, pod: Pod, failure_class: str = "App") -> Pod:
    await control.end(pod, failure_class)
    await control.requeue(pod.run_id)
    following = await control.admit(pod.run_id)
    await following.open()
    return following


async def test_the_backoff_starts_again_when_a_step_was_recorded(control: ControlPlane) -> None:
    pod = await control.opened(max_attempts=100)
    counts = []
    for number in range(1, 6):
        if number == 4:
            await pod.record()
        pod = await _fail(control, pod)
        counts.append((await control.run(pod.run_id))["failures_since_progress"])
    assert counts == [1, 2, 3, 1, 2]
    assert (await control.run(pod.run_id))["failures"] == 5


async def test_a_step_that_fails_again_and_again_is_no_progress(control: ControlPlane) -> None:
    pod = await control.opened(max_attempts=100)
    counts = []
    for number in range(1, 5):
        await pod.record(sequence=2 * number - 1, outcome="Retrying")
        await pod.record(sequence=2 * number, outcome="Failed")
        pod = await _fail(control, pod)
        counts.append((await control.run(pod.run_id))["failures_since_progress"])
    assert counts == [1, 2, 3, 4]


async def test_progress_of_an_attempt_that_was_disrupted_counts(control: ControlPlane) -> None:
    pod = await control.opened(max_attempts=100)
    pod = await _fail(control, pod)
    pod = await _fail(control, pod)
    await pod.record()
    pod = await _fail(control, pod, "Disruption")
    pod = await _fail(control, pod)
    assert (await control.run(pod.run_id))["failures_since_progress"] == 1


async def test_a_wait_is_progress(control: ControlPlane) -> None:
    pod = await _fail(control, await control.opened(max_attempts=100))
    await pod.park("handover", 0.0)
    assert (await control.run(pod.run_id))["failures_since_progress"] == 0


# --- whoever comes late ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("failure_class", list(FailureClass))
async def test_an_older_attempt_ends_nothing(control: ControlPlane, failure_class: FailureClass) -> None:
    older = await control.opened()
    newer = await control.next_attempt(older)
    await newer.open()
    before = await control.everything(older.run_id)
    assert await control.end(older, failure_class) == "Running"
    assert await control.everything(older.run_id) == before


@pytest.mark.parametrize("ending", ["finish", "park", "lost"])
async def test_an_attempt_that_has_ended_does_not_end_again(control: ControlPlane, ending: str) -> None:
    pod = await control.opened()
    await {"finish": pod.finish, "park": pod.park, "lost": lambda: control.end(pod, "Disruption")}[ending]()
    before = await control.everything(pod.run_id)
    assert await control.end(pod, "App") == (await control.run(pod.run_id))["state"]
    assert await control.everything(pod.run_id) == before


async def test_a_run_that_was_removed(control: ControlPlane) -> None:
    pod = await control.opened()
    await control.connection.execute("delete from holdfast.runs where id = $1", pod.run_id)
    assert await control.end(pod, "App") is None


async def test_a_lease_that_was_renewed_in_the_meantime(control: ControlPlane) -> None:
    """The engine saw it expired, and then a heartbeat came."""
    pod = await control.opened()
    before = await control.everything(pod.run_id)
    assert await control.end(pod, "Disruption", reason="LeaseExpired") == "Running"
    assert await control.everything(pod.run_id) == before


async def test_a_lease_that_expired(control: ControlPlane) -> None:
    pod = await control.opened(lease_seconds=1)
    await control.connection.execute("select pg_sleep_until(pg_postmaster_start_time() + interval '1 s')")
    await _set(control, pod, lease_expires_at=await control.call("now"))
    assert await control.end(pod, "Disruption", reason="LeaseExpired") == "Backoff"


async def test_a_lease_that_expired_while_the_server_was_down(control: ControlPlane) -> None:
    """Nobody could renew it: the attempt gets one more, from the start of the server."""
    pod = await control.opened(lease_seconds=1_000_000)
    await _set(control, pod, lease_expires_at=await control.call("now"))
    assert await control.end(pod, "Disruption", reason="LeaseExpired") == "Running"
    started_at = await control.connection.fetchval("select pg_postmaster_start_time()")
    lease = (await control.run(pod.run_id))["lease_expires_at"]
    assert (lease - started_at).total_seconds() == 1_000_000
