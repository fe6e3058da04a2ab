"""Holdfast through a real transaction pooler."""

from __future__ import annotations

import asyncio
from pathlib import Path

import asyncpg

from holdfast_engine.postgres.migrations import migrate
from tests.support.databases import Database
from tests.support.pooler import Pooler, running_pooler


async def test_transactions_of_one_client_move_between_connections(pgbouncer: Pooler) -> None:
    """What the other tests rely on: this pooler really is one that forgets."""
    first = await asyncpg.connect(pgbouncer.dsn, statement_cache_size=0)
    second = await asyncpg.connect(pgbouncer.dsn, statement_cache_size=0)
    try:
        backends = {await first.fetchval("select pg_backend_pid()")}
        async with second.transaction():
            # The second client holds the connection that the first one had.
            backends.add(await second.fetchval("select pg_backend_pid()"))
            assert len(backends) == 1
            backends.add(await first.fetchval("select pg_backend_pid()"))
        assert len(backends) == 2
    finally:
        await first.close()
        await second.close()


async def test_a_pod_may_use_the_pooler(pgbouncer: Pooler) -> None:
    connection = await asyncpg.connect(pgbouncer.runner_dsn, statement_cache_size=0)
    try:
        assert await connection.fetchval("select pg_has_role('holdfast_runner', 'usage')")
    finally:
        await connection.close()


async def test_migrates_through_the_pooler(empty_database: Database, tmp_path: Path) -> None:
    migrations = tmp_path / "migrations"
    migrations.mkdir()
    (migrations / "0001_boats.sql").write_text("create table holdfast.boats (name text);")
    (migrations / "0002_names.sql").write_text(
        "-- non-transactional\ncreate index concurrently boats_name on holdfast.boats (name);\n"
    )
    async with running_pooler(empty_database) as pooler:
        reports = await asyncio.gather(*(migrate(pooler.dsn, tmp_path) for _ in range(3)))
    assert sorted(len(report.applied) for report in reports) == [0, 0, 2]
