"""Ends of runs that came out wrong once."""

from __future__ import annotations

from uuid import UUID

import pytest

from holdfast import Retry, receive, step, task
from holdfast.testing import TaskEnvironment
from tests.endings.test_closing_protocol import closing_attempt, fail, took
from tests.support.databases import Database
from tests.support.protocol import BAD_STATE, ControlPlane, refused

did: list[str] = []
stumbles: list[OSError] = []


@pytest.fixture
async def control(database: Database) -> ControlPlane:
    return ControlPlane(await database.connect())


@pytest.fixture(autouse=True)
def nothing_done() -> None:
    did.clear()
    stumbles.clear()


async def take_back(name: str) -> None:
    did.append(f"take back {name}")


@step(compensate=take_back)
async def transfer(name: str) -> str:
    did.append(f"transfer {name}")
    return name


async def refund(name: str) -> None:
    await transfer(f"refund of {name}")
    if stumbles:
        raise stumbles.pop()


@step(compensate=refund)
async def pay(name: str) -> str:
    did.append(f"pay {name}")
    return name


@task(name="attacked_pays", retry=Retry(max_attempts=2, backoff=0.0))
async def pays() -> None:
    await pay("ada")
    raise LookupError


@pytest.mark.parametrize("times", [0, 1])
async def test_what_a_compensation_did_is_not_undone_by_the_next_attempt(
    environment: TaskEnvironment, times: int
) -> None:
    stumbles.extend([OSError("later")] * times)
    await environment.run(pays)
    assert did == ["pay ada", "transfer refund of ada"]


async def ask(name: str) -> None:
    did.append("ask")
    await receive("ok", timeout=3600)


@step(compensate=ask)
async def take(name: str) -> str:
    return name


@task(name="attacked_takes", retry=Retry(max_attempts=2, backoff=0.0))
async def takes() -> None:
    await take("a")
    raise LookupError


async def test_to_wait_is_no_progress_of_a_closing(environment: TaskEnvironment) -> None:
    run = await environment.run(takes)
    for _ in range(5):
        if run.state == "Waiting":
            run = await environment.go_on(run, takes)
    assert (run.state, run.reason, len(did)) == ("Failed", "CompensationFailed", 4)


async def test_a_command_is_not_executed_to_call_hooks(control: ControlPlane) -> None:
    run_id = await control.trigger(template={"command": ["true"]}, hooks=["on_cancel"])
    assert await control.call("cancel_run", run_id) == "Canceled"


async def fork(control: ControlPlane, run_id: UUID, key: str) -> UUID:
    return await control.connection.fetchval("select run_id from holdfast.fork_run($1, $2)", run_id, key)  # type: ignore[no-any-return]  # a column


async def test_what_was_undone_is_not_kept_by_a_fork(control: ControlPlane) -> None:
    pod = await took(control)
    await pod.record("0/next#1", sequence=3, position=2, outcome="Failed")
    await fail(pod)
    closing = await closing_attempt(control, pod)
    await closing.record("closing/0/take#1/compensate#1", "null", kind="compensation", name="compensate", sequence=4)
    assert await closing.finish("Closed", value=None) == "Failed"
    async with refused(BAD_STATE, "was undone"):
        await fork(control, pod.run_id, "0/next#1")
    assert await fork(control, pod.run_id, "0/take#1")


async def test_a_fork_does_not_undo_what_the_older_run_did(control: ControlPlane) -> None:
    pod = await took(control)
    await pod.record("0/next#1", sequence=3, position=2)
    forked = await control.admit(await fork(control, pod.run_id, "0/next#1"))
    await forked.open()
    assert await fail(forked) == "Failed"
    assert await fail(pod) == "Backoff"
