"""Compensations and hooks in real processes under a real engine."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import asyncpg
import pytest

from tests.support.databases import Database
from tests.support.engines import Engines
from tests.support.processes import wait_for_end
from tests.support.runs import move_clock, wait_for_state

if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record]


@pytest.fixture
async def connection(database: Database) -> Connection:
    return await database.connect()


async def test_a_canceled_run_undoes_what_it_did(engines: Engines, connection: Connection) -> None:
    await engines.start()
    run_id = await engines.trigger(connection, "take_and_hold")
    assert await engines.fifo.line() == "first step"
    assert await connection.fetchval("select holdfast.cancel_run($1)", run_id) == "Canceling"
    assert await engines.fifo.line() == "the key is back in attempt 2"
    assert await engines.fifo.line() == "Canceled in attempt 2"
    run = await wait_for_state(connection, run_id, "Canceled", "Failed")
    assert (run["state"], run["reason"], run["attempt"], run["failures"]) == ("Canceled", "Canceled", 2, 0)
    assert run["cancel_requested_at"] is not None


async def test_one_that_swallows_everything_is_undone_too(engines: Engines, connection: Connection) -> None:
    await engines.start()
    run_id = await engines.trigger(connection, "take_and_swallow")
    assert await engines.fifo.line() == "first step"
    await connection.execute("select holdfast.cancel_run($1, 0.2)", run_id)
    while (line := await engines.fifo.line()) == "swallowed":
        pass
    assert line == "the key is back in attempt 2"
    assert (await wait_for_state(connection, run_id, "Canceled", "Failed"))["state"] == "Canceled"


async def test_a_run_whose_deadline_has_passed(engines: Engines, connection: Connection) -> None:
    await engines.start()
    run_id = await engines.trigger(connection, "take_and_hold", active_deadline_seconds=3600, lease_seconds=7200)
    assert await engines.fifo.line() == "first step"
    pid = await connection.fetchval(
        "select (runner ->> 'pid')::integer from holdfast.attempts where run_id = $1", run_id
    )
    await move_clock(connection, 3600)
    await connection.execute("select pg_notify('holdfast', 'Running ' || $1)", str(run_id))
    assert await engines.fifo.line() == "the key is back in attempt 2"
    assert await engines.fifo.line() == "TimedOut in attempt 2"
    run = await wait_for_state(connection, run_id, "TimedOut", "Failed")
    assert (run["state"], run["reason"]) == ("TimedOut", "RunDeadlineExceeded")
    await wait_for_end(pid)


async def test_a_compensation_that_is_killed_goes_on(engines: Engines, connection: Connection) -> None:
    await engines.start()
    run_id = await engines.trigger(connection, "take_and_fail")
    attempt, pid = await engines.told_attempt()
    assert attempt == 2
    os.kill(pid, signal.SIGKILL)
    await wait_for_end(pid)
    assert (await engines.told_attempt())[0] == 3
    assert await engines.fifo.line() == "the key is back in attempt 3"
    run = await wait_for_state(connection, run_id, "Failed")
    assert (run["reason"], run["message"], run["attempt"]) == ("ExceptionRaised", "no petrol", 3)


async def test_a_hook_of_a_process_that_died_without_a_word(engines: Engines, connection: Connection) -> None:
    await engines.start()
    run_id = await engines.trigger(connection, "leave_with_a_hook", max_attempts=1)
    assert await engines.fifo.line() == "Failed in attempt 2"
    run = await wait_for_state(connection, run_id, "Failed")
    assert (run["reason"], run["attempt"]) == ("ExitCode", 2)
