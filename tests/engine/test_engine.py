"""The whole engine on real processes and a real database.

Its interval is an hour: what happens, happens because the engine heard of it or knew the time.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

import asyncpg
import pytest

from holdfast.domain.errors import LaunchError, UnavailableError
from holdfast_engine import listener
from holdfast_engine.engine import Engine, EngineSettings
from holdfast_engine.launchers.process import ProcessLauncher
from tests.support.databases import Database
from tests.support.engines import Engines
from tests.support.processes import is_alive, wait_for_end
from tests.support.runs import admit, run_of, trigger, wait_for_state

if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record]


@pytest.fixture
async def connection(database: Database) -> Connection:
    return await database.connect()


async def test_a_run_succeeds(engines: Engines, connection: Connection) -> None:
    await engines.start()
    run_id = await engines.trigger(connection, "succeed")
    run = await wait_for_state(connection, run_id, "Succeeded", "Failed")
    assert (run["state"], run["result"], run["attempt"]) == ("Succeeded", '"done"', 1)
    launched_at = "select launched_at from holdfast.attempts where run_id = $1"
    assert await connection.fetchval(launched_at, run_id) is not None


async def test_a_delay_is_kept_without_polling(engines: Engines, connection: Connection) -> None:
    await engines.start()
    run_id = await engines.trigger(connection, "succeed", delay_seconds=0.2)
    run = await wait_for_state(connection, run_id, "Succeeded")
    assert (run["started_at"] - run["created_at"]).total_seconds() >= 0.2


async def test_the_next_run_of_a_full_queue_follows_the_first(engines: Engines, connection: Connection) -> None:
    await connection.execute("insert into holdfast.queues (namespace, name, concurrency) values ('shop', 'one', 1)")
    await engines.start()
    runs = [await engines.trigger(connection, "succeed", queue="one") for _ in range(3)]
    for run_id in runs:
        await wait_for_state(connection, run_id, "Succeeded")


async def test_a_rate_limit_is_waited_for(engines: Engines, connection: Connection) -> None:
    await connection.execute(
        "insert into holdfast.queues (namespace, name, starts_per_minute) values ('shop', 'rated', 60)"
    )
    await engines.start()
    runs = [await engines.trigger(connection, "succeed", queue="rated") for _ in range(2)]
    for run_id in runs:
        await wait_for_state(connection, run_id, "Succeeded")


async def test_a_full_launcher_goes_on_when_it_has_room(engines: Engines, connection: Connection) -> None:
    await engines.start(max_processes=1)
    runs = [await engines.trigger(connection, "succeed") for _ in range(3)]
    for run_id in runs:
        await wait_for_state(connection, run_id, "Succeeded")


async def test_a_killed_process_is_followed_by_the_next(engines: Engines, connection: Connection) -> None:
    await engines.start()
    run_id = await engines.trigger(connection, "hold_once")
    assert await engines.fifo.line() == "first step"
    _, pid = await engines.told_attempt()
    os.kill(pid, signal.SIGKILL)
    assert (await engines.told_attempt())[0] == 2  # and the first step is not executed again
    run = await wait_for_state(connection, run_id, "Succeeded")
    assert (run["attempt"], run["disruptions"], run["failures"]) == (2, 1, 0)


async def test_an_exit_without_an_outcome_shows_what_was_printed(engines: Engines, connection: Connection) -> None:
    await engines.start()
    run_id = await engines.trigger(connection, "leave_without_a_word", max_attempts=1)
    run = await wait_for_state(connection, run_id, "Failed")
    assert run["reason"] == "ExitCode"
    assert "exit code 9" in run["message"]
    assert "about to leave" in run["message"]


async def test_what_cannot_be_launched_waits_and_says_why(engines: Engines, connection: Connection) -> None:
    await engines.start(program=("/no/such/program",))
    run_id = await engines.trigger(connection, "succeed")
    run = await wait_for_state(connection, run_id, "Backoff")
    assert run["reason"] == "LaunchFailed"
    assert "/no/such/program" in run["message"]
    assert (run["failures"], run["disruptions"]) == (0, 0)


async def test_cancel(engines: Engines, connection: Connection) -> None:
    await engines.start()
    run_id = await engines.trigger(connection, "hold_once")
    await engines.fifo.line()
    _, pid = await engines.told_attempt()
    await connection.execute("select holdfast.cancel_run($1, 30)", run_id)
    await wait_for_state(connection, run_id, "Canceled")
    await wait_for_end(pid)


@pytest.mark.parametrize(("deadline", "state"), [("run_deadline_at", "TimedOut"), ("attempt_deadline_at", "Failed")])
async def test_a_process_does_not_outlive_its_deadline(
    engines: Engines, connection: Connection, deadline: str, state: str
) -> None:
    await engines.start()
    run_id = await engines.trigger(connection, "hold_once", max_attempts=1)
    await engines.fifo.line()
    _, pid = await engines.told_attempt()
    await let_pass(connection, run_id, deadline)
    await wait_for_state(connection, run_id, state)
    await wait_for_end(pid)


async def test_a_frozen_process_loses_its_run_and_its_life(engines: Engines, connection: Connection) -> None:
    await engines.start()
    run_id = await engines.trigger(connection, "hold_once")
    await engines.fifo.line()
    _, pid = await engines.told_attempt()
    os.kill(pid, signal.SIGSTOP)
    await let_pass(connection, run_id, "lease_expires_at")
    assert (await engines.told_attempt())[0] == 2
    run = await wait_for_state(connection, run_id, "Succeeded")
    assert run["disruptions"] == 1
    await wait_for_end(pid)


async def let_pass(connection: Connection, run_id: UUID, time: str) -> None:
    """Let one of a run's times be now, and tell the engine to look."""
    await connection.execute(f"update holdfast.runs set {time} = now() where id = $1", run_id)
    await connection.execute("notify holdfast, 'Running'")


