"""A few connections: as many as are needed, none that is lost, none after the end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from functools import partial

import asyncpg
import pytest

from holdfast_engine.control.refusals import DRIVER_ERRORS
from holdfast_engine.postgres.connections import Connections
from tests.support.databases import Database

PID = "select pg_backend_pid() as pid"
LONG = "select pg_sleep(600)"


@pytest.fixture
async def connections(database: Database) -> AsyncIterator[Connections]:
    connections = Connections(partial(asyncpg.connect, database.dsn), 2)
    yield connections
    connections.terminate()


async def _pid(connections: Connections) -> int:
    return int((await connections.fetch(PID))[0]["pid"])


async def test_one_after_the_other_share_a_connection(connections: Connections) -> None:
    assert await _pid(connections) == await _pid(connections)


async def test_there_are_never_more_than_its_size(connections: Connections) -> None:
    pids = await asyncio.gather(*(_pid(connections) for _ in range(20)))
    assert len(pids) == 20
    assert len(set(pids)) == 2


async def test_a_lost_connection_is_replaced(connections: Connections, database: Database) -> None:
    lost = await _pid(connections)
    administrator = await asyncpg.connect(database.dsn)
    try:
        await administrator.execute("select pg_terminate_backend($1)", lost)
    finally:
        await administrator.close()
    with suppress(*DRIVER_ERRORS):
        await connections.fetch(PID)  # the loss may be noticed only now
    assert await _pid(connections) != lost


async def test_a_canceled_statement_leaves_its_connection_to_the_next(connections: Connections) -> None:
    canceled = [asyncio.create_task(connections.fetch(LONG)) for _ in range(2)]
    waiting = asyncio.create_task(_pid(connections))
    async with asyncio.timeout(30):
        await asyncio.wait({*canceled, waiting}, timeout=0.1)
        assert not waiting.done()
        for task in canceled:
            task.cancel()
        assert await waiting > 0


async def test_one_may_be_held(connections: Connections) -> None:
    async with connections.acquire() as held:
        mine = await held.fetchval(PID)
        assert mine not in {await _pid(connections) for _ in range(3)}
    assert mine in set(await asyncio.gather(_pid(connections), _pid(connections)))


async def test_none_is_opened_after_the_end(connections: Connections) -> None:
    await _pid(connections)
    connections.terminate()
    with pytest.raises(asyncpg.InterfaceError, match="closed"):
        await connections.fetch(PID)
