"""A few connections to Postgres, each for one statement at a time.

asyncpg's own pool makes a task, a proxy and some futures of each statement, which costs the client as much again as the
statement itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import asyncpg

if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record]

Connect = Callable[[], Awaitable["Connection"]]


class Connections:
    """Connections that are opened when they are needed first, and again after a loss.

    Nothing is reset between two statements: whoever runs one leaves no state in its session.

    Args:
        connect: opens one.
        size: how many there are at most.
    """

    def __init__(self, connect: Connect, size: int) -> None:
        self._connect = connect
        self._is_closed = False
        self._open: set[Connection] = set()
        # The one that was used last comes first: the others are opened only if that is not enough.
        self._free: asyncio.LifoQueue[Connection | None] = asyncio.LifoQueue()
        for _ in range(size):
            self._free.put_nowait(None)

    async def fetch(self, query: str, *arguments: object) -> list[asyncpg.Record]:
        """Run a statement on the next free connection and return its rows.

        Raises:
            Exception: of the driver. A statement that was canceled is over before the next one of its connection.
        """
        connection = await self._free.get()
        try:
            if connection is None or connection.is_closed():
                connection = await self._opened(connection)
            return await connection.fetch(query, *arguments)
        except asyncpg.InternalClientError:  # the driver does not know any more where it is in the conversation
            if connection is not None:
                connection.terminate()
            raise
        finally:
            self._free.put_nowait(connection)

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator[Connection]:
        """One connection for as long as the context lasts."""
        connection = await self._free.get()
        try:
            if connection is None or connection.is_closed():
                connection = await self._opened(connection)
            yield connection
        finally:
            self._free.put_nowait(connection)

    def terminate(self) -> None:
        """Close all connections at once, and open no more. May come twice."""
        self._is_closed = True
        for connection in self._open:
            connection.terminate()
        self._open.clear()

    async def _opened(self, lost: Connection | None) -> Connection:
        if lost is not None:
            self._open.discard(lost)
        if not self._is_closed:
            connection = await self._connect()
            self._open.add(connection)
            if not self._is_closed:
                return connection
        self.terminate()  # what was opened meanwhile
        raise asyncpg.InterfaceError("the connections are closed")


if TYPE_CHECKING:
    Pool = asyncpg.Pool[asyncpg.Record] | Connections
    """What runs statements; the driver's own resets its sessions."""
