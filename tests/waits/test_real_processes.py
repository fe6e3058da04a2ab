"""Waits in real processes under a real engine."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import asyncpg
import pytest

from tests.support.databases import Database
from tests.support.engines import Engines
from tests.support.processes import wait_for_end
from tests.support.runs import wait_for_state

if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record]


@pytest.fixture
async def connection(database: Database) -> Connection:
    return await database.connect()


async def test_a_process_that_waits_gets_the_answer_itself(engines: Engines, connection: Connection) -> None:
    await engines.start()
    run_id = await engines.trigger(connection, "wait_for_token_here")
    token = await engines.fifo.line()
    await connection.execute("select holdfast.complete_token($1, $2)", token, '"yes"')
    run = await wait_for_state(connection, run_id, "Succeeded", "Failed")
    assert run["result"] == '["yes",1]'


async def test_an_answer_reaches_the_attempt_after_one_that_was_killed(
    engines: Engines, connection: Connection
) -> None:
    await engines.start()
    run_id = await engines.trigger(connection, "wait_for_token_here")
    token = await engines.fifo.line()
    pid = await connection.fetchval(
        "select (runner ->> 'pid')::integer from holdfast.attempts where run_id = $1", run_id
    )
    os.kill(pid, signal.SIGKILL)
    await wait_for_end(pid)
    assert await engines.fifo.line() == token
    await connection.execute("select holdfast.complete_token($1, $2)", token, '"yes"')
    run = await wait_for_state(connection, run_id, "Succeeded", "Failed")
    assert run["result"] == '["yes",2]'


async def test_parent_and_child_share_a_queue_with_one_slot(engines: Engines, connection: Connection) -> None:
    await connection.execute("insert into holdfast.queues (namespace, name, concurrency) values ('shop', 'one', 1)")
    await engines.start()
    run_id = await engines.trigger(connection, "wait_for_child", queue="one")
    run = await wait_for_state(connection, run_id, "Succeeded", "Failed")
    assert (run["result"], run["attempt"]) == ('"done"', 2)


async def test_the_process_of_a_child_ends_with_its_canceled_parent(engines: Engines, connection: Connection) -> None:
    await engines.start()
    run_id = await engines.trigger(connection, "wait_for_a_child_that_holds")
    assert await engines.fifo.line() == "first step"
    pid = int((await engines.fifo.line()).split()[1])
    await connection.execute("select holdfast.cancel_run($1)", run_id)
    await wait_for_state(connection, run_id, "Canceled")
    child_id = await connection.fetchval("select child_id from holdfast.children where parent_id = $1", run_id)
    assert (await wait_for_state(connection, child_id, "Canceled"))["reason"] == "Canceled"
    await wait_for_end(pid)
