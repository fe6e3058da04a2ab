"""At most one attempt of a run can record anything: an older one is refused by the database itself."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import asyncpg
import pytest

from tests.support.locks import until_blocked
from tests.support.protocol import (
    BAD_SECRET,
    BAD_STATE,
    CALLS,
    FENCED,
    NOT_FOUND,
    ControlPlane,
    Pod,
    refused,
)

if TYPE_CHECKING:
    from tests.db.conftest import Connect

each_call = pytest.mark.parametrize("call", sorted(CALLS))


@each_call
async def test_an_older_attempt_before_the_newer_one_opens(control: ControlPlane, call: str) -> None:
    older = await control.opened()
    await control.next_attempt(older)
    before = await control.everything(older.run_id)
    async with refused(FENCED, "was replaced by attempt 2"):
        await CALLS[call](older)
    assert await control.everything(older.run_id) == before


@each_call
async def test_an_older_attempt_after_the_newer_one_opened(control: ControlPlane, call: str) -> None:
    older = await control.opened()
    newer = await control.next_attempt(older)
    await newer.open()
    await newer.record("0/work#2")
    before = await control.everything(older.run_id)
    async with refused(FENCED, "was replaced by attempt 2"):
        await CALLS[call](older)
    assert await control.everything(older.run_id) == before


@each_call
async def test_an_attempt_that_was_declared_lost(control: ControlPlane, call: str) -> None:
    pod = await control.opened()
    await control.end(pod, "Disruption")
    async with refused(FENCED, "has ended: the run is Backoff"):
        await CALLS[call](pod)


@each_call
async def test_an_attempt_that_has_not_opened(control: ControlPlane, call: str) -> None:
    pod = await control.started()
    async with refused(FENCED, "is not open: the run is Starting"):
        await CALLS[call](pod)
    assert (await control.run(pod.run_id))["state"] == "Starting"


@each_call
@pytest.mark.parametrize("session", [b"x" * 32, b"", None])
async def test_a_wrong_session_secret(control: ControlPlane, call: str, session: bytes | None) -> None:
    pod = await control.opened()
    before = await control.everything(pod.run_id)
    async with refused(BAD_SECRET, "session secret"):
        await CALLS[call](pod, session=session)
    assert await control.everything(pod.run_id) == before


@each_call
@pytest.mark.parametrize("session", [b"x" * 32, None])
@pytest.mark.parametrize("state", ["Starting", "Succeeded", "Backoff", "Canceling"])
async def test_no_secret_opens_a_run_that_has_no_session(
    control: ControlPlane, call: str, session: bytes | None, state: str
) -> None:
    """A missing secret must not be equal to the missing session of a run that nobody has open."""
    pod = await control.started()
    if state == "Canceling":
        await control.call("cancel_run", pod.run_id)
    elif state != "Starting":
        await pod.open()
        await pod.finish("Succeeded" if state == "Succeeded" else "Failed")
    before = await control.everything(pod.run_id)
    async with refused(FENCED, f"the run is {state}"):
        await CALLS[call](pod, session=session)
    assert await control.everything(pod.run_id) == before


@each_call
async def test_an_unknown_run(control: ControlPlane, call: str) -> None:
    pod = await control.opened()
    async with refused(NOT_FOUND, "no run"):
        await CALLS[call](pod, run_id=pod.session.hex()[:32])


@each_call
async def test_the_secret_of_another_run(control: ControlPlane, call: str) -> None:
    mine, other = await control.opened(), await control.opened()
    before = await control.everything(other.run_id)
    async with refused(BAD_SECRET):
        await CALLS[call](mine, run_id=other.run_id)
    assert await control.everything(other.run_id) == before


async def test_a_newer_attempt_waits_for_a_record_under_way_and_sees_it(
    control: ControlPlane, connect: Connect
) -> None:
    older = await control.opened()
    slow = await connect()
    async with slow.transaction():
        await older.on(slow).record("0/late#1", '"late"')
        replacing = asyncio.create_task(control.next_attempt(older))
        await until_blocked(await connect(), control.connection, replacing)
    (step,) = await (await replacing).history()
    assert (step["step_key"], step["step_value"]) == ("0/late#1", '"late"')


async def test_several_records_under_way_are_waited_for(control: ControlPlane, connect: Connect) -> None:
    older = await control.opened()
    slow = await connect()
    async with slow.transaction():
        await older.on(slow).record_many({"key": "0/a#1"}, {"key": "0/b#1", "sequence": 2})
        replacing = asyncio.create_task(control.next_attempt(older))
        await until_blocked(await connect(), control.connection, replacing)
    assert [step["step_key"] for step in await (await replacing).history()] == ["0/a#1", "0/b#1"]


@pytest.mark.parametrize("call", ["record", "record_many"])
async def test_a_record_that_waits_for_a_newer_attempt_is_refused(
    control: ControlPlane, connect: Connect, call: str
) -> None:
    older = await control.opened()
    newer = await control.next_attempt(older)
    opening_connection, recording_connection = await connect(), await connect()
    async with opening_connection.transaction():
        assert await newer.on(opening_connection).history() == []
        recording = asyncio.create_task(CALLS[call](older.on(recording_connection)))
        await until_blocked(control.connection, recording_connection, recording)
    async with refused(FENCED, "was replaced by attempt 2"):
        await recording
    assert await control.steps(older.run_id) == []


async def test_records_of_one_attempt_do_not_wait_for_each_other(control: ControlPlane, connect: Connect) -> None:
    pod = await control.opened()
    slow = await connect()
    async with slow.transaction():
        await pod.on(slow).record("0/slow#1")
        await pod.record("0/quick#1", sequence=2)
    assert len(await control.steps(pod.run_id)) == 2


@pytest.mark.parametrize("call", ["open", "record", "record_many"])
@pytest.mark.parametrize("level", ["repeatable read", "serializable"])
async def test_a_longer_snapshot_does_not_get_around_the_fence(
    control: ControlPlane, connect: Connect, call: str, level: str
) -> None:
    """In such a transaction the database would show the run as it was before the newer attempt."""
    older = await control.opened()
    connection = await connect()
    await connection.execute(f"begin isolation level {level}; select 1 from holdfast.runs")
    newer = await control.next_attempt(older)
    await newer.open()
    async with refused(BAD_STATE, f"this transaction is {level}"):
        await {**CALLS, "open": Pod.open}[call]((newer if call == "open" else older).on(connection))
    await connection.execute("rollback")
    assert await control.steps(older.run_id) == []


@pytest.mark.parametrize("call", ["park", "finish", "heartbeat"])
async def test_a_longer_snapshot_fails_where_the_row_changed(
    control: ControlPlane, connect: Connect, call: str
) -> None:
    older = await control.opened()
    connection = await connect()
    await connection.execute("begin isolation level repeatable read; select 1 from holdfast.runs")
    newer = await control.next_attempt(older)
    await newer.open()
    before = await control.everything(older.run_id)
    with pytest.raises(asyncpg.SerializationError):
        await CALLS[call](older.on(connection))
    await connection.execute("rollback")
    assert await control.everything(older.run_id) == before
