"""Opening an attempt: the token works once, the answer has everything that was recorded."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from holdfast.contract.limits import EAGER_TOTAL_BYTES, EAGER_VALUE_BYTES
from tests.support.protocol import BAD_SECRET, FENCED, NOT_FOUND, ControlPlane, refused

if TYPE_CHECKING:
    from tests.db.conftest import Connect


async def test_says_who_it_is_and_what_to_do(control: ControlPlane) -> None:
    pod = await control.started(
        name="order-42",
        tags=["a", "b"],
        idempotency_key="42",
        max_attempts=7,
        lease_seconds=90,
        attempt_deadline_seconds=60,
        active_deadline_seconds=600,
    )
    opened = await pod.open()
    assert (opened["namespace"], opened["name"], opened["task"]) == ("tests", "order-42", "work")
    assert (opened["entrypoint"], opened["input"]) == ("tasks:work", "{}")
    assert (opened["tags"], opened["idempotency_key"]) == (["a", "b"], "42")
    assert (opened["failures"], opened["disruptions"], opened["max_attempts"]) == (0, 0, 7)
    assert opened["lease_seconds"] == 90
    assert opened["attempt_remaining_seconds"] == 60.0
    assert opened["run_remaining_seconds"] == pytest.approx(600, abs=60)
    assert opened["flags"] == 0
    assert opened["database_now"].tzinfo is not None


async def test_the_run_is_running_and_its_lease_begins(control: ControlPlane) -> None:
    pod = await control.started(lease_seconds=30)
    opened = await pod.open()
    run, attempt = await control.run(pod.run_id), await control.attempt(pod)
    assert run["state"] == "Running"
    assert (run["lease_expires_at"] - opened["database_now"]).total_seconds() == 30
    assert run["pending_deadline_at"] is None
    assert (attempt["opened_at"], attempt["replayed_steps"]) == (opened["database_now"], 0)
    assert run["session_hash"] == attempt["session_hash"]
    assert run["session_hash"] not in (None, pod.session)


async def test_no_deadline_means_none(control: ControlPlane) -> None:
    opened = await (await control.started()).open()
    assert opened["attempt_remaining_seconds"] is None
    assert opened["run_remaining_seconds"] is None


@pytest.mark.parametrize("token", ["", "0" * 64, None])
async def test_a_wrong_token(control: ControlPlane, token: str | None) -> None:
    pod = await control.started()
    async with refused(BAD_SECRET, "the token is not that of attempt 1"):
        await pod.open(token=token)
    assert (await control.run(pod.run_id))["state"] == "Starting"


async def test_the_token_of_another_run(control: ControlPlane) -> None:
    mine, other = await control.started(), await control.started()
    async with refused(BAD_SECRET):
        await mine.open(run_id=other.run_id)


async def test_the_token_of_the_attempt_before(control: ControlPlane) -> None:
    older = await control.opened()
    newer = await control.next_attempt(older)
    async with refused(BAD_SECRET):
        await older.open(attempt=newer.attempt)
    async with refused(FENCED, "was replaced by attempt 2"):
        await older.open()


async def test_a_token_works_once(control: ControlPlane) -> None:
    pod = await control.opened()
    async with refused(FENCED, "was opened before"):
        await pod.open(session=b"another session!" * 2)


@pytest.mark.parametrize("end", ["finish", "park", "lost"])
async def test_a_token_does_not_work_after_the_end(control: ControlPlane, end: str) -> None:
    pod = await control.opened()
    await {"finish": pod.finish, "park": pod.park, "lost": lambda: control.end(pod, "Disruption")}[end]()
    for session in (pod.session, b"another session!"):
        async with refused(FENCED, "has ended"):
            await pod.open(session=session)
    async with refused(BAD_SECRET):
        await pod.open(session=None)


async def test_an_unknown_run(control: ControlPlane) -> None:
    pod = await control.started()
    async with refused(NOT_FOUND, "no run"):
        await pod.open(run_id=pod.session.hex()[:32])


@pytest.mark.parametrize("session", [b"", b"fifteen bytes..", None])
async def test_a_session_secret_that_is_too_short(control: ControlPlane, session: bytes | None) -> None:
    pod = await control.started()
    async with refused(BAD_SECRET, "at least 16 bytes"):
        await pod.open(session=session)
    assert (await control.run(pod.run_id))["state"] == "Starting"


async def test_the_same_opening_again_is_accepted(control: ControlPlane) -> None:
    """Its first answer may have been lost."""
    pod = await control.started()
    first = await pod.open()
    await pod.record()
    assert (await pod.open())["input"] == first["input"]
    assert [step["step_key"] for step in await pod.history()] == ["0/work#1"]


async def test_of_two_openings_with_one_token_one_wins(control: ControlPlane, connect: Connect) -> None:
    pod = await control.started()
    rivals = [pod.on(await connect()) for _ in range(4)]
    answers = await asyncio.gather(
        *(rival.open(session=bytes([number]) * 32) for number, rival in enumerate(rivals)), return_exceptions=True
    )
    codes = sorted(getattr(answer, "sqlstate", "") for answer in answers)
    assert codes == ["", FENCED, FENCED, FENCED]


async def test_a_canceled_attempt_is_not_opened(control: ControlPlane) -> None:
    pod = await control.started()
    await control.call("cancel_run", pod.run_id)
    async with refused(FENCED, "the run is Canceling"):
        await pod.open()


async def test_says_what_is_pending(control: ControlPlane) -> None:
    pod = await control.started()
    await control.call("suspend_run", pod.run_id)
    assert (await pod.open())["flags"] == 2
    await control.call("cancel_run", pod.run_id)
    assert (await pod.open())["flags"] == 3


async def test_the_python_version_of_the_first_attempt_is_kept(control: ControlPlane) -> None:
    first = await control.started()
    assert (await first.open(runner='{"python": "3.11"}'))["python_version"] == "3.11"
    second = await control.next_attempt(first)
    assert (await second.open(runner='{"python": "3.13"}'))["python_version"] == "3.11"


async def test_the_next_attempt_gets_what_was_recorded_in_order(control: ControlPlane) -> None:
    first = await control.opened()
    await first.record("0/b#1", '"B"', sequence=2, position=2)
    await first.record("0/a#1", None, sequence=1, outcome="Canceled", input_digest=None)
    await first.record("0/c#1", '{"type": "x"}', sequence=3, outcome="Failed", tries=4, kind="step")
    second = await control.next_attempt(first)
    steps = await second.history()
    assert [tuple(step.values())[-9:] for step in steps] == [
        ("0/a#1", 1, 1, "step", "work", "Canceled", 1, None, None),
        ("0/b#1", 2, 2, "step", "work", "Succeeded", 1, b"digest", '"B"'),
        ("0/c#1", 3, 1, "step", "work", "Failed", 4, b"digest", '{"type": "x"}'),
    ]
    assert (await control.attempt(second))["replayed_steps"] == 1


async def test_large_values_are_fetched_when_asked_for(control: ControlPlane) -> None:
    """Up to 64 KiB a value comes with the opening: counted in bytes, not in characters."""
    values: dict[str, str] = {
        "0/fits#1": "x" * EAGER_VALUE_BYTES,
        "0/over#1": "x" * (EAGER_VALUE_BYTES + 1),
        "0/wide#1": "ü" * (EAGER_VALUE_BYTES // 2 + 1),
    }
    first = await control.opened()
    for sequence, (key, value) in enumerate(values.items(), 1):
        await first.record(key, value, sequence=sequence)
    second = await control.next_attempt(first)
    steps = {step["step_key"]: step["step_value"] for step in await second.history()}
    assert steps == {"0/fits#1": values["0/fits#1"], "0/over#1": None, "0/wide#1": None}
    assert await second.fetch(*values) == values


async def test_all_values_of_an_opening_are_bounded(control: ControlPlane) -> None:
    count = EAGER_TOTAL_BYTES // EAGER_VALUE_BYTES
    first = await control.opened()
    steps: list[dict[str, Any]] = [
        {"key": f"0/work#{number}", "sequence": number, "value": "x" * EAGER_VALUE_BYTES}
        for number in range(1, count + 3)
    ]
    await first.record_many(*steps)
    second = await control.next_attempt(first)
    values = [step["step_value"] for step in await second.history()]
    assert [value is None for value in values] == [False] * count + [True, True]
    assert len((await second.fetch("0/work#257"))["0/work#257"] or "") == EAGER_VALUE_BYTES


async def test_fetch_knows_only_its_own_run(control: ControlPlane) -> None:
    mine, other = await control.opened(), await control.opened()
    await other.record("0/secret#1", '"secret"')
    assert await mine.fetch("0/secret#1") == {}
