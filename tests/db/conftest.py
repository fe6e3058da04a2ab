"""Fixtures of the tests that talk to the database alone.

Those of the protocol run on one event loop, so that they can share a connection: a new one compiles every function
again, which takes longer than most of the tests. Those with a pooler have a database and connections of their own.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import asyncpg
import pytest
import pytest_asyncio

from tests.support.databases import Database
from tests.support.protocol import ControlPlane

if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record]
    Connect = Callable[[], Awaitable[Connection]]

_ON_ONE_LOOP = {"connect", "connect_runner", "control_connections"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if _ON_ONE_LOOP.intersection(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest_asyncio.fixture(loop_scope="session")
async def connect(shared_database: Database) -> AsyncIterator[Connect]:
    """Makes connections of the control plane to the shared database."""
    async with AsyncExitStack() as stack:
        yield _connector(shared_database.dsn, stack)


@pytest_asyncio.fixture(loop_scope="session")
async def connect_runner(shared_database: Database) -> AsyncIterator[Connect]:
    """Makes connections with the rights of a pod."""
    async with AsyncExitStack() as stack:
        yield _connector(shared_database.runner_dsn, stack)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def control_connections() -> AsyncIterator[dict[str, Connection]]:
    """The connections that tests share, by their DSN."""
    connections: dict[str, Connection] = {}
    yield connections
    for connection in connections.values():
        await connection.close()


@pytest_asyncio.fixture(loop_scope="session")
async def control(shared_database: Database, control_connections: dict[str, Connection]) -> AsyncIterator[ControlPlane]:
    """The control functions of the shared database."""
    dsn = shared_database.dsn
    if dsn not in control_connections:
        control_connections[dsn] = await asyncpg.connect(dsn)
    yield ControlPlane(control_connections[dsn])
    await control_connections[dsn].reset()


def _connector(dsn: str, stack: AsyncExitStack) -> Connect:
    async def connect() -> Connection:
        connection = await asyncpg.connect(dsn)
        stack.push_async_callback(connection.close)
        return connection

    return connect
