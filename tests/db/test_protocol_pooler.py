"""Whole runs through a real transaction pooler, whether or not anybody said that there is one."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest

from holdfast import Task, gather, now, sleep, step, task
from holdfast.contract.environment import AttemptEnvironment, Pooler
from holdfast.contract.exit_codes import RunnerExit
from holdfast.domain.errors import AttemptFenced
from holdfast.protocol.connection import Connection
from holdfast.protocol.refusals import is_passing
from holdfast.runtime.attempt import Attempt
from holdfast.runtime.session import SessionSettings
from tests.support.databases import Database
from tests.support.pooler import Pooler as RunningPooler
from tests.support.protocol import ControlPlane, Pod

if TYPE_CHECKING:
    Driver = asyncpg.Connection[asyncpg.Record]

either = pytest.mark.parametrize("said", [Pooler.TRANSACTION, Pooler.NONE], ids=["said", "forgotten"])


@step
async def double(number: int) -> int:
    await asyncio.sleep(0)
    return 2 * number


@step
def halve(number: int) -> int:
    return number // 2


@step
async def large() -> str:
    return "x" * 100_000


@task
async def arithmetic(count: int) -> int:
    now()
    doubled = await gather(*(double(number) for number in range(count)))
    await large()
    await sleep(hours=1)
    await large()
    return sum(doubled)


@task
async def blocking(count: int) -> int:
    total = 0
    for number in range(count):
        now()
        total += halve(await double(number))
    return total


@pytest.fixture
async def control(database: Database) -> ControlPlane:
    return ControlPlane(await database.connect())


def _attempt(pod: Pod, dsn: str, said: Pooler, task: Task[Any, Any]) -> Attempt:
    environment = AttemptEnvironment(
        database=dsn,
        run_id=pod.run_id,
        attempt=pod.attempt,
        token=pod.token,
        entrypoint="tasks:arithmetic",
        database_pooler=said,
        database_grace_seconds=5,
    )
    return Attempt(environment, owns_process=False, settings=SessionSettings(), load=lambda _: task)


async def _an_hour_later(control: ControlPlane, pod: Pod) -> Pod:
    """The clock of a run is the database's: let an hour have passed for it, and admit its next attempt."""
    await control.requeue(pod.run_id)
    await control.connection.execute(
        "update holdfast.steps set value = to_json(holdfast.now()) where run_id = $1 and kind = 'sleep'", pod.run_id
    )
    return await control.admit(pod.run_id)


@either
async def test_runs_side_by_side_on_two_connections(
    control: ControlPlane, pgbouncer: RunningPooler, said: Pooler
) -> None:
    """Concurrent steps, a wait, a large value; the statements of all runs meet on the same two server connections."""
    counts = range(3, 9)
    pods = [await control.started(input_text=json.dumps({"count": count})) for count in counts]
    dsn = pgbouncer.runner_dsn
    exits = await asyncio.gather(*(_attempt(pod, dsn, said, arithmetic).run() for pod in pods))
    assert set(exits) == {RunnerExit.PARKED}
    following = [await _an_hour_later(control, pod) for pod in pods]
    exits = await asyncio.gather(*(_attempt(pod, dsn, said, arithmetic).run() for pod in following))
    assert set(exits) == {RunnerExit.SUCCEEDED}
    for pod, count in zip(pods, counts, strict=True):
        run = await control.run(pod.run_id)
        assert (run["state"], run["result"]) == ("Succeeded", str(2 * sum(range(count))))
        assert run["disruptions"] == 0
        steps = await control.steps(pod.run_id)
        assert len(steps) == count + 4
        assert len({step["key"] for step in steps}) == len(steps)


@either
async def test_steps_that_block_the_loop(control: ControlPlane, pgbouncer: RunningPooler, said: Pooler) -> None:
    """They are recorded from a second thread, which has a connection of its own."""
    pod = await control.started(input_text='{"count": 4}')
    assert await _attempt(pod, pgbouncer.runner_dsn, said, blocking).run() is RunnerExit.SUCCEEDED
    assert (await control.run(pod.run_id))["result"] == "6"


@either
async def test_a_fenced_attempt_is_told_so(control: ControlPlane, pgbouncer: RunningPooler, said: Pooler) -> None:
    pod = await control.started()
    await control.next_attempt(pod)
    assert await _attempt(pod, pgbouncer.runner_dsn, said, arithmetic).run() is RunnerExit.FENCED


@asynccontextmanager
async def _driven(pgbouncer: RunningPooler) -> AsyncIterator[Driver]:
    driver: Driver = await asyncpg.connect(pgbouncer.runner_dsn, statement_cache_size=0)
    try:
        yield driver
    finally:
        await driver.close()


@asynccontextmanager
async def _connected(pgbouncer: RunningPooler, *, transaction_pooler: bool = False) -> AsyncIterator[Connection]:
    connection = Connection(pgbouncer.runner_dsn, transaction_pooler=transaction_pooler)
    try:
        yield connection
    finally:
        await connection.close()


