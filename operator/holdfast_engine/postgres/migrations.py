"""Bring a database up to date: the migrations that it lacks, then the functions if they have changed.

Any number of processes may call `migrate` at once: one works, the others wait and find nothing to do. The
lock is held by a transaction on a connection of its own, so that a migration may run outside a transaction,
and everything goes through a transaction pooler. How to write a migration: docs/reference/migrations.md.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg

from holdfast.contract.dsn import check_dsn
from holdfast.domain.errors import MigrationError
from holdfast_engine.postgres.migration_files import Migration
from holdfast_engine.postgres.queries import queries
from holdfast_engine.postgres.release import AppliedMigration, Lack, Release
from holdfast_engine.postgres.sql_files import SQL_FOLDER, sql_files

if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record]

OLDEST_POSTGRES = 15

_LOCK_RETRY_SECONDS = 0.2


@dataclass(frozen=True)
class MigrationReport:
    """What `migrate` did.

    Args:
        version: number of the database's newest migration now; 0 if there is none.
        applied: titles of the migrations applied, in order; empty if none was missing.
        functions_applied: whether the functions had changed and were applied again.
    """

    version: int
    applied: tuple[str, ...]
    functions_applied: bool


async def migrate(dsn: str, folder: Path = SQL_FOLDER) -> MigrationReport:
    """Bring the database at ``dsn`` up to date with the SQL in ``folder``.

    Raises:
        InputError: the DSN is none.
        MigrationError: the database cannot be reached or used, the role lacks rights, a migration failed, or
            the database was migrated by a newer version or by an edited migration.
    """
    release = Release.load(folder)
    async with _connect(dsn) as connection:
        if (await _find_lack(connection, release)).is_nothing:
            return MigrationReport(release.version, (), False)
        async with _connect(dsn) as lock_holder, _migration_lock(lock_holder):
            # Another process may have done the work while this one waited for the lock.
            lack = await _find_lack(connection, release)
            if not await _is_migrated(connection):
                await _create_bookkeeping(connection)
            for migration in lack.migrations:
                await _apply(connection, migration)
            if lack.functions:
                await _apply_functions(connection, release)
    return MigrationReport(release.version, tuple(each.title for each in lack.migrations), lack.functions)


async def ensure_current(connection: Connection, folder: Path = SQL_FOLDER) -> None:
    """Return if the database is up to date with ``folder``; changes nothing.

    Raises:
        MigrationError: it is not, and what to do.
    """
    lack = await _find_lack(connection, Release.load(folder))
    if lack.is_nothing:
        return
    missing = ", ".join(migration.title for migration in lack.migrations) or "the current functions"
    raise MigrationError(f"The database is not up to date; it lacks {missing}. Run: holdfast migrate")


async def apply_schema(connection: Connection, folder: Path = SQL_FOLDER) -> None:
    """Make everything from scratch in an empty database: `schema/`, then `functions/`, in one transaction.

    The result is what the chain of migrations gives, and counts as migrated; a test compares the two.
    """
    release = Release.load(folder)
    async with connection.transaction():
        await _create_bookkeeping(connection)
        for file in sql_files(folder / "schema"):
            await connection.execute(file.read_text())
        for migration in release.migrations:
            await _note(connection, migration)
        await _apply_functions(connection, release)


@asynccontextmanager
async def _connect(dsn: str) -> AsyncIterator[Connection]:
    check_dsn(dsn)
    try:
        # A transaction pooler may send the next transaction to a server that lacks our prepared statements.
        connection = await asyncpg.connect(dsn, statement_cache_size=0)
    except (OSError, asyncpg.PostgresError) as error:
        raise MigrationError(f"Cannot connect to the database: {str(error) or type(error).__name__}") from error
    try:
        yield connection
    except (OSError, asyncpg.InterfaceError, asyncpg.PostgresConnectionError) as error:
        raise MigrationError(f"The connection to the database was lost ({error}). Run again.") from error
    finally:
        await connection.close()


@asynccontextmanager
async def _migration_lock(connection: Connection) -> AsyncIterator[None]:
    # Asked for again and again, not waited for: CREATE INDEX CONCURRENTLY by the holder of the lock waits for
    # all statements that are under way, and a waiting one would be under way until the lock is free.
    while True:
        async with connection.transaction():
            if await connection.fetchval(_text("try_migration_lock")):
                # Also ends the query above, whose snapshot CREATE INDEX CONCURRENTLY would wait for.
                await connection.execute(_text("allow_idle_transaction"))
                yield
                return
        await asyncio.sleep(_LOCK_RETRY_SECONDS)


async def _find_lack(connection: Connection, release: Release) -> Lack:
    async with connection.transaction(readonly=True):
        await _check_database(connection)
        if not await _is_migrated(connection):
            return release.lack_of([], None)
        with _explained("read what was applied"):
            rows = await connection.fetch(_text("list_migrations"))
            functions_digest = await connection.fetchval(_text("get_functions_digest"))
    return release.lack_of([AppliedMigration(**row) for row in rows], functions_digest)


async def _check_database(connection: Connection) -> None:
    version = connection.get_server_version()
    if version.major < OLDEST_POSTGRES:
        raise MigrationError(
            f"This server is PostgreSQL {version.major}.{version.minor}; Holdfast needs {OLDEST_POSTGRES} or "
            "newer. Upgrade it with pg_upgrade, or give the DSN of a newer server."
        )
    database = await connection.fetchrow(_text("describe_database"))
    assert database is not None
    if database["encoding"] != "UTF8":
        raise MigrationError(
            f"The encoding of database {database['name']} is {database['encoding']}; Holdfast needs UTF8. "
            "Make one with: CREATE DATABASE holdfast ENCODING 'UTF8' LOCALE 'C' TEMPLATE template0"
        )


async def _is_migrated(connection: Connection) -> bool:
    async with connection.transaction(readonly=True):
        return bool(await connection.fetchval(_text("is_migrated")))


async def _create_bookkeeping(connection: Connection) -> None:
    with _explained("make the schema holdfast"):
        await connection.execute((SQL_FOLDER / "bookkeeping.sql").read_text())


async def _apply(connection: Connection, migration: Migration) -> None:
    with _explained(f"apply migration {migration.title}"):
        if not migration.is_transactional:
            for statement in migration.statements:
                await connection.execute(statement)
        async with connection.transaction():
            if migration.is_transactional:
                await connection.execute(_text("limit_lock_wait"))
                await connection.execute(migration.text)
            await _note(connection, migration)


async def _note(connection: Connection, migration: Migration) -> None:
    await connection.execute(_text("add_migration"), migration.version, migration.name, migration.checksum)


async def _apply_functions(connection: Connection, release: Release) -> None:
    with _explained("apply the functions"):
        async with connection.transaction():
            for text in release.functions:
                await connection.execute(text)
            await connection.execute(_text("add_functions_digest"), release.functions_digest)


@contextmanager
def _explained(action: str) -> Iterator[None]:
    try:
        yield
    except asyncpg.InsufficientPrivilegeError as error:
        raise MigrationError(
            f"Cannot {action}: {error.args[0]}. Run `holdfast migrate` as the owner of the database, or let an "
            "administrator run: GRANT CREATE ON DATABASE <database> TO <role>; ALTER ROLE <role> CREATEROLE"
        ) from error
    except asyncpg.LockNotAvailableError as error:
        raise MigrationError(
            f"Cannot {action}: someone holds a lock on a table for too long ({error.args[0]}). Nothing was changed; "
            "run `holdfast migrate` again when the long transaction has ended."
        ) from error
    except asyncpg.PostgresError as error:
        raise MigrationError(f"Cannot {action}: {error} (SQLSTATE {error.sqlstate})") from error


def _text(name: str) -> str:
    return queries()[name].text
