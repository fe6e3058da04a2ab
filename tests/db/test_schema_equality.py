"""The schema from scratch and the schema by migrations are the same, to the last column and right."""

from __future__ import annotations

from holdfast_engine.postgres.migrations import apply_schema, migrate
from tests.support.databases import Database, Server
from tests.support.schema_dump import dump_schema


async def test_from_scratch_equals_by_migrations(postgres_server: Server) -> None:
    async with (
        postgres_server.database(migrated=False) as scratch,
        postgres_server.database(migrated=False) as chain,
    ):
        await apply_schema(await scratch.connect())
        await migrate(chain.dsn)
        from_scratch, by_migrations = await dump_schema(scratch), await dump_schema(chain)
    assert "CREATE TABLE holdfast.runs" in from_scratch
    assert from_scratch == by_migrations


async def test_the_dump_shows_a_difference(database: Database) -> None:
    before = await dump_schema(database)
    connection = await database.connect()
    await connection.execute("grant select on holdfast.runs to holdfast_runner")
    assert await dump_schema(database) != before
