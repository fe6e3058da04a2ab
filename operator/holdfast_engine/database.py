"""The engine's connections: a small pool that runs named queries."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import asyncpg

from holdfast.contract.dsn import check_dsn
from holdfast.domain.errors import UnavailableError
from holdfast.protocol.refusals import is_passing
from holdfast_engine.postgres.connections import Connections
from holdfast_engine.postgres.queries import queries

if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record]

POOL_SIZE = 4
CONNECT_TIMEOUT_SECONDS = 10.0
COMMAND_TIMEOUT_SECONDS = 60.0
"""A statement that takes longer counts as a lost connection."""

_SETTINGS = {
    "application_name": "holdfast engine",
    # Admission reads again after it got its lock, which an older snapshot would not show.
    "default_transaction_isolation": "read committed",
}


class EngineDatabase:
    """Runs the named queries of the engine.

    Args:
        dsn: as a role that owns the schema. A direct connection: LISTEN does not pass through a transaction pooler.
    """

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._connections: Connections | None = None

    async def open(self) -> None:
        """Connect.

        Raises:
            InputError: the DSN is none.
            UnavailableError: the database cannot be reached.
        """
        check_dsn(self._dsn)
        self._connections = Connections(self._opened, POOL_SIZE)
        try:
            await self._connections.fetch("select")
        except Exception as error:
            if is_passing(error):
                reason = str(error) or type(error).__name__
                raise UnavailableError(f"The engine cannot reach the database: {reason}") from error
            raise

    async def rows(self, query: str, *arguments: object) -> list[asyncpg.Record]:
        """Run the query of that name and return its rows."""
        assert self._connections is not None, "open() comes first"
        return await self._connections.fetch(queries()[query].text, *arguments)

    async def value(self, query: str, *arguments: object) -> Any:
        """Run the query of that name and return the first column of its first row; ``None`` if it has none."""
        rows = await self.rows(query, *arguments)
        return rows[0][0] if rows else None

    async def connect(self) -> Connection:
        """A connection beside the pool, for its owner to close."""
        return await asyncpg.connect(
            self._dsn,
            timeout=CONNECT_TIMEOUT_SECONDS,
            command_timeout=COMMAND_TIMEOUT_SECONDS,
            server_settings=_SETTINGS,
        )

    async def aclose(self) -> None:
        """Close all connections. May come twice, or before ``open``."""
        if self._connections is not None:
            self._connections.terminate()

    async def _opened(self) -> Connection:
        connection = await self.connect()
        try:
            await connection.set_type_codec("jsonb", encoder=json.dumps, decoder=json.loads, schema="pg_catalog")
        except BaseException:
            connection.terminate()
            raise
        return connection


def columns(rows: Sequence[Sequence[object]], count: int) -> list[list[object]]:
    """The ``count`` columns of ``rows`` as lists: what ``unnest`` takes."""
    return [[row[index] for row in rows] for index in range(count)]
