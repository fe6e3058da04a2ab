"""Ends of attempts that the engine found out about: Postgres says whether they count."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING
from uuid import UUID

import asyncpg
import pytest

from holdfast.contract.reasons import FailureClass, Reason
from holdfast.domain.errors import LaunchError
from holdfast_engine.database import EngineDatabase
from holdfast_engine.launcher import Launch
from holdfast_engine.launches import Launches
from holdfast_engine.services.admission import Admission
from holdfast_engine.services.ended_attempts import EndedAttempt, end_attempts
from tests.support.databases import Database
from tests.support.inner_launcher import InnerLauncher
from tests.support.runs import LAUNCHER, admit, finish, open_attempt, run_of, state_of, trigger

if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record]


@pytest.fixture
async def engine_database(database: Database) -> AsyncIterator[EngineDatabase]:
    engine_database = EngineDatabase(database.dsn)
    await engine_database.open()
    yield engine_database
    await engine_database.aclose()


@pytest.fixture
async def connection(database: Database) -> Connection:
    return await database.connect()


def lost(run_id: UUID, attempt: int = 1, *, only_unopened: bool = False) -> EndedAttempt:
    """The process of an attempt is gone."""
    return EndedAttempt(
        run_id, attempt, FailureClass.DISRUPTION, Reason.PROCESS_LOST, "gone", None, only_unopened=only_unopened
    )


async def test_many_at_once(engine_database: EngineDatabase, connection: Connection) -> None:
    runs = [await trigger(connection) for _ in range(3)]
    await admit(connection)
    failed = EndedAttempt(runs[2], 1, FailureClass.APP, Reason.EXIT_CODE, "the process ended with exit code 3", 3)
    assert await end_attempts(engine_database, [lost(runs[0]), lost(runs[1]), failed]) == 3
    assert {await state_of(connection, run_id) for run_id in runs} == {"Backoff"}
    attempt = await connection.fetchrow("select * from holdfast.attempts where run_id = $1", runs[2])
    assert attempt is not None
    assert (attempt["class"], attempt["reason"], attempt["exit_code"]) == ("App", "ExitCode", 3)
    assert attempt["message"] == "the process ended with exit code 3"


async def test_what_the_attempt_committed_counts(engine_database: EngineDatabase, connection: Connection) -> None:
    run_id = await trigger(connection)
    await admit(connection)
    await open_attempt(connection, run_id)
    await finish(connection, run_id)
    await end_attempts(engine_database, [lost(run_id)])
    run = await run_of(connection, run_id)
    assert (run["state"], run["disruptions"]) == ("Succeeded", 0)


async def test_an_older_attempt_does_not_end_the_newest(
    engine_database: EngineDatabase, connection: Connection
) -> None:
    run_id = await trigger(connection)
    await admit(connection)
    await end_attempts(engine_database, [lost(run_id)])
    await connection.execute("update holdfast.runs set state = 'Queued'")
    await admit(connection)
    await end_attempts(engine_database, [lost(run_id, 1)])
    run = await run_of(connection, run_id)
    assert (run["state"], run["attempt"], run["disruptions"]) == ("Starting", 2, 1)


async def test_a_process_that_was_not_let_in_does_not_end_the_one_that_was(
    engine_database: EngineDatabase, connection: Connection
) -> None:
    opened, unopened = await trigger(connection), await trigger(connection)
    await admit(connection)
    await open_attempt(connection, opened)
    await end_attempts(engine_database, [lost(each, only_unopened=True) for each in (opened, unopened)])
    assert await state_of(connection, opened) == "Running"
    assert await state_of(connection, unopened) == "Backoff"


class ForgetfulLauncher(InnerLauncher):
    """Its processes open their attempts before it says that it could not make them."""

    def __init__(self, dsn: str, connection: Connection) -> None:
        super().__init__(dsn)
        self._connection = connection

    async def launch(self, launch: Launch) -> None:
        if launch.task == "work":
            await open_attempt(self._connection, launch.id.run_id)
        raise LaunchError("no answer in time")


async def test_a_launch_whose_answer_got_lost_goes_on(
    engine_database: EngineDatabase, connection: Connection, database: Database
) -> None:
    opened, unopened = await trigger(connection), await trigger(connection, "rest")
    launches = Launches(database="", database_grace_seconds=1, shutdown_grace_seconds=1)
    launcher = ForgetfulLauncher(database.runner_dsn, connection)
    await Admission(engine_database, launcher, launches, ["", LAUNCHER]).run_once()
    assert await state_of(connection, opened) == "Running"
    assert await state_of(connection, unopened) == "Backoff"
    [launched] = await engine_database.rows("launched_attempts", LAUNCHER)
    assert launched["run_id"] == opened, "should its process be lost, that will be found"
    await launcher.aclose()


async def test_a_run_that_is_deleted(engine_database: EngineDatabase) -> None:
    assert await end_attempts(engine_database, [lost(UUID(int=1))]) == 1
    assert await end_attempts(engine_database, []) == 0
