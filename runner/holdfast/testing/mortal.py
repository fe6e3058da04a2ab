"""A database connection that ends with its process: after a crash nothing gets through any more."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import asyncpg

from holdfast.protocol.connection import Database
from holdfast.testing.crashes import ProcessDied


class MortalDatabase:
    """A ``Database`` over another one, for as long as its attempt lives.

    Attributes:
        has_died: set it, and no statement is sent or answered any more. What was sent before may still take effect,
            as it may when a process is killed.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self.has_died = False

    async def row(self, query: str, *arguments: object) -> asyncpg.Record:
        """See ``Database.row``."""
        return (await self.rows(query, *arguments))[0]

    async def rows(self, query: str, *arguments: object) -> Sequence[asyncpg.Record]:
        """See ``Database.rows``."""
        self._check()
        answer = await self._database.rows(query, *arguments)
        self._check()
        return answer

    async def listen(self, channels: Iterable[str], heard: Callable[[], None]) -> None:
        """See ``Database.listen``."""
        self._check()
        await self._database.listen(channels, heard)

    def drop(self) -> None:
        """See ``Database.drop``."""
        self._database.drop()

    async def close(self) -> None:
        """Do nothing: the connections belong to all attempts."""

    def _check(self) -> None:
        if self.has_died:
            raise ProcessDied("the process of this attempt is gone")
