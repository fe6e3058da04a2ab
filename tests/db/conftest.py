"""Fixtures of the tests that talk to the database alone."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import asyncpg
import pytest

from tests.support.databases import Database
from tests.support.protocol import ControlPlane

if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record]
    Connect = Callable[[], Awaitable[Connection]]


@pytest.fixture
async def connect(shared_database: Database) -> AsyncIterator[Connect]:
    """Makes connections of the control plane to the shared database."""
    async with AsyncExitStack() as stack:
        yield _connector(shared_database.dsn, stack)


@pytest.fixture
async def connect_runner(shared_database: Database) -> AsyncIterator[Connect]:
    """Makes connections with the rights of a pod."""
    async with AsyncExitStack() as stack:
        yield _connector(shared_database.runner_dsn, stack)


@pytest.fixture
async def control(connect: Connect) -> ControlPlane:
    """The control functions of the shared database."""
    return ControlPlane(await connect())


def _connector(dsn: str, stack: AsyncExitStack) -> Connect:
    async def connect() -> Connection:
        connection = await asyncpg.connect(dsn)
        stack.push_async_callback(connection.close)
        return connection

    return connect
