"""What is being recorded at the moment in which the end of a run is decided counts, too."""

from __future__ import annotations

import asyncio
import json

import pytest

from tests.support.databases import Database
from tests.support.locks import until_blocked
from tests.support.protocol import ControlPlane, Pod


@pytest.fixture
async def control(database: Database) -> ControlPlane:
    return ControlPlane(await database.connect())


@pytest.mark.parametrize("how", ["timed out", "lost", "failed"])
async def test_a_success_that_is_being_recorded_is_undone(database: Database, control: ControlPlane, how: str) -> None:
    pod = await control.opened(active_deadline_seconds=60, max_attempts=1, disruption_limit=0)
    await pod.record("0/take#1/compensable#1", '"tasks:take"', kind="compensable", name="compensable")
    recording, deciding = await database.connect(), await database.connect()
    other = ControlPlane(deciding)
    if how == "timed out":
        await control.connection.execute(
            "update holdfast.runs set run_deadline_at = holdfast.now() - interval '1 s' where id = $1", pod.run_id
        )
    async with recording.transaction():
        await pod.on(recording).record("0/take#1", sequence=2)
        if how == "timed out":
            call = asyncio.create_task(other.call("time_out_run", pod.run_id))
        elif how == "lost":
            call = asyncio.create_task(other.end(pod, "Disruption"))
        else:
            call = asyncio.create_task(pod.on(deciding).finish(outcome="Failed"))
        await until_blocked(control.connection, deciding, call)
    assert await call == "Backoff"
    closing = (await control.run(pod.run_id))["closing"]
    assert json.loads(closing)["compensates"] is True


async def test_open_and_the_deadline_do_not_wait_for_each_other(database: Database, control: ControlPlane) -> None:
    pod: Pod = await control.opened(active_deadline_seconds=60)
    await control.connection.execute(
        "update holdfast.runs set run_deadline_at = holdfast.now() - interval '1 s' where id = $1", pod.run_id
    )
    others = [ControlPlane(await database.connect()) for _ in range(2)]
    answers = await asyncio.gather(
        pod.on(others[0].connection).open(), others[1].call("time_out_run", pod.run_id), return_exceptions=True
    )
    assert answers[1] == "TimedOut"
