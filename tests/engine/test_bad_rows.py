"""One run that the database does not let change, among others: a service tells of it, and the others go on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

import asyncpg
import pytest

from holdfast_engine.database import EngineDatabase
from holdfast_engine.launcher import AttemptId, Exit
from holdfast_engine.launches import Launches
from holdfast_engine.services.adoption import Adoption
from holdfast_engine.services.due import DueRuns
from holdfast_engine.services.exits import Exits
from holdfast_engine.services.stops import Stops
from tests.support.databases import Database
from tests.support.known_launcher import KnownLauncher
from tests.support.runs import admit, state_of, trigger

if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record]


@dataclass
class Scene:
    """Runs in one database."""

    connection: Connection
    database: EngineDatabase

    async def started(self, count: int) -> list[AttemptId]:
        """Runs with an attempt each, of a task that is a command."""
        for _ in range(count):
            await trigger(self.connection, entrypoint=None, template={"command": ["true"]})
        return [AttemptId(run_id, 1) for run_id in await admit(self.connection)]

    async def spoil(self, run_id: UUID) -> None:
        """From now on no change of this run is possible."""
        await self.connection.execute(
            f"""
            create function public.refuse() returns trigger language plpgsql as $$
            begin raise exception 'this row is bad'; end $$;
            create trigger refuse before update on holdfast.runs for each row when (old.id = '{run_id}')
            execute function public.refuse();
            """
        )

    async def states(self, ids: list[AttemptId]) -> list[str]:
        """The states of runs."""
        return [await state_of(self.connection, id.run_id) for id in ids]


@pytest.fixture
async def scene(database: Database) -> AsyncIterator[Scene]:
    engine_database = EngineDatabase(database.dsn)
    await engine_database.open()
    yield Scene(await database.connect(), engine_database)
    await engine_database.aclose()


async def test_exits(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    ids = await scene.started(5)
    await scene.spoil(ids[2].run_id)
    launcher = KnownLauncher(
        exits=[
            *(Exit(id=id, exit_code=1) for id in ids[:3]),
            *(Exit(id=id, exit_code=0, is_command=True) for id in ids[3:]),
        ]
    )
    report = await Exits(scene.database, launcher).run_once()
    assert await scene.states(ids) == ["Backoff", "Backoff", "Starting", "Succeeded", "Succeeded"]
    assert [exit.id for exit in launcher.exits()] == [ids[2]], "it is not forgotten"
    assert report.changed == 4
    assert report.again_seconds is not None, "it is tried again"
    assert f"could not end attempt {ids[2]}" in caplog.text
    assert "this row is bad" in caplog.text


async def test_an_exit_that_gets_well_is_recorded(scene: Scene) -> None:
    ids = await scene.started(2)
    await scene.spoil(ids[0].run_id)
    launcher = KnownLauncher(exits=[Exit(id=id, exit_code=1) for id in ids])
    exits = Exits(scene.database, launcher)
    await exits.run_once()
    await scene.connection.execute("drop trigger refuse on holdfast.runs")
    while launcher.exits():
        await exits.run_once()
    assert await scene.states(ids) == ["Backoff", "Backoff"]
    assert (await exits.run_once()).again_seconds is None


async def test_stops_of_attempts_that_cannot_be_looked_at(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    (id,) = await scene.started(1)
    await scene.connection.execute("select holdfast.cancel_run($1, 0)", id.run_id)
    unheard_of = AttemptId(id.run_id, 2**31)
    launcher = KnownLauncher(live=[unheard_of, id])
    report = await Stops(scene.database, launcher).run_once()
    assert (launcher.stopped, report.changed) == ({id}, 1)
    assert f"could not look at attempt {unheard_of}" in caplog.text


async def test_stops_of_processes_that_cannot_be_stopped(scene: Scene) -> None:
    ids = await scene.started(3)
    for id in ids:
        await scene.connection.execute("select holdfast.cancel_run($1, 0)", id.run_id)
    launcher = KnownLauncher(live=ids, unstoppable=ids[:1])
    await Stops(scene.database, launcher).run_once()
    assert launcher.stopped == {*ids[1:]}


async def test_adoption(scene: Scene, database: Database) -> None:
    ids = await scene.started(3)
    await scene.connection.execute("update holdfast.attempts set launched_at = now()")
    await scene.spoil(ids[1].run_id)
    launches = Launches(database=database.runner_dsn, database_grace_seconds=1, shutdown_grace_seconds=1)
    await Adoption(scene.database, KnownLauncher(), launches).run_once()
    assert await scene.states(ids) == ["Backoff", "Starting", "Backoff"]


async def test_due_runs(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    ids = [AttemptId(await trigger(scene.connection, delay_seconds=3600), 0) for _ in range(3)]
    await scene.connection.execute("update holdfast.runs set due_at = now()")
    await scene.spoil(ids[0].run_id)
    report = await DueRuns(scene.database).run_once()
    assert await scene.states(ids) == ["Delayed", "Queued", "Queued"]
    assert report.changed == 2
    assert f"could not queue run {ids[0].run_id}" in caplog.text
