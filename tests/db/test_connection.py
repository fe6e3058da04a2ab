"""One connection of a runner: a statement that comes often is prepared, and stays right when the schema changes."""

from __future__ import annotations

from holdfast.protocol.connection import Connection
from tests.support.databases import Database

QUERY = "select * from test_things"


async def test_a_prepared_statement_follows_a_migration(database: Database) -> None:
    connection = Connection(database.dsn)
    try:
        await connection.rows("create table test_things as select 1 as one")
        for _ in range(3):
            assert [dict(row) for row in await connection.rows(QUERY)] == [{"one": 1}]
        await connection.rows("alter table test_things add column two integer default 2")
        for _ in range(3):
            assert [dict(row) for row in await connection.rows(QUERY)] == [{"one": 1, "two": 2}]
    finally:
        await connection.close()


async def test_a_statement_that_came_twice_is_prepared_on_the_next_connection_too(database: Database) -> None:
    connection = Connection(database.dsn)
    try:
        for _ in range(3):
            for _ in range(3):
                assert (await connection.row("select 1 as one"))["one"] == 1
            connection.drop()
    finally:
        await connection.close()
