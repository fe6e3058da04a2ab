"""Time, seen by the services that act on it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from holdfast_engine.database import EngineDatabase
from holdfast_engine.services.due import BATCH, DueRuns
from holdfast_engine.services.retention import Retention
from tests.support.databases import Database
from tests.support.runs import (
    admit,
    define_queue,
    finish,
    move_clock,
    open_attempt,
    run_of,
    state_of,
    trigger,
    trigger_many,
)


@pytest.fixture
async def engine_database(database: Database) -> AsyncIterator[EngineDatabase]:
    engine_database = EngineDatabase(database.dsn)
    await engine_database.open()
    yield engine_database
    await engine_database.aclose()


@pytest.fixture
def due(engine_database: EngineDatabase) -> DueRuns:
    return DueRuns(engine_database)


async def test_nothing_to_do(due: DueRuns) -> None:
    report = await due.run_once()
    assert (report.changed, report.again_seconds) == (0, None)


async def test_says_when_to_look_again(database: Database, due: DueRuns) -> None:
    connection = await database.connect()
    run_id = await trigger(connection, delay_seconds=100)
    await trigger(connection, delay_seconds=1000)
    report = await due.run_once()
    assert report.changed == 0
    assert report.again_seconds is not None
    assert 90 < report.again_seconds <= 100
    await move_clock(connection, 100)
    assert (await due.run_once()).changed == 1
    assert await state_of(connection, run_id) == "Queued"


async def test_a_lost_lease_is_a_disruption_and_comes_back(database: Database, due: DueRuns) -> None:
    connection = await database.connect()
    run_id = await trigger(connection, lease_seconds=30)
    await admit(connection)
    await open_attempt(connection, run_id)
    await move_clock(connection, 31)
    await due.run_once()
    run = await run_of(connection, run_id)
    assert (run["state"], run["reason"], run["disruptions"], run["failures"]) == ("Backoff", "LeaseExpired", 1, 0)
    await move_clock(connection, 33)
    await due.run_once()
    assert await state_of(connection, run_id) == "Queued"


async def test_deadlines(database: Database, due: DueRuns) -> None:
    connection = await database.connect()
    attempt_late = await trigger(connection, attempt_deadline_seconds=5, lease_seconds=100, max_attempts=1)
    run_late = await trigger(connection, active_deadline_seconds=5, lease_seconds=100)
    never_opened = await trigger(connection, pending_deadline_seconds=5)
    not_started = await trigger(connection, expire_after_seconds=5, launcher="nobody")
    await admit(connection)
    await open_attempt(connection, attempt_late)
    await open_attempt(connection, run_late)
    await move_clock(connection, 6)
    assert (await due.run_once()).changed == 4
    ends = {
        run_id: ((run := await run_of(connection, run_id))["state"], run["reason"])
        for run_id in (attempt_late, run_late, never_opened, not_started)
    }
    assert ends == {
        attempt_late: ("Failed", "AttemptDeadlineExceeded"),
        run_late: ("TimedOut", "RunDeadlineExceeded"),
        never_opened: ("Failed", "PendingDeadlineExceeded"),
        not_started: ("Expired", "Expired"),
    }
    assert (await due.run_once()).changed == 0


async def test_a_canceled_attempt_ends_with_its_grace(database: Database, due: DueRuns) -> None:
    connection = await database.connect()
    run_id = await trigger(connection, lease_seconds=100)
    await admit(connection)
    await open_attempt(connection, run_id)
    await connection.execute("select holdfast.cancel_run($1, 10)", run_id)
    report = await due.run_once()
    assert report.again_seconds is not None
    assert report.again_seconds <= 10
    await move_clock(connection, 11)
    await due.run_once()
    assert await state_of(connection, run_id) == "Canceled"


async def test_an_unsuspended_run_is_not_due_because_of_its_former_backoff(database: Database, due: DueRuns) -> None:
    connection = await database.connect()
    run_id = await trigger(connection)
    await admit(connection)
    await connection.execute("select holdfast.end_attempt($1, 1, 'Disruption', 'ProcessLost', '')", run_id)
    await connection.execute("select holdfast.suspend_run($1)", run_id)
    await connection.execute("select holdfast.unsuspend_run($1)", run_id)
    await move_clock(connection, 3600)
    report = await due.run_once()
    assert (report.changed, report.again_seconds) == (0, None)


async def test_ten_thousand_timers_of_one_second(database: Database, due: DueRuns) -> None:
    connection = await database.connect()
    await trigger_many(connection, 10_000, delay_seconds=10)
    await move_clock(connection, 10)
    passes = 0
    while (await due.run_once()).again_seconds == 0:
        passes += 1
    assert passes == 10_000 / BATCH
    assert await connection.fetchval("select count(*) from holdfast.runs where state = 'Queued'") == 10_000


async def test_a_damaged_run_does_not_hold_up_the_others(database: Database, due: DueRuns) -> None:
    connection = await database.connect()
    damaged, *others = [await trigger(connection, delay_seconds=10) for _ in range(3)]
    await connection.execute(
        "create function holdfast.refuse_one() returns trigger language plpgsql as $$ "
        f"begin if new.id = '{damaged}' then raise 'damaged'; end if; return new; end $$;"
        "create trigger refuse_one before update on holdfast.runs for each row execute function holdfast.refuse_one()"
    )
    await move_clock(connection, 11)
    assert (await due.run_once()).changed == 2
    assert [await state_of(connection, run_id) for run_id in others] == ["Queued", "Queued"]
    report = await due.run_once()
    assert (report.changed, report.again_seconds) == (0, 1.0)  # it does not spin


class TestRetention:
    """Deletion of finished runs."""

    async def test_a_time_to_live_of_its_own(self, database: Database, engine_database: EngineDatabase) -> None:
        connection = await database.connect()
        short, long, for_ever = [
            await trigger(connection, **ttl) for ttl in ({"ttl_seconds": 10}, {"ttl_seconds": 99}, {})
        ]
        await define_queue(connection)
        for run_id in await admit(connection):
            await open_attempt(connection, run_id)
            await finish(connection, run_id)
        unfinished = await trigger(connection, ttl_seconds=0)
        retention = Retention(engine_database, None)
        assert (await retention.run_once()).changed == 0
        await move_clock(connection, 11)
        assert (await retention.run_once()).changed == 1
        await move_clock(connection, 1000)
        assert (await retention.run_once()).changed == 1
        left = {row["id"] for row in await connection.fetch("select id from holdfast.runs")}
        assert left == {for_ever, unfinished}
        assert left.isdisjoint({short, long})

    async def test_everything_a_run_recorded_goes_with_it(
        self, database: Database, engine_database: EngineDatabase
    ) -> None:
        connection = await database.connect()
        runs = [await trigger(connection) for _ in range(2)]
        await admit(connection)
        for run_id in runs:
            await open_attempt(connection, run_id)
            await connection.execute(
                "select holdfast_v1.record($1, 1, $2, 'a', 1, 0, 'step', 'a', 'Succeeded', 1, 0, null, '1')",
                run_id,
                b"s" * 16,
            )
            await connection.execute(
                "select holdfast_v1.heartbeat($1, 1, $2, '{1}', '{0}', '{stdout}', '{null}', '{hello}')",
                run_id,
                b"s" * 16,
            )
        await finish(connection, runs[0])
        await move_clock(connection, 11)
        assert (await Retention(engine_database, 10).run_once()).changed == 1
        for table in ("steps", "attempts", "logs"):
            rows = await connection.fetch(f"select run_id from holdfast.{table}")
            assert [row["run_id"] for row in rows] == [runs[1]]

    async def test_an_open_dead_letter_stays(self, database: Database, engine_database: EngineDatabase) -> None:
        connection = await database.connect()
        run_id = await trigger(connection)
        await admit(connection)
        await connection.execute("select holdfast.end_attempt($1, 1, 'NonRetryable', 'ExceptionRaised', '')", run_id)
        await move_clock(connection, 11)
        retention = Retention(engine_database, 10)
        assert (await retention.run_once()).changed == 0
        await connection.execute("select holdfast.discard_run($1)", run_id)
        assert (await retention.run_once()).changed == 1
