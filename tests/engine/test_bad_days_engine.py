"""Bad days of the engine: the database is away for long, code never listens, a thousand runs wait when it is killed."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import asyncpg
import pytest

from tests.support.databases import Server
from tests.support.engines import Engines
from tests.support.fifo import open_fifo
from tests.support.inner_launcher import InnerLauncher
from tests.support.processes import wait_for_end
from tests.support.runs import admit, define_queue, jump_clock_at_restart, move_clock, trigger_many, wait_for_state

if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record]

HOUR_SECONDS = 3600.0


class TestServerStopped:
    """PostgreSQL itself is stopped while an attempt is under way, and the engine with it is left alone."""

    @pytest.fixture
    async def engines(self, private_server: Server, tmp_path: Path) -> AsyncIterator[Engines]:
        """Engines on a server that may be stopped."""
        async with private_server.database() as database, AsyncExitStack() as stack:
            yield Engines(database, tmp_path, await stack.enter_async_context(open_fifo(tmp_path / "fifo")), stack)

    @pytest.mark.parametrize("away_seconds", [0, 31, 200])
    async def test_the_run_goes_on_in_the_attempt_that_waited(
        self, engines: Engines, caplog: pytest.LogCaptureFixture, away_seconds: int
    ) -> None:
        """Also past its lease of 30 s. The time passes on the database's clock alone, which is the one that counts."""
        await engines.start(interval_seconds=1)
        run_id, _ = await self._under_way(engines, "wait_for_file")
        async with _connected(engines) as connection:
            await jump_clock_at_restart(connection, away_seconds)
        await engines.database.server.postgres.stop()
        engines.go.touch()
        while "due runs: the database is away" not in caplog.text:  # noqa: ASYNC110 - a log tells nobody
            await asyncio.sleep(0.01)
        await engines.database.server.postgres.start()
        async with _connected(engines) as connection:
            run = await wait_for_state(connection, run_id, "Succeeded", "Failed")
        assert (run["state"], run["attempt"], run["failures"], run["disruptions"]) == ("Succeeded", 1, 0, 0)
        assert "Traceback" not in caplog.text

    async def test_the_grace_runs_out_and_the_run_goes_on(self, engines: Engines) -> None:
        await engines.start(database_grace_seconds=1)
        run_id, pid = await self._under_way(engines, "wait_for_file")
        await engines.database.server.postgres.stop()
        engines.go.touch()
        await wait_for_end(pid)
        await engines.database.server.postgres.start()
        assert (await engines.told_attempt())[0] == 2
        async with _connected(engines) as connection:
            run = await wait_for_state(connection, run_id, "Succeeded", "Failed")
            (first, _) = await connection.fetch(
                "select class, reason from holdfast.attempts where run_id = $1 order by number", run_id
            )
        assert (run["state"], run["failures"], run["disruptions"]) == ("Succeeded", 0, 1)
        assert tuple(first) == ("Disruption", "DatabaseUnreachable")

    async def _under_way(self, engines: Engines, task: str) -> tuple[UUID, int]:
        """A run that has recorded a step, and the number of its process."""
        async with _connected(engines) as connection:
            run_id = await engines.trigger(connection, task)
        assert await engines.fifo.line() == "first step"
        return run_id, (await engines.told_attempt())[1]


@asynccontextmanager
async def _connected(engines: Engines) -> AsyncIterator[Connection]:
    connection = await asyncpg.connect(engines.database.dsn)
    try:
        yield connection
    finally:
        await connection.close()


async def test_a_task_that_never_awaits_is_ended_when_it_is_canceled(engines: Engines) -> None:
    """It holds the event loop, so no signal reaches it but SIGKILL."""
    await engines.start()
    async with _connected(engines) as connection:
        run_id = await engines.trigger(connection, "never_await")
        _, pid = await engines.told_attempt()
        await connection.execute("select holdfast.cancel_run($1, 0)", run_id)
        await wait_for_end(pid)
        await wait_for_state(connection, run_id, "Canceled")


async def test_a_thousand_runs_wait_while_the_engine_is_killed(engines: Engines) -> None:
    """It dies in the middle of queueing those whose time has come; the next one loses none, and runs none twice."""
    async with _connected(engines) as connection:
        await define_queue(connection, "many", paused=False)
        await _let_wait(connection)
        await define_queue(connection, "many", paused=True)
        assert await _states(connection) == {"Queued": 250, "Delayed": 250, "Waiting": 250, "Backoff": 250}
        await move_clock(connection, 2 * HOUR_SECONDS)
        process = await engines.start_process()
        async with _hearing(connection, "Queued") as queued:
            await queued.wait()
        process.kill()
        await process.wait()
        left = await _states(connection)
        assert sum(left.values()) == 1000

        await define_queue(connection, "many", paused=False)
        async with _hearing(connection, "Succeeded") as succeeded:
            await engines.start(launcher=InnerLauncher(engines.database.runner_dsn))
            while (await _states(connection)) != {"Succeeded": 1000}:
                await succeeded.wait()
                succeeded.clear()
        ended = await connection.fetch(
            "select attempt, failures, disruptions, count(*) from holdfast.runs group by 1, 2, 3"
        )
        assert {tuple(row) for row in ended} == {(1, 0, 0, 500), (2, 0, 0, 250), (2, 1, 0, 250)}


async def _let_wait(connection: Connection) -> None:
    """A thousand runs, a quarter each Queued, Delayed, Waiting and in Backoff, all but the first for an hour."""
    options: dict[str, Any] = {"queue": "many", "entrypoint": "tests.support.engine_tasks:succeed"}
    ends = {
        "Waiting": "holdfast_v1.park(r.id, r.attempt, $1, 'timer', $2)",
        "Backoff": "holdfast_v1.finish(r.id, r.attempt, $1, 'Failed', 'App', 'ExceptionRaised', '', '{}', $2, '{}')",
    }
    for end in ends.values():
        await trigger_many(connection, 250, **options)
        await admit(connection, 250)
        await connection.execute(
            """
            select count(*) from holdfast.runs r,
                lateral holdfast_v1.open(r.id, r.attempt, holdfast.bootstrap_token(r.id, r.attempt), $1, '{}')
            where r.state = 'Starting'
            """,
            b"s" * 16,
        )
        await connection.execute(
            f"select {end} from holdfast.runs r where r.state = 'Running'", b"s" * 16, HOUR_SECONDS
        )
    await trigger_many(connection, 250, **options)
    await trigger_many(connection, 250, delay_seconds=HOUR_SECONDS, **options)


async def _states(connection: Connection) -> Counter[str]:
    return Counter(dict(await connection.fetch("select state, count(*)::integer from holdfast.runs group by state")))


@asynccontextmanager
async def _hearing(connection: Connection, state: str) -> AsyncIterator[asyncio.Event]:
    """An event that is set when a run comes into this state."""
    heard = asyncio.Event()

    def hear(*notification: object) -> None:
        if str(notification[-1]).startswith(state):
            heard.set()

    await connection.add_listener("holdfast", hear)
    try:
        yield heard
    finally:
        await connection.remove_listener("holdfast", hear)
