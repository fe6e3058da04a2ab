"""The database of a local control plane: a given one, or the embedded server of the state directory."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit

import asyncpg

from holdfast.contract.dsn import EXAMPLE, check_dsn
from holdfast.domain.errors import DeniedError, InputError, MigrationError, UnavailableError
from holdfast_engine.control.refusals import refusals
from holdfast_engine.local.dsn import socket_of
from holdfast_engine.local.shared_postgres import SharedPostgres
from holdfast_engine.local.state_directory import StateDirectory
from holdfast_engine.postgres.migrations import ensure_current, migrate
from holdfast_engine.postgres.queries import queries

if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record]
    Pool = asyncpg.Pool[asyncpg.Record]

_log = logging.getLogger("holdfast.local")

ATTEMPT_LOGIN = "holdfast_attempt"
RUNNER_ROLE = "holdfast_runner"

_CONNECTIONS = 8


@dataclass(frozen=True, slots=True)
class LocalDatabase:
    """A database that is set up and reachable."""

    dsn: str = field(repr=False)
    #: As whom the processes of attempts connect: with the rights of the protocol and no more, where that is possible.
    attempt_dsn: str = field(repr=False)
    pool: Pool


@asynccontextmanager
async def open_database(
    dsn: str | None, state: StateDirectory, *, sets_up: bool = True
) -> AsyncIterator[LocalDatabase]:
    """The database at ``dsn``, or else the embedded one of ``state``, for as long as the context lasts.

    The embedded one is brought up to date. A given one is set up if it is empty; if it is out of date that is an error,
    because others may be using it.

    Args:
        dsn: the given one; None for the embedded one.
        state: the directory of the embedded one.
        sets_up: whether one that is not there yet is made.

    Raises:
        InputError: the DSN is none.
        UnavailableError: it cannot be reached.
        MigrationError: it cannot be set up, or is out of date, or is not there and ``sets_up`` is False.
        EmbeddedPostgresError: the embedded server cannot be started.
    """
    if dsn is not None:
        await _see_to(dsn, sets_up)
        async with _pool(dsn) as pool:
            yield LocalDatabase(dsn, await _as_runner(dsn), pool)
        return
    if not sets_up and not state.postgres.exists():
        raise MigrationError(
            f"There is no Holdfast database here: {state.path} has none. Start one with `holdfast dev`, "
            "set one up with `holdfast migrate`, or name another with --database or --state-directory."
        )
    async with SharedPostgres(state) as server:
        await migrate(server.dsn)
        async with _pool(server.dsn) as pool:
            await pool.execute(queries()["make_attempt_login"].text)
            yield LocalDatabase(server.dsn, server.dsn_of(ATTEMPT_LOGIN), pool)


@asynccontextmanager
async def _pool(dsn: str) -> AsyncIterator[Pool]:
    with refusals():
        pool = await asyncpg.create_pool(dsn, min_size=0, max_size=_CONNECTIONS)
    try:
        yield pool
    finally:
        pool.terminate()


async def _see_to(dsn: str, sets_up: bool) -> None:
    connection = await _connect(dsn)
    try:
        is_migrated = await connection.fetchval(queries()["is_migrated"].text)
        if is_migrated:
            await ensure_current(connection)
    finally:
        await connection.close()
    if is_migrated:
        return
    if not sets_up:
        raise MigrationError(
            "There is no Holdfast database here: the given one is not set up. Do that with `holdfast migrate`."
        )
    await migrate(dsn)


async def _connect(dsn: str) -> Connection:
    check_dsn(dsn)
    with refusals():
        try:
            return await asyncpg.connect(dsn, statement_cache_size=0)
        except asyncpg.exceptions.ClientConfigurationError as error:  # tells of an option, never of the whole
            raise InputError(f"The database's DSN is not valid: {error}. Write it like {EXAMPLE}.") from None
        except FileNotFoundError as error:
            raise UnavailableError(
                f"The database cannot be reached: there is no socket {socket_of(dsn) or 'at its default path'}."
            ) from error


async def _as_runner(dsn: str) -> str:
    """The DSN with the role of attempts; the DSN itself where its login may not take that role."""
    separator = "&" if urlsplit(dsn).query else "?"
    restricted = f"{dsn}{separator}{urlencode({'role': RUNNER_ROLE})}"
    try:
        with refusals():
            connection = await asyncpg.connect(restricted)
    except DeniedError:
        _log.warning("attempts use the login of the control plane: it may not take the role %s", RUNNER_ROLE)
        return dsn
    await connection.close()
    return restricted
