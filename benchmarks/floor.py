"""What the same work costs without Holdfast: prepared statements on one asyncpg connection."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from uuid import uuid4

import asyncpg

from benchmarks.payload import step_row
from benchmarks.statements import statement

if TYPE_CHECKING:
    from asyncpg.prepared_stmt import PreparedStatement


class Floor:
    """The steps of one run, in a table of the shape of `holdfast.steps`."""

    def __init__(self, insert: PreparedStatement[asyncpg.Record], select: PreparedStatement[asyncpg.Record]) -> None:
        self._insert = insert
        self._select = select
        self._run_id = uuid4()

    async def insert(self, number: int) -> None:
        """Insert the row of step ``number``, from 1."""
        await self._insert.fetch(*step_row(self._run_id, number))

    async def select(self, count: int) -> Sequence[asyncpg.Record]:
        """Read the rows of the first ``count`` steps, in their order."""
        return await self._select.fetch(self._run_id, count)


@asynccontextmanager
async def connected_floor(dsn: str) -> AsyncIterator[Floor]:
    """A floor on a connection of its own, as a login with the rights of a pod."""
    connection = await asyncpg.connect(dsn)
    try:
        insert = await connection.prepare(statement("insert_step"))
        yield Floor(insert, await connection.prepare(statement("read_steps")))
    finally:
        await connection.close()