async def test_stopping_leaves_no_process_and_loses_no_run(engines: Engines, connection: Connection) -> None:
    engine = await engines.start()
    run_id = await engines.trigger(connection, "hold_once")
    await engines.fifo.line()
    _, pid = await engines.told_attempt()
    await engine.stop()
    assert not is_alive(pid)
    assert (await run_of(connection, run_id))["state"] in ("Waiting", "Backoff", "Queued")
    await engine.stop()  # a second time: nothing
    await engines.start()
    assert (await engines.told_attempt())[0] == 2
    await wait_for_state(connection, run_id, "Succeeded")


async def test_stop_before_start(engines: Engines, database: Database) -> None:
    launcher = ProcessLauncher(engines.directory)
    await Engine(database.dsn, launcher, EngineSettings(runner_dsn=database.runner_dsn)).stop()


async def test_waits_for_passes(engines: Engines, connection: Connection) -> None:
    engine = await engines.start(program=(sys.executable, "-S", "-E", "-c", ""))
    passed = asyncio.create_task(engine.wait_for_pass("admission", changed=True))
    await asyncio.sleep(0)
    await trigger(connection)
    assert (await passed).changed == 1


class TestDeadEngine:
    """kill -9 of the engine loses nothing."""

    async def test_processes_go_on_and_are_adopted(self, engines: Engines, connection: Connection) -> None:
        process = await engines.start_process()
        run_id = await engines.trigger(connection, "wait_for_file")
        await engines.fifo.line()
        _, pid = await engines.told_attempt()
        process.kill()
        await process.wait()
        assert is_alive(pid)
        await engines.start()
        engines.go.touch()
        run = await wait_for_state(connection, run_id, "Succeeded")
        assert run["attempt"] == 1

    async def test_a_process_that_died_meanwhile_is_followed_by_the_next(
        self, engines: Engines, connection: Connection
    ) -> None:
        process = await engines.start_process()
        run_id = await engines.trigger(connection, "hold_once")
        await engines.fifo.line()
        _, pid = await engines.told_attempt()
        process.kill()
        await process.wait()
        os.kill(pid, signal.SIGKILL)
        await wait_for_end(pid)
        await engines.start()
        assert (await engines.told_attempt())[0] == 2
        run = await wait_for_state(connection, run_id, "Succeeded")
        assert (run["disruptions"], run["failures"]) == (1, 0)

    async def test_between_admitted_and_launched(self, engines: Engines, connection: Connection) -> None:
        run_id = await engines.trigger(connection, "succeed")
        assert await admit(connection) == [run_id]
        await engines.start()
        run = await wait_for_state(connection, run_id, "Succeeded")
        assert run["attempt"] == 1

    async def test_a_launched_process_of_which_there_is_no_trace(
        self, engines: Engines, connection: Connection
    ) -> None:
        run_id = await engines.trigger(connection, "succeed")
        await admit(connection)
        await connection.execute("update holdfast.attempts set launched_at = now()")
        await engines.start()
        run = await wait_for_state(connection, run_id, "Succeeded")
        assert (run["attempt"], run["disruptions"]) == (2, 1)

    async def test_another_launcher_that_never_launched(self, engines: Engines, connection: Connection) -> None:
        run_id = await engines.trigger(connection, "succeed")
        await admit(connection, launcher="there")
        await connection.execute("update holdfast.attempts set admitted_at = now() - interval '2 minutes'")
        await engines.start()
        run = await wait_for_state(connection, run_id, "Succeeded")
        assert (run["attempt"], run["disruptions"]) == (2, 1)


