"""The database of a local control plane: a given one, or the embedded server of the state directory."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit

import asyncpg

from holdfast_engine.control.refusals import DRIVER_ERRORS, refusal_of, refusals
from holdfast_engine.local.shared_postgres import SharedPostgres
from holdfast_engine.local.state_directory import StateDirectory
from holdfast_engine.postgres.migrations import ensure_current, migrate
from holdfast_engine.postgres.queries import queries

if TYPE_CHECKING:
    Pool = asyncpg.Pool[asyncpg.Record]

ATTEMPT_LOGIN = "holdfast_attempt"
RUNNER_ROLE = "holdfast_runner"

_CONNECTIONS = 8


@dataclass(frozen=True, slots=True)
class LocalDatabase:
    """A database that is set up and reachable."""

    dsn: str
    #: As whom the processes of attempts connect: with the rights of the protocol and no more, where that is possible.
    attempt_dsn: str
    pool: Pool


@asynccontextmanager
async def open_database(dsn: str | None, state: StateDirectory) -> AsyncIterator[LocalDatabase]:
    """The database at ``dsn``, or else the embedded one of ``state``, for as long as the context lasts.

    The embedded one is brought up to date. A given one is set up if it is empty; if it is out of date that is an error,
    because others may be using it.

    Raises:
        UnavailableError: it cannot be reached.
        MigrationError: it cannot be set up, or is out of date.
        EmbeddedPostgresError: the embedded server cannot be started.
    """
    if dsn is not None:
        await _set_up_if_empty(dsn)
        async with _pool(dsn) as pool:
            yield LocalDatabase(dsn, await _as_runner(dsn), pool)
        return
    async with SharedPostgres(state) as server:
        await migrate(server.dsn)
        async with _pool(server.dsn) as pool:
            await pool.execute(queries()["make_attempt_login"].text)
            yield LocalDatabase(server.dsn, server.dsn_of(ATTEMPT_LOGIN), pool)


@asynccontextmanager
async def _pool(dsn: str) -> AsyncIterator[Pool]:
    with refusals():
        pool = await asyncpg.create_pool(dsn, min_size=1, max_size=_CONNECTIONS)
    try:
        yield pool
    finally:
        pool.terminate()


async def _set_up_if_empty(dsn: str) -> None:
    with refusals():
        try:
            connection = await asyncpg.connect(dsn, statement_cache_size=0)
        except ValueError as error:
            raise refusal_of(OSError(f"the DSN is not valid: {error}")) from None
    try:
        is_migrated = await connection.fetchval(queries()["is_migrated"].text)
        if is_migrated:
            await ensure_current(connection)
    finally:
        await connection.close()
    if not is_migrated:
        await migrate(dsn)


async def _as_runner(dsn: str) -> str:
    """The DSN with the role of attempts; the DSN itself where its login may not take that role."""
    separator = "&" if urlsplit(dsn).query else "?"
    restricted = f"{dsn}{separator}{urlencode({'role': RUNNER_ROLE})}"
    try:
        connection = await asyncpg.connect(restricted)
    except DRIVER_ERRORS:
        return dsn
    await connection.close()
    return restricted
