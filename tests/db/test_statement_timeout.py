"""A statement without an answer counts as a lost connection, and the next one opens a new connection."""

from __future__ import annotations

from collections.abc import AsyncIterator

import asyncpg
import pytest

from holdfast.protocol.connection import Connection
from holdfast.protocol.refusals import is_passing
from tests.support.databases import Database


@pytest.fixture
async def connection(database: Database) -> AsyncIterator[Connection]:
    connection = Connection(database.runner_dsn, statement_timeout_seconds=3.0)
    yield connection
    await connection.close()


async def test_a_statement_without_an_answer_passes_as_a_lost_connection(connection: Connection) -> None:
    with pytest.raises(asyncpg.PostgresConnectionError) as caught:
        await connection.row("select pg_sleep(3600)")
    assert is_passing(caught.value)
    assert (await connection.row("select 1"))[0] == 1
