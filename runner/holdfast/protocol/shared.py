"""Several runs in one process share a few connections."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence

import asyncpg

from holdfast.protocol.connection import Connection


class SharedConnections:
    """A ``Database`` over ``size`` connections; a statement takes the next free one."""

    def __init__(self, dsn: str, size: int, *, transaction_pooler: bool = False) -> None:
        self._all = [Connection(dsn, transaction_pooler=transaction_pooler) for _ in range(size)]
        self._free: asyncio.LifoQueue[Connection] = asyncio.LifoQueue()
        for connection in self._all:
            self._free.put_nowait(connection)

    async def row(self, query: str, *arguments: object) -> asyncpg.Record:
        """See ``Connection.row``."""
        return (await self.rows(query, *arguments))[0]

    async def rows(self, query: str, *arguments: object) -> Sequence[asyncpg.Record]:
        """See ``Connection.rows``."""
        connection = await self._free.get()
        try:
            return await connection.rows(query, *arguments)
        finally:
            self._free.put_nowait(connection)

    async def listen(self, channels: Iterable[str], heard: Callable[[], None]) -> None:
        """Do nothing: a statement gets another connection each time, and the next owner would hear what is ours."""

    def drop(self) -> None:
        """Do nothing: one run's trouble must not cut the others; a lost connection is replaced at its next
        statement.
        """

    async def close(self) -> None:
        """Close all connections."""
        for connection in self._all:
            await connection.close()
