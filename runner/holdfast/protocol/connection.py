"""One connection to Postgres that comes back: lazily opened, one statement at a time, any number of owners in turn.

Works through a pooler in transaction mode: then nothing is prepared by name, and the driver sends a statement and its
arguments together. No transaction is held open between two messages: the event loop may be blocked in that moment.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

import asyncpg
from asyncpg.prepared_stmt import PreparedStatement

from holdfast.contract.environment import DATABASE_POOLER, Pooler
from holdfast.protocol.refusals import BROKEN, refusal_of
from holdfast.protocol.statement_watch import StatementWatch

_log = logging.getLogger("holdfast")

CONNECT_TIMEOUT_SECONDS = 10.0
STATEMENT_TIMEOUT_SECONDS = 60.0

_SHARED_SESSION_STATES = frozenset({"26000", "42P05", "08P01", "22021", "22P03"})
"""What a server says when our prepared statement is not there, is there already, or is one that another client of the
pooler has prepared under its name: then the arguments make no sense."""


class Database(Protocol):
    """Runs one statement of the protocol."""

    async def row(self, query: str, *arguments: object) -> asyncpg.Record:
        """Run ``query`` and return its only row."""

    async def rows(self, query: str, *arguments: object) -> Sequence[asyncpg.Record]:
        """Run ``query`` and return all its rows."""

    async def listen(self, channels: Iterable[str], heard: Callable[[], None]) -> None:
        """Have ``heard`` called at notifications on these channels for as long as the connection lasts, or never where
        notifications do not get through.
        """

    def drop(self) -> None:
        """Forget a connection that may be broken; the next statement opens a new one."""

    async def close(self) -> None:
        """Give the connections back."""


class Connection:
    """A ``Database`` over one connection.

    Args:
        dsn: where Postgres is, with a login that is a member of ``holdfast_runner``.
        transaction_pooler: True behind a pooler in transaction mode that does not know prepared statements.
        statement_timeout_seconds: a statement that takes longer counts as a lost connection.
    """

    def __init__(
        self,
        dsn: str,
        *,
        transaction_pooler: bool = False,
        statement_timeout_seconds: float = STATEMENT_TIMEOUT_SECONDS,
    ) -> None:
        self._dsn = dsn
        self._transaction_pooler = transaction_pooler
        self._connection: asyncpg.Connection | None = None
        self._statements: dict[str, PreparedStatement | None] = {}
        self._channels: set[str] = set()
        self._turn = asyncio.Lock()
        self._watch = StatementWatch(statement_timeout_seconds, self.drop)

    async def row(self, query: str, *arguments: object) -> asyncpg.Record:
        """Run ``query`` and return its only row.

        Raises:
            AttemptFenced: the fence refused the call.
            ControlError: the call was refused for another reason.
            Exception: of the driver, see ``refusals.is_passing``.
        """
        return (await self.rows(query, *arguments))[0]

    async def rows(self, query: str, *arguments: object) -> Sequence[asyncpg.Record]:
        """Run ``query`` and return all its rows; raises as ``row`` does."""
        await self._turn.acquire()  # by hand: `async with` would make two coroutines more for each recorded step
        try:
            while True:
                try:
                    return await self._fetch(query, arguments)
                except asyncpg.PostgresError as error:
                    # every call of the protocol may be sent twice
                    if self._finds_pooler(error) or self._finds_change(error):
                        continue
                    refusal = refusal_of(error)
                    if refusal is None:
                        raise
                    raise refusal from None
                except BROKEN:
                    self.drop()
                    raise
        finally:
            self._turn.release()

    async def listen(self, channels: Iterable[str], heard: Callable[[], None]) -> None:
        """See ``Database.listen``. A transaction pooler would give the notifications to whoever is next."""
        if self._transaction_pooler:
            return
        async with self._turn:
            try:
                connection = await self._connected()
                self._watch.began()
                try:
                    for channel in set(channels) - self._channels:
                        await connection.add_listener(channel, lambda *_: heard())
                        self._channels.add(channel)
                finally:
                    self._watch.ended()
            except BROKEN:
                self.drop()
                raise

    async def _connected(self) -> asyncpg.Connection:
        connection = self._connection
        return await self._connect() if connection is None or connection.is_closed() else connection

    async def _fetch(self, query: str, arguments: Sequence[object]) -> Sequence[asyncpg.Record]:
        connection = self._connection
        if connection is None or connection.is_closed():
            connection = await self._connect()
        self._watch.began()
        try:
            statement = self._statements.get(query) or await self._prepared(connection, query)
            return await (connection.fetch(query, *arguments) if statement is None else statement.fetch(*arguments))
        finally:
            self._watch.ended()

    async def _prepared(self, connection: asyncpg.Connection, query: str) -> PreparedStatement | None:
        """What comes a second time comes often: prepared, each call is a little quicker."""
        if self._transaction_pooler or query not in self._statements:
            self._statements[query] = None
            return None
        statement = self._statements[query] = await connection.prepare(query)
        return statement

    def _finds_pooler(self, error: asyncpg.PostgresError) -> bool:
        if self._transaction_pooler or error.sqlstate not in _SHARED_SESSION_STATES:
            return False
        _log.warning(
            "holdfast: there seems to be a transaction pooler before the database (%s); set %s=%s",
            error.args[0],
            DATABASE_POOLER,
            Pooler.TRANSACTION,
        )
        self._transaction_pooler = True
        self.drop()
        return True

    def _finds_change(self, error: asyncpg.PostgresError) -> bool:
        """A migration changed what a prepared statement is about: it is prepared again."""
        if not isinstance(error, asyncpg.InvalidCachedStatementError) or not any(self._statements.values()):
            return False
        self._statements.clear()
        return True

    async def _connect(self) -> asyncpg.Connection:
        self._statements.clear()
        self._channels.clear()
        self._connection = connection = await asyncpg.connect(
            self._dsn,
            timeout=CONNECT_TIMEOUT_SECONDS,
            statement_cache_size=0 if self._transaction_pooler else 100,
        )
        return connection

    def drop(self) -> None:
        """Forget the connection at once, as after a loss; the next statement opens a new one."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()

    async def close(self) -> None:
        """Say goodbye to the server; do nothing when there is no connection."""
        self._watch.close()
        connection, self._connection = self._connection, None
        if connection is not None and not connection.is_closed():
            try:
                await connection.close(timeout=1.0)
            except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
                connection.terminate()
