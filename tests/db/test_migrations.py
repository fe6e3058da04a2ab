"""The migration runner, on migrations of its own."""

from __future__ import annotations

import asyncio
from pathlib import Path

import asyncpg
import pytest

from holdfast.domain.errors import MigrationError
from holdfast_engine.postgres.migrations import MigrationReport, apply_schema, ensure_current, migrate
from holdfast_engine.postgres.release import Release
from tests.support.databases import Database

_FILES = {
    "migrations/0001_boats.sql": "create table holdfast.boats (id integer primary key, name text not null);",
    "migrations/0002_crews.sql": "create table holdfast.crews (boat integer references holdfast.boats);",
    "migrations/0003_boat_names.sql": """-- non-transactional
drop index concurrently if exists holdfast.boats_name;
create index concurrently boats_name on holdfast.boats (name);
""",
    "functions/010_fleet.sql": """create or replace function holdfast.fleet() returns bigint language sql
return (select count(*) from holdfast.boats);""",
}

_UP_TO_DATE = MigrationReport(3, (), False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in _FILES.items():
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
    return tmp_path


async def test_applies_what_is_missing_in_order(empty_database: Database, folder: Path) -> None:
    report = await migrate(empty_database.dsn, folder)
    assert report == MigrationReport(3, ("0001_boats", "0002_crews", "0003_boat_names"), True)
    assert await migrate(empty_database.dsn, folder) == _UP_TO_DATE

    (folder / "migrations/0004_ports.sql").write_text("create table holdfast.ports (name text);")
    assert await migrate(empty_database.dsn, folder) == MigrationReport(4, ("0004_ports",), False)

    (folder / "functions/020_ports.sql").write_text(
        "create or replace function holdfast.ports_count() returns bigint language sql return 0;"
    )
    assert await migrate(empty_database.dsn, folder) == MigrationReport(4, (), True)

    connection = await empty_database.connect()
    assert await connection.fetchval("select holdfast.fleet() + holdfast.ports_count()") == 0
    applied = await connection.fetch("select version, name from holdfast.migrations order by version")
    assert [tuple(row) for row in applied] == [(1, "boats"), (2, "crews"), (3, "boat_names"), (4, "ports")]


async def test_of_five_at_once_one_applies(empty_database: Database, folder: Path) -> None:
    reports = await asyncio.gather(*(migrate(empty_database.dsn, folder) for _ in range(5)))
    assert sorted(len(report.applied) for report in reports) == [0, 0, 0, 0, 3]
    assert sum(report.functions_applied for report in reports) == 1


async def test_nothing_of_a_failed_migration_stays(empty_database: Database, folder: Path) -> None:
    broken = folder / "migrations/0002_crews.sql"
    broken.write_text("create table holdfast.half (id integer); select 1 / 0;")
    with pytest.raises(MigrationError, match="apply migration 0002_crews: division by zero"):
        await migrate(empty_database.dsn, folder)
    connection = await empty_database.connect()
    assert await connection.fetchval("select to_regclass('holdfast.half')") is None
    assert await connection.fetchval("select max(version) from holdfast.migrations") == 1

    broken.write_text(_FILES["migrations/0002_crews.sql"])
    assert (await migrate(empty_database.dsn, folder)).applied == ("0002_crews", "0003_boat_names")


async def test_a_failed_non_transactional_migration_may_run_again(empty_database: Database, folder: Path) -> None:
    unique = folder / "migrations/0003_boat_names.sql"
    unique.write_text(
        "-- non-transactional\ndrop index concurrently if exists holdfast.boats_name;\n"
        "create unique index concurrently boats_name on holdfast.boats (name);\n"
    )
    (folder / "migrations/0002_crews.sql").write_text("insert into holdfast.boats values (1, 'Argo'), (2, 'Argo');")
    with pytest.raises(MigrationError, match="apply migration 0003_boat_names: could not create unique index"):
        await migrate(empty_database.dsn, folder)
    connection = await empty_database.connect()
    await connection.execute("delete from holdfast.boats where id = 2")
    assert (await migrate(empty_database.dsn, folder)).applied == ("0003_boat_names",)
    is_valid = "select indisvalid from pg_index where indexrelid = 'holdfast.boats_name'::regclass"
    assert await connection.fetchval(is_valid)


async def test_an_edited_migration_is_refused(empty_database: Database, folder: Path) -> None:
    await migrate(empty_database.dsn, folder)
    (folder / "migrations/0001_boats.sql").write_text("create table holdfast.ships (id integer);")
    with pytest.raises(MigrationError, match=r"0001_boats differs .* must not be edited"):
        await migrate(empty_database.dsn, folder)


async def test_a_database_of_a_newer_version_is_refused(empty_database: Database, folder: Path) -> None:
    await migrate(empty_database.dsn, folder)
    (folder / "migrations/0003_boat_names.sql").unlink()
    with pytest.raises(MigrationError, match=r"it is at 0003_boat_names.*up to 0002\. Upgrade Holdfast"):
        await migrate(empty_database.dsn, folder)


async def test_ensure_current_says_what_is_missing(empty_database: Database, folder: Path) -> None:
    connection = await empty_database.connect()
    with pytest.raises(MigrationError, match=r"lacks 0001_boats, 0002_crews, 0003_boat_names\. Run: holdfast mig"):
        await ensure_current(connection, folder)
    await migrate(empty_database.dsn, folder)
    await ensure_current(connection, folder)
    (folder / "functions/010_fleet.sql").write_text(_FILES["functions/010_fleet.sql"] + "\n-- changed")
    with pytest.raises(MigrationError, match="lacks the current functions"):
        await ensure_current(connection, folder)


async def test_a_role_without_rights_is_told_which(empty_database: Database, folder: Path) -> None:
    superuser = await empty_database.connect()
    role = f"stranger_of_{empty_database.name}"
    await superuser.execute(f"create role {role} login")
    try:
        dsn = empty_database.server.postgres.dsn(empty_database.name, role)
        with pytest.raises(MigrationError, match=r"permission denied .* GRANT CREATE ON DATABASE"):
            await migrate(dsn, folder)
        await migrate(empty_database.dsn, folder)
        with pytest.raises(MigrationError, match="Cannot read what was applied: permission denied"):
            await migrate(dsn, folder)
    finally:
        await superuser.execute(f"drop role {role}")


async def test_another_encoding_is_refused(empty_database: Database, folder: Path) -> None:
    connection = await empty_database.connect()
    name = f"{empty_database.name}_latin"
    await connection.execute(f"create database {name} encoding 'LATIN1' locale 'C' template template0")
    try:
        with pytest.raises(MigrationError, match=f"database {name} is LATIN1; Holdfast needs UTF8"):
            await migrate(empty_database.server.postgres.dsn(name), folder)
    finally:
        await connection.execute(f"drop database {name} with (force)")


async def test_an_old_server_is_refused(
    empty_database: Database, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = empty_database.server.version
    monkeypatch.setattr("holdfast_engine.postgres.migrations.OLDEST_POSTGRES", version + 1)
    with pytest.raises(MigrationError, match=rf"server is PostgreSQL {version}\.\d+; .* Upgrade it"):
        await migrate(empty_database.dsn, folder)


async def test_a_server_that_is_not_there(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(MigrationError, match="Cannot connect to the database"):
        await migrate(f"postgresql://postgres@/postgres?host={tmp_path}", folder)


async def test_a_busy_table_is_not_waited_for_long(empty_database: Database, folder: Path, tmp_path: Path) -> None:
    await migrate(empty_database.dsn, folder)
    (folder / "migrations/0004_decks.sql").write_text(
        "set local lock_timeout = '50ms'; alter table holdfast.boats add decks integer;"
    )
    holder = await empty_database.connect()
    async with holder.transaction():
        await holder.execute("lock table holdfast.boats in access share mode")
        with pytest.raises(MigrationError, match=r"0004_decks: someone holds a lock .* again"):
            await migrate(empty_database.dsn, folder)
    assert (await migrate(empty_database.dsn, folder)).applied == ("0004_decks",)


@pytest.mark.parametrize("name", ["2_boats.sql", "boats.sql", "0007_late.sql"])
def test_numbers_run_without_a_gap(folder: Path, name: str) -> None:
    (folder / "migrations" / name).write_text("select 1;")
    with pytest.raises(MigrationError, match=name.removesuffix(".sql")):
        Release.load(folder)


async def test_a_schema_from_scratch_counts_as_migrated(empty_database: Database, folder: Path) -> None:
    (folder / "schema").mkdir()
    (folder / "schema/010_boats.sql").write_text(_FILES["migrations/0001_boats.sql"])
    connection: asyncpg.Connection[asyncpg.Record] = await empty_database.connect()
    await apply_schema(connection, folder)
    assert await connection.fetchval("select holdfast.fleet()") == 0
    assert await migrate(empty_database.dsn, folder) == _UP_TO_DATE