class TestOutage:
    """The database goes away and comes back."""

    async def test_a_lost_listener_listens_again(self, engines: Engines, connection: Connection) -> None:
        await engines.start()
        listening = (
            "select pid from pg_stat_activity where query ilike 'listen%' and application_name = 'holdfast engine'"
        )
        while not (pid := await connection.fetchval(listening)):
            pass
        await connection.execute("select pg_terminate_backend($1, 10000)", pid)
        run_id = await engines.trigger(connection, "succeed")
        await wait_for_state(connection, run_id, "Succeeded")

    async def test_a_quiet_connection_is_asked_whether_it_lives(
        self,
        engines: Engines,
        connection: Connection,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        monkeypatch.setattr(listener, "PING_SECONDS", 0.01)
        await engines.start()
        pinged = (
            "select exists (select from pg_stat_activity where query = $1 and application_name = 'holdfast engine')"
        )
        while not await connection.fetchval(pinged, listener.PING):
            pass
        await wait_for_state(connection, await engines.trigger(connection, "succeed"), "Succeeded")
        assert not caplog.records

    async def test_all_connections_are_lost(self, engines: Engines, connection: Connection) -> None:
        await engines.start()
        await wait_for_state(connection, await engines.trigger(connection, "succeed"), "Succeeded")
        await connection.execute(
            "select pg_terminate_backend(pid, 10000) from pg_stat_activity where application_name = 'holdfast engine'"
        )
        await wait_for_state(connection, await engines.trigger(connection, "succeed"), "Succeeded")

    async def test_a_database_that_is_away_at_the_start(self, engines: Engines, tmp_path: Path) -> None:
        launcher = ProcessLauncher(engines.directory)
        engine = Engine(f"postgresql://nobody@/nothing?host={tmp_path}", launcher, EngineSettings(runner_dsn=""))
        with pytest.raises(UnavailableError, match="The engine cannot reach the database"):
            await engine.start()


async def test_one_engine_per_launcher(engines: Engines, database: Database) -> None:
    await engines.start()
    launcher = ProcessLauncher(engines.directory)
    with pytest.raises(LaunchError, match="in use by process"):
        await Engine(database.dsn, launcher, EngineSettings(runner_dsn=database.runner_dsn)).start()