@pytest.mark.parametrize(
    ("prepared_by_another", "argument", "says"),
    [
        (None, 41, "does not exist"),
        ("(text, text) as select $1 || $2", 41, "requires 2"),
        ("(bigint) as select $1", 41, "insufficient data left in message"),
        ("(text) as select $1", 255, "invalid byte sequence"),
    ],
    ids=["not there", "other arguments", "another type", "no such text"],
)
async def test_a_pooler_that_nobody_told_of_is_noticed(
    pgbouncer: RunningPooler,
    caplog: pytest.LogCaptureFixture,
    prepared_by_another: str | None,
    argument: int,
    says: str,
) -> None:
    """Clients take turns so that what was prepared on the first connection to the server is executed on the second."""
    async with _connected(pgbouncer) as connection, _driven(pgbouncer) as first, _driven(pgbouncer) as second:
        for _ in range(2):  # the second time it is prepared
            assert (await connection.row("select $1::integer + 1", 0))[0] == 1
        name = f"__asyncpg_stmt_{asyncpg.connection._uid:x}__"
        async with first.transaction():  # on the connection that has our statement
            if prepared_by_another:
                await second.execute(f"prepare {name} {prepared_by_another}")
            with caplog.at_level(logging.WARNING, logger="holdfast"):
                assert (await connection.row("select $1::integer + 1", argument))[0] == argument + 1
        assert says in caplog.text
        assert "set HOLDFAST_DATABASE_POOLER=transaction" in caplog.text
        assert (await connection.row("select $1::integer + 1", 2))[0] == 3
        assert len(caplog.records) == 1


async def test_a_name_that_another_client_took_is_noticed(pgbouncer: RunningPooler) -> None:
    async with _connected(pgbouncer) as connection, _driven(pgbouncer) as first, _driven(pgbouncer) as second:
        await connection.row("select 1")
        async with first.transaction():
            await second.execute(f"prepare __asyncpg_stmt_{asyncpg.connection._uid + 1:x}__ (text) as select $1")
            assert (await connection.row("select $1::integer + 1", 1))[0] == 2


async def test_an_error_of_the_caller_is_no_pooler(shared_database: Database, caplog: pytest.LogCaptureFixture) -> None:
    connection = Connection(shared_database.runner_dsn)
    try:
        with pytest.raises(asyncpg.UndefinedTableError):
            await connection.row("select from nothing")
        with pytest.raises(AttemptFenced):
            await connection.row("select holdfast_v1.park(gen_random_uuid(), 1, 'x', 'timer', 1)")
        assert caplog.records == []
    finally:
        await connection.close()


async def test_no_transaction_is_open_between_messages(pgbouncer: RunningPooler) -> None:
    """The event loop may be blocked in between, and whatever was locked would stay locked."""
    async with _connected(pgbouncer, transaction_pooler=True) as connection, _driven(pgbouncer) as observer:
        await connection.row("select pg_advisory_xact_lock($1::bigint)", 1)
        assert connection._connection is not None
        answer = asyncio.ensure_future(connection.row("select pg_advisory_xact_lock($1::bigint)", 1))
        while not answer.done():
            assert not connection._connection.is_in_transaction()
            await asyncio.sleep(0)
        assert await observer.fetchval("select count(*) from pg_locks where locktype = 'advisory'") == 0


async def test_after_an_error_the_next_statement_works(pgbouncer: RunningPooler) -> None:
    async with _connected(pgbouncer, transaction_pooler=True) as connection:
        for _ in range(5):  # more than there are connections to the server
            with pytest.raises(asyncpg.DivisionByZeroError):
                await connection.row("select 1 / $1::integer", 0)
        assert (await connection.row("select $1::integer + 1", 1))[0] == 2


async def test_after_a_cancellation_the_next_statement_works(control: ControlPlane, pgbouncer: RunningPooler) -> None:
    async with _connected(pgbouncer, transaction_pooler=True) as connection:
        async with control.connection.transaction():
            await control.connection.execute("select pg_advisory_xact_lock(1)")
            waiting = asyncio.create_task(connection.row("select pg_advisory_xact_lock($1::bigint)", 1))
            while not await control.connection.fetchval("select exists (select from pg_locks where not granted)"):
                pass
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
        assert (await connection.row("select $1::integer + 1", 1))[0] == 2


@pytest.mark.parametrize(
    ("dsn", "query", "argument"),
    [
        ("postgresql://nowhere:port/x", "select 1", None),
        (None, "select $1::text", "\ud800"),
        (None, "select $1::int", "x"),
    ],
    ids=["connection string", "surrogate", "type"],
)
async def test_what_is_wrong_here_is_not_waited_for(
    shared_database: Database, dsn: str | None, query: str, argument: str | None
) -> None:
    """The driver's errors about arguments look like those about connections."""
    connection = Connection(dsn or shared_database.runner_dsn)
    try:
        with pytest.raises((ValueError, asyncpg.DataError)) as caught:
            await connection.row(query, *([] if argument is None else [argument]))
        assert not is_passing(caught.value)
    finally:
        await connection.close()
