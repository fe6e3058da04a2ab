"""The statements of the test kit: those of the engine, and a few of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import asyncpg

from holdfast_engine.postgres.queries import Queries, load_queries, queries
from holdfast_engine.postgres.sql_files import SQL_FOLDER

if TYPE_CHECKING:
    Pool = asyncpg.Pool[asyncpg.Record]

OWN_SQL = Path(__file__).parent / "sql"
_CONNECTIONS = 4


class Store:
    """Runs named queries as the owner of the schema."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def rows(self, name: str, *arguments: object) -> Sequence[asyncpg.Record]:
        """Run the query of that name and return its rows."""
        return await self._pool.fetch(_text(name), *arguments)

    async def value(self, name: str, *arguments: object) -> Any:
        """Run the query of that name and return the first column of its first row."""
        return await self._pool.fetchval(_text(name), *arguments)

    async def script(self, file: str) -> None:
        """Run a whole file of our own."""
        await self._pool.execute((OWN_SQL / file).read_text())

    async def restore_clock(self) -> None:
        """Give the database back the clock that the engine gave it."""
        await self._pool.execute((SQL_FOLDER / "functions" / "010_clock.sql").read_text())


@asynccontextmanager
async def opened_store(dsn: str) -> AsyncIterator[Store]:
    """The store of the database at ``dsn`` while the context is open."""
    async with asyncpg.create_pool(dsn, min_size=1, max_size=_CONNECTIONS) as pool:
        yield Store(pool)


@cache
def own_queries() -> Queries:
    """The queries that only the test kit has."""
    return load_queries(OWN_SQL / "queries")


def _text(name: str) -> str:
    known = own_queries()
    return known[name].text if name in known else queries()[name].text
